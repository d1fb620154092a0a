"""The whole application over the sandbox, called as a server calls it: a body in one message."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
import pytest

import gateway.web.app
from gateway.callers import Authenticator, Role
from gateway.cli.demo_configuration import write_configuration
from gateway.feed.feed import Feed
from gateway.sandbox import Sandbox
from gateway.service import Gateway
from gateway.settings import Settings, load
from gateway.web.app import create_app
from gateway.web.door import Door
from gateway.web.view import GraphQLView
from tests.callers.issuer import RSA, Issuer
from tests.callers.issuer import Clock as IssuerClock
from tests.support.clock import SECOND, Clock
from tests.support.moment import MOMENT
from tests.web.protected import AUTH, CALLERS, GRANTS, Grant

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import ASGIApp, Message

NOWHERE = "http://127.0.0.1:1"
LIST = "{ webhookLogs(first: 3) { nodes { id event status } } }"
Lines = list[tuple[bytes, bytes]]
KEY = CALLERS[GRANTS.index(Grant(Role.ADMIN))].credential
LONG_WAY = "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
"""A header without which a request may take the short way."""
KEPT = ["view", "door", "door", "kept"]
"""The ways of equal requests when none was sent before."""


class Reply(NamedTuple):
    """A response, and the way that it took: the view, the door, or a kept answer."""

    status: int
    headers: dict[str, str]
    text: str
    way: str

    @property
    def comparable(self) -> tuple[int, dict[str, str], str]:
        """Everything that has to be the same whichever way is taken."""
        own = self.headers.get("x-request-id", "")
        others = {**self.headers, "x-request-id": str(len(own))}
        others.pop("ratelimit", None)
        return self.status, others, self.text.replace(own, "ID") if own else self.text

    @property
    def left(self) -> int:
        """Requests left of the rate limit."""
        found = re.search(r"r=(\d+)", self.headers["ratelimit"])
        assert found
        return int(found[1])

    @property
    def data(self) -> Any:
        document = json.loads(self.text)
        assert "errors" not in document, document["errors"]
        return document["data"]


class Vendors(httpx.AsyncBaseTransport):
    """The sandbox's network, which can be made to fail or to wait for ``gate``."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.calls: list[str] = []
        self.status: int | None = None
        self.gate: asyncio.Event | None = None
        self.edits: dict[bytes, bytes] = {}
        """Replacements in the bodies of responses."""
        self._network: httpx.AsyncBaseTransport = httpx.ASGITransport(sandbox.app)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.calls.append(request.url.path)
        if self.gate is not None:
            await self.gate.wait()
        if self.status is not None:
            return httpx.Response(self.status)
        response = await self._network.handle_async_request(request)
        if not self.edits:
            return response
        content = await response.aread()
        for old, new in self.edits.items():
            content = content.replace(old, new)
        headers = [
            (name, value)
            for name, value in response.headers.multi_items()
            if name not in {"content-length", "content-encoding", "transfer-encoding"}
        ]
        return httpx.Response(response.status_code, content=content, headers=headers)


