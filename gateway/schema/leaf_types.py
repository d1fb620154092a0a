"""Types that occur only inside other types and refer to no entity."""

from __future__ import annotations

import strawberry
from strawberry import federation

from gateway.schema.enums import (
    BreakerState,
    CacheStatus,
    ErrorCode,
    FailureCategory,
    SourceStatus,
    WebhookLogStatus,
)
from gateway.schema.fields import described
from gateway.schema.scalars import JSON, DateTime

_HEADERS = "The headers. Null if the vendor does not record them."
_BODY = "The body as text. Null if the vendor does not record it. Requires the role READER."
_BODY_JSON = "The body parsed as JSON. Null if it is not JSON. Requires the role READER."


@federation.type(shareable=True, description="An HTTP header.")
class HttpHeader:
    name: str = described("Name, spelt as the vendor records it.")
    value: str | None = described(
        "Value, or a mask if it is redacted. Null, with an error, below the role READER."
    )
    redacted: bool = described("Whether the gateway or the vendor masked the value.")


@federation.type(
    shareable=True, description="The request that the vendor sent to the receiver, redacted."
)
class HttpRequest:
    method: str | None = described("HTTP method. Null if the vendor does not record it.")
    url: str | None = described("URL of the receiver. Null if the vendor does not record it.")
    headers: list[HttpHeader] | None = described(_HEADERS)
    body: str | None = described(_BODY)
    body_json: JSON | None = described(_BODY_JSON)


@federation.type(shareable=True, description="The receiver's response, redacted.")
class HttpResponse:
    status_code: int | None = described("HTTP status. Null if the vendor does not record it.")
    headers: list[HttpHeader] | None = described(_HEADERS)
    body: str | None = described(_BODY)
    body_json: JSON | None = described(_BODY_JSON)


@strawberry.type(description="An attempt of a delivery.")
class Attempt:
    number: int | None = described(
        "Number of the attempt, starting at 1. Null if the vendor does not record it."
    )
    at: DateTime | None = described("Time of the attempt. Null if the vendor does not record it.")
    status: WebhookLogStatus = described("Result of the attempt.")
    status_code: int | None = described(
        "HTTP status of the receiver's response. Null if there was none, or the vendor does not"
        " record it."
    )
    duration_ms: float | None = described(
        "Response time of the receiver, in milliseconds. Null if the vendor does not record it."
    )
    error: str | None = described(
        "The vendor's error message, redacted. Null if the attempt did not fail, or the vendor"
        " records none."
    )
    response_body: str | None = described(
        "Body of the receiver's response, redacted. Null if the vendor does not record it. Requires"
        " the role READER."
    )


@strawberry.type(description="The reason why a delivery failed.")
class Failure:
    category: FailureCategory = described("Kind of failure, comparable across vendors.")
    message: str = described("The vendor's error message, redacted, or one of the gateway.")
    retryable: bool = described(
        "Whether the same delivery is likely to succeed if it is sent again unchanged. Whether the"
        " vendor can send it again is in availableActions."
    )


# Shareable like the others: otherwise no second subgraph of a supergraph could have connections.
@federation.type(shareable=True, description="Position of a page in its list.")
class PageInfo:
    has_next_page: bool = described("Whether the list may go on after this page.")
    has_previous_page: bool = described("Whether the list has something before this page.")
    start_cursor: str | None = described(
        "Cursor to pass as before for logs that are newer than this page. Null if there is none."
    )
    end_cursor: str | None = described(
        "Cursor to pass as after for the next page. Null if there is none. An empty page can have"
        " one: the scan limit was reached before a match, and the next page continues from there."
    )


@strawberry.type(description="Age and origin of data from a vendor.")
class Freshness:
    status: CacheStatus = described("Whether the data came from the cache.")
    fetched_at: DateTime = described("When the vendor returned the data, or confirmed it.")
    age: float = described("Seconds since fetchedAt.")
    failure: ErrorCode | None = described(
        "Why the vendor could not be asked for newer data. Null unless cached data is returned"
        " because of that."
    )


@strawberry.type(description="Counters of this gateway process's cache since it started.")
class CacheState:
    shared: bool = described("Whether replicas share the cache.")
    available: bool = described(
        "Whether the store responds. If not, all data comes from the vendors."
    )
    entries: int | None = described("Number of entries. Null if they are in Redis.")
    size: int | None = described(
        "Size of the entries, in bytes of JSON. Null if they are in Redis."
    )
    hits: int = described("Lookups that found a fresh entry.")
    stale: int = described("Lookups that returned a stale entry.")
    misses: int = described("Lookups that called a vendor.")
    collapsed: int = described("Lookups that waited for a call already in flight.")
    loads: int = described("Reads from vendors.")
    failures: int = described("Reads from vendors that failed.")
    store_failures: int = described("Operations that the store failed to carry out.")


@strawberry.type(description="The reason why a source could not be read.")
class SourceError:
    code: ErrorCode = described("Kind of error.")
    message: str = described("What went wrong, and how to solve it.")
    http_status: int | None = described(
        "HTTP status of the vendor's response. Null if there was none."
    )
    vendor_code: str | None = described("The vendor's error code. Null if it gave none.")
    vendor_message: str | None = described(
        "The vendor's error message, redacted. Null if it gave none."
    )
    vendor_request_id: str | None = described(
        "The vendor's id of the request, for its support. Null if it gave none."
    )


@strawberry.type(
    description=(
        "The latest calls to a source: no more than 200, none that ended over five minutes ago."
        " Those that were repeated count each time, those that were not sent do not. Each worker of"
        " a gateway knows its own calls only."
    )
)
class RecentCalls:
    count: int = described("Number of calls, from which the others are.")
    error_ratio: float = described("Share of them that failed, from 0 to 1.")
    p95_ms: float = described(
        "Of twenty calls, nineteen took no longer than this, in milliseconds, by nearest rank."
        " Calls that failed count, too."
    )
    first_at: DateTime = described("When the first of them ended.")


@strawberry.type(description="Whether a source responds, according to the calls made so far.")
class SourceHealth:
    status: SourceStatus = described("Result of the latest call.")
    last_success_at: DateTime | None = described("Time of the last successful call, if any.")
    last_failure_at: DateTime | None = described("Time of the last failed call, if any.")
    last_error: SourceError | None = described(
        "The last failure, kept after later calls succeed. Null if no call failed."
    )
    breaker: BreakerState = described(
        "State of the circuit breaker. Callers who bring their own vendor credentials have a"
        " breaker each, which this does not show."
    )
    retry_at: DateTime | None = described(
        "When an open breaker allows the next call. Null if the breaker is not open."
    )
    recent_calls: RecentCalls | None = described(
        "How the latest calls went. Null if none has ended within five minutes, and where callers"
        " bring their own vendor credentials."
    )
