"""The enums of the schema: those of the record, with their meaning as descriptions.

The other modules of the schema take the record's enums from here, because Strawberry must know
them before it meets them in an annotation.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import strawberry

from gateway.actions.problems import UserErrorCode
from gateway.callers import Method, Role
from gateway.errors import ErrorCode
from gateway.journal import ActionKind, Outcome
from gateway.model import (
    CacheStatus,
    Capability,
    Described,
    FailureCategory,
    WebhookLogStatus,
)
from gateway.upstream.breaker import BreakerState
from gateway.vendors import VENDORS
from gateway.vendors.base import enum_name

__all__ = [
    "ActionKind",
    "BreakerState",
    "CacheStatus",
    "Capability",
    "ErrorCode",
    "FailureCategory",
    "Method",
    "Outcome",
    "Provider",
    "Role",
    "SourceOutcome",
    "SourceStatus",
    "UserErrorCode",
    "WebhookLogStatus",
]


if TYPE_CHECKING:

    class Provider(Described):
        """The vendors; the value of each is its name in the configuration."""

else:
    Provider = Described(
        "Provider",
        {enum_name(name): (name, f"{kit.title}.") for name, kit in VENDORS.items()},
    )
    Provider.__doc__ = "The kinds of system that webhook logs are read from."


class SourceOutcome(enum.Enum):
    """How the reading of one source went."""

    OK = "Everything that the page needs of this source was read."
    PARTIAL = "Something of this source could not be read; error tells what."
    FAILED = "Nothing of this source could be read; error tells why."


class SourceStatus(enum.Enum):
    """Whether a source answers."""

    UP = "Its latest call was answered."
    DOWN = "Its latest call failed, or its breaker is open."
    UNKNOWN = "It has not been called yet."


def _describe(kind: type[enum.Enum], values: Mapping[str, str] | None = None) -> None:
    """Make an enum known to the schema, with what its members say of themselves."""
    made: Any = strawberry.enum(kind, description=(kind.__doc__ or "").replace("``", "`"))
    for value in made.__strawberry_definition__.values:
        member = kind[value.name]
        said = member.description if isinstance(member, Described) else str(member.value)
        value.description = (values or {}).get(value.name, said)


_describe(WebhookLogStatus)
_describe(FailureCategory)
_describe(Capability)
_describe(CacheStatus)
_describe(ErrorCode)
_describe(ActionKind)
_describe(UserErrorCode)
_describe(Outcome)
_describe(Role)
_describe(
    Method,
    {
        "NONE": "Nobody is asked.",
        "API_KEYS": "By an API key.",
        "JWT": "By a JSON Web Token.",
    },
)
_describe(SourceOutcome)
_describe(SourceStatus)
_describe(BreakerState)
_describe(Provider)