class Direct:
    """An application with its gateway, whose clock stands still until a test moves it."""

    def __init__(self, app: ASGIApp, gateway: Gateway, view: GraphQLView, vendors: Vendors) -> None:
        self.app = app
        self.gateway = gateway
        self.view = view
        self.vendors = vendors
        self.ways: dict[str, list[str]] = {}
        self.lists = 0
        """How many lists were read so far."""

    @property
    def clock(self) -> Clock[int]:
        clock = self.gateway._clock
        assert isinstance(clock, Clock)
        return clock

    async def post(
        self,
        body: bytes | Mapping[str, Any] | Sequence[Any] | str = LIST,
        *more: tuple[str, str],
        key: str | None = None,
        chunks: int = 1,
        query: bytes = b"",
        address: str = "192.0.2.1",
        kind: str | None = "application/json",
        leave: Awaitable[object] | None = None,
    ) -> Reply:
        """Send a request; a text is a query. ``more`` are further headers."""
        if isinstance(body, str):
            body = {"query": body}
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        lines: Lines = [(b"host", b"127.0.0.1")]
        if kind is not None:
            lines.append((b"content-type", kind.encode()))
        names = {name for name, _ in more}
        if "transfer-encoding" not in names:
            lines.append((b"content-length", b"%d" % len(content)))
        if key is not None:
            lines.append((b"authorization", f"Bearer {key}".encode()))
        lines += [(name.encode(), value.encode()) for name, value in more]
        step = max(1, -(-len(content) // chunks))
        parts = [content[start : start + step] for start in range(0, len(content), step)] or [b""]
        messages = [
            {"type": "http.request", "body": part, "more_body": index < len(parts) - 1}
            for index, part in enumerate(parts)
        ]
        return await self.send(lines, messages, query=query, address=address, leave=leave)

    async def send(
        self,
        lines: Iterable[tuple[bytes, bytes]],
        messages: list[dict[str, Any]],
        *,
        query: bytes = b"",
        address: str = "192.0.2.1",
        leave: Awaitable[object] | None = None,
    ) -> Reply:
        coming = iter(messages)
        sent: list[Message] = []

        async def receive() -> Message:
            if message := next(coming, None):
                return message
            await (leave or asyncio.Event().wait())
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            sent.append(message)

        state: dict[str, Any] = {"ways": []}
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": "/graphql",
            "raw_path": b"/graphql",
            "query_string": query,
            "root_path": "",
            "headers": list(lines),
            "client": (address, 5000),
            "server": ("127.0.0.1", 80),
            "state": state,
        }
        await self.app(scope, receive, send)
        way = state["ways"][-1] if state["ways"] else ""
        if not sent:
            return Reply(0, {}, "", way)
        start, *bodies = sent
        headers: dict[str, str] = {}
        for name, value in start["headers"]:
            text = name.decode()
            headers[text] = ", ".join(filter(None, [headers.get(text), value.decode()]))
        return Reply(
            start["status"], headers, b"".join(each["body"] for each in bodies).decode(), way
        )


def watch_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    """Note in the scope's state which way each request takes."""
    respond, execute, send_kept = GraphQLView.respond, Door._execute, Door._send_kept

    async def by_view(self: GraphQLView, request: Any) -> Any:
        request.scope["state"]["ways"].append("view")
        return await respond(self, request)

    async def by_door(self: Door, request: Any) -> None:
        request.scope["state"]["ways"].append("door")
        await execute(self, request)

    async def by_kept(self: Door, request: Any, answers: Any) -> bool:
        found = await send_kept(self, request, answers)
        if found:
            request.scope["state"]["ways"].append("kept")
        return found

    monkeypatch.setattr(GraphQLView, "respond", by_view)
    monkeypatch.setattr(Door, "_execute", by_door)
    monkeypatch.setattr(Door, "_send_kept", by_kept)


@contextlib.asynccontextmanager
async def direct(
    folder: Path,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    *,
    protected: bool = True,
    settings: Settings | None = None,
    evictions: Any = None,
    **tables: Mapping[str, Any],
) -> AsyncIterator[Direct]:
    """Open an application; ``tables`` change its settings."""
    settings = settings or configured(folder, sandbox, protected=protected)
    for name, table in tables.items():
        changed = getattr(settings, name).model_copy(update=dict(table))
        settings = settings.model_copy(update={name: changed})
    clock: Clock[int] = Clock(MOMENT * SECOND)
    made: list[Gateway] = []

    def make(*given: Any, **named: Any) -> Gateway:
        made.append(Gateway(*given, **named, clock=clock, monotonic=clock.unix))
        return made[-1]

    monkeypatch.setattr(gateway.web.app, "Gateway", make)
    vendors = Vendors(sandbox)
    issuer = Issuer(RSA)
    authenticator = Authenticator(
        settings.auth, fetch=lambda _: issuer.fetch(), clock=IssuerClock(), monotonic=clock.unix
    )
    app = create_app(settings, transport=vendors, authenticator=authenticator, evictions=evictions)
    view = next(
        route.endpoint  # type: ignore[attr-defined]
        for route in app.routes
        if route.path == "/graphql"  # type: ignore[attr-defined]
    )
    view._rates._store._memory._clock = clock.unix
    opened = Direct(app, made[0], view, vendors)
    forward = Feed.forward

    async def counted(self: Feed, *given: Any) -> Any:
        opened.lists += 1
        return await forward(self, *given)

    monkeypatch.setattr(Feed, "forward", counted)
    async with app.router.lifespan_context(app):
        yield opened


def configured(folder: Path, sandbox: Sandbox, *, protected: bool = True) -> Settings:
    """Return the demo's settings, with the callers of ``tests.web.protected``."""
    file = write_configuration(folder, sandbox, NOWHERE, port=0)
    if protected:
        file.write_text(file.read_text(encoding="utf-8") + AUTH, encoding="utf-8")
    return load(file, {})


async def repeat(app: Direct, *given: Any, **named: Any) -> list[Reply]:
    """Send a request four times, after two that take the long way; compare the responses."""
    named.setdefault("key", KEY)
    body, *more = given or (LIST,)
    await app.post(body, *more, LONG_WAY, **named)  # fills the caches
    reference = await app.post(body, *more, LONG_WAY, **named)
    assert reference.way == "view"
    replies = [await app.post(body, *more, **named) for _ in range(4)]
    for reply in replies:
        assert reply.comparable == reference.comparable
    return replies


def ways(replies: list[Reply]) -> list[str]:
    return [reply.way for reply in replies]
