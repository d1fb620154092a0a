"""While a vendor is down, continue a list from cached pages that are older than the first.

Pages are cached one by one, and a first page is refreshed far more often than the next. Logs that
arrived in between have pushed others off the end of the first page onto the second. A cached second
page may follow a refreshed first page only if these are inserted between them::

    09:00  first page   f e d     second page   c b a      both are cached
    09:05  first page   h g f     is refreshed: e and d were pushed off its end
    09:06  the vendor fails       h g f | e d | c b a

``with_pushed_off`` stores the logs that were pushed off with the refreshed page (``PushedOff``),
and ``continue_stale`` finds the continuation. No log can be missing: each cached page was requested
after the page that it followed at the time.
"""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Container, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from gateway import ids
from gateway.cache import FALLBACK_CODES, Cached
from gateway.model import CacheStatus, Freshness, Timestamp, WebhookLog, worst
from gateway.vendors.pages import PushedOff

if TYPE_CHECKING:
    from gateway.cache import Entry
    from gateway.errors import ErrorCode
    from gateway.vendors.pages import Page, Window

OVERLAP = 16
"""Maximum number of rows by which two pages of a list with windows overlap, when the next page is
looked for in the cache."""

Recall = Callable[["Window", Timestamp], Awaitable["Cached[Page] | None"]]
"""Returns the cached page of a window in place of a failure, if it was requested after a given
time."""


class Continuation(msgspec.Struct, frozen=True):
    """A page that replaces one that could not be read.

    ``total`` is the vendor's count of the list at the time of the page. ``is_rest`` is true if the
    page holds only the logs that were pushed off, and nothing after them is known.
    """

    total: int | None
    cached: Cached[Page]
    is_rest: bool = False


def with_pushed_off(page: Page, entry: Entry[Page]) -> Page:
    """Return a refreshed page with the logs that were pushed off its end by newer ones.

    ``since`` is when a page with the same end was first read, if that was earlier than this one:
    any page requested after that time can follow this one, too.
    """
    before = entry.value
    if (page.offset, page.read) != (before.offset, before.read):
        return page
    if not page.marks or page.marks[-1] not in before.marks:
        return page
    begin = len(before.marks) - before.marks[::-1].index(page.marks[-1])
    logs = before.logs[begin:]
    since = before.since or entry.stored_at
    if not logs and page.total == before.total:
        return replace(page, since=since, pushed_off=before.pushed_off)
    newest = PushedOff(
        since=since,
        total=before.total,
        logs=logs,
        read_at=entry.stored_at,
        good_until=entry.stale_until,
    )
    found: list[PushedOff] = []
    # A deletion further down pushes nothing off the page, and there may be any number of them.
    room = len(page.logs)
    for each in (newest, *before.pushed_off):
        room -= max(1, len(each.logs))
        if room < 0:
            break
        found.append(each)
    return replace(page, since=None, pushed_off=found)


def with_same_next(page: Page, entry: Entry[Page]) -> Page:
    """Return a refreshed page of a list by tokens; ``since`` is set if the same page follows it.

    Such a list is not continued from stale pages after others: the token of each is another.
    """
    before = entry.value
    if page.next_token is None or page.next_token != before.next_token:
        return page
    return replace(page, since=before.since or entry.stored_at)


async def continue_stale(
    trail: Sequence[Page],
    window: Window,
    recall: Recall,
    *,
    seen: Container[bytes],
    now: Timestamp,
    failure: ErrorCode,
) -> Continuation | None:
    """Return what follows the last page of a trail, in place of a window that could not be read.

    ``trail`` are the pages read so far, ``seen`` the marks of the logs that were returned before.
    """
    for page in reversed(trail):
        found = await _continue_older_end(page, window, recall, seen=seen, now=now)
        if found is not None:
            return found
    if trail and failure in FALLBACK_CODES:
        return _only_pushed_off(trail[-1], window, seen=seen, now=now, failure=failure.name)
    return None


