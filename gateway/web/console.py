"""The console: a page for people, and a client of the GraphQL endpoint like any other.

The page is served at ``/``, only to browsers. It runs the documents of its folder by their ids, so
that it works where only trusted documents are executed. Its addresses are relative, so that it
works behind a proxy that adds a prefix to them.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import json
import logging
import string
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from gateway.schema.documents import digest
from gateway.web.assets import CONSOLE, STATIC, missing
from gateway.web.media_types import accepts_page, parse_list, quality

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.types import Receive, Scope, Send

_OWN = Path(__file__).parent / "console"
_MEDIA_TYPES = {
    ".css": "text/css",
    ".graphql": "text/plain",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
    " require-trusted-types-for 'script'"
)
_SAFE = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}


class _File(NamedTuple):
    """A file of the page, as it is and compressed."""

    name: str
    content: bytes
    compressed: bytes


@functools.cache
def console_documents() -> Mapping[str, str]:
    """Return the documents of the console by their ids, one operation each.

    The ids change with the documents, so that a page of another version of the gateway is told to
    load again.
    """
    texts = {path.stem: path.read_text("utf-8") for path in _OWN.glob("documents/*.graphql")}
    prefix = f"console-{digest(json.dumps(texts, sort_keys=True))[:12]}-"
    return MappingProxyType({prefix + name: text for name, text in sorted(texts.items())})


def console_routes(*, graphiql: bool, static: Path = STATIC) -> list[Route]:
    """Return the routes of the page and of the files that it loads.

    The page has links to GraphiQL if ``graphiql`` is served. The URLs of the files change with
    their content, so that browsers may cache them forever. If the build could not download the
    third-party files, the page only says how to get them.
    """
    if missing(static, CONSOLE):
        logging.getLogger(__name__).warning(
            "The console is not built in: the page at / says how to get it"
        )
        return [Route("/", _Page(_template("missing.html").template))]
    files = _files(static)
    folder = f"console/static/{_version(files)}"
    page = _template("index.html").substitute(
        folder=folder,
        preloads="\n    ".join(
            f'<link rel="modulepreload" href="{folder}/{file.name}">'
            for file in files
            if file.name.endswith((".js", ".mjs"))
        ),
        documents=next(iter(console_documents())).rpartition("-")[0],
        explorer="graphql" if graphiql else "",
    )
    return [
        Route("/", _Page(page)),
        *(Route(f"/{folder}/{file.name}", _served(file)) for file in files),
    ]


class _Page:
    """The page for browsers. Other clients are told that there is nothing at its address."""

    def __init__(self, page: str) -> None:
        headers = {"Cache-Control": "no-cache", "Content-Security-Policy": _POLICY, **_SAFE}
        self._response = HTMLResponse(page, headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        accepted = parse_list(Request(scope).headers.getlist("accept"))
        if scope["method"] not in {"GET", "HEAD"} or not accepts_page(accepted):
            raise HTTPException(404)
        await self._response(scope, receive, send)


def _served(file: _File) -> Callable[[Request], Awaitable[Response]]:
    headers = {
        "Cache-Control": "public, max-age=31536000, immutable",
        "Vary": "Accept-Encoding",
        **_SAFE,
    }
    media_type = _MEDIA_TYPES[Path(file.name).suffix]
    plain = Response(file.content, media_type=media_type, headers=headers)
    headers["Content-Encoding"] = "gzip"
    compressed = Response(file.compressed, media_type=media_type, headers=headers)

    async def endpoint(request: Request) -> Response:
        accepted = parse_list(request.headers.getlist("accept-encoding"))
        takes_gzip = any(one.name == "gzip" and quality(one) > 0 for one in accepted)
        return compressed if takes_gzip else plain

    return endpoint


@functools.cache
def _files(static: Path) -> tuple[_File, ...]:
    paths = [
        *(path for path in sorted(_OWN.iterdir()) if path.suffix in _MEDIA_TYPES),
        *sorted(_OWN.glob("documents/*.graphql")),
        *(static / asset.name for asset in CONSOLE),
    ]
    files = []
    for path in paths:
        content = path.read_bytes()
        files.append(_File(path.name, content, gzip.compress(content, mtime=0)))
    return tuple(files)


def _version(files: tuple[_File, ...]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode() + b"\0" + file.content + b"\0")
    return digest.hexdigest()[:16]


@functools.cache
def _template(name: str) -> string.Template:
    return string.Template((_OWN / name).read_text("utf-8"))
