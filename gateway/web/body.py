"""The bodies of requests: how they are received, and the JSON in them."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from starlette.requests import Request

    from gateway.limits import Limits

SECONDS = 10.0
"""How long a body may take to arrive; the deadline of an operation begins after that."""


class RepeatedKeyError(ValueError):
    """An object of the JSON has a key twice: what it means depends on who reads it."""


async def received(request: Request, limits: Limits) -> bytes:
    """Give the body; LimitError for one that is too large, TimeoutError for one that is slow."""
    most = limits.most("body")
    announced = request.headers.get("content-length", "")
    if most is not None and _is_more(announced, most):
        raise limits.refusal("body")
    body = bytearray()
    async with asyncio.timeout(SECONDS):
        async for chunk in request.stream():
            body += chunk
            if most is not None and len(body) > most:
                raise limits.refusal("body")
    limits.check("body", len(body))
    return bytes(body)


def _is_more(announced: str, most: int) -> bool:
    # The server sees to it that it is a number; its digits may be many.
    return announced.isdecimal() and (len(announced) > 18 or int(announced) > most)


def decoded(content: bytes) -> Any:
    """Read JSON; RepeatedKeyError, or another ValueError or a RecursionError for what is none."""
    json.loads(content, object_pairs_hook=_without_repetition)
    return msgspec.json.decode(content)


def _without_repetition(pairs: list[tuple[str, Any]]) -> None:
    if len({key for key, _ in pairs}) < len(pairs):
        raise RepeatedKeyError


def depth(value: Any) -> int:
    """Tell how deep a value of JSON goes; one that is no list or object lies at 1."""
    deepest, todo = 1, [(value, 1)]
    while todo:
        inner, level = todo.pop()
        deepest = max(deepest, level)
        if isinstance(inner, dict):
            todo += [(item, level + 1) for item in inner.values()]
        elif isinstance(inner, list):
            todo += [(item, level + 1) for item in inner]
    return deepest
