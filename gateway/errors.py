"""Every error that the gateway itself raises, and the closed set of codes that callers see.

::

    GatewayError
    ├── ConfigurationError    the configuration can't be used; all its problems at once
    ├── RequestError          the caller's request is invalid
    ├── UpstreamError         a vendor failed, or its response can't be used
    ├── AllSourcesFailedError every chosen source failed
    ├── JournalError          the journal of actions can't be opened, read or written
    └── (in gateway.callers)  a caller is not authenticated or authorised

A message is a sentence for the caller that names the fault and the way out. It has no text of
Python, no path of this machine and no secret.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class ErrorCode(enum.Enum):
    """The codes of ``errors[].extensions.code`` and of ``sourceReports``; the value explains."""

    GRAPHQL_PARSE_FAILED = "The document is not GraphQL."
    GRAPHQL_VALIDATION_FAILED = "The document does not fit the schema."
    BAD_REQUEST = "The HTTP request is not a GraphQL request."
    PERSISTED_QUERY_NOT_FOUND = "The document of this hash is not known; send it with its hash."
    PERSISTED_QUERY_NOT_SUPPORTED = "Hashes are not taken here; send the document alone."
    DOCUMENT_NOT_TRUSTED = "Only trusted documents are executed here, and this is none of them."
    LIMIT_EXCEEDED = "The request is larger, or may cost more, than the gateway takes."
    RATE_LIMITED = "The caller sent too many requests within a minute."
    OVERLOADED = "The gateway has as many operations at once as it takes."
    INVALID_ID = "The id was not made by this gateway, or is damaged."
    INVALID_REPRESENTATION = "The representation of an entity has no type or no key of this graph."
    INVALID_CURSOR = "The cursor was not made by this gateway, or is damaged."
    CURSOR_FILTER_MISMATCH = "The cursor belongs to a list with another filter."
    CURSOR_TOO_OLD = "Too many logs are newer than the cursor to count back to it."
    INVALID_PAGE_SIZE = "first or last is out of its bounds, or the two are mixed."
    INVALID_FILTER = "The filter contradicts itself or holds a value that can't be compared."
    UNKNOWN_SOURCE = "The configuration has no source of that name."
    UNAUTHENTICATED = "No API key or token came, or none that is accepted."
    TOO_MANY_ATTEMPTS = "Too many API keys or tokens from this address were not accepted."
    KEYS_UNAVAILABLE = "The issuer's keys are out of reach, so no token can be checked."
    FORBIDDEN = "The caller lacks the role that this takes."
    JOURNAL_UNAVAILABLE = "The journal can't be read or written, so no action is begun."
    NOT_FOUND = "The vendor has no such webhook log, or the configuration does not grant it."
    UPSTREAM_UNAUTHORIZED = "The vendor does not accept the credential (401)."
    UPSTREAM_FORBIDDEN = "The credential may not read this (403)."
    UPSTREAM_NOT_FOUND = "The vendor does not know the place that was asked for (404)."
    UPSTREAM_RATE_LIMITED = "The vendor asks to slow down (429), or is asked as often as it may be."
    UPSTREAM_REJECTED = "The vendor refused the request (any other 3xx or 4xx)."
    UPSTREAM_ERROR = "The vendor failed (5xx)."
    UPSTREAM_TIMEOUT = "The vendor did not answer in time."
    UPSTREAM_UNREACHABLE = "No connection to the vendor could be made or kept."
    UPSTREAM_CIRCUIT_OPEN = "The vendor failed so often that it is left alone for a while."
    UPSTREAM_INVALID_RESPONSE = "The vendor's answer is not the document it should be."
    UPSTREAM_RESPONSE_TOO_LARGE = "The vendor's answer is larger than the gateway reads."
    ALL_SOURCES_FAILED = "Every chosen source failed, so there is no list to give."
    INTERNAL_ERROR = "The gateway has a defect; its own log tells more."


class GatewayError(Exception):
    """The root of the tree; ``str(error)`` is the sentence for the caller."""


class ConfigurationError(GatewayError):
    """The configuration can't be used.

    ``problems`` has one sentence for each mistake, which names the file and the key.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class RequestError(GatewayError):
    """The caller's request is invalid."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        self.code = code
        super().__init__(message)


class UpstreamError(GatewayError):
    """A vendor failed.

    ``status`` is the HTTP status of the vendor's response. ``vendor_code``, ``vendor_message`` and
    ``vendor_request_id`` are the vendor's own description, redacted. All of them can be None.
    ``retry_after`` is in seconds. ``sent`` is False only if the request certainly did not reach the
    vendor, so that an action can be repeated.
    """

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        *,
        source: str,
        status: int | None = None,
        vendor_code: str | None = None,
        vendor_message: str | None = None,
        vendor_request_id: str | None = None,
        retry_after: float | None = None,
        sent: bool = True,
    ) -> None:
        self.code = code
        self.source = source
        self.status = status
        self.vendor_code = vendor_code
        self.vendor_message = vendor_message
        self.vendor_request_id = vendor_request_id
        self.retry_after = retry_after
        self.sent = sent
        super().__init__(message)


def defect(source: str, *, sent: bool = True) -> UpstreamError:
    """Return the error for a defect of the gateway at a source; the caller logs the defect."""
    return UpstreamError(
        ErrorCode.INTERNAL_ERROR,
        f"Source {source} gave something that the gateway stumbled over; the gateway's log tells"
        " more.",
        source=source,
        sent=sent,
    )


class AllSourcesFailedError(GatewayError):
    """Every chosen source failed; ``errors`` has one failure for each."""

    code = ErrorCode.ALL_SOURCES_FAILED

    def __init__(self, errors: Sequence[UpstreamError]) -> None:
        self.errors = tuple(errors)
        messages = " ".join(str(error) for error in self.errors)
        super().__init__(f"No source could be read. {messages}")


class JournalError(GatewayError):
    """The journal can't be opened, read or written.

    While it is opened, the message is for the operator and names the database; later it is for the
    caller and names nothing. The cause is always chained, for the log.
    """

    code = ErrorCode.JOURNAL_UNAVAILABLE
