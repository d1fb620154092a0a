"""A gateway whose records are partly not what the schema says, and whose reads are counted.

No vendor's parser makes such records; they stand for defects, which must be reported as errors of
their fields however the operation is executed.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from gateway import model
from gateway.errors import ErrorCode, UpstreamError

if TYPE_CHECKING:
    from gateway.cache import Cached
    from gateway.service import Gateway
    from gateway.sources import Source
    from gateway.vendors.pages import Page


class _Text(str):
    __slots__ = ()


class Readings:
    """What is read from the sources of a gateway, of which a share of the records is spoilt."""

    def __init__(self, gateway: Gateway, spoilt: float) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self.failing: set[str] = set()
        self._only: str | None = None
        self.era = 0
        self._spoilt = spoilt
        self._records: dict[str, model.WebhookLog] = {}
        self._pages: dict[int, tuple[Page, Page]] = {}
        for source in gateway.sources.values():
            self._watch(source)

    def begin(self, failing: set[str], *, only: str | None = None, era: int = 0) -> None:
        """Count anew, while other sources fail; ``only`` for pages, hooks or logs, if given.

        In another ``era``, other records are spoilt.
        """
        self.counts.clear()
        if era != self.era:
            self.era = era
            self._records.clear()
            self._pages.clear()
        self.failing = failing
        self._only = only

    def _watch(self, source: Source) -> None:
        read_page, read_hooks, read_log = source.page, source.hooks, source.log
        peek_at_page = source.peek_page

        def fails(what: str) -> bool:
            return source.name in self.failing and self._only in {None, what}

        def count(what: str) -> None:
            self.counts[source.name, what] += 1
            if fails(what):
                raise UpstreamError(
                    ErrorCode.UPSTREAM_ERROR, "The vendor failed.", source=source.name, status=503
                )

        async def page(*given: Any, **named: Any) -> Cached[Page]:
            count("page")
            cached = await read_page(*given, **named)
            return replace(cached, value=self._spoil(cached.value))

        def peek_page(*given: Any, **named: Any) -> Cached[Page] | None:
            cached = None if fails("page") else peek_at_page(*given, **named)
            if cached is None:
                return None
            count("page")
            return replace(cached, value=self._spoil(cached.value))

        async def hooks(*given: Any) -> Any:
            count("hooks")
            return await read_hooks(*given)

        async def log(*given: Any) -> Any:
            count("log")
            return await read_log(*given)

        vars(source).update(page=page, peek_page=peek_page, hooks=hooks, log=log)

    def _spoil(self, page: Page) -> Page:
        """Return the page with some records spoilt, the same object each time."""
        known = self._pages.get(id(page))
        if known is None:
            logs = [self._record(log) for log in page.logs]
            known = self._pages[id(page)] = page, replace(page, logs=logs)
        return known[1]

    def _record(self, log: model.WebhookLog) -> model.WebhookLog:
        if log.id not in self._records:
            chance = random.Random(f"{self.era} {log.id}")
            is_spoilt = chance.random() < self._spoilt
            self._records[log.id] = _spoilt(log, chance) if is_spoilt else log
        return self._records[log.id]


def _spoilt(log: model.WebhookLog, chance: random.Random) -> model.WebhookLog:
    """Spoil one or two fields, some of them so that graphql-core converts the values."""
    headers = (model.Header("Accept", "*/*", redacted=False),)
    values: list[dict[str, Any]] = [
        {"attempt": "7"},
        {"attempt": "many"},
        {"attempt": 2**31},
        {"attempt": 3.0},
        {"attempt": True},
        {"duration_ms": 5},
        {"duration_ms": 1e300},
        {"duration_ms": math.nan},
        {"duration_ms": "12"},
        {"event": 5},
        {"event": False},
        {"event": _Text("push")},
        {"event": ValueError("an exception as a value")},
        {"event": b"push"},
        {"event": 'quotes " and \\ and \u2028 and \U0001f600 and \x00'},
        {"upstream_id": None},
        {"upstream_id": 12},
        {"status": None},
        {"status": "SUCCEEDED"},
        {"status": "NEVER"},
        {"status": model.FailureCategory.DNS},
        {"details": None},
        {"details": SimpleNamespace(webhook_uuid="a")},
        {"details": log},
        {"warnings": None},
        {"warnings": ("odd", None)},
        {"warnings": {"odd": 1}},
        {"warnings": iter(())},
        {"warnings": "odd"},
        {"failure": model.Failure(model.FailureCategory.DNS, "no host", retryable=True)},
        {"failure": SimpleNamespace(category="NONE", message=None, retryable="yes")},
        {"failure": SimpleNamespace(message="no category")},
        {"last_attempted_at": "soon"},
        {"last_attempted_at": 10**30},
        {"last_attempted_at": -1},
        {"request": SimpleNamespace(method="GET")},
        {"request": model.HttpRequest(method="GET", headers=(*headers, None))},  # type: ignore[arg-type]
        {"request": model.HttpRequest(url="/", headers=headers, body="[1, 2.50, 1e400]")},
        {"request": model.HttpRequest(headers=(), body="null"), "complete": True},
        {"response": model.HttpResponse(status_code=2**40, headers=headers)},
        {"response": model.HttpResponse(status_code=204), "complete": True},
        {"raw": {"a": [1, None, {"b": 1.0}], "c": math.inf}},
        {"raw": ValueError("an exception as a value")},
        {"correlation_id": lambda: "called?"},
    ]
    spoilt = log
    for _ in range(chance.choice([1, 1, 2])):
        spoilt = replace(spoilt, **chance.choice(values))
    return spoilt


def encoded(value: object) -> bytes:
    """Encode a response as the endpoint does; what can't be encoded is named instead."""
    try:
        return msgspec.json.encode(value)
    except Exception as error:  # noqa: BLE001 - the endpoint would report a defect
        return type(error).__name__.encode()
