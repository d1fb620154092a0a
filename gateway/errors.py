"""Every error that the gateway itself raises, and the closed set of codes that callers see.

::

    GatewayError
    ├── ConfigurationError    the configuration can't be used; all its problems at once
    ├── RequestError          the caller's request is invalid
    ├── UpstreamError         a vendor failed, or its response can't be used
    ├── AllSourcesFailedError every chosen source failed
    ├── JournalError          the journal of actions can't be opened, read or written
    └── (in gateway.callers)  a caller is not authenticated or authorised

A message is a sentence for the caller that names the fault and the way out. It contains no Python
exception text, no path of this machine and no secret.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.model import Hook

E = TypeVar("E", bound=BaseException)


class ErrorCode(enum.Enum):
    """Error codes in ``errors[].extensions.code`` and in ``sourceReports``."""

    GRAPHQL_PARSE_FAILED = "The document is not valid GraphQL syntax."
    GRAPHQL_VALIDATION_FAILED = "The document or its variables do not fit the schema."
    BAD_REQUEST = "The HTTP request is not a GraphQL request."
    PERSISTED_QUERY_NOT_FOUND = "The hash is unknown. Send the document with it."
    PERSISTED_QUERY_NOT_SUPPORTED = "Hashes are not accepted. Send the document alone."
    DOCUMENT_NOT_TRUSTED = "The gateway executes trusted documents only; this is none."
    LIMIT_EXCEEDED = "The request exceeds a limit of the gateway on size or cost."
    RATE_LIMITED = "The caller sent too many requests within a minute."
    OVERLOADED = "The gateway is executing as many operations as it can at the same time."
    INVALID_ID = "The id is not from this gateway, is damaged, or is of another kind."
    INVALID_REPRESENTATION = "The reference to an entity has no type or no key of this subgraph."
    INVALID_CURSOR = "The cursor is not from this list, or is damaged."
    CURSOR_FILTER_MISMATCH = "The cursor belongs to a list with another filter."
    CURSOR_TOO_OLD = "Too many logs are newer than the cursor to read back to it."
    INVALID_PAGE_SIZE = "A page size or a number of ids is out of bounds, or directions mix."
    INVALID_FILTER = "The filter contradicts itself, is too large, or has an invalid value."
    INVALID_BUCKET = "The size of the buckets is no usable duration, or makes too many of them."
    UNKNOWN_SOURCE = "There is no source of that name, or the caller may not see it."
    UNAUTHENTICATED = "The request has no API key or token that the gateway accepts."
    TOO_MANY_ATTEMPTS = "Too many API keys or tokens from this address were rejected."
    KEYS_UNAVAILABLE = "The issuer's keys could not be fetched, so tokens can't be verified."
    FORBIDDEN = "The caller lacks the required role."
    JOURNAL_UNAVAILABLE = "The journal can't be read or written, so no action was started."
    NOT_FOUND = "The webhook log or hook does not exist, or the caller may not see it."
    UPSTREAM_UNAUTHORIZED = "The vendor rejected the gateway's credential (401)."
    UPSTREAM_FORBIDDEN = "The gateway's credential lacks a permission at the vendor (403)."
    UPSTREAM_NOT_FOUND = "The vendor has nothing at the requested address (404)."
    UPSTREAM_RATE_LIMITED = "The vendor's rate limit, or the configured one, is reached."
    UPSTREAM_REJECTED = "The vendor refused the request (another 3xx or 4xx)."
    UPSTREAM_ERROR = "The vendor failed (5xx)."
    UPSTREAM_TIMEOUT = "The vendor did not respond in time."
    UPSTREAM_UNREACHABLE = "The connection to the vendor failed or broke off."
    UPSTREAM_CIRCUIT_OPEN = "The circuit breaker is open: no call is sent for a while."
    UPSTREAM_INVALID_RESPONSE = "The vendor's response is not the document that its API describes."
    UPSTREAM_RESPONSE_TOO_LARGE = "The vendor's response is larger than the gateway reads."
    TOO_MANY_STREAMS = (
        "The source has more lists of logs than max_streams; the others are not read."
    )
    ALL_SOURCES_FAILED = "Every source that the filter allows failed."
    INTERNAL_ERROR = "A defect in the gateway; its log has the details."


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
    vendor, so that an action can be repeated. ``hooks`` are those that were listed before the
    failure.
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
        self.hooks: Sequence[Hook] = ()
        super().__init__(message)


def without_frames(error: E) -> E:
    """Drop the traceback and context of an error that is kept as a value from now on.

    Their frames, with all that they have read, would stay in memory as long as the error. Some of
    them refer to it, so that only the collector would free them all.
    """
    error.__context__ = None
    return error.with_traceback(None)


def internal_error(source: str, *, sent: bool = True) -> UpstreamError:
    """Return the error for a defect of the gateway at a source; the caller logs the defect."""
    return UpstreamError(
        ErrorCode.INTERNAL_ERROR,
        f"Source {source} returned something that the gateway failed to process. The gateway's log"
        " has the details.",
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
    caller and names nothing. ``reason`` is one line for the log.
    """

    code = ErrorCode.JOURNAL_UNAVAILABLE

    def __init__(self, message: str, reason: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason or message
