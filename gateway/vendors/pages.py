"""Requests for pages of a vendor's lists, and their results."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Generic

import msgspec
from msgspec.structs import replace

from gateway import ids
from gateway.errors import UpstreamError
from gateway.model import Attempt, D_co, Hook, Timestamp, WebhookLog, WebhookLogStatus

MAX_STATUS_CODE = 999
"""The greatest number that an HTTP status can be; an upper bound that is none."""

TOKEN_REFUSED = frozenset({400, 404, 410, 422})
"""Statuses with which vendors refuse page tokens that they no longer know."""


class Criteria(msgspec.Struct, frozen=True, kw_only=True):
    """Conditions that every log matching the filter meets.

    A kit passes on those that its vendor supports and ignores the rest, as the feed filters again.
    What it passes on may let more logs through, but none of those that meet the conditions may be
    missing: where a vendor's own "failed" is narrower than the gateway's, it is of no use.

    ``since`` and ``until`` are inclusive, and so are the two ``status_codes``, which rule out logs
    without a code. ``statuses`` are never empty. ``hooks`` are the last items of hooks' places, and
    None for a list of one hook; they may be of other lists of the source.
    """

    since: Timestamp | None = None
    until: Timestamp | None = None
    statuses: frozenset[WebhookLogStatus] | None = None
    events: tuple[str, ...] | None = None
    correlation_id: str | None = None
    hooks: tuple[str, ...] | None = None
    status_codes: tuple[int, int] | None = None

    def encoded(self) -> bytes:
        """Return bytes that are the same for equal criteria only."""
        # A set has no order of its own.
        statuses = self.statuses and sorted(status.value for status in self.statuses)
        return msgspec.json.encode((replace(self, statuses=None), statuses))


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """One upstream list of webhook logs, newest first.

    ``key`` is its name, unique within the source; ``place`` is for the kit's own use, such as for a
    path. ``hook_id`` is set if all its logs are of one hook. A ``windowed`` stream can be read from
    a moment backwards, one ``by_token`` only by the vendor's own page tokens, and any other by
    offset.

    ``granularity`` is the smallest step of a windowed list's upper bound, in nanoseconds. A kit
    rounds bounds up to it, so that logs of up to two steps more may be on a page; the reader drops
    those that it had before.
    """

    key: str
    place: tuple[str, ...] = ()
    hook_id: str | None = None
    windowed: bool = False
    by_token: bool = False
    granularity: int = 1_000_000


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a stream: ``limit`` logs after ``offset``, none newer than ``until``.

    ``until`` is inclusive, and set for ``windowed`` streams only. A kit asks for up to a second
    more, for vendors that round it down, unless it is ``exact``; then for no more than the
    stream's ``granularity`` makes necessary. ``token`` names the page of a stream ``by_token``;
    None is the first. It may come back from a caller, so it must not be sent as anything but the
    value of the one parameter that it is for.
    """

    limit: int
    offset: int = 0
    until: Timestamp | None = None
    exact: bool = False
    token: str | None = None


class PushedOff(msgspec.Struct, Generic[D_co], frozen=True, kw_only=True):
    """Logs pushed off the end of a page by newer ones, found when it was refreshed.

    Until ``good_until`` they connect the refreshed page with an older cached next page
    (``gateway.sources.stale_pages``): one that was requested after ``since``, when the list had
    ``total`` logs. They were read at ``read_at``.
    """

    since: Timestamp
    total: int | None
    logs: Sequence[WebhookLog[D_co]]
    read_at: Timestamp
    good_until: Timestamp


class Page(msgspec.Struct, Generic[D_co], frozen=True, kw_only=True, dict=True, weakref=True):
    """A page as the vendor returned it, in the vendor's order.

    ``offset`` is the actual offset of the first row, which is smaller than the requested one if a
    vendor with page numbers returns the page around it; None if the page was read from the window's
    ``until`` or by its ``token``. ``total`` is the vendor's count of the list that was requested,
    or None if it gives none. ``read`` is the number of rows, unreadable ones included, and
    ``unreadable`` has the reason for each of those. ``more`` is False only if this is certainly the
    last page; a short page may not be. ``next_token`` is the token of the next page of a stream
    ``by_token``, and None on the last one, whatever ``more`` is; an empty page may have one, too.
    ``lacking`` says what its logs lack because the vendor could not be asked for it.

    The cache adds ``since``, when a page with the same end was first read if that was earlier, and
    ``pushed_off``, logs that were on the page before a refresh.
    """

    logs: Sequence[WebhookLog[D_co]]
    more: bool
    offset: int | None = None
    total: int | None = None
    read: int = 0
    next_token: str | None = None
    unreadable: Sequence[str] = ()
    lacking: str | None = None
    since: Timestamp | None = None
    pushed_off: Sequence[PushedOff[D_co]] = ()

    @functools.cached_property
    def marks(self) -> Sequence[bytes]:
        """The marks of the logs, computed once per cached page."""
        return [ids.mark_of(log) for log in self.logs]

    def encoded_size(self, encoder: msgspec.json.Encoder) -> int:
        """Return the bytes of JSON that the page takes.

        Each log is encoded once: a refreshed page mostly has logs that were there before.
        """
        size = len(encoder.encode(replace(self, logs=()))) + len(self.logs)
        for log in self.logs:
            own = log.__dict__.get("json_size")
            if own is None:
                own = log.__dict__["json_size"] = len(encoder.encode(log))
            size += own
        return size

    @functools.cached_property
    def repeats(self) -> int:
        """How many of its logs are on it a second time."""
        return len(self.marks) - len(set(self.marks))


class Scan(msgspec.Struct, frozen=True):
    """How to find a log that no call can read: by searching ``stream``, newest first.

    ``is_past`` returns True for a page whose logs are all older than the one searched for.
    """

    stream: Stream
    upstream_id: str
    is_past: Callable[[Page], bool] = lambda _: False


class Found(msgspec.Struct, frozen=True):
    """The streams of a source, and the errors that prevented it from finding others."""

    streams: Sequence[Stream]
    errors: Sequence[UpstreamError] = ()


class Hooks(msgspec.Struct, frozen=True, weakref=True):
    """A list of hooks, and the reason for each row that could not be parsed."""

    readable: Sequence[Hook]
    unreadable: Sequence[str] = ()


class Attempts(msgspec.Struct, frozen=True, weakref=True):
    """The attempts of a delivery, the first one first."""

    read: tuple[Attempt, ...]


class StreamsChanged(Exception):  # noqa: N818 - not a failure
    """A call has shown that the source has other streams, so they must be found again.

    ``refusal`` is the vendor's error, to be raised if that fails, too.
    """

    def __init__(self, refusal: UpstreamError) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal
