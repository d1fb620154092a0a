"""Enums of the schema, with the descriptions that their members define.

Other modules of the schema import the record's enums from here: Strawberry must register an enum
before using it in an annotation.
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
from gateway.stats.tally import StatsDimension
from gateway.upstream.breaker import BreakerState
from gateway.vendors import VENDORS
from gateway.vendors.base import enum_name
from gateway.vendors.retried import RetryKind

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
    "RetryKind",
    "Role",
    "SourceOutcome",
    "SourceStatus",
    "StatsDimension",
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
    Provider.__doc__ = "Kinds of system that the gateway reads."


class SourceOutcome(enum.Enum):
    """Whether a source could be read."""

    OK = "Everything that the page needs from this source was read."
    PARTIAL = "Part of this source could not be read; error says why."
    FAILED = "Nothing could be read from this source; error says why."


class SourceStatus(enum.Enum):
    """Whether a source responds."""

    UP = "The latest call succeeded."
    DOWN = "The latest call failed, or the circuit breaker is open."
    UNKNOWN = "No call has been made yet."


def _describe(kind: type[enum.Enum], values: Mapping[str, str] | None = None) -> None:
    """Register an enum with Strawberry, described by its members unless ``values`` do so."""
    made: Any = strawberry.enum(kind, description=(kind.__doc__ or "").replace("``", "`"))
    for value in made.__strawberry_definition__.values:
        member = kind[value.name]
        description = member.description if isinstance(member, Described) else str(member.value)
        value.description = (values or {}).get(value.name, description)


_describe(WebhookLogStatus)
_describe(FailureCategory)
_describe(Capability)
_describe(CacheStatus)
_describe(ErrorCode)
_describe(ActionKind)
_describe(UserErrorCode)
_describe(Outcome)
_describe(RetryKind)
_describe(Role)
_describe(
    Method,
    {
        "NONE": "Callers need no credential.",
        "API_KEYS": "API key.",
        "JWT": "JSON Web Token.",
    },
)
_describe(SourceOutcome)
_describe(SourceStatus)
_describe(StatsDimension)
_describe(BreakerState)
_describe(Provider)
