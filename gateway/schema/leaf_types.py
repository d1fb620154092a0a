"""The types that are parts of others, and lead nowhere."""

from __future__ import annotations

import strawberry
from strawberry import federation

from gateway.schema.enums import (
    BreakerState,
    CacheStatus,
    ErrorCode,
    FailureCategory,
    SourceStatus,
)
from gateway.schema.fields import described
from gateway.schema.scalars import JSON, DateTime


@federation.type(shareable=True, description="One HTTP header.")
class HttpHeader:
    name: str = described("The name, as the vendor wrote it.")
    value: str | None = described("The value, or a mask in its place. It takes the role reader.")
    redacted: bool = described("Whether the value was hidden, by the gateway or by the vendor.")


@federation.type(
    shareable=True, description="What the vendor sent to the receiver. Secrets are masked."
)
class HttpRequest:
    method: str | None = described("The HTTP method; null where the vendor does not tell.")
    url: str | None = described("The receiver's URL.")
    headers: list[HttpHeader] | None = described("The headers; null where the vendor keeps none.")
    body: str | None = described(
        "The body as text; null where the vendor keeps none. It takes the role reader."
    )
    body_json: JSON | None = described("The body, where it is JSON. It takes the role reader.")


@federation.type(shareable=True, description="What the receiver answered. Secrets are masked.")
class HttpResponse:
    status_code: int | None = described("The HTTP status.")
    headers: list[HttpHeader] | None = described("The headers; null where the vendor keeps none.")
    body: str | None = described(
        "The body as text; null where the vendor keeps none. It takes the role reader."
    )
    body_json: JSON | None = described("The body, where it is JSON. It takes the role reader.")


@strawberry.type(description="Why a delivery failed.")
class Failure:
    category: FailureCategory = described("The kind of failure, the same for all vendors.")
    message: str = described("The vendor's words where it has any, else the gateway's.")
    retryable: bool = described(
        "Whether the same delivery may well succeed when sent again unchanged. Whether the vendor"
        " can send it again is another question."
    )


@federation.type(shareable=True, description="Where a page stands in its list.")
class PageInfo:
    has_next_page: bool = described("Whether more may follow.")
    has_previous_page: bool = described("Whether something stands in front.")
    start_cursor: str | None = described(
        "Where the page begins. Ask with before for what is new in front of it."
    )
    end_cursor: str | None = described(
        "Where the page ends. Ask with after for what follows. It may be there without any edge,"
        " when the scan limit was reached before a match."
    )


@strawberry.type(description="How fresh something is that a vendor said.")
class Freshness:
    status: CacheStatus = described("Where it comes from.")
    fetched_at: DateTime = described("When the vendor said it.")
    age: float = described("How long ago that was, in seconds.")
    failure: ErrorCode | None = described(
        "How the vendor failed when it was asked again; null unless this is given in its place."
    )


@strawberry.type(description="What the cache of this gateway did since it was started.")
class CacheState:
    shared: bool = described("Whether other replicas see the same entries.")
    available: bool = described("Whether the store answers; vendors are asked without it if not.")
    entries: int | None = described("How many entries it keeps; null where only Redis knows.")
    size: int | None = described("How many bytes of JSON they are; null where only Redis knows.")
    hits: int = described("How many answers were fresh.")
    stale: int = described("How many answers were given though they were fresh no longer.")
    misses: int = described("How many answers came from a vendor.")
    collapsed: int = described("How many answers came from a vendor that another had asked.")
    loads: int = described("How many times a vendor was asked for something.")
    failures: int = described("How many times it could not give it.")
    store_failures: int = described("How many times the store did not do what it was asked to.")


@strawberry.type(description="Why a source could not be read.")
class SourceError:
    code: ErrorCode = described("The kind of failure.")
    message: str = described("What happened, and what to do.")
    http_status: int | None = described("The HTTP status of the vendor's answer.")
    vendor_code: str | None = described("The vendor's own code.")
    vendor_message: str | None = described("The vendor's own words. Secrets are masked.")
    vendor_request_id: str | None = described("The vendor's id of the request, for its support.")


@strawberry.type(description="Whether a source answers, from the calls made to it so far.")
class SourceHealth:
    status: SourceStatus = described("How the latest call went.")
    last_success_at: DateTime | None = described("When a call was last answered.")
    last_failure_at: DateTime | None = described("When a call last failed.")
    last_error: SourceError | None = described("The latest failure, even if calls succeed again.")
    breaker: BreakerState = described(
        "Whether calls are sent at all. Where callers bring credentials of their own, each has a"
        " breaker of its own, which is not told here."
    )
    retry_at: DateTime | None = described(
        "From when on an open breaker lets a call pass to try the source."
    )
