"""Protection against cross-site requests, which a foreign page makes its visitor's browser send.

Any page can cause a GET or a form submission to any address without permission: by an image, a
script, a link, or a fetch whose response it can't read. A query by GET is such a request and must
not be executed.

Browsers report where a request comes from, but not always: an image's GET over plain HTTP, except
on loopback, looks like that of any program. So a GET without such a report needs a header that no
page can send to another origin without permission
(https://fetch.spec.whatwg.org/#cors-safelisted-request-header; Accept is on that list). Headers
that browsers or common proxies add, such as X-Request-Id, do not count.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from gateway.web.media_types import parse_list

if TYPE_CHECKING:
    from starlette.datastructures import Headers

DELIBERATE = ("x-api-key", "apollo-require-preflight", "x-apollo-operation-name")
"""Headers that only a program adds, or a page with permission."""


def is_json(headers: Headers) -> bool:
    """Return whether Content-Type is JSON; if proxies joined several into a list, all must be."""
    types = parse_list(headers.getlist("content-type"))
    return bool(types) and all(one.is_json for one in types)


def is_cross_origin(headers: Headers, origins: Collection[str]) -> bool:
    """Return whether a page of another origin sent a request; ``origins`` are allowed.

    Only browsers write ``Sec-Fetch-Site`` (https://www.w3.org/TR/fetch-metadata/). Without it,
    ``Origin`` is compared with ``Host``, but not its scheme, as a proxy may end TLS. Programs send
    neither.
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
    """Return whether any page could have sent a GET that does not look cross-origin.

    Browsers send ``Sec-Fetch-Mode`` with ``Sec-Fetch-Site``; Node's fetch sends it alone. A bearer
    token proves intent, since browsers never add one on their own; Basic does not.
    """
    if "sec-fetch-site" in headers or "origin" in headers:
        return False
    if headers.get("sec-fetch-mode") in {"cors", "same-origin"}:
        return False
    if is_json(headers):
        return False
    if headers.get("authorization", "").lower().startswith("bearer "):
        return False
    return not any(headers.get(name) for name in DELIBERATE)
