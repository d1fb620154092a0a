"""What events say of requests and operations."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from gateway.events import (
    AnswerReused,
    Events,
    OperationEnded,
    RequestBegan,
    RequestEnded,
    Span,
)
from gateway.model import BEST_FIRST

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from gateway.callers import Caller
    from gateway.upstream.operation import Executed, Operation
    from gateway.upstream.trace import Trace

ROUTES = ("/graphql", "/healthz", "/readyz")
"""The paths that events name."""


class RequestEvents:
    """Tells of each HTTP request as it begins and ends."""

    def __init__(self, app: ASGIApp, events: Events) -> None:
        self._app = app
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), None
        route = next((route for route in ROUTES if scope["path"].endswith(route)), "")

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self._events.emit(RequestBegan())
        try:
            await self._app(scope, receive, observed)
        finally:
            seconds = time.perf_counter() - began
            span: Span | None = scope.get("state", {}).get("span")
            self._events.emit(RequestEnded(scope["method"], route, status, seconds, span))


def note_span(scope: Scope, trace: Trace | None) -> None:
    """Let the end of a request tell of the span of its operation."""
    if trace is not None and trace.span is not None:
        scope.setdefault("state", {})["span"] = trace.span


def ended(
    kind: type[OperationEnded], caller: Caller, operation: Operation, seconds: float
) -> OperationEnded:
    """Return the event of a kind for an operation that ends now."""
    executed = operation.executed
    statuses = {read.status for of_source in operation.reads.values() for read in of_source}
    return kind(
        name=executed and executed.name,
        kind=executed and executed.kind,
        document=executed and executed.document,
        caller=name_of(caller),
        role=_role_of(caller),
        seconds=seconds,
        calls=sum(operation.calls.values()),
        upstream_seconds=operation.calls.seconds,
        cache=max(statuses, key=BEST_FIRST.index).name if statuses else None,
        lookups=sum(map(len, operation.reads.values())),
        scanned=operation.scanned,
        returned=operation.returned,
        codes=operation.codes,
        lost=operation.lost,
        request_id=operation.request_id,
        trace_id=operation.trace.id if operation.trace else None,
        span=operation.trace.span if operation.trace else None,
    )


def refused(
    kind: type[OperationEnded], caller: Caller, code: str, request_id: str
) -> OperationEnded:
    """Return the event of a kind for an operation that was refused before it was read."""
    return kind(
        name=None,
        kind=None,
        document=None,
        caller=name_of(caller),
        role=_role_of(caller),
        seconds=0.0,
        codes=(code,),
        request_id=request_id,
    )


def reused(
    caller: Caller,
    executed: Executed | None,
    returned: int,
    cache: str,
    seconds: float,
    request_id: str,
    trace: Trace | None,
    by: Trace | None,
) -> AnswerReused:
    """Return the event for an operation that got the answer of an equal one."""
    return AnswerReused(
        name=executed and executed.name,
        kind=executed and executed.kind,
        document=executed and executed.document,
        caller=name_of(caller),
        role=_role_of(caller),
        seconds=seconds,
        cache=cache,
        returned=returned,
        request_id=request_id,
        trace_id=trace.id if trace else None,
        span=trace.span if trace else None,
        by=by.span if by else None,
    )


def name_of(caller: Caller) -> str:
    """Return a caller's name, which is unique with its method."""
    return f"{caller.method.value}:{caller.name}"


def _role_of(caller: Caller) -> str:
    if not caller.grants:
        return ""
    return max(grant.role for grant in caller.grants).name.lower()
