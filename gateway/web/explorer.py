"""GraphiQL, served under a strict Content-Security-Policy.

If the build could not download GraphiQL's files, the page loads the same files, pinned by their
hashes, from a public CDN. All other addresses are relative to the page, so that it works behind a
proxy that adds a prefix to them.
"""

from __future__ import annotations

import functools
import hashlib
import html
import json
import logging
import secrets
import string
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.responses import FileResponse, HTMLResponse
from starlette.routing import Route

from gateway.web.assets import EXPLORER, SCRIPTS, STATIC, STYLES, Asset, missing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.responses import Response

CDN = "https://unpkg.com"
"""A server of npm packages' files, at PACKAGE@VERSION/FILE."""

_OWN = Path(__file__).parent / "explorer"
_OWN_FILES = (_OWN / "explorer.css", _OWN / "explorer.js")
_MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".txt": "text/plain"}


@functools.cache
def example_operations() -> tuple[str, ...]:
    """Return the documents of GraphiQL's first tabs in order, one operation each."""
    return tuple(path.read_text("utf-8") for path in sorted(_OWN.glob("examples/*.graphql")))


def explorer_routes(graphql_path: str = "/graphql", *, static: Path = STATIC) -> list[Route]:
    """Return the routes of the files that the page at ``graphql_path`` loads.

    Their URLs change with their content, so that browsers may cache them forever.
    """
    paths = list(_OWN_FILES)
    if _is_built_in(static):
        paths += [static / asset.name for asset in EXPLORER]
    else:
        logging.getLogger(__name__).warning(
            "GraphiQL is not built in: the page at %s loads it from %s", graphql_path, CDN
        )
    return [Route(f"{graphql_path}/{_folder()}/{path.name}", _file(path)) for path in paths]


def explorer_page(
    graphql_path: str = "/graphql", *, console: bool = False, static: Path = STATIC
) -> Response:
    """Return GraphiQL for the endpoint at ``graphql_path``; each page has its own nonce.

    It has a link to the console if ``console`` is served beside it.
    """
    endpoint = graphql_path.rpartition("/")[2]
    prefix = f"{endpoint}/{_folder()}"
    nonce = secrets.token_urlsafe(16)
    built_in = _is_built_in(static)

    def address(asset: Asset) -> str:
        return f"{prefix}/{asset.name}" if built_in else f"{CDN}/{asset.package}/{asset.member}"

    def sources(assets: tuple[Asset, ...]) -> str:
        return "'self'" if built_in else " ".join(("'self'", *map(address, assets)))

    def pin(asset: Asset) -> str:
        return f'integrity="{asset.integrity}" crossorigin="anonymous"'

    page = _template().substitute(
        prefix=prefix,
        nonce=nonce,
        styles="\n    ".join(
            f'<link rel="stylesheet" href="{address(asset)}" {pin(asset)}>' for asset in STYLES
        ),
        scripts="\n    ".join(
            f'<script defer src="{address(asset)}" {pin(asset)}></script>' for asset in SCRIPTS
        ),
        console='<a href="./">Console</a>' if console else "",
        url=html.escape(endpoint),
        examples=html.escape(json.dumps(example_operations())),
    )
    policy = (
        "default-src 'none'",
        f"script-src {sources(SCRIPTS)}",
        f"style-src {sources(STYLES)} 'nonce-{nonce}'",
        "connect-src 'self'",
        "font-src data:",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
    headers = {
        "Cache-Control": "no-store",
        "Content-Security-Policy": "; ".join(policy),
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
    return HTMLResponse(page, headers=headers)


def _file(path: Path) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(_request: Request) -> Response:
        return FileResponse(
            path,
            media_type=_MEDIA_TYPES[path.suffix],
            headers={
                "Cache-Control": "public, max-age=31536000, immutable",
                "X-Content-Type-Options": "nosniff",
            },
        )

    return endpoint


def _folder() -> str:
    return f"static/{_version()}"


@functools.cache
def _version() -> str:
    contents = [path.read_bytes() for path in _OWN_FILES]
    contents += [asset.integrity.encode() for asset in EXPLORER]
    return hashlib.sha256(b"".join(contents)).hexdigest()[:16]


@functools.cache
def _template() -> string.Template:
    return string.Template((_OWN / "index.html").read_text("utf-8"))


@functools.cache
def _is_built_in(static: Path) -> bool:
    return not missing(static, EXPLORER)
