"""One call to a vendor's API: what is sent, however often."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import httpx
import msgspec

from gateway.errors import ErrorCode
from gateway.upstream.envelopes import error_code_of

if TYPE_CHECKING:
    from typing import Any

    from gateway.upstream.answer import Answer
    from gateway.upstream.auth import Credential
    from gateway.upstream.envelopes import VendorError
    from gateway.upstream.guard import UpstreamGuard
    from gateway.upstream.known_secrets import KnownSecrets
    from gateway.upstream.operation import Operation
    from gateway.upstream.trace import Trace

Headers = Sequence[tuple[str, str]]


class Request(NamedTuple):
    """What a kit asks for.

    ``is_action`` is true if the vendor may change something: such a request is sent only once, and
    its response need not have a document. ``content`` is a body of JSON. ``rows`` is the name of
    the list in the response whose rows may stay undecoded. ``etag`` is sent as a condition.
    ``endpoint`` is the template of the path.
    """

    method: str
    url: httpx.URL
    endpoint: str
    is_action: bool = False
    content: bytes | None = None
    headers: Headers = ()
    rows: str | None = None
    etag: str | None = None


class Call(NamedTuple):
    """A request of an operation, with the credential, and what its calls share.

    ``trace`` is what an attempt is sent with.
    """

    request: Request
    operation: Operation
    credential: Credential
    guard: UpstreamGuard
    secrets: KnownSecrets
    trace: Trace | None = None

    def http_request(
        self, defaults: Mapping[str, str], credentials: Mapping[str, str]
    ) -> httpx.Request:
        """Return the HTTP request; the headers of the credential replace those of the kit."""
        asked = self.request
        # The client's build_request takes twice as long.
        headers = httpx.Headers(defaults)
        if asked.content is not None:
            headers["Content-Type"] = "application/json"
        headers.update(dict(asked.headers))
        headers.update(dict(credentials))
        if asked.etag is not None:
            headers["If-None-Match"] = asked.etag
        if self.trace is not None:
            headers.update(self.trace.headers())
        return httpx.Request(asked.method, asked.url, headers=headers, content=asked.content)

    def is_unauthorized(self, answer: Answer, vendor_error: VendorError | None) -> bool:
        """Return whether the response refuses the credential.

        The error in the response to an action may concern its result.
        """
        if answer.status == httpx.codes.UNAUTHORIZED:
            return True
        return (
            not self.request.is_action
            and vendor_error is not None
            and error_code_of(vendor_error) is ErrorCode.UPSTREAM_UNAUTHORIZED
        )


def encoded(body: Any) -> bytes | None:
    """Return a body as JSON; None if there is none."""
    return None if body is None else msgspec.json.encode(body)
