from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from gateway.cli.demo_configuration import write_configuration
from gateway.sandbox import Sandbox
from gateway.settings import load
from gateway.web.app import create_app
from tests.support.moment import stopped

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from gateway.settings import Settings

NOWHERE = "http://127.0.0.1:1"
MEDIA_TYPE = "application/graphql-response+json"


class Demo:
    """The gateway over HTTP in process, with the control API of the sandbox behind it."""

    def __init__(
        self, client: httpx.AsyncClient, control: httpx.AsyncClient, settings: Settings
    ) -> None:
        self.settings = settings
        self.control = control
        self.client = client

    async def answer(self, query: str, **variables: Any) -> dict[str, Any]:
        """Execute a query and return the response, which must be well-formed GraphQL over HTTP."""
        response = await self.client.post(
            "/graphql",
            json={"query": query, "variables": variables},
            headers={"Accept": MEDIA_TYPE},
        )
        assert response.headers["content-type"] == f"{MEDIA_TYPE}; charset=utf-8"
        document: dict[str, Any] = response.json()
        assert response.status_code == (200 if "data" in document else 400)
        return document

    async def data(self, query: str, **variables: Any) -> dict[str, Any]:
        """Execute a query that must succeed, and return its data."""
        document = await self.answer(query, **variables)
        assert "errors" not in document, document["errors"]
        data: dict[str, Any] = document["data"]
        return data

    async def calls(self, vendor: str, part: str = "") -> list[str]:
        """Return the paths of the calls made to a vendor since the test began."""
        made = (await self.control.get("/control/calls")).json()["calls"]
        return [call["path"] for call in made if call["vendor"] == vendor and part in call["path"]]

    async def fault(self, vendor: str, **fault: Any) -> None:
        """Inject a fault into a simulated vendor."""
        (await self.control.put(f"/control/faults/{vendor}", json=fault)).raise_for_status()


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    """A sandbox slow enough for calls to overlap."""
    return Sandbox(clock=stopped, logs=2_000, latency=(0.001, 0.003))


@pytest.fixture
def demo_settings(sandbox: Sandbox, tmp_path: Path) -> Settings:
    """Settings with every simulated vendor as a source."""
    return load(write_configuration(tmp_path, sandbox, NOWHERE, port=0), {})


@pytest.fixture
async def demo(sandbox: Sandbox, tmp_path: Path) -> AsyncIterator[Demo]:
    settings = load(write_configuration(tmp_path, sandbox, NOWHERE, port=0), {})
    vendors = httpx.ASGITransport(sandbox.app)
    app = create_app(settings, transport=vendors)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=vendors, base_url=NOWHERE) as control,
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=NOWHERE) as client,
    ):
        await control.delete("/control/faults")
        await control.delete("/control/calls")
        yield Demo(client, control, settings)
