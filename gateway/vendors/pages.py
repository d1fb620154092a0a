"""What is asked of a vendor's lists, and what it answers."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Generic

import msgspec

from gateway import ids
from gateway.errors import UpstreamError
from gateway.model import D_co, Hook, Timestamp, WebhookLog


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What of a filter a vendor may be able to apply.

    Each is a bound that no matching log lies outside of; the feed filters again, so a source
    applies what it can and ignores the rest. ``since`` and ``until`` include their moment.
    """

    since: Timestamp | None = None
    until: Timestamp | None = None
    failed: bool | None = None
    events: tuple[str, ...] | None = None
    correlation_id: str | None = None


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """One upstream list of webhook logs, newest first.

    ``key`` names it within its source. A ``windowed`` stream can be asked for what is no newer
    than a moment; any other only by offset.
    """

    key: str
    place: tuple[str, ...] = ()
    hook_id: str | None = None
    windowed: bool = False


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """Which part of a stream: ``limit`` logs after ``offset``, none newer than ``until``."""

    limit: int
    offset: int = 0
    until: Timestamp | None = None


class PushedOff(msgspec.Struct, frozen=True, kw_only=True):
    """Logs that arrivals pushed off the end of a page when it was read anew.

    They connect the page with an older cached one (``gateway.sources.stale_pages``) until
    ``good_until``. They were read at ``read_at``; what was asked for after ``since``, when the
    list had ``total`` logs, goes on behind them.
    """

    since: Timestamp
    total: int | None
    logs: Sequence[WebhookLog]
    read_at: Timestamp
    good_until: Timestamp


class Page(msgspec.Struct, Generic[D_co], frozen=True, kw_only=True, dict=True):
    """What a vendor answered, in its order.

    ``offset`` is where the first log really stands, which may be before what was asked for where
    the vendor has page numbers, or None when it counts from the window's ``until``. ``total`` is
    the vendor's count for the same list. ``read`` counts the rows, and ``unreadable`` has one
    reason for each of them that is left out of ``logs``. ``since`` is when a page with the same end
    was first read, if that was before, and ``pushed_off`` are the logs that stood behind it before.
    """

    logs: Sequence[WebhookLog[D_co]]
    more: bool
    offset: int | None = None
    total: int | None = None
    read: int = 0
    unreadable: Sequence[str] = ()
    since: Timestamp | None = None
    pushed_off: Sequence[PushedOff] = ()

    @functools.cached_property
    def marks(self) -> Sequence[bytes]:
        """The marks of the logs, made once for all who are given a kept page."""
        return [ids.mark(log.id) for log in self.logs]


class Scan(msgspec.Struct, frozen=True):
    """How to look for a log that the vendor has no call for: through this list, newest first.

    ``is_past`` is True for a page that stands behind where the log would be.
    """

    stream: Stream
    upstream_id: str
    is_past: Callable[[Page], bool] = lambda _: False


class Found(msgspec.Struct, frozen=True):
    """The streams of a source, and what kept it from finding the others."""

    streams: Sequence[Stream]
    errors: Sequence[UpstreamError] = ()


class Hooks(msgspec.Struct, frozen=True):
    """The hooks of a place, and a reason for each that could not be read."""

    readable: Sequence[Hook]
    unreadable: Sequence[str] = ()


class StreamsChanged(Exception):  # noqa: N818 - no failure, but news
    """A call taught the source that its streams are others; find them again.

    ``refusal`` is what it was taught by, for who can't.
    """

    def __init__(self, refusal: UpstreamError) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal
