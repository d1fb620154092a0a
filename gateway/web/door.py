"""The short way for common requests: an operation by POST from a caller seen before.

What the view decides by the headers alone (host, origin, media types, the caller by API key) is
remembered as a *verdict*, so that requests with the same headers need no further look at them. The
body is then executed as by the view, or answered with a kept answer (``gateway.web.answers``).

- A verdict is a function of all headers but those in ``FREE``, which are read each time or not at
  all. The whole application reaches it, with its middleware, on the first such request.
- Requests with one of the ``OTHERS`` headers have none, nor have tokens, which expire.
- Rate limits, throttling of addresses and limits on operations hold as in the view.
- Equal operations in flight are executed once, if an earlier run has shown that the result is one
  for all: it depends on nothing but the cache, the arguments and the grants, and says nothing about
  the calls that were made for it. Where that turns out otherwise, each is executed by itself.
- Whatever is not a plain request goes to the application, and nothing was counted until then.
"""

from __future__ import annotations

import functools
import re
import time
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from cachetools import LRUCache
from starlette.requests import ClientDisconnect, Request

from gateway.callers import Method
from gateway.events import COLLAPSED, KEPT, AnswerReused
from gateway.single_flight import SingleFlight
from gateway.web.body import TIMEOUT, beginning_with, too_late
from gateway.web.caching import cache_status, collapsed
from gateway.web.disconnect import cancel_on_disconnect, within
from gateway.web.header_limit import size_of
from gateway.web.observed import note_span, reused
from gateway.web.request import Refusal, decode_operation, request_id

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.types import ASGIApp, Message, Receive, Scope, Send
    from strawberry.types import ExecutionResult

    from gateway.service import Gateway
    from gateway.upstream.operation import Executed, Operation
    from gateway.upstream.trace import Trace
    from gateway.web.answers import KeptAnswers, Key
    from gateway.web.caching import Reads
    from gateway.web.request import GraphQLRequest
    from gateway.web.view import GraphQLView

MAX_VERDICTS = 4096
"""Sets of headers that are remembered."""
MAX_BYTES = 2048
"""Bytes of the headers of a request that may have a verdict, those in ``FREE`` apart."""
MAX_FREE = 1024
"""Bytes of its headers in ``FREE``, so that it is within ``gateway.web.header_limit``."""
MAX_LINES = 50
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
UTF8 = re.compile(rb'[\w.+-]+/[\w.+-]+\s*(;\s*charset\s*=\s*"?utf-?8"?\s*)?', re.IGNORECASE)
"""A media type whose charset is not another one."""

Header = tuple[bytes, bytes]


class Verdict(msgspec.Struct, frozen=True):
    """What the headers of a request say: the gateway as its caller sees it, and the media type."""

    gateway: Gateway
    media_type: str


class Outcome(NamedTuple):
    """The result of an operation. If it is ``shared``, equal operations may have it, too."""

    result: ExecutionResult | bytes
    operation: Operation
    exceeds: bool
    shared: bool = False


