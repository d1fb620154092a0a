"""A vendor in memory, with lists of logs that change while they are read."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from gateway import ids
from gateway.cache import Cached
from gateway.errors import ErrorCode, UpstreamError
from gateway.model import (
    CacheStatus,
    Capability,
    Freshness,
    Timestamp,
    WebhookLog,
    WebhookLogStatus,
)
from gateway.sources.list_facts import ListFacts
from gateway.upstream.operation import Operation
from gateway.vendors.language_weaver.parsing import LanguageWeaverDetails
from gateway.vendors.pages import Criteria, Found, Page, Stream, Window

T = TypeVar("T")


def log(source: str, number: int, time: int | None, status: str = "SUCCEEDED") -> WebhookLog:
    """Return a minimal log with a number and a time."""
    return WebhookLog(
        id=ids.encode(ids.Kind.LOG, source, str(number)),
        upstream_id=str(number),
        source=source,
        provider="language-weaver",
        status=WebhookLogStatus[status],
        triggered_at=None if time is None else Timestamp(time),
        details=LanguageWeaverDetails(),
    )


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """Return the result of work that does not wait."""
    try:
        work.send(None)
    except StopIteration as done:
        found: T = done.value
        return found
    raise AssertionError("It waits.")


class FakeSource:
    """Streams of logs, newest first; ``before_call`` may change them between two calls.

    ``now`` is the time of the calls. After ``freeze`` the lists stay as they were, stale.
    ``kinds`` is how each stream is paged: "window" by time (and offset), "moment" by time only,
    "offset", "page" by whole pages only, or "token". A token names the log that its page begins
    with. Once that is gone, or ``token_version`` is another, the vendor refuses it, or returns an
    empty page if ``gives_empty_pages``.
    """

    provider = "language-weaver"
    capabilities = frozenset({Capability.LIST, Capability.COUNT})
    lacks: frozenset[str] = frozenset()
    max_streams = 200

    def __init__(
        self,
        name: str,
        kinds: Sequence[str],
        *,
        page_size: int = 10,
        before_call: Callable[[], None] = lambda: None,
    ) -> None:
        self.name = name
        self.kinds = kinds
        self.page_size = page_size
        self.list_facts = ListFacts()
        self.logs: list[list[WebhookLog]] = [[] for _ in kinds]
        self.calls: list[tuple[str, Window]] = []
        self.errors: dict[str, Exception] = {}
        self.gives_empty_pages = False
        self.counts_statuses = False
        """Whether lists are filtered by status, and their totals count what is left."""
        self.token_version = 1
        self.miscounts = 0
        """By how much totals are too large."""
        self.now: int | None = None
        self.frozen_at: int | None = None
        self._frozen: list[list[WebhookLog]] = []
        self._before_call = before_call
        self._number = 0

    def add(self, stream: int, time: int | None, status: str = "SUCCEEDED") -> WebhookLog:
        """Add a delivery at the head, or at its position by time."""
        self._number += 1
        made = log(self.name, self._number, time, status)
        place = 0
        if time is not None:
            place = bisect.bisect_left(self.logs[stream], -time, key=lambda row: -_time(row))
        self.logs[stream].insert(place, made)
        return made

    def freeze(self) -> None:
        """Give the lists as they are now from here on, until ``frozen_at`` is None."""
        self.frozen_at = self.now
        self._frozen = [list(logs) for logs in self.logs]

    async def find_streams(self, operation: Operation) -> Found:
        del operation
        if error := self.errors.get("find"):
            raise error
        return Found(
            [
                Stream(
                    key=str(index),
                    windowed=kind in {"window", "moment"},
                    by_token=kind == "token",
                )
                for index, kind in enumerate(self.kinds)
            ]
        )

    def applicable(self, criteria: Criteria) -> Criteria:
        """Return all, though none are applied; they count as a request for a part of the list."""
        return criteria

    def counts(self, criteria: Criteria) -> bool:
        """Return whether totals count just what meets the criteria."""
        by_status = criteria == Criteria(statuses=criteria.statuses) and self.counts_statuses
        return criteria == Criteria() or by_status

    async def page(
        self,
        stream: Stream,
        window: Window,
        wanted: Criteria,
        operation: Operation,
        *,
        max_age: float | None = None,
        not_before: Timestamp | None = None,
    ) -> Cached[Page]:
        """Read a page, without a cache."""
        del max_age, not_before
        page = await self.read_page(stream, window, wanted, operation)
        moment = Timestamp(len(self.calls) if self.now is None else self.now)
        if self.frozen_at is not None:
            moment = Timestamp(self.frozen_at)
        return Cached(
            page,
            Freshness(
                status=CacheStatus.MISS if self.frozen_at is None else CacheStatus.STALE,
                fetched_at=moment,
                fresh_until=moment,
                failure=None if self.frozen_at is None else "UPSTREAM_ERROR",
            ),
        )

    def peek_page(
        self,
        stream: Stream,
        window: Window,
        wanted: Criteria,
        operation: Operation,
        *,
        max_age: float | None = None,
    ) -> Cached[Page] | None:
        """Read a page without a wait, as if it were cached, unless it fails."""
        if self.errors.get(stream.key):
            return None
        return at_once(self.page(stream, window, wanted, operation, max_age=max_age))

    async def read_page(
        self, stream: Stream, window: Window, wanted: Criteria, operation: Operation
    ) -> Page:
        self._before_call()
        self.calls.append((stream.key, window))
        operation.calls[self.name] += 1
        if error := self.errors.get(stream.key):
            raise error
        kind, logs = self.kinds[int(stream.key)], self.logs[int(stream.key)]
        if self.frozen_at is not None:
            logs = self._frozen[int(stream.key)]
        if self.counts_statuses and wanted.statuses is not None:
            logs = [row for row in logs if row.status in wanted.statuses]
        until, offset = window.until, window.offset
        if kind in {"window", "moment"} and until is not None:
            logs = [row for row in logs if _time(row) <= until]
        if kind == "moment":
            offset = 0
        if kind == "page":
            offset -= offset % window.limit
        if kind == "token":
            return self._page_of_token(logs, window)
        rows = logs[offset : offset + window.limit]
        whole = kind in {"offset", "page"} or (kind == "window" and until is None)
        return Page(
            logs=rows,
            read=len(rows),
            offset=offset if whole else None,
            total=len(logs) + self.miscounts if whole and self.counts(wanted) else None,
            more=len(rows) > 0,
        )

    def _page_of_token(self, logs: Sequence[WebhookLog], window: Window) -> Page:
        tokens = [f"v{self.token_version}_{row.upstream_id}" for row in logs]
        if window.token is not None and window.token not in tokens:
            if self.gives_empty_pages:
                return Page(logs=[], more=False)
            raise refused(self.name)
        begin = 0 if window.token is None else tokens.index(window.token)
        end = begin + window.limit
        rows = logs[begin:end]
        following = tokens[end] if end < len(tokens) else None
        return Page(logs=rows, read=len(rows), more=following is not None, next_token=following)


def refused(source: str) -> UpstreamError:
    """Return the error for a token that the vendor no longer knows."""
    return UpstreamError(
        ErrorCode.UPSTREAM_REJECTED, f"Source {source} refused it.", source=source, status=422
    )


def _time(row: WebhookLog) -> int:
    return 0 if row.triggered_at is None else row.triggered_at
