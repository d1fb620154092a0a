"""The way on through a list that was kept, where its vendor fails.

What is kept may be older than the page that it is to stand behind. It does where nothing is lost
between the two: where the one went on behind an older end of the other.
"""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Container, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from gateway import ids
from gateway.cache import Cached
from gateway.model import CacheStatus, Freshness, Timestamp, WebhookLog, worst
from gateway.vendors.pages import Page, Window

if TYPE_CHECKING:
    from gateway.vendors.pages import Seam

Recall = Callable[[Window, Timestamp], Awaitable[Cached[Page] | None]]
"""Gives what is kept of a window, if it was asked for after a moment."""


class Bridge(msgspec.Struct, frozen=True):
    """What goes on behind a seam: a page that was kept, with the logs between before its own."""

    seam: Seam
    kept: Cached[Page]


async def bridge(
    page: Page, window: Window, recall: Recall, *, known: Container[bytes], now: Timestamp
) -> Bridge | None:
    """Find what goes on behind an older end of a page, in place of what the window failed to give.

    ``known`` are the marks of the logs that were given already.
    """
    pushed: dict[bytes, WebhookLog] = {}
    reads: list[Freshness] = []
    times = _times(page.logs)
    for seam in page.seams:
        if seam.good_until <= now:
            break
        pushed.update((mark, log) for log in seam.logs if (mark := ids.mark(log.id)) not in known)
        reads.append(
            Freshness(status=CacheStatus.STALE, fetched_at=seam.read_at, fresh_until=seam.read_at)
        )
        times += _times(seam.logs)
        if window.until is None:
            kept = await recall(window, seam.since)
            fits = kept is not None and count(kept.value.total) >= count(seam.total)
        else:
            older = replace(window, until=min(times, default=window.until))
            kept = await _reach(window.until, older, await recall(older, seam.since), recall)
            fits = True
        if kept is not None and fits:
            freshness = worst([kept.freshness, *reads]) or kept.freshness
            return Bridge(seam, Cached(_join(pushed, kept, known), freshness))
    return None


def rest(
    page: Page, window: Window, *, known: Container[bytes], now: Timestamp, failure: str
) -> Bridge | None:
    """Give what was pushed off a page, where nothing is kept that goes on behind it."""
    seams = list(itertools.takewhile(lambda seam: seam.good_until > now, page.seams))
    pushed = [log for seam in seams for log in seam.logs if ids.mark(log.id) not in known]
    if not pushed:
        return None
    read_at = min(seam.read_at for seam in seams)
    found = Page(
        logs=pushed,
        more=True,
        offset=window.offset - len(pushed) if window.until is None else None,
        total=seams[-1].total,
        read=len(pushed),
        since=seams[-1].since,
    )
    freshness = Freshness(
        status=CacheStatus.STALE, fetched_at=read_at, fresh_until=read_at, failure=failure
    )
    return Bridge(seams[-1], Cached(found, freshness))


async def _reach(
    time: Timestamp, window: Window, kept: Cached[Page] | None, recall: Recall
) -> Cached[Page] | None:
    """Follow what was kept of a list with windows to the page that goes on behind a moment."""
    while kept is not None and kept.value.more:
        end = min(_times(kept.value.logs), default=window.until)
        if end is None or end < time:
            break
        if window.until is not None and end >= window.until:
            return None
        window = replace(window, until=end)
        kept = await recall(window, kept.value.since or kept.freshness.fetched_at)
    return kept


def _join(pushed: Mapping[bytes, WebhookLog], kept: Cached[Page], known: Container[bytes]) -> Page:
    """Put what was pushed off a page before an older one, which may begin with some of it."""
    page = kept.value
    begin = 0 if page.offset is None else len(page.logs)
    while begin and not (page.marks[begin - 1] in pushed or page.marks[begin - 1] in known):
        begin -= 1
    rows = zip(page.marks[begin:], page.logs[begin:], strict=True)
    added = len(pushed) - begin
    return Page(
        logs=[*pushed.values(), *(log for mark, log in rows if mark not in pushed)],
        more=page.more,
        offset=None if page.offset is None else page.offset - added,
        total=page.total,
        read=page.read + added,
        unreadable=page.unreadable,
        since=page.since or kept.freshness.fetched_at,
        seams=page.seams,
    )


def _times(logs: Sequence[WebhookLog]) -> list[Timestamp]:
    return [log.triggered_at for log in logs if log.triggered_at is not None]


def count(total: int | None) -> int:
    """Give a vendor's count, or -1 where it gives none."""
    return -1 if total is None else total