class Door:
    """Answers common requests itself, and passes all others on to the application."""

    def __init__(self, app: ASGIApp, view: GraphQLView, answers: KeptAnswers | None) -> None:
        self._app = app
        self._view = view
        self._answers = answers
        self._verdicts: LRUCache[tuple[Header, ...], Verdict] = LRUCache(MAX_VERDICTS)
        self._flights: SingleFlight[Outcome] = SingleFlight()
        self._events = view.events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if (
            scope["type"] != "http"
            or scope["method"] != "POST"
            or scope["path"] != "/graphql"
            or scope["query_string"]
        ):
            await self._app(scope, receive, send)
            return
        key = tuple([header for header in scope["headers"] if header[0] not in FREE])
        verdict = self._verdicts.get(key)
        if verdict is None or not _is_short(scope["headers"], key):
            await self._app(scope, receive, send)
            self._remember(key, scope)
            return
        try:
            message = await within(TIMEOUT, _next(receive))
        except TimeoutError:
            await self._app(scope, too_late, send)
            return
        again = beginning_with(message, receive)
        if not self._is_plain(message) or not self._view.welcomes(verdict.gateway.caller, scope):
            await self._app(scope, again, send)
            return
        request = _Request(verdict, message.get("body", b""), scope, again, send)
        await verdict.gateway.catch_up()
        if self._answers is None or not await self._send_kept(request, self._answers):
            await self._execute(request)

    def _remember(self, key: tuple[Header, ...], scope: Scope) -> None:
        passed: tuple[Gateway, str] | None = scope.get("state", {}).get("passed")
        if passed is None or not all(map(_is_common, key)):
            return
        gateway, media_type = passed
        if gateway.caller.method is Method.JWT or gateway.personal:
            return
        if sum(map(size_of, key)) <= MAX_BYTES:
            self._verdicts[key] = Verdict(gateway, media_type)

    def _is_plain(self, message: Message) -> bool:
        """Return whether a message is a whole body of a size that is allowed."""
        return (
            message["type"] == "http.request"
            and not message.get("more_body")
            and self._view.fits(message.get("body", b""))
        )

    async def _send_kept(self, request: _Request, answers: KeptAnswers) -> bool:
        """Send a kept answer; False if there is none."""
        gateway = request.verdict.gateway
        trace = gateway.recorded()
        wanted = trace is not None or self._events.wants(AnswerReused)
        began = time.perf_counter() if wanted else 0.0
        kept = answers.find(request.key)
        if kept is None:
            return False
        answer, reads = kept
        try:
            headers = await self._view.count(gateway.caller, request.scope)
        except Refusal as refusal:
            await request.refuse(refusal, self._view)
        else:
            await request.send_body(answer.body, reads, headers)
            if wanted:
                made = answer.executed, answer.returned
                self._tell(request, *made, began, cache=KEPT, trace=trace)
        return True

    def _tell(
        self,
        request: _Request,
        executed: Executed | None,
        returned: int,
        began: float,
        *,
        cache: str,
        trace: Trace | None,
        by: Trace | None = None,
    ) -> None:
        """Tell of an operation that got the answer of an equal one."""
        note_span(request.scope, trace)
        caller, id = request.verdict.gateway.caller, request_id(request.scope)
        seconds = time.perf_counter() - began
        event = reused(caller, executed, returned, cache, seconds, id, trace, by)
        self._events.emit(event)

    async def _execute(self, request: _Request) -> None:
        """Execute an operation as the view does."""
        view, gateway = self._view, request.verdict.gateway
        # One that may wait for an equal one in flight needs no slot.
        is_refused = view.is_full and not self._is_shareable(request)
        try:
            asked = None if is_refused else decode_operation(request.body)
        except Refusal:
            await self._app(request.scope, request.receive, request.send)
            return
        headers: dict[str, str] = {}
        try:
            headers = await view.count(gateway.caller, request.scope)
            if asked is None:
                raise view.overload(gateway.caller, request.scope)
            operation = gateway.operation(request_id=request_id(request.scope))
            operation.is_caught_up = True
            note_span(request.scope, operation.trace)
            began = time.perf_counter()
            result, made_by, exceeds, _ = await self._run(request, asked, operation)
            if isinstance(result, bytes):
                reads: Reads = made_by.reads
                if made_by is not operation:
                    reads = collapsed(reads)
                    if operation.trace is not None or self._events.wants(AnswerReused):
                        self._tell(
                            request,
                            made_by.executed,
                            made_by.returned,
                            began,
                            cache=COLLAPSED,
                            trace=operation.trace,
                            by=made_by.trace,
                        )
                await request.send_body(result, reads, headers)
                # The caller need not wait for that. An excess that is only warned of has to be
                # counted each time.
                if made_by is operation and self._answers is not None and not exceeds:
                    self._answers.keep(request.key, result, operation)
                return
            response = view.response_to(
                request.http, gateway, operation, result, request.verdict.media_type
            )
            response.headers.update(headers)
            await response(request.scope, request.receive, request.send)
        except Refusal as refusal:
            await request.refuse(refusal, view, headers)
        except ClientDisconnect:
            pass

    async def _run(self, request: _Request, asked: GraphQLRequest, operation: Operation) -> Outcome:
        """Execute an operation, or wait for an equal one that is in flight.

        That one began earlier, so that it ends before this one's deadline. If its result can't be
        shared, nothing but time was lost.
        """
        execute = functools.partial(self._outcome, request.verdict.gateway, asked, operation)
        key, leads = await self._flight(request), False
        if key is not None:

            async def lead() -> Outcome:
                nonlocal leads
                leads = True
                return await execute()

            try:
                outcome = await cancel_on_disconnect(request.receive, self._flights.run(key, lead))
            except ClientDisconnect:
                raise
            except Exception:
                if leads:
                    raise
            else:
                if leads or outcome.shared:
                    return outcome
        return await cancel_on_disconnect(request.receive, execute())

    async def _flight(self, request: _Request) -> object | None:
        """Return what equal operations have in common; None for those that can't be shared.

        None of them sees less than what was evicted when it began.
        """
        if not self._is_shareable(request):
            return None
        generation = await request.verdict.gateway.cache_generation()
        return None if generation is None else (*request.key, *generation)

    def _is_shareable(self, request: _Request) -> bool:
        return self._answers is not None and self._answers.is_shareable(request.key)

    async def _outcome(
        self, gateway: Gateway, asked: GraphQLRequest, operation: Operation
    ) -> Outcome:
        before = self._view.excesses
        result = await self._view.run_posted(gateway, operation, asked)
        exceeds = self._view.excesses != before
        if exceeds or operation.result.is_incomplete or not isinstance(result, bytes):
            return Outcome(result, operation, exceeds)
        shared = operation.result.is_shareable and operation.result.is_lasting
        return Outcome(result, operation, exceeds, shared)


