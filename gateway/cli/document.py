"""Webhook logs as JSON, with the names and formats of the GraphQL schema."""

from __future__ import annotations

import enum
import json
from typing import Any

import msgspec

from gateway.model import Attempt, HttpRequest, HttpResponse, Timestamp, WebhookLog
from gateway.normalise.timestamps import format_rfc3339
from gateway.vendors.base import enum_name

Exchange = HttpRequest | HttpResponse


def document(log: WebhookLog) -> dict[str, Any]:
    """Return a log as a query returns it, without ``raw``, which repeats everything.

    Headers and bodies that only a detail call returns are omitted, and so are attempts.
    """
    return {
        "id": log.id,
        "upstreamId": log.upstream_id,
        "source": {"name": log.source, "provider": enum_name(log.provider)},
        "hook": None if log.hook_id is None else {"id": log.hook_id},
        "event": log.event,
        "status": log.status.name,
        "failure": _plain(log.failure),
        "triggeredAt": _time(log.triggered_at),
        "lastAttemptedAt": _time(log.last_attempted_at),
        "durationMs": log.duration_ms,
        "attempt": log.attempt,
        "correlationId": log.correlation_id,
        "isRedelivery": log.is_redelivery,
        "redeliveryOf": log.redelivery_of,
        "request": _exchange(log.request, HttpRequest(), complete=log.complete),
        "response": _exchange(log.response, HttpResponse(), complete=log.complete),
        "details": _plain(log.details),
        "warnings": list(log.warnings),
    }


def attempt_document(attempt: Attempt) -> dict[str, Any]:
    """Return an attempt of a delivery as a query returns it."""
    written: dict[str, Any] = _plain(attempt)
    return written | {"at": _time(attempt.at)}


def dumps(value: object, *, indent: int | None = None) -> str:
    """Return JSON in ASCII, safe for every encoding and without control characters."""
    return json.dumps(value, indent=indent)


def _time(moment: Timestamp | None) -> str | None:
    return None if moment is None else format_rfc3339(moment)


def _exchange(part: Exchange | None, unknown: Exchange, *, complete: bool) -> Any:
    if part is None and complete:
        return None
    part = part or unknown
    written = _plain(part) | {"bodyJson": part.body_json}
    if not complete:
        for name in ("headers", "body", "bodyJson"):
            if written[name] is None:
                del written[name]
    return written


def _plain(value: object) -> Any:
    if isinstance(value, msgspec.Struct):
        return {_camel(name): _plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value.name if isinstance(value, enum.Enum) else value


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)
