"""The record of a webhook log, and the types that it is made of.

All vendors' documents are parsed into these types. They are frozen, and their secrets are already
redacted. A field is None if the vendor does not supply it; nothing is made up. Timestamps are whole
nanoseconds since 1970 in UTC, which keeps every vendor's precision and compares exactly.
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Iterable
from typing import Any, Generic, NewType, Self

import msgspec
from typing_extensions import TypeVar

Timestamp = NewType("Timestamp", int)
"""Nanoseconds since 1970-01-01T00:00:00Z."""


class Described(enum.Enum):
    """An enum with descriptions, which can be reworded because values alone are stored."""

    description: str

    def __new__(cls, value: str, description: str) -> Self:
        """Create a member from its value and description."""
        member = object.__new__(cls)
        member._value_ = value
        member.description = description
        return member


class WebhookLogStatus(Described):
    """Result of a delivery."""

    SUCCEEDED = "SUCCEEDED", "The receiver accepted the delivery."
    FAILED = "FAILED", "The receiver refused the delivery, or could not be reached."
    PENDING = "PENDING", "The delivery has no result yet."
    CANCELLED = "CANCELLED", "The delivery was called off: nothing was sent, and nothing will be."
    UNKNOWN = "UNKNOWN", "The vendor records no result, or one that the gateway can't read."


class FailureCategory(Described):
    """Kind of failure of a delivery."""

    TIMEOUT = "TIMEOUT", "The receiver did not respond in time."
    DNS = "DNS", "The receiver's host name could not be resolved."
    CONNECTION = "CONNECTION", "The connection to the receiver failed or broke off."
    TLS = "TLS", "The TLS handshake failed, or the receiver's certificate was rejected."
    REDIRECT = "REDIRECT", "The receiver responded with 3xx; vendors do not follow redirects."
    HTTP_CLIENT_ERROR = "HTTP_CLIENT_ERROR", "The receiver responded with 4xx."
    HTTP_SERVER_ERROR = "HTTP_SERVER_ERROR", "The receiver responded with 5xx."
    NO_RESPONSE = "NO_RESPONSE", "The vendor recorded no response, and no reason."
    UNKNOWN = (
        "UNKNOWN",
        "The vendor recorded a failure that the gateway does not recognise.",
    )


class Capability(enum.Enum):
    """Something that a source supports."""

    LIST = "List webhook logs."
    GET = "Read a webhook log by its id in one call."
    ATTEMPTS = "List the attempts of a delivery."
    RETRY = "Send a delivery again."
    DELETE = "Delete a webhook log."
    FILTER_TIME = "Filter by time at the vendor, so that a deep page costs no more than the first."
    FILTER_STATUS = "Filter by status at the vendor."
    FILTER_EVENT = "Filter by event at the vendor."
    COUNT = "Count logs without reading them."
    REQUEST_BODY = "Return the body of the request."
    RESPONSE_BODY = "Return the body of the receiver's response."


class CacheStatus(Described):
    """Whether data came from the cache or from the vendor."""

    HIT = "HIT", "From the cache, and fresh."
    MISS = "MISS", "From the vendor."
    STALE = "STALE", "From the cache, and stale: it is being refreshed, or the vendor failed."
    REVALIDATED = "REVALIDATED", "From the cache, and just confirmed by the vendor as unchanged."


class Freshness(msgspec.Struct, frozen=True, kw_only=True):
    """The freshness of data from a vendor.

    ``fetched_at`` is when the vendor sent it, and ``fresh_until`` when it becomes stale.
    ``collapsed`` is True if it came from another caller's call that was in flight. ``failure`` is
    the error code of a refresh that failed.
    """

    status: CacheStatus
    fetched_at: Timestamp
    fresh_until: Timestamp
    collapsed: bool = False
    failure: str | None = None


BEST_FIRST = (CacheStatus.HIT, CacheStatus.REVALIDATED, CacheStatus.MISS, CacheStatus.STALE)


def worst(reads: Iterable[Freshness]) -> Freshness | None:
    """Return the freshness of data that was combined from several reads: that of the oldest."""
    found = list(reads)
    if len(found) < 2:
        return found[0] if found else None
    return Freshness(
        status=max((read.status for read in found), key=BEST_FIRST.index),
        fetched_at=min(read.fetched_at for read in found),
        fresh_until=min(read.fresh_until for read in found),
        collapsed=any(read.collapsed for read in found),
        failure=next((read.failure for read in found if read.failure), None),
    )


class Header(msgspec.Struct, frozen=True, gc=False):
    """One HTTP header; ``redacted`` is True if the gateway or the vendor masked the value."""

    name: str
    value: str
    redacted: bool


class HttpRequest(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """The request that the vendor sent to the receiver."""

    method: str | None = None
    url: str | None = None
    headers: tuple[Header, ...] | None = None
    body: str | None = None

    @functools.cached_property
    def body_json(self) -> Any:
        """The body as a JSON value, or None when it is not JSON."""
        return _json(self.body)


class HttpResponse(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """The response of the receiver."""

    status_code: int | None = None
    headers: tuple[Header, ...] | None = None
    body: str | None = None

    @functools.cached_property
    def body_json(self) -> Any:
        """The body as a JSON value, or None when it is not JSON."""
        return _json(self.body)


def _json(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None


class Failure(msgspec.Struct, frozen=True):
    """Why a delivery failed.

    ``message`` is the vendor's own text, redacted, or a sentence of the gateway if there is none.
    ``retryable`` is True if the same delivery may well succeed when it is sent again; whether the
    vendor can do that is another matter.
    """

    category: FailureCategory
    message: str
    retryable: bool


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt of a delivery, where a vendor's log is of the delivery as a whole.

    ``number`` starts at 1, and ``duration_ms`` is in milliseconds. ``error`` and ``response_body``
    are redacted.
    """

    number: int | None = None
    at: Timestamp | None = None
    status: WebhookLogStatus
    status_code: int | None = None
    duration_ms: float | None = None
    error: str | None = None
    response_body: str | None = None