class _Request:
    """A request with a verdict, whose body has been received."""

    def __init__(
        self, verdict: Verdict, body: bytes, scope: Scope, receive: Receive, send: Send
    ) -> None:
        self.verdict = verdict
        self.body = body
        self.scope = scope
        self.receive = receive
        self.send = send

    @property
    def http(self) -> Request:
        """The request as Starlette has it."""
        return Request(self.scope, self.receive)

    @property
    def key(self) -> Key:
        """What a kept answer is found by."""
        return self.verdict.gateway.caller.grants, self.body

    async def refuse(
        self, refusal: Refusal, view: GraphQLView, headers: Mapping[str, str] | None = None
    ) -> None:
        """Send a refusal."""
        response = view.refusal(self.http, refusal, self.verdict.media_type)
        response.headers.update(headers or {})
        await response(self.scope, self.receive, self.send)

    async def send_body(self, body: bytes, reads: Reads, headers: Mapping[str, str]) -> None:
        """Send a response as ``json_response`` makes it."""
        verdict = self.verdict
        lines: list[Header] = [
            (b"content-type", f"{verdict.media_type}; charset=utf-8".encode()),
            (b"cache-control", b"no-store"),
            (b"x-request-id", request_id(self.scope).encode()),
            (b"content-length", b"%d" % len(body)),
        ]
        if status := cache_status(reads, verdict.gateway.now()):
            lines.append((b"cache-status", status.encode()))
        lines += [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await self.send({"type": "http.response.start", "status": 200, "headers": lines})
        await self.send({"type": "http.response.body", "body": body})


def _is_common(header: Header) -> bool:
    """Return whether requests with a header may have a verdict."""
    name, value = header
    if name == b"content-type":
        return UTF8.fullmatch(value) is not None
    return name not in OTHERS


def _is_short(headers: Sequence[Header], key: Sequence[Header]) -> bool:
    """Return whether the headers that are not in the key are within their limit."""
    if len(headers) == len(key):
        return True
    free = sum([size_of(header) for header in headers if header[0] in FREE])
    return free <= MAX_FREE and len(headers) <= MAX_LINES


async def _next(receive: Receive) -> Message:
    return await receive()
