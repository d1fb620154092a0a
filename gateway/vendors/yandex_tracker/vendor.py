"""Yandex Tracker, API v3: the logs of HTTP requests sent by triggers.

The log has no paging: a call returns the newest rows, or the newest up to a moment. An older
revision of the documentation has no parameters at all, so they are left out once the vendor refuses
them. The body of the receiver's response is not logged.

https://yandex.ru/support/tracker/ru/concepts/queues/view-trigger-logs
https://yandex.ru/support/tracker/ru/concepts/queues/get-triggers
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from gateway.errors import UpstreamError
from gateway.ids import decode
from gateway.model import Capability, Hook, Timestamp, WebhookLog
from gateway.normalise import timestamps
from gateway.normalise.fields import Fields, UnreadableError, is_number
from gateway.upstream.path import ApiPath
from gateway.vendors.base import CachedHooks, Vendor, parse_rows, read_hooks
from gateway.vendors.calls import (
    Params,
    first_accepted,
    is_sendable,
    none_if_missing,
    result_or_error,
    split_results,
    together,
)
from gateway.vendors.pages import Criteria, Found, Hooks, Page, Stream, Window
from gateway.vendors.yandex_tracker.parsing import (
    PROVIDER,
    YandexTrackerDetails,
    parse_hook,
    parse_log,
    read_error,
)
from gateway.vendors.yandex_tracker.settings import YandexTrackerSettings, credential

if TYPE_CHECKING:
    from gateway.upstream.client import UpstreamClient
    from gateway.upstream.operation import Operation

MILLISECOND = 1_000_000
SECOND = 1_000_000_000
TIMES_END = 2**62
MAX_LIMIT = 100
TRIGGERS_PER_PAGE = 50


class YandexTracker(Vendor[YandexTrackerSettings]):
    """The triggers with a Webhook action in the configured queues.

    Places are ``(queue, trigger, time in nanoseconds, log)``.
    """

    provider: ClassVar = PROVIDER
    title: ClassVar = "Yandex Tracker"
    settings: ClassVar = YandexTrackerSettings
    details: ClassVar = YandexTrackerDetails
    read_error = staticmethod(read_error)
    credential = staticmethod(credential)
    capabilities: ClassVar = frozenset(
        {Capability.LIST, Capability.GET, Capability.FILTER_TIME, Capability.REQUEST_BODY}
    )
    lacks: ClassVar = frozenset({"event"})

    def __init__(
        self, settings: YandexTrackerSettings, client: UpstreamClient, cached_hooks: CachedHooks
    ) -> None:
        super().__init__(settings, client, cached_hooks)
        # Trigger ids by queue; None means all triggers of the queue that send webhooks.
        self._queues: dict[str, list[str] | None] = dict.fromkeys(settings.queues)
        for queue, triggers in settings.triggers.items():
            self._queues[queue] = [str(trigger) for trigger in triggers]
        self._filters = True

    async def find_streams(self, operation: Operation) -> Found:
        """Return a stream for each trigger. Triggers are listed for whole queues only."""
        found, errors = split_results(
            await together(
                [result_or_error(self._triggers, queue, operation) for queue in self._queues]
            )
        )
        if not found:
            raise errors[0]
        streams: list[Stream] = []
        for queue, triggers, unreadable in found:
            errors += unreadable
            streams += [self._stream(queue, trigger) for trigger in triggers]
        return Found(streams, errors)

    def stream_of(self, hook: Hook) -> Stream | None:
        """Return the stream of a trigger of a whole queue."""
        queue, trigger = decode(hook.id).place
        return self._stream(queue, trigger)

    def _stream(self, queue: str, trigger: str) -> Stream:
        return Stream(
            key=f"{queue}/{trigger}",
            place=(queue, trigger),
            hook_id=self.ids.hook(queue, trigger),
            windowed=self._filters,
        )

    async def _triggers(
        self, queue: str, operation: Operation
    ) -> tuple[str, Sequence[str], list[UpstreamError]]:
        chosen = self._queues[queue]
        if chosen is not None:
            return queue, chosen, []
        hooks = await self._queue_hooks(queue, operation)
        return queue, [hook.upstream_id for hook in hooks.readable], self.unreadable_errors(hooks)

    def applicable(self, criteria: Criteria) -> Criteria:
        """Keep the times and the correlation id."""
        return Criteria(
            since=criteria.since, until=criteria.until, correlation_id=criteria.correlation_id
        )

    async def read_page(
        self, stream: Stream, window: Window, criteria: Criteria, operation: Operation
    ) -> Page:
        """Request the newest logs of the window, or of the trigger if parameters are refused.

        Once the vendor has refused those of the window, which no caller chose, none are sent any
        more.
        """
        limit = ("limit", str(min(window.limit, MAX_LIMIT)))
        page, taken = await first_accepted(
            lambda params: self._list(stream, params, operation),
            (
                (limit, *_filters(window, criteria)),
                (limit, *_filters(window, Criteria())),
                (),
            )
            if self._filters
            else [()],
        )
        if not taken:
            self._filters = False
        return page

    async def _list(self, stream: Stream, params: Params, operation: Operation) -> Page:
        document, _ = await self.client.json(
            _log_path(stream.place), params, operation=operation, rows=""
        )
        rows = self.checked_list(document)
        logs, unreadable = parse_rows(
            rows,
            lambda row: parse_log(row, self.ids, stream.place),
            operation.memo(*stream.place),
        )
        limit = int(dict(params).get("limit", 0))
        # More rows than requested mean that parameters are ignored, and that this is the whole log.
        different = len({log.upstream_id for log in logs}) + len(unreadable)
        heeded = bool(params) and different <= limit
        return Page(
            logs=logs,
            unreadable=unreadable,
            read=len(rows),
            offset=None if heeded else 0,
            more=heeded and bool(rows),
        )

    async def read_log(self, place: tuple[str, ...], operation: Operation) -> WebhookLog | None:
        """Request the millisecond in the place, as there is no call for one log."""
        if len(place) != 4 or not self._granted(place[0], place[1]):
            return None
        if place[2] and not is_number(place[2], TIMES_END):
            return None
        moment = Timestamp(int(place[2])) if place[2] else None
        window = Window(limit=MAX_LIMIT, until=moment)
        stream = Stream(key="", place=place[:2])
        page = await none_if_missing(
            self.read_page, stream, window, Criteria(since=moment), operation
        )
        log = _find(page, place[3])
        if log is None and page and page.read and moment is not None:
            # More logs share that second than a page can list.
            window = Window(limit=MAX_LIMIT, until=moment, exact=True)
            page = await none_if_missing(
                self.read_page, stream, window, Criteria(since=moment), operation
            )
            log = _find(page, place[3])
        return log

    def hook_of(self, place: tuple[str, ...]) -> str | None:
        """Return the id of the trigger in a log's place."""
        return self.ids.hook(*place[:2])

    async def hooks(self, operation: Operation) -> Sequence[Hook]:
        """Return the triggers of whole queues, and those configured, which are read one by one."""
        found = await asyncio.gather(
            *(
                self._queue_hooks(queue, operation)
                if chosen is None
                else self._named_hooks(queue, chosen, operation)
                for queue, chosen in self._queues.items()
            )
        )
        return [hook for hooks in found for hook in hooks.readable]

    async def _queue_hooks(self, queue: str, operation: Operation) -> Hooks:
        async def load(operation: Operation) -> Hooks:
            async def read_rows(_read: int, last: str) -> tuple[list[Any], bool]:
                # The page after a cursor may begin with the cursor's own row.
                cursor = [("id", last)] if last else []
                document, _ = await self.client.json(
                    _triggers_path(queue),
                    [("perPage", str(TRIGGERS_PER_PAGE)), *cursor],
                    operation=operation,
                )
                rows = self.checked_list(document)
                return rows, bool(rows)

            return await read_hooks(
                read_rows, lambda row: parse_hook(row, self.ids, queue), operation
            )

        return await self.cached_hooks(f"hooks/{queue}", load, operation)

    async def _named_hooks(self, queue: str, chosen: Sequence[str], operation: Operation) -> Hooks:
        async def read(trigger: str, operation: Operation) -> Hook | None:
            path = _triggers_path(queue) + ApiPath.of("/{trigger}", str(trigger))
            answer = await none_if_missing(self.client.json, path, operation=operation)
            if answer is None:
                return None
            try:
                return parse_hook(Fields(answer[0]), self.ids, queue)[1]
            except UnreadableError:
                raise self.unexpected("a trigger") from None

        async def load(operation: Operation) -> Hooks:
            hooks = await asyncio.gather(*(read(trigger, operation) for trigger in chosen))
            return Hooks([hook for hook in hooks if hook is not None])

        return await self.cached_hooks(f"hooks/{queue}", load, operation)

    def _granted(self, queue: str, trigger: str) -> bool:
        if queue not in self._queues or not is_number(trigger):
            return False
        chosen = self._queues[queue]
        return chosen is None or trigger in chosen


