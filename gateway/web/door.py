"""The short way for common requests: an operation by POST from a caller seen before.

What the view decides by the headers alone (host, origin, media types, the caller by API key) is
remembered as a *verdict*, so that requests with the same headers need no further look at them. The
body is then executed as by the view, or answered with a kept answer (``gateway.web.answers``).

- A verdict is a function of all headers but those in ``FREE``, which are read each time or not at
  all. The whole application reaches it, with its middleware, on the first such request.
- Requests with one of the ``OTHERS`` headers have none, nor have tokens, which expire.
- Rate limits, throttling of addresses and limits on operations hold as in the view.
- Whatever is not a plain request goes to the application, and nothing was counted until then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from cachetools import LRUCache
from starlette.requests import ClientDisconnect, Request

from gateway.callers import Method
from gateway.web.caching import cache_status
from gateway.web.request import Refusal, decode_operation, request_id

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from gateway.service import Gateway
    from gateway.web.answers import KeptAnswers, Reads
    from gateway.web.view import GraphQLView

MOST_VERDICTS = 4096
"""Sets of headers that are remembered."""
FREE = frozenset({b"content-length", b"user-agent", b"x-request-id"})
OTHERS = frozenset(
    {
        b"cache-control",
        b"content-encoding",
        b"cookie",
        b"expect",
        b"origin",
        b"traceparent",
        b"tracestate",
        b"transfer-encoding",
        b"x-request-timeout",
    }
)
"""Headers that change how a request is executed, or that browsers add."""

Header = tuple[bytes, bytes]


class Verdict(msgspec.Struct, frozen=True):
    """What the headers of a request say: the gateway as its caller sees it, and the media type."""

    gateway: Gateway
    media_type: str


class Door:
    """Answers common requests itself, and passes all others on to the application."""

    def __init__(self, app: ASGIApp, view: GraphQLView, answers: KeptAnswers | None) -> None:
        self._app = app
        self._view = view
        self._answers = answers
        self._verdicts: LRUCache[tuple[Header, ...], Verdict] = LRUCache(MOST_VERDICTS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] != "/graphql":
            await self._app(scope, receive, send)
            return
        key = tuple([header for header in scope["headers"] if header[0] not in FREE])
        verdict = self._verdicts.get(key)
        if verdict is None:
            await self._app(scope, receive, send)
            self._remember(key, scope)
            return
        message = await receive()
        again = _from(message, receive)
        if not await self._answer(verdict, message, scope, again, send):
            await self._app(scope, again, send)

    def _remember(self, key: tuple[Header, ...], scope: Scope) -> None:
        passed: tuple[Gateway, str] | None = scope.get("state", {}).get("passed")
        if passed is None or not OTHERS.isdisjoint(name for name, _ in key):
            return
        gateway, media_type = passed
        if gateway.caller.method is not Method.JWT and not gateway.personal:
            self._verdicts[key] = Verdict(gateway, media_type)

    async def _answer(
        self, verdict: Verdict, message: Message, scope: Scope, receive: Receive, send: Send
    ) -> bool:
        """Answer a request, unless something about it is unusual."""
        view, gateway = self._view, verdict.gateway
        body: bytes = message.get("body", b"")
        if message["type"] != "http.request" or message.get("more_body") or not view.fits(body):
            return False
        if not view.welcomes(gateway.caller, scope):
            return False
        key = (gateway.caller.grants, body)
        kept = None
        if self._answers is not None:
            await gateway.catch_up()
            kept = self._answers.find(key)
        try:
            asked = None if kept else decode_operation(body)
        except Refusal:
            return False
        request = Request(scope, receive)
        headers: dict[str, str] = {}
        try:
            headers = await view.count(gateway.caller, request)
            if kept is not None:
                await _send(*kept, verdict, headers, scope, send)
                return True
            assert asked is not None  # noqa: S101 - decoded if there is no answer
            operation = gateway.operation(request_id=request_id(scope))
            result = await view.run(gateway, operation, request, asked)
            if isinstance(result, bytes):
                if self._answers is not None:
                    self._answers.keep(key, result, operation)
                await _send(result, operation.reads, verdict, headers, scope, send)
                return True
            response = view.response_to(request, gateway, operation, result, verdict.media_type)
        except Refusal as refusal:
            response = view.refusal(request, refusal, verdict.media_type)
        except ClientDisconnect:
            return True
        response.headers.update(headers)
        await response(scope, receive, send)
        return True


async def _send(
    body: bytes,
    reads: Reads,
    verdict: Verdict,
    headers: dict[str, str],
    scope: Scope,
    send: Send,
) -> None:
    """Send a response as ``json_response`` makes it."""
    lines: list[Header] = [
        (b"content-type", f"{verdict.media_type}; charset=utf-8".encode()),
        (b"cache-control", b"no-store"),
        (b"x-request-id", request_id(scope).encode()),
        (b"content-length", b"%d" % len(body)),
    ]
    if status := cache_status(reads, verdict.gateway.now()):
        lines.append((b"cache-status", status.encode()))
    lines += _encoded(headers.items())
    await send({"type": "http.response.start", "status": 200, "headers": lines})
    await send({"type": "http.response.body", "body": body})


def _encoded(headers: Iterable[tuple[str, str]]) -> list[Header]:
    return [(name.lower().encode(), value.encode()) for name, value in headers]


def _from(message: Message, receive: Receive) -> Receive:
    """Return a ``receive`` that begins with a message that was received before."""
    first = [message]

    async def again() -> Message:
        return first.pop() if first else await receive()

    return again
