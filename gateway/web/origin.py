"""Whose pages may send requests.

A page of any site can have its visitor's browser send a GET or a form anywhere, without that
place being asked first: by an image, a script, a link or a fetch whose answer it can't read. A
query by GET is such a request, and must not be executed for it.

Browsers tell by themselves where a request comes from, but not always: over plain HTTP, except on
loopback, an image's GET looks like that of any program. So a GET of which nothing tells that has to
show something that no page can send to another origin without permission (the Fetch standard's
safelists, https://fetch.spec.whatwg.org/#cors-safelisted-request-header; Accept is on them), and
that neither a browser nor a usual proxy adds to what passes, as they do X-Request-Id and the like.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from gateway.web.request import JSON, media_type

if TYPE_CHECKING:
    from starlette.datastructures import Headers

OWN = ("x-api-key", "apollo-require-preflight", "x-apollo-operation-name")
"""Headers that only a program adds, or a page with permission."""


def is_foreign(headers: Headers, origins: Collection[str]) -> bool:
    """Tell whether a page of another origin, which is none of ``origins``, sent a request.

    ``Sec-Fetch-Site`` is written by the browser alone (https://www.w3.org/TR/fetch-metadata/).
    Where it is missing, what is left is ``Origin``, of which the scheme tells nothing, since a
    proxy may have taken TLS off. Programs send neither.
    """
    origin = headers.get("origin")
    if origin in origins:
        return False
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in {"same-origin", "none"}
    host = headers.get("host", "").lower()
    return origin is not None and origin.lower().partition("://")[2] != host


def is_simple(headers: Headers) -> bool:
    """Tell whether any page could have sent a GET, as far as its headers show.

    It is one that ``is_foreign`` found nothing against. Of the modes of fetch, which a browser
    writes where it writes ``Sec-Fetch-Site``, and the one of Node alone, ``cors`` has an ``Origin``
    wherever it crosses one. Credentials count that a browser does not add by itself, as it does
    those of ``Basic``.
    """
    if "sec-fetch-site" in headers or "origin" in headers:
        return False
    if headers.get("sec-fetch-mode") in {"cors", "same-origin"}:
        return False
    if media_type(headers.get("content-type", ""))[0] == JSON:
        return False
    if headers.get("authorization", "").lower().startswith("bearer "):
        return False
    return not any(headers.get(name) for name in OWN)
