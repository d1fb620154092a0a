"""Arguments that several fields share, each with its type and description."""

from __future__ import annotations

from typing import Annotated

import strawberry
from strawberry import ID

from gateway.schema.enums import StatsDimension
from gateway.schema.filters import WebhookLogFilter

First = Annotated[
    int | None,
    strawberry.argument(description="Page size, 0 to 100, reading forward. Null means 25."),
]
After = Annotated[
    str | None,
    strawberry.argument(
        description=(
            "Return the page that follows this cursor: the endCursor of a page, or the cursor of"
            " an edge. Null or an empty string means the first page."
        )
    ),
]
Last = Annotated[
    int | None,
    strawberry.argument(
        description=(
            "Page size, 0 to 100, reading backward; needs before. Null means 25. If more logs are"
            " new, the page has those nearest to before."
        )
    ),
]
Before = Annotated[
    str | None,
    strawberry.argument(
        description=(
            "Return the logs that are newer than this cursor: the startCursor of a page, or the"
            " cursor of an edge. Null or an empty string means to read forward."
        )
    ),
]
FilterArgument = Annotated[
    WebhookLogFilter | None,
    strawberry.argument(
        description="Conditions that the logs meet. Null or an empty object means all logs."
    ),
]


@strawberry.input(description="Requirements on cached data.")
class CacheDemand:
    max_age: float = strawberry.field(
        description=(
            "Maximum age of cached data, in seconds; 0 always calls the vendor. If that call fails,"
            " older data is returned with the cache status STALE. For callers below the role"
            " OPERATOR, values under the configured least_age count as that."
        )
    )


CacheArgument = Annotated[
    CacheDemand | None,
    strawberry.argument(
        description="How fresh the logs must be. Null means as fresh as the configuration says."
    ),
]
Id = Annotated[ID, strawberry.argument(description="Id from a response of this API.")]
Ids = Annotated[list[ID], strawberry.argument(description="Up to 100 ids.")]
Name = Annotated[str, strawberry.argument(description="Name of the source in the configuration.")]
Bucket = Annotated[
    str | None,
    strawberry.argument(
        description=(
            "Size of the buckets, as an ISO 8601 duration from PT1S to P366D, such as PT5M, PT1H or"
            " P1D. They are aligned to UTC: days begin at midnight, weeks on Monday. Null means no"
            " buckets."
        )
    ),
]
By = Annotated[
    list[StatsDimension] | None,
    strawberry.argument(
        description="What the logs of a group share. Null or an empty list means no groups."
    ),
]
FirstGroups = Annotated[
    int | None,
    strawberry.argument(description="Number of groups, 0 to 100. Null means 25."),
]
