"""The floor under every server in Python: uvicorn and httpx, with nothing between them.

It reads no query. Whatever the request, it sends the document of the audit list as it came, under
the name of a field. ``UPSTREAM_URL`` is the address of the list, ``ROWS`` how many rows it is asked
for, and ``CACHE_SECONDS`` for how long the response is kept.
"""

from __future__ import annotations

import os
import ssl
import time

import httpx
from starlette.types import Receive, Scope, Send

from gateway.upstream.transport import AiohttpTransport

URL = os.environ.get("UPSTREAM_URL", "") + "/api/v2/audit/webhooks"
ROWS = os.environ.get("ROWS", "")
SECONDS = float(os.environ.get("CACHE_SECONDS", "0"))
CLIENT = httpx.AsyncClient(transport=AiohttpTransport(ssl.create_default_context(), 100))
KEPT: dict[str, tuple[float, bytes]] = {}


async def document() -> bytes:
    read, kept = KEPT.get(URL, (0.0, b""))
    if kept and time.monotonic() - read < SECONDS:
        return kept
    response = await CLIENT.get(URL, params={"page": 1, "perPage": ROWS})
    answer = b'{"data":{"audit":%b}}' % response.raise_for_status().content
    KEPT[URL] = time.monotonic(), answer
    return answer


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    del scope
    while (await receive()).get("more_body"):
        pass
    body = await document()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
