"""Two ways to execute an operation, over equal gateways."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import httpx

from gateway.callers import ANONYMOUS, Caller, Method, Role
from gateway.callers.caller import Grant
from gateway.schema.context import Context
from gateway.service import Gateway
from tests.support.clock import SECOND
from tests.support.moment import MOMENT
from tests.support.operations import Operation
from tests.support.spoilt_records import Readings, encoded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from gateway.sandbox import Sandbox
    from gateway.schema import Schema
    from gateway.settings import Settings


def caller(*grants: tuple[Role, frozenset[str] | None]) -> Caller:
    return Caller("someone", Method.API_KEYS, tuple(Grant(role, names) for role, names in grants))


class Side:
    """A gateway that either writes what it can, or leaves all to graphql-core."""

    def __init__(
        self, gateway: Gateway, schema: Schema, *, writes: bool = True, spoilt: float = 0
    ) -> None:
        self.gateway = gateway
        self.readings = Readings(gateway, spoilt)
        self.schema = schema
        self.writes = writes

    async def execute(self, asked: Operation, seen_by: Caller = ANONYMOUS) -> tuple[bytes, bool]:
        """Return the response, and whether it was written."""
        gateway = self.gateway.seen_by(seen_by)
        context = Context(gateway, gateway.operation())
        try:
            written = await self._written(asked, context) if self.writes else None
            if written is not None:
                return written, True
            result = await self.schema.execute(
                asked.text, variable_values=asked.variables, context_value=context
            )
        finally:
            await context.close()
        body: dict[str, Any] = {"data": result.data}
        if result.errors:
            # Their order is that in which the fields ended, which depends on what is awaited.
            body["errors"] = sorted((error.formatted for error in result.errors), key=encoded)
        return encoded(body), False

    async def _written(self, asked: Operation, context: Context) -> bytes | None:
        return await self.schema.write(
            asked.text,
            variables=asked.variables,
            operation_name=None,
            extensions=None,
            context=context,
        )


@contextlib.asynccontextmanager
async def opened(
    settings: Settings,
    sandbox: Sandbox,
    schema: Schema,
    *,
    writes: bool = True,
    spoilt: float = 0,
    clock: Callable[[], int] = lambda: MOMENT * SECOND,
) -> AsyncIterator[Side]:
    """Open a gateway over the simulated vendors, at a moment that only a clock moves."""
    vendors = httpx.ASGITransport(sandbox.app)
    async with Gateway(settings, transport=vendors, clock=clock) as gateway:
        yield Side(gateway, schema, writes=writes, spoilt=spoilt)
