"""The fields of a filter and their comparators."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import msgspec

from gateway import ids
from gateway.feed.failure_groups import group_of
from gateway.model import FailureCategory, WebhookLog


class Field(msgspec.Struct, frozen=True):
    """A field of the filter: the type of its operands, and a function that returns a log's value.

    ``early`` is true if the value is the same for a whole source or stream, so that it is known
    before any log is read. ``id_kind`` is the kind of ids that are its operands, if it has any.
    """

    kind: str
    attribute: str
    value: Callable[[Any], Any]
    early: bool = False
    id_kind: ids.Kind = ids.Kind.HOOK


def _url(log: WebhookLog) -> str | None:
    return log.request.url if log.request else None


def _status_code(log: WebhookLog) -> int | None:
    return log.response.status_code if log.response else None


def _category(log: WebhookLog) -> FailureCategory | None:
    return log.failure.category if log.failure else None


FIELDS = {
    "source": Field("text", "source", operator.attrgetter("source"), early=True),
    "provider": Field("enum", "provider", operator.attrgetter("provider"), early=True),
    "status": Field("enum", "status", operator.attrgetter("status")),
    "event": Field("text", "event", operator.attrgetter("event")),
    "url": Field("text", "url", _url),
    "httpStatus": Field("number", "http_status", _status_code),
    "failure": Field("enum", "failure", _category),
    "hook": Field("id", "hook_id", operator.attrgetter("hook_id"), early=True),
    "correlationId": Field("text", "correlation_id", operator.attrgetter("correlation_id")),
    "failureGroup": Field("id", "failure_group", group_of, id_kind=ids.Kind.GROUP),
    "triggeredAt": Field("time", "triggered_at", operator.attrgetter("triggered_at")),
}

Comparison = Callable[[Any, Any], bool]
EQUALITY: dict[str, Comparison] = {
    "eq": operator.eq,
    "neq": operator.ne,
    "in": lambda value, operands: value in operands,
    "nin": lambda value, operands: value not in operands,
}
ORDER: dict[str, Comparison] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}
TEXT: dict[str, Comparison] = {
    **EQUALITY,
    "contains": lambda value, operand: operand in value,
    "notContains": lambda value, operand: operand not in value,
    "startsWith": str.startswith,
    "endsWith": str.endswith,
}
IGNORE_CASE = "IgnoreCase"
COMPARISONS: dict[str, dict[str, Comparison]] = {
    "text": TEXT,
    "enum": EQUALITY,
    "id": EQUALITY,
    "number": {**EQUALITY, **ORDER},
    "time": ORDER,
}
LISTING = frozenset({"eq", "in"})
NEGATIONS = frozenset({"neq", "nin", "notContains"})
