"""The demo's gateway over the simulated vendors, in one process."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, Self

import httpx

from gateway.cli.demo_configuration import write_configuration
from gateway.sandbox import Sandbox
from gateway.schema import build_schema
from gateway.schema.context import Context
from gateway.service import Gateway
from gateway.settings import Settings, load

NOWHERE = "http://127.0.0.1:1"
"""An address where nothing listens: requests to it go through a transport."""

SCHEMA = build_schema()


def demo_settings(folder: Path, sandbox: Sandbox, url: str = NOWHERE, **environ: str) -> Settings:
    """Load the configuration that ``gateway demo`` writes, and settings from the environment."""
    return load(write_configuration(folder, sandbox, url, port=0), environ)


class Sandboxed:
    """The control API of a sandbox; an asynchronous context manager."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.vendors = httpx.ASGITransport(sandbox.app)
        self.control = httpx.AsyncClient(transport=self.vendors, base_url=f"{NOWHERE}/control")
        self._contexts = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._contexts.enter_async_context(self.control)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._contexts.aclose()

    async def inventory(self, vendor: str | None = None) -> list[dict[str, Any]]:
        """Return the logs of all vendors, or of one."""
        rows: list[dict[str, Any]] = (await self.control.get("/inventory")).json()
        return [row for row in rows if vendor in {None, row["vendor"]}]

    async def arrive(self, count: int) -> None:
        """Simulate webhook deliveries, spread over all vendors."""
        (await self.control.post("/arrive", json={"count": count})).raise_for_status()

    async def calls(self, vendor: str | None = None, part: str = "") -> list[dict[str, Any]]:
        """Return the calls to all vendors, or to one, with a path that has ``part``."""
        made = (await self.control.get("/calls")).json()["calls"]
        return [call for call in made if vendor in {None, call["vendor"]} and part in call["path"]]

    async def forget_calls(self) -> None:
        await self.control.delete("/calls")

    async def fault(self, vendor: str, **fault: Any) -> None:
        """Make a vendor fail until ``heal``."""
        (await self.control.put(f"/faults/{vendor}", json=fault)).raise_for_status()

    async def heal(self) -> None:
        (await self.control.delete("/faults")).raise_for_status()


class Demo(Sandboxed):
    """A gateway over the sandbox, queried without HTTP; the options are those of ``Gateway``."""

    def __init__(self, settings: Settings, sandbox: Sandbox, **options: Any) -> None:
        super().__init__(sandbox)
        self.settings = settings
        self.gateway = Gateway(settings, **{"transport": self.vendors, **options})

    async def __aenter__(self) -> Self:
        await self._contexts.enter_async_context(self.gateway)
        return await super().__aenter__()

    async def data(self, query: str, **variables: Any) -> dict[str, Any]:
        """Execute an operation that must succeed, and return its data."""
        result = await SCHEMA.execute(
            query,
            variable_values=variables,
            context_value=Context(self.gateway, self.gateway.operation()),
        )
        assert result.errors is None, result.errors
        assert result.data is not None
        return result.data
