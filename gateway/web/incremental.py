"""Responses in parts: a multipart/mixed body that ends with the last part.

https://github.com/graphql/graphql-over-http/blob/main/rfcs/IncrementalDelivery.md
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterable
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse

from gateway.limits import LimitError
from gateway.web.answer import error_body, size, with_request_id
from gateway.web.disconnect import cancel_on_disconnect
from gateway.web.media_types import MULTIPART, MediaType, quality
from gateway.web.request import request_id

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from gateway.limits import Limits
    from gateway.schema.incremental import InitialResult

FORMAT = {"incrementalspec": "v0.2"}
"""The media type parameter that names the format of the parts; clients may omit it."""
GRACE = 10.0
"""Seconds beyond the operation's deadline for the client to read the response."""


def accepts_parts(accepted: Iterable[MediaType]) -> bool:
    """Return whether a caller accepts parts in this format.

    It has to name the media type: a client that sends ``*/*`` expects a single response.
    """
    return any(_is_ours(one) for one in accepted)


def _is_ours(accepted: MediaType) -> bool:
    parameters = {name: text.lower() for name, text in accepted.parameters.items()}
    parameters.pop("q", None)
    parameters.pop("boundary", None)
    return accepted.name == MULTIPART and quality(accepted) > 0 and parameters in ({}, FORMAT)


class IncrementalResponse(StreamingResponse):
    """Sends the parts of a response as they come, until the client disconnects.

    ``deadline`` is the operation's, in seconds of the event loop's clock.
    """

    def __init__(
        self,
        scope: Scope,
        body: dict[str, Any],
        first: InitialResult,
        deadline: float,
        limits: Limits,
    ) -> None:
        self._parts = _encoded(scope, body, first.following, limits)
        self._resources = first.resources
        self._until = deadline + GRACE
        super().__init__(
            self._parts,
            headers={
                "Content-Type": f'{MULTIPART}; boundary="-"; incrementalSpec=v0.2',
                "Cache-Control": "no-store",
                # Keeps nginx from buffering the parts until the last one.
                "X-Accel-Buffering": "no",
                "X-Request-Id": request_id(scope),
            },
        )

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        """Send all parts; raise ClientDisconnect for a client that disconnects or is too slow."""
        try:
            async with asyncio.timeout_at(self._until):
                await cancel_on_disconnect(receive, self.stream_response(send))
        except TimeoutError:
            raise ClientDisconnect from None
        finally:
            await self._parts.aclose()
            await self._resources.aclose()


async def _encoded(
    scope: Scope,
    first: dict[str, Any],
    following: AsyncGenerator[dict[str, Any], None],
    limits: Limits,
) -> AsyncGenerator[bytes, None]:
    total, pending = 0, set[str]()

    def bounded(part: dict[str, Any]) -> dict[str, Any]:
        """Return a part, or a last part with an error where the response is too large."""
        nonlocal total
        total += size(part, {})
        try:
            limits.check("answer", total)
        except LimitError as error:
            failed = error_body(scope, str(error), error.code)
            if part is first:
                return {"data": None, **failed, "hasNext": False}
            missing = [{"id": id, **failed} for id in sorted(pending)]
            return {"completed": missing, "hasNext": False}
        pending.update(one["id"] for one in part.get("pending", ()))
        for one in (*part.get("incremental", ()), *part.get("completed", ())):
            if "errors" in one:
                one["errors"] = with_request_id(scope, one["errors"])
        pending.difference_update(one["id"] for one in part.get("completed", ()))
        return part

    async with contextlib.aclosing(following):
        part = bounded(first)
        # Clients recognise the end of a part by the boundary after it, so each is sent with it.
        yield b"\r\n---" + _part(part)
        while part["hasNext"]:
            part = bounded(await anext(following))
            yield _part(part)
        yield b"--\r\n"


def _part(content: dict[str, Any]) -> bytes:
    head = b"\r\nContent-Type: application/json; charset=utf-8\r\n\r\n"
    return head + msgspec.json.encode(content) + b"\r\n---"