def _find(page: Page | None, upstream_id: str) -> WebhookLog | None:
    logs = page.logs if page else ()
    return next((log for log in logs if log.upstream_id == upstream_id), None)


def _triggers_path(queue: str) -> ApiPath:
    return ApiPath.of("/v3/queues/{queue}/triggers", quote(queue, safe=""))


def _log_path(place: Sequence[str]) -> ApiPath:
    return _triggers_path(place[0]) + ApiPath.of("/{trigger}/webhooks/log", place[1])


def _filters(window: Window, criteria: Criteria) -> Params:
    """Return the query parameters for the criteria.

    Whether the vendor's bounds are inclusive is not documented, nor whether they are rounded to
    whole seconds, so they are wider, unless the window is exact by now.
    """
    filters = []
    if criteria.since is not None:
        after = Timestamp(criteria.since - SECOND)
        filters.append(("from", timestamps.format_millis(after, "+0000")))
    untils = [moment for moment in (window.until, criteria.until) if moment is not None]
    if untils:
        until = min(untils)
        before = Timestamp(
            until + MILLISECOND if window.exact else until // SECOND * SECOND + SECOND
        )
        filters.append(("to", timestamps.format_millis(before, "+0000")))
    if criteria.correlation_id is not None and is_sendable(criteria.correlation_id):
        filters.append(("issueId", criteria.correlation_id))
    return tuple(filters)
