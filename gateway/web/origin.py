"""Whose pages may send requests.

A page of any site can have its visitor's browser send a GET or a form anywhere, without that
place being asked first: by an image, a script, a link or a fetch whose answer it can't read. A
query by GET is such a request, and must not be executed for it. To want a header that only a
request with permission can carry, as some servers do, would shut out curl and other plain clients;
browsers tell by themselves where a request comes from.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.datastructures import Headers


def is_foreign(headers: Headers, origins: Collection[str]) -> bool:
    """Tell whether a page of another origin, which is none of ``origins``, sent a request.

    ``Sec-Fetch-Site`` is written by the browser alone (https://www.w3.org/TR/fetch-metadata/). It
    is missing over plain HTTP, except on loopback; callers have to show a credential there, in a
    header that takes permission. What is left then is ``Origin``, of which the scheme tells
    nothing, since a proxy may have taken TLS off. Programs send neither.
    """
    origin = headers.get("origin")
    if origin in origins:
        return False
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in {"same-origin", "none"}
    host = headers.get("host", "").lower()
    return origin is not None and origin.lower().partition("://")[2] != host
