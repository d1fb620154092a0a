"""Retries: the log that was sent again, and the new one where the vendor makes one.

A vendor that makes a new log may name it in its answer, though it need not be there yet. Otherwise
the log is looked for a few times, with growing pauses, among the newest of the same event. Example,
where the answer does not name it, and ``b`` was made by an earlier retry::

    before the retry of a      b a      b is known
    0.25 s after               b a      nothing new
    0.75 s after             c b a      c has the correlation id of a, and is not known: it is new

A vendor may have further keys by which it recognises a retried event (``Vendor.retry_keys``).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from gateway.errors import UpstreamError
from gateway.vendors.pages import Criteria, Stream, StreamsChanged, Window
from gateway.vendors.retried import Retried, RetryKind

if TYPE_CHECKING:
    from gateway.model import WebhookLog
    from gateway.sources.source import Source
    from gateway.upstream.operation import Operation

PAUSES = (0.25, 0.5, 1.0, 1.5, 2.0)
"""Seconds before each look for a new log."""
LOOK_AHEAD = 2.0
"""Seconds for which a retry may be held up to learn what is listed before it."""
_FAILURES = (UpstreamError, StreamsChanged, TimeoutError)
"""Failures to read, which change nothing about the retry itself."""


class Retry:
    """A retry of the log at a place.

    ``log`` is that log, and ``replacement`` the new one, as they are after the retry: None if they
    are not known.
    """

    def __init__(self, source: Source, place: tuple[str, ...], operation: Operation) -> None:
        self.log: WebhookLog | None = None
        self.replacement: WebhookLog | None = None
        self._source = source
        self._place = place
        self._operation = operation
        self._stream: Stream | None = None
        self._known: set[str] = set()

    async def send(self) -> Retried:
        """Send the delivery again, once; UpstreamError if the vendor fails."""
        if self._source.vendor.appends_retries:
            with contextlib.suppress(*_FAILURES):
                async with asyncio.timeout(LOOK_AHEAD):
                    if log := await self._findable():
                        self._known = {each.id for each in await self._listed(log)}
        return await self._source.retry(self._place, self._operation)

    async def read(self, retried: Retried, until: float) -> None:
        """Read the logs as they are after the retry, past the cache, as far as that succeeds.

        A new log is waited for until a time of the event loop's clock.
        """
        with contextlib.suppress(*_FAILURES):
            if retried.kind is not RetryKind.NEW_LOG:
                self.log = retried.log or await self._read(self._place)
                return
            async with asyncio.timeout_at(until):
                if (place := retried.place) is not None:
                    self.replacement = await _repeat(lambda: self._read(place), (0.0, *PAUSES))
                    self.log = retried.log or await self._cached()
                elif log := await self._findable():
                    self.replacement = await _repeat(lambda: self._find(log), PAUSES)

    async def _read(self, place: tuple[str, ...]) -> WebhookLog | None:
        return await self._source.read_log(place, self._operation, uncached=True)

    async def _cached(self) -> WebhookLog | None:
        return (await self._source.log(self._place, self._operation)).value

    async def _findable(self) -> WebhookLog | None:
        """Return the retried log if a new one can be found by it, in a list that is then known."""
        self.log = self.log or await self._cached()
        if self.log is None or not self._source.vendor.retry_keys(self.log):
            return None
        self._stream = self._stream or await _stream_of(self._source, self._place, self._operation)
        return self.log if self._stream else None

    async def _find(self, retried: WebhookLog) -> WebhookLog | None:
        found = (log for log in await self._listed(retried) if log.id not in self._known)
        return next(found, None)

    async def _listed(self, retried: WebhookLog) -> list[WebhookLog]:
        """Return the logs on the newest page that a retry of this one may have made."""
        assert self._stream is not None  # noqa: S101 - the log is findable
        vendor = self._source.vendor
        keys = vendor.retry_keys(retried)
        only = retried.correlation_id if keys == {retried.correlation_id} else None
        page = await vendor.read_page(
            self._stream,
            Window(limit=self._source.page_size),
            Criteria(correlation_id=only),
            self._operation,
        )
        return [
            log
            for log in page.logs
            if _may_replace(log, retried) and not keys.isdisjoint(vendor.retry_keys(log))
        ]


def _may_replace(log: WebhookLog, retried: WebhookLog) -> bool:
    """Return whether a log is of the same hook and not older."""
    if log.id == retried.id or log.is_redelivery is False or log.hook_id != retried.hook_id:
        return False
    return (
        log.triggered_at is None
        or retried.triggered_at is None
        or log.triggered_at >= retried.triggered_at
    )


async def _stream_of(source: Source, place: tuple[str, ...], operation: Operation) -> Stream | None:
    """Return the list that has the log at a place; None if that is not clear."""
    if scan := source.vendor.scan_for(place):
        return scan.stream
    streams = (await source.find_streams(operation)).streams
    hook_id = source.vendor.hook_of(place)
    for stream in streams:
        if stream.hook_id and stream.hook_id == hook_id:
            return stream
        # The place of a log usually begins with that of its list.
        if stream.place and stream.place == place[: len(stream.place)]:
            return stream
    return streams[0] if len(streams) == 1 else None


async def _repeat(
    look: Callable[[], Awaitable[WebhookLog | None]], pauses: tuple[float, ...]
) -> WebhookLog | None:
    for pause in pauses:
        await asyncio.sleep(pause)
        if (found := await look()) is not None:
            return found
    return None