async def _continue_older_end(
    page: Page, window: Window, recall: Recall, *, seen: Container[bytes], now: Timestamp
) -> Continuation | None:
    """Find a cached page that follows the page as it was before a refresh."""
    pushed: dict[bytes, WebhookLog] = {}
    reads: list[Freshness] = []
    times = _times(page.logs)
    for each in page.pushed_off:
        if each.good_until <= now:
            break
        pushed.update((mark, log) for log in each.logs if (mark := ids.mark_of(log)) not in seen)
        reads.append(
            Freshness(status=CacheStatus.STALE, fetched_at=each.read_at, fresh_until=each.read_at)
        )
        times += _times(each.logs)
        if window.until is None:
            cached = await recall(window, each.since)
            if cached is not None and _count(cached.value.total) < _count(each.total):
                cached = None
        else:
            cached = await _follow(_older_windows(window, times), each.since, recall, seen)
        if cached is not None:
            freshness = worst([cached.freshness, *reads]) or cached.freshness
            return Continuation(each.total, Cached(_join(pushed, cached, seen), freshness))
    return None


def _only_pushed_off(
    page: Page, window: Window, *, seen: Container[bytes], now: Timestamp, failure: str
) -> Continuation | None:
    """Return the logs that were pushed off a page, if no cached page follows them."""
    usable = list(itertools.takewhile(lambda each: each.good_until > now, page.pushed_off))
    logs = [log for each in usable for log in each.logs if ids.mark_of(log) not in seen]
    if not logs:
        return None
    read_at = min(each.read_at for each in usable)
    found = replace(
        page,
        logs=logs,
        more=True,
        offset=window.offset - len(logs) if window.until is None else None,
        total=usable[-1].total,
        read=len(logs),
        unreadable=(),
        since=usable[-1].since,
        pushed_off=(),
    )
    freshness = Freshness(
        status=CacheStatus.STALE, fetched_at=read_at, fresh_until=read_at, failure=failure
    )
    return Continuation(usable[-1].total, Cached(found, freshness), is_rest=True)


def _older_windows(window: Window, times: Iterable[Timestamp]) -> list[Window]:
    """Return the windows by which an older page with these times may have been continued.

    Each overlaps the page by one or more rows.
    """
    untils = sorted(set(times))[:OVERLAP]
    return [replace(window, until=until) for until in untils] or [window]


async def _follow(
    windows: Iterable[Window], since: Timestamp, recall: Recall, seen: Container[bytes]
) -> Cached[Page] | None:
    """Follow the cached pages of a list with windows to the first that has something new."""
    for window in windows:
        cached = await recall(window, since)
        if cached is None:
            continue
        page = cached.value
        if not page.more or any(mark not in seen for mark in page.marks):
            return cached
        further = [
            other
            for other in _older_windows(window, _times(page.logs))
            if window.until is None or other.until is None or other.until < window.until
        ]
        found = await _follow(further, page.since or cached.freshness.fetched_at, recall, seen)
        if found is not None:
            return found
    return None


def _join(pushed: Mapping[bytes, WebhookLog], cached: Cached[Page], seen: Container[bytes]) -> Page:
    """Insert logs that were pushed off before an older page, which may begin with some of them."""
    page = cached.value
    begin = 0 if page.offset is None else len(page.logs)
    while begin and not (page.marks[begin - 1] in pushed or page.marks[begin - 1] in seen):
        begin -= 1
    rows = zip(page.marks[begin:], page.logs[begin:], strict=True)
    added = len(pushed) - begin
    return replace(
        page,
        logs=[*pushed.values(), *(log for mark, log in rows if mark not in pushed)],
        offset=None if page.offset is None else page.offset - added,
        read=page.read + added,
        since=page.since or cached.freshness.fetched_at,
    )


def _times(logs: Sequence[WebhookLog]) -> list[Timestamp]:
    return [log.triggered_at for log in logs if log.triggered_at is not None]


def _count(total: int | None) -> int:
    return -1 if total is None else total