class Details(msgspec.Struct, frozen=True, kw_only=True):
    """Base of the type that a vendor's kit defines for fields that no other vendor has."""


D_co = TypeVar("D_co", bound=Details, covariant=True, default=Details)
"""The vendor's own details type. Cache entries are decoded to exactly this type."""


class WebhookLog(msgspec.Struct, Generic[D_co], frozen=True, kw_only=True, dict=True, weakref=True):
    """One delivery of one webhook.

    ``id``, ``hook_id`` and ``redelivery_of`` are the gateway's ids (``gateway.ids``), and
    ``upstream_id`` is the vendor's. ``provider`` is the vendor's name in the configuration.
    ``redelivery_of`` is the log that was sent again, which made this one. ``complete`` is False if
    the vendor has headers or bodies that only its detail call returns. ``freshness`` is None until
    the log is returned to a caller.
    """

    id: str
    upstream_id: str
    source: str
    provider: str
    hook_id: str | None = None
    event: str | None = None
    status: WebhookLogStatus
    failure: Failure | None = None
    triggered_at: Timestamp | None = None
    last_attempted_at: Timestamp | None = None
    duration_ms: float | None = None
    attempt: int | None = None
    correlation_id: str | None = None
    is_redelivery: bool | None = None
    redelivery_of: str | None = None
    request: HttpRequest | None = None
    response: HttpResponse | None = None
    details: D_co
    raw: Any = None
    warnings: tuple[str, ...] = ()
    complete: bool = True
    freshness: Freshness | None = None


class Hook(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook, trigger or integration, for whose events a vendor sends deliveries.

    ``note`` is a sentence on its state, such as its last response, with the vendor's redacted text.
    """

    id: str
    upstream_id: str
    source: str
    name: str | None = None
    url: str | None = None
    events: tuple[str, ...] = ()
    enabled: bool | None = None
    created_at: Timestamp | None = None
    note: str | None = None
