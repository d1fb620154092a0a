"""Faults of a simulated vendor, and their effects on its responses."""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import itertools
import math
import struct
from socket import SO_LINGER, SOL_SOCKET
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import msgspec
from starlette.datastructures import Headers, QueryParams
from starlette.responses import HTMLResponse, Response, StreamingResponse

from gateway.sandbox.malformed import of_another_kind, with_absurd_rows, with_rows_twice

if TYPE_CHECKING:
    from asyncio import Transport
    from collections.abc import AsyncIterator, Awaitable, Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from gateway.sandbox.vendor import Vendor

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""A socket option: close the connection with RST instead of FIN."""
_CHUNK = 64 * 1024
_CHUNKS_PER_MEGABYTE = 16


class Fault(msgspec.Struct, forbid_unknown_fields=True):
    """A fault of a vendor.

    It affects requests whose path contains ``paths``; if that is empty, all requests except those
    for tokens. Of these, a ``share`` is affected, drawn at random by the sandbox's seed. After
    ``times`` affected requests the fault is over. The other fields belong to the kinds that name
    them.
    """

    kind: Literal[
        "latency",  # seconds: delay of the response
        "status",  # status, headers: of an error in the vendor's format
        "rate-limit",  # retry_after: seconds, a date or none; seconds: until a date or a reset
        "reset",
        "refuse-window",
        "no-v2",
        "html",
        "empty",
        "truncated-json",
        "cut-body",
        "huge",  # megabytes: of JSON, without a content-length
        "endless",  # rows of JSON until the reader disconnects
        "duplicate-ids",  # every row of a list twice
        "wrong-types",  # shape: another document, or every second row with absurd fields
        "expired-token",
    ]
    seconds: float = 2.0
    status: int = 503
    headers: dict[str, str] = {}
    retry_after: float | Literal["http-date"] | None = None
    megabytes: int = 200
    shape: Literal["document", "rows"] = "document"
    paths: str = ""
    share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0
    times: int | None = None

    def fits(self, vendor: Vendor) -> bool:
        """Return whether the vendor can have this fault at all."""
        if self.kind == "refuse-window":
            return bool(vendor.newer_parameters)
        return self.kind != "no-v2" or bool(vendor.version_path)

    def hits(self, scope: Scope, vendor: Vendor) -> bool:
        """Return whether the fault can affect this request."""
        path: str = scope["path"]
        if self.paths not in path or (not self.paths and path.startswith(vendor.token_paths)):
            return False
        if self.kind == "refuse-window":
            return not vendor.newer_parameters.isdisjoint(QueryParams(scope["query_string"]))
        if self.kind == "expired-token":
            headers = Headers(scope=scope)
            return any(headers.get(name) == value for name, value in vendor.fixed_credentials)
        return True


class Call(NamedTuple):
    """One request to a vendor; ``app`` responds to it without the fault."""

    scope: Scope
    receive: Receive
    send: Send
    app: ASGIApp
    vendor: Vendor
    transport: Transport | None
    now: float


async def apply_fault(fault: Fault, call: Call) -> None:
    """Respond to a request that the fault affects."""
    if fault.kind in _REPLACED:
        response = _REPLACED[fault.kind](fault, call)
        await response(call.scope, call.receive, call.send)
    else:
        await _DISTURBED[fault.kind](fault, call)


def _status(fault: Fault, call: Call) -> Response:
    response = call.vendor.error(fault.status, "")
    response.headers.update(fault.headers)
    return response


def _rate_limit(fault: Fault, call: Call) -> Response:
    response = call.vendor.error(429, "")
    if "X-RateLimit-Reset" in response.headers:
        response.headers["X-RateLimit-Reset"] = str(math.ceil(call.now + fault.seconds))
    if fault.retry_after == "http-date":
        date = email.utils.formatdate(call.now + fault.seconds, usegmt=True)
        response.headers["Retry-After"] = date
    elif fault.retry_after is not None:
        response.headers["Retry-After"] = f"{fault.retry_after:g}"
    return response


def _refuse_window(_fault: Fault, call: Call) -> Response:
    return call.vendor.error(400, "Unknown request parameter.")


def _html(_fault: Fault, _call: Call) -> Response:
    return HTMLResponse("<!DOCTYPE html><html><title>Sign in</title><h1>Sign in</h1></html>")


def _empty(_fault: Fault, _call: Call) -> Response:
    return Response(media_type="application/json")


def _huge(fault: Fault, _call: Call) -> Response:
    chunks = fault.megabytes * _CHUNKS_PER_MEGABYTE
    return StreamingResponse(_rows_without_end(chunks), media_type="application/json")


def _expired_token(_fault: Fault, call: Call) -> Response:
    return call.vendor.error(401, "")


async def _rows_without_end(chunks: int | None = None) -> AsyncIterator[bytes]:
    row = b'{"id":1,"padding":"' + b"x" * 105 + b'"},'
    chunk = row * (_CHUNK // len(row))
    yield b"["
    for _ in itertools.count() if chunks is None else range(chunks):
        yield chunk
        await asyncio.sleep(0)  # sending to a disconnected reader never waits
    yield b"{}]"


async def _latency(fault: Fault, call: Call) -> None:
    if call.scope["method"] == "GET":
        # A disconnected reader gets no response, but an action is performed nevertheless.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(_disconnected(call), fault.seconds)
            return
    else:
        await asyncio.sleep(fault.seconds)
    await call.app(call.scope, call.receive, call.send)


async def _reset(_fault: Fault, call: Call) -> None:
    if call.transport is None:
        raise ConnectionResetError
    socket = call.transport.get_extra_info("socket")
    socket.setsockopt(SOL_SOCKET, SO_LINGER, _RESET_ON_CLOSE)
    call.transport.abort()
    await _disconnected(call)


async def _no_v2(_fault: Fault, call: Call) -> None:
    path, version = call.scope["path"], call.vendor.version_path
    if path.startswith(f"{version}/"):
        await call.vendor.error(404, "")(call.scope, call.receive, call.send)
        return
    versioned = version + path.removeprefix(version.rpartition("/")[0])
    await call.app({**call.scope, "path": versioned}, call.receive, call.send)


async def _truncated_json(_fault: Fault, call: Call) -> None:
    status, headers, body = await _vendor_response(call)
    await Response(body[: len(body) // 2], status, headers)(call.scope, call.receive, call.send)


async def _cut_body(_fault: Fault, call: Call) -> None:
    status, headers, body = await _vendor_response(call)
    if call.transport is None:
        raise ConnectionResetError
    start = Response(status_code=status, headers=headers | {"content-length": str(len(body))})
    await call.send({"type": "http.response.start", "status": status, "headers": start.raw_headers})
    await call.send(
        {"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True}
    )
    call.transport.close()
    await _disconnected(call)


async def _endless(_fault: Fault, call: Call) -> None:
    if call.transport is None:  # an in-process caller waits for the whole body
        raise ConnectionResetError
    response = StreamingResponse(_rows_without_end(), media_type="application/json")
    await response(call.scope, call.receive, call.send)


async def _duplicate_ids(_fault: Fault, call: Call) -> None:
    await _with_other_document(call, with_rows_twice)


async def _wrong_types(fault: Fault, call: Call) -> None:
    await _with_other_document(call, with_absurd_rows if fault.shape == "rows" else of_another_kind)


async def _with_other_document(call: Call, change: Callable[[Any], Any]) -> None:
    status, headers, body = await _vendor_response(call)
    try:
        document = msgspec.json.decode(body)
    except msgspec.DecodeError:
        document = None
    response = Response(msgspec.json.encode(change(document)), status, headers)
    await response(call.scope, call.receive, call.send)


async def _vendor_response(call: Call) -> tuple[int, dict[str, str], bytes]:
    """Return the vendor's own response: status, headers without the length, and body.

    It always has a body, even if a 304 would do.
    """
    messages: list[Message] = []
    headers_sent = [pair for pair in call.scope["headers"] if pair[0] != b"if-none-match"]

    async def collect(message: Message) -> None:
        messages.append(message)

    await call.app({**call.scope, "headers": headers_sent}, call.receive, collect)
    headers = dict(Headers(raw=messages[0]["headers"]))
    headers.pop("content-length", None)
    return messages[0]["status"], headers, b"".join(part["body"] for part in messages[1:])


async def _disconnected(call: Call) -> None:
    """Wait until the server has noticed that the connection is closed and expects no response."""
    while (await call.receive())["type"] != "http.disconnect":
        pass


_REPLACED: dict[str, Callable[[Fault, Call], Response]] = {
    "status": _status,
    "rate-limit": _rate_limit,
    "refuse-window": _refuse_window,
    "html": _html,
    "empty": _empty,
    "huge": _huge,
    "expired-token": _expired_token,
}
"""Faults that replace the vendor's response."""

_DISTURBED: dict[str, Callable[[Fault, Call], Awaitable[None]]] = {
    "latency": _latency,
    "reset": _reset,
    "no-v2": _no_v2,
    "truncated-json": _truncated_json,
    "cut-body": _cut_body,
    "endless": _endless,
    "duplicate-ids": _duplicate_ids,
    "wrong-types": _wrong_types,
}
"""Faults that delay, break or change the vendor's response."""
