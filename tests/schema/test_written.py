"""What is written without graphql-core is what graphql-core would give, to the byte.

graphql-core alone is the reference: random operations are executed both ways, by callers of
different roles, over records some of which are spoilt and sources some of which fail.
"""

from __future__ import annotations

import contextlib
import random
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from gateway.callers import ANONYMOUS, Caller, Method, Role
from gateway.callers.caller import Grant
from gateway.cli.demo_configuration import write_configuration
from gateway.sandbox import Sandbox
from gateway.limits import LimitError
from gateway.schema import build_schema
from gateway.schema.context import Context
from gateway.service import Gateway
from gateway.settings import load
from tests.support.moment import MOMENT, stopped
from tests.support.operations import Operation, Operations
from tests.support.spoilt_records import Readings, encoded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from gateway.schema import Schema
    from gateway.settings import Settings

NOWHERE = "http://127.0.0.1:1"


def caller(*grants: tuple[Role, frozenset[str] | None]) -> Caller:
    return Caller("someone", Method.API_KEYS, tuple(Grant(role, names) for role, names in grants))


class Side:
    """A gateway with its schema, as one of the two sides that are compared."""

    def __init__(
        self, gateway: Gateway, schema: Schema, readings: Readings, *, writes: bool = True
    ) -> None:
        self.gateway = gateway
        self.schema = schema
        self.readings = readings
        self.writes = writes

    async def execute(self, asked: Operation, seen_by: Caller) -> tuple[bytes, bool]:
        """Return the response, and whether it was written."""
        gateway = self.gateway.seen_by(seen_by)
        context = Context(gateway, gateway.operation())
        try:
            if self.writes:
                written = await self.schema.write(
                    asked.text,
                    variables=asked.variables,
                    operation_name=None,
                    extensions=None,
                    context=context,
                )
                if written is not None:
                    return written, True
            result = await self.schema.execute(
                asked.text, variable_values=asked.variables, context_value=context
            )
        finally:
            await context.close()
        body: dict[str, Any] = {"data": result.data}
        if result.errors:
            body["errors"] = [error.formatted for error in result.errors]
        return encoded(body), False


@contextlib.asynccontextmanager
async def opened(
    settings: Settings, sandbox: Sandbox, *, compiled: bool, spoilt: float
) -> AsyncIterator[Side]:
    gateway = Gateway(
        settings,
        transport=httpx.ASGITransport(sandbox.app),
        clock=lambda: MOMENT * 10**9,
    )
    async with gateway:
        schema = build_schema(incremental=True, compiled=compiled)
        yield Side(gateway, schema, Readings(gateway, spoilt))


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    return Sandbox(clock=stopped, logs=300)


@pytest.fixture
def settings(sandbox: Sandbox, tmp_path: Path) -> Settings:
    return load(write_configuration(tmp_path, sandbox, NOWHERE, port=0), {})


@pytest.mark.parametrize(
    ("seed", "count"), [(1, 300), pytest.param(2, 5000, marks=pytest.mark.slow)]
)
async def test_random_operations_have_the_results_of_graphql_core(
    sandbox: Sandbox, settings: Settings, seed: int, count: int, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(seed)
    names = [source.name for source in settings.sources]
    callers = [
        ANONYMOUS,
        *(caller((role, None)) for role in Role),
        caller((Role.READER, frozenset(names[:2])), (Role.ADMIN, frozenset(names[2:3]))),
        caller((Role.VIEWER, None), (Role.OPERATOR, frozenset(names[1:2]))),
        caller((Role.ADMIN, frozenset(names[3:]))),
    ]
    lists = written = 0
    async with (
        opened(settings, sandbox, compiled=True, spoilt=0.03) as ours,
        opened(settings, sandbox, compiled=False, spoilt=0.03) as core,
    ):
        page = await core.gateway.logs(core.gateway.operation(), first=5)
        await ours.gateway.logs(ours.gateway.operation(), first=5)
        from gateway.feed import cursor

        cursors = [cursor.encode(entry.cursor()) for entry in page.slice.entries]
        operations = Operations(core.schema._schema, chance, cursors)
        done = 0
        while done < count:
            asked = operations.next()
            try:
                if ours.schema.documents.get(asked.text).errors:
                    continue
            except LimitError:
                continue
            done += 1
            failing = {chance.choice(names)} if chance.random() < 0.03 else set()
            for seen_by in chance.sample(callers, 2) if done % 4 else [ANONYMOUS]:
                for side in (ours, core):
                    side.readings.counts.clear()
                    side.readings.failing = failing
                found, is_written = await ours.execute(asked, seen_by)
                expected, _ = await core.execute(asked, seen_by)
                assert found == expected, (asked.text, asked.variables, seen_by)
                # If one of several lists is refused, the others are cancelled at some point.
                if asked.lists == 1 or b'"errors":' not in found:
                    assert ours.readings.counts == core.readings.counts, (asked, seen_by)
                lists += asked.lists
                written += asked.lists * is_written
    share = written / lists
    with capsys.disabled():
        print(f" {written} of {lists} lists were written ({share:.1%}) ", end="")
    assert share > 0.8
