"""One configured system: a vendor with its client and its cache."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from gateway.errors import ErrorCode, RequestError, UpstreamError
from gateway.events import Events, PageRefreshed
from gateway.model import Attempt, Capability, Hook, Timestamp, WebhookLog, WebhookLogStatus
from gateway.sources.caching import Read, SourceCache, tag
from gateway.sources.list_facts import ListFacts
from gateway.sources.log_search import LogSearch
from gateway.sources.stale_pages import with_pushed_off, with_same_next
from gateway.vendors.pages import Attempts, Criteria, Found, Page, Stream, StreamsChanged, Window

if TYPE_CHECKING:
    from gateway.cache import Cached
    from gateway.model import Freshness
    from gateway.upstream.client import UpstreamClient
    from gateway.upstream.operation import Operation, Used
    from gateway.vendors.base import Vendor
    from gateway.vendors.retried import Retried


PAGE_READS = 4096
"""Pages whose names are remembered."""
_ATTEMPTS: Any = Attempts | None


class Source:
    """A vendor's lists, logs and hooks, read through the cache, and its actions.

    Ids come from callers: one outside the configuration yields None, like one that does not exist.
    Methods raise UpstreamError if the vendor fails.
    """

    def __init__(
        self,
        name: str,
        vendor: Vendor[Any],
        client: UpstreamClient,
        cache: SourceCache,
        events: Events | None = None,
    ) -> None:
        self.name = name
        self.client = client
        self.vendor = vendor
        self.provider = vendor.provider
        self.capabilities = vendor.capabilities
        self.lacks = vendor.lacks
        self.list_facts = ListFacts()
        self._cache = cache
        self._events = events or Events()
        self._page_read = functools.lru_cache(PAGE_READS)(self._make_page_read)
        self._page_type: Any = Page[vendor.details]  # type: ignore[name-defined]
        self._log_type: Any = WebhookLog[vendor.details] | None  # type: ignore[name-defined]

    @property
    def page_size(self) -> int:
        """Number of rows on a page of the vendor, as far as is known."""
        return self.vendor.page_size

    @property
    def max_streams(self) -> int:
        """Number of lists that are read for one operation."""
        return self.vendor.max_streams

    @property
    def personal(self) -> bool:
        """Whether callers read it with credentials of their own."""
        return self._cache.personal

    def freshness_of(self, used: Used) -> Freshness | None:
        """Return the freshness of a cached value; None if it is no longer current and fresh."""
        return self._cache.freshness_of(used)

    def retire(self) -> None:
        """Tell no more of the circuit breaker; another source may have the name from now on."""
        self.client.retire()

    async def close(self) -> None:
        """Close the connections."""
        await self.client.close()

    async def find_streams(self, operation: Operation) -> Found:
        """Return the upstream lists, in a fixed order; UpstreamError if none can be found."""
        return await self.vendor.find_streams(operation)

    def stream_of(self, hook: Hook) -> Stream | None:
        """Return the list of one hook's logs; None if the vendor has no lists by hook."""
        return self.vendor.stream_of(hook)

    def applicable(self, criteria: Criteria) -> Criteria:
        """Return the criteria that the vendor can apply, by which pages are cached."""
        return self.vendor.applicable(criteria)

    def counts(self, criteria: Criteria) -> bool:
        """Return whether the total of a list with these criteria counts just what meets them."""
        return self.vendor.counts(criteria)

    async def page(
        self,
        stream: Stream,
        window: Window,
        criteria: Criteria,
        operation: Operation,
        *,
        max_age: float | None = None,
        not_before: Timestamp | None = None,
    ) -> Cached[Page]:
        """Return a page from the cache, or read it.

        Cached pages older than ``max_age`` seconds are not used, nor are those requested before
        ``not_before``: a page older than its predecessor may not continue it.
        """
        read = self._page_read(stream, window, criteria)
        return await self._cache.get(read, operation, max_age=max_age, not_before=not_before)

    def peek_page(
        self,
        stream: Stream,
        window: Window,
        criteria: Criteria,
        operation: Operation,
        *,
        max_age: float | None = None,
    ) -> Cached[Page] | None:
        """Return what ``page`` would return, if it is cached, fresh and takes no wait."""
        read = self._page_read(stream, window, criteria)
        return self._cache.peek(read, operation, max_age=max_age)

    def _make_page_read(self, stream: Stream, window: Window, criteria: Criteria) -> Read:
        lifetimes = self._cache.lifetimes
        first = window.offset == 0 and window.until is None and window.token is None
        seconds = lifetimes.first_page if first else lifetimes.page
        tags = (tag("hook", stream.hook_id) if stream.hook_id else self._lists,)

        async def read(detached: Operation) -> Page:
            page = await self.vendor.read_page(stream, window, criteria, detached)
            if self._events.wants(PageRefreshed):
                self._events.emit(PageRefreshed(self.name, page.logs, detached.background))
            return page

        return Read(
            name=_page_name(stream, window, criteria),
            kind=self._page_type,
            read=read,
            classify=lambda _: (seconds, tags),
            renew=with_same_next if stream.by_token else with_pushed_off,
        )

    async def recall_page(
        self,
        stream: Stream,
        window: Window,
        criteria: Criteria,
        operation: Operation,
        *,
        error: UpstreamError,
        not_before: Timestamp,
    ) -> Cached[Page] | None:
        """Return a page cached since ``not_before`` in place of a failure, or None."""
        name = _page_name(stream, window, criteria)
        return await self._cache.get_stale(
            name, self._page_type, operation, error=error, not_before=not_before
        )

    async def log(self, place: tuple[str, ...], operation: Operation) -> Cached[WebhookLog | None]:
        """Return the complete log, cached if possible; None if there is no log at the place."""
        id = self.vendor.ids.log(*place)
        lifetimes = self._cache.lifetimes

        def classify(log: WebhookLog | None) -> tuple[float, tuple[str, ...]]:
            hook_id = log.hook_id if log else self.vendor.hook_of(place)
            tags = (tag("log", id), *((tag("hook", hook_id),) if hook_id else ()))
            if log is None:
                return lifetimes.negative, tags
            return self._detail_lifetime(log.status), tags

        read = Read(
            name=f"log/{id}",
            kind=self._log_type,
            read=lambda detached: self.read_log(place, detached),
            classify=classify,
        )
        return await self._cache.get(read, operation)

    async def read_log(
        self, place: tuple[str, ...], operation: Operation, *, uncached: bool = False
    ) -> WebhookLog | None:
        """Read the complete log from the vendor; None if there is no log at the place.

        Where it has to be searched, cached pages are used unless ``uncached`` is true.
        """
        scan = self.vendor.scan_for(place)
        if scan is None:
            return await self.vendor.read_log(place, operation)
        try:
            return await LogSearch(self, scan, operation, uncached=uncached).find()
        except StreamsChanged:
            return None
        except UpstreamError as error:
            if error.code is ErrorCode.UPSTREAM_NOT_FOUND:
                return None
            raise

    def _detail_lifetime(self, status: WebhookLogStatus) -> float:
        """Return the seconds for which a log is fresh: many if it will not change any more."""
        lifetimes = self._cache.lifetimes
        return lifetimes.detail if self._is_final(status) else lifetimes.first_page

    def _is_final(self, status: WebhookLogStatus) -> bool:
        """Return whether a log will not change; a failed one may if it can be retried."""
        if self.vendor.resends_in_place:
            return False
        if status is WebhookLogStatus.FAILED:
            return Capability.RETRY not in self.capabilities
        return status in {WebhookLogStatus.SUCCEEDED, WebhookLogStatus.CANCELLED}

    async def attempts(
        self, place: tuple[str, ...], operation: Operation
    ) -> Sequence[Attempt] | None:
        """Return the attempts of a delivery, cached if possible; None if the vendor has none."""
        if Capability.ATTEMPTS not in self.capabilities:
            return None
        id, hook_id = self.vendor.ids.log(*place), self.vendor.hook_of(place)
        tags = (tag("log", id), *((tag("hook", hook_id),) if hook_id else ()))

        async def read(detached: Operation) -> Attempts | None:
            found = await self.vendor.read_attempts(place, detached)
            return None if found is None else Attempts(tuple(found))

        def classify(found: Attempts | None) -> tuple[float, tuple[str, ...]]:
            latest = found.read[-1].status if found and found.read else WebhookLogStatus.UNKNOWN
            return self._detail_lifetime(latest), tags

        # Under attempts/ earlier releases stored them in another form.
        wanted = Read(name=f"tries/{id}", kind=_ATTEMPTS, read=read, classify=classify)
        attempts: Attempts | None = (await self._cache.get(wanted, operation)).value
        return None if attempts is None else attempts.read

    async def hooks(self, operation: Operation) -> Sequence[Hook]:
        """Return the hooks that the configuration covers."""
        return await self.vendor.hooks(operation)

    def grants(self, place: tuple[str, ...]) -> bool:
        """Return whether the configuration covers a log's place; checked before an action."""
        return self.vendor.grants(place)

    async def retry(self, place: tuple[str, ...], operation: Operation) -> Retried:
        """Send a delivery again, once; ``gateway.sources.retries`` reads what came of it."""
        return await self.vendor.retry(place, operation)

    async def delete(self, place: tuple[str, ...], operation: Operation) -> WebhookLog | None:
        """Delete a log, once; return it as it was if the vendor's answer contains it."""
        return await self.vendor.delete(place, operation)

    def log_id(self, *place: str) -> str:
        """Return the id of the log at a place."""
        return self.vendor.ids.log(*place)

    def log_id_of(self, upstream_id: str) -> str:
        """Return the id of a log by the vendor's own; RequestError if that is insufficient."""
        return self.vendor.log_id_of(upstream_id)

    def affected_tags(self, place: tuple[str, ...]) -> tuple[str, ...]:
        """Return the tags of the entries that an action on a log affects: the log and its lists."""
        hook_id = self.vendor.hook_of(place)
        lists = self.list_tags(hook_id) if hook_id else (self._lists,)
        return (tag("log", self.log_id(*place)), *lists)

    def list_tags(self, hook_id: str) -> tuple[str, ...]:
        """Return the tags of the lists that may contain logs of a hook."""
        return (tag("hook", hook_id), self._lists)

    @property
    def _lists(self) -> str:
        """The tag of lists with the logs of several hooks."""
        return tag("lists", self.name)


def _page_name(stream: Stream, window: Window, criteria: Criteria) -> str:
    request = msgspec.json.encode((stream.key, window)) + criteria.encoded()
    return f"page/{hashlib.blake2b(request, digest_size=16).hexdigest()}"


def not_found(what: str) -> RequestError:
    """Return the error for a missing object, which is the same for one that is not granted."""
    return RequestError(ErrorCode.NOT_FOUND, f"There is no such {what}. It may have expired.")
