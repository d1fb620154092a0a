"""A vendor of several sources, and a gateway over it whose configuration is replaced."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from gateway.events import Events
from gateway.settings import load
from gateway.web.app import create_app
from gateway.web.swap import CurrentApp
from tests.support.actions import Controller

PATIENCE = 60.0
"""Seconds until a test fails."""
HERE = "http://127.0.0.1"
LIST = """
query($sources: [String!]) {
  webhookLogs(first: 1, filter: { source: { in: $sources } }) { nodes { id source { name } } }
}
"""
SOURCES = "{ sources { name } }"


class Vendor:
    """A Language Weaver controller for each source, by the beginning of the path."""

    def __init__(self) -> None:
        self.url = ""
        self.calls: list[tuple[str, str]] = []
        """The sources that were asked for, with the keys."""
        self.retries: list[tuple[str, str]] = []
        self.told = threading.Event()
        self.told.set()
        self.prompt: set[str] = set()
        """The sources that are answered before ``told`` is set."""
        self.asked = threading.Event()
        self.told_to_retry = threading.Event()
        path = "/{source}/{path:path}"
        self.app = Starlette(routes=[Route(path, self._answer, methods=["GET", "PUT"])])

    async def _answer(self, request: Request) -> Response:
        source = request.path_params["source"]
        user = base64.b64decode(request.headers["authorization"].split()[1]).decode()
        calls = self.retries if request.method == "PUT" else self.calls
        calls.append((source, user.rstrip(":")))
        (self.told_to_retry if request.method == "PUT" else self.asked).set()
        if source not in self.prompt:
            await asyncio.to_thread(self.told.wait, PATIENCE)
        entry = Controller.entry(42, 0)
        if request.method == "PUT":
            return JSONResponse(entry)
        envelope = {"page": 1, "perPage": 25, "totalPages": 1, "totalItems": 1}
        return JSONResponse({"entries": [entry], **envelope})

    def taken(self) -> list[tuple[str, str]]:
        """Return the calls since the last time."""
        calls, self.calls = self.calls, []
        return calls


def configured(
    folder: Path, vendor: Vendor, *sources: str, more: str = "", source: str = ""
) -> Path:
    """Write a configuration; each source has its key in a file of its name.

    ``more`` are tables of the whole, ``source`` lines of each source.
    """
    text = f"""
        [server]
        port = 0
        graphiql = false
        deadline = 60.0

        [cache]
        first_page = 600.0

        [journal]
        url = "sqlite:///journal.sqlite3"
        {more}
    """
    for name in sources:
        key = folder / f"{name}.key"
        if not key.exists():
            key.write_text(f"key-of-{name}")
        text += f"""
        [[sources]]
        name = "{name}"
        provider = "language-weaver"
        base_url = "{vendor.url}/{name}"
        timeout = 60.0
        auth = {{ type = "api-key", key = {{ file = "{key.name}" }} }}
        {source}
        """
    file = folder / "gateway.toml"
    file.write_text(text)
    return file


class Reloaded:
    """A gateway in this process, and a client."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.events = Events()
        self.current = CurrentApp(self.make())
        self.client = self.client_of(self.current)

    def make(self, earlier: Starlette | None = None) -> Starlette:
        """Return an application with the configuration as it is written now."""
        return create_app(load(self.file, {}), events=self.events, earlier=earlier)

    async def reload(self) -> None:
        """Put the configuration in force."""
        await self.current.replace(self.make(self.current.app))

    @property
    def gateway(self) -> Any:
        return self.current.app.state.parts.gateway

    def client_of(self, app: ASGIApp) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=HERE)

    async def answer(self, query: str, credential: str = "", **variables: Any) -> Any:
        headers = {"X-Api-Key": credential} if credential else {}
        body = {"query": query, "variables": variables}
        return (await self.client.post("/graphql", json=body, headers=headers)).json()

    async def data(self, query: str, credential: str = "", **variables: Any) -> Any:
        answer = await self.answer(query, credential, **variables)
        assert "errors" not in answer, answer
        return answer["data"]

    async def read(self, *sources: str) -> Sequence[str]:
        """Read the logs of sources, each by itself; return the names that were found."""
        found: list[str] = []
        for source in sources:
            nodes = (await self.data(LIST, sources=[source]))["webhookLogs"]["nodes"]
            found += [node["source"]["name"] for node in nodes]
        return found

    async def closed(self) -> None:
        """Wait until only the application in force is left."""
        async with asyncio.timeout(PATIENCE):
            current = self.current
            while others := [life for life in current._living if life.app is not current.app]:
                await asyncio.wait([life.ended for life in others])


@contextlib.asynccontextmanager
async def running(file: Path) -> AsyncIterator[Reloaded]:
    """Serve a configuration in this process."""
    made = Reloaded(file)
    async with made.current._lifespan.lifespan_context(None), made.client:
        yield made
