"""Answers in parts: one body of multipart/mixed that goes on until the last part.

https://github.com/graphql/graphql-over-http/blob/main/rfcs/IncrementalDelivery.md
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse

from gateway.limits import LimitError
from gateway.web.answer import error_body, known_errors, size
from gateway.web.disconnect import while_present
from gateway.web.request import media_type, request_id

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from gateway.limits import Limits
    from gateway.schema.incremental import FirstPart

MULTIPART = "multipart/mixed"
FORMAT = {"incrementalspec": "v0.2"}
"""What media types name the form of the parts by; clients that know no other name none."""
SECONDS = 10.0
"""How much longer than its deadline an answer in parts may take until its caller has it."""


def takes_parts(accept: str) -> bool:
    """Tell whether a caller takes an answer in parts, in the form that they have here.

    It has to name their media type: with ``*/*`` alone, nobody expects more than one answer.
    """
    return any(_is_ours(part) for part in accept.split(","))


def _is_ours(part: str) -> bool:
    kind, given = media_type(part)
    quality, _ = given.pop("q", "1"), given.pop("boundary", "")
    return kind == MULTIPART and quality.strip("0.") != "" and given in ({}, FORMAT)


class PartsResponse(StreamingResponse):
    """An answer whose parts are sent as soon as they are there, and as long as there is a caller.

    ``deadline`` is the operation's, in seconds of the event loop's clock.
    """

    def __init__(
        self,
        scope: Scope,
        body: dict[str, Any],
        first: FirstPart,
        deadline: float,
        limits: Limits,
    ) -> None:
        self._parts = _written(scope, body, first.following, limits)
        self._needs = first.needs
        self._until = deadline + SECONDS
        super().__init__(
            self._parts,
            headers={
                "Content-Type": f'{MULTIPART}; boundary="-"; incrementalSpec=v0.2',
                "Cache-Control": "no-store",
                # Without it, nginx would collect the parts until the last of them.
                "X-Accel-Buffering": "no",
                "X-Request-Id": request_id(scope),
            },
        )

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        """Send all parts; raises ClientDisconnect for a caller who goes away or is too slow."""
        try:
            async with asyncio.timeout_at(self._until):
                await while_present(receive, self.stream_response(send))
        except TimeoutError:
            raise ClientDisconnect from None
        finally:
            await self._parts.aclose()
            await self._needs.aclose()


async def _written(
    scope: Scope,
    first: dict[str, Any],
    following: AsyncGenerator[dict[str, Any], None],
    limits: Limits,
) -> AsyncGenerator[bytes, None]:
    taken, pending = 0, set[str]()

    def within(part: dict[str, Any]) -> dict[str, Any]:
        """Give a part, or the last one where it is too large."""
        nonlocal taken
        taken += size(part, {})
        try:
            limits.check("answer", taken)
        except LimitError as error:
            told = error_body(scope, str(error), error.code)
            if part is first:
                return {"data": None, **told, "hasNext": False}
            lost = [{"id": id, **told} for id in sorted(pending)]
            return {"completed": lost, "hasNext": False}
        pending.update(one["id"] for one in part.get("pending", ()))
        for one in (*part.get("incremental", ()), *part.get("completed", ())):
            if "errors" in one:
                one["errors"] = known_errors(scope, one["errors"])
        pending.difference_update(one["id"] for one in part.get("completed", ()))
        return part

    async with contextlib.aclosing(following):
        part = within(first)
        # Readers know that a part has ended by the boundary behind it.
        yield b"\r\n---" + _part(part)
        while part["hasNext"]:
            part = within(await anext(following))
            yield _part(part)
        yield b"--\r\n"


def _part(content: dict[str, Any]) -> bytes:
    head = b"\r\nContent-Type: application/json; charset=utf-8\r\n\r\n"
    return head + msgspec.json.encode(content) + b"\r\n---"
