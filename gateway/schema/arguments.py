"""The arguments of the schema's fields, each with its type and description."""

from __future__ import annotations

from typing import Annotated

import strawberry
from strawberry import ID

from gateway.schema.filters import WebhookLogFilter

First = Annotated[
    int | None,
    strawberry.argument(description="How many, reading forward: 0 to 100; 25 unless given."),
]
After = Annotated[
    str | None,
    strawberry.argument(
        description="Read on behind this place: the endCursor of a page, or the cursor of an edge."
    ),
]
Last = Annotated[
    int | None,
    strawberry.argument(
        description=(
            "How many, reading back: 0 to 100; 25 unless given. Where more is new, those nearest"
            " to before."
        )
    ),
]
Before = Annotated[
    str | None,
    strawberry.argument(
        description=(
            "Give what is new in front of this place: the startCursor of a page, or the cursor of"
            " an edge."
        )
    ),
]
Wanted = Annotated[
    WebhookLogFilter | None,
    strawberry.argument(description="Which webhook logs; all unless given."),
]


@strawberry.input(description="What to take from the gateway's cache.")
class CacheDemand:
    max_age: float = strawberry.field(
        description=(
            "Take nothing that is older, in seconds, unless the vendor fails: 0 asks the vendor."
            " Below the role operator, less than the configured least_age counts as that."
        )
    )


CacheWanted = Annotated[
    CacheDemand | None,
    strawberry.argument(
        description="How fresh the logs must be; as the configuration says unless given."
    ),
]
Id = Annotated[ID, strawberry.argument(description="The id, as a query gave it.")]
Ids = Annotated[list[ID], strawberry.argument(description="The ids, 100 at most.")]
Name = Annotated[str, strawberry.argument(description="Its name in the configuration.")]
