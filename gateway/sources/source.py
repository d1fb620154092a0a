"""What every vendor's source offers, in the one form that the feed merges."""

from __future__ import annotations

import abc
import hashlib
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import msgspec

from gateway import ids
from gateway.cache import Cache, Kept
from gateway.errors import ErrorCode, RequestError, UpstreamError
from gateway.model import (
    Capability,
    Hook,
    Provider,
    Timestamp,
    WebhookLog,
    WebhookLogStatus,
    worst,
)
from gateway.normalise.fields import Fields, UnreadableError
from gateway.sources.caching import Keeper, tag
from gateway.sources.seams import renewed
from gateway.upstream.client import UpstreamClient
from gateway.vendors.pages import Found, Hooks, Page, Stream, Wanted, Window

if TYPE_CHECKING:
    from gateway.config import SourceSettings
    from gateway.upstream.operation import Operation

T = TypeVar("T")


class Source(Keeper, abc.ABC):
    """One configured system.

    A source applies its vendor's rules only: it neither merges nor filters, and it takes every
    id as untrusted: a place outside of its configuration is answered with None, like one that
    does not exist. Its methods raise UpstreamError where the vendor fails.
    """

    provider: ClassVar[Provider]
    capabilities: ClassVar[frozenset[Capability]]
    lacks: ClassVar[frozenset[str]] = frozenset()
    """The attributes that no log has, by the names of ``gateway.feed.filters``."""

    def __init__(self, settings: SourceSettings, client: UpstreamClient, cache: Cache) -> None:
        super().__init__(settings, client, cache)
        self.page_size = settings.page_size

    @abc.abstractmethod
    async def find_streams(self, operation: Operation) -> Found:
        """Find the upstream lists, in a fixed order; UpstreamError when none can be found."""

    @abc.abstractmethod
    async def read_page(
        self, stream: Stream, window: Window, wanted: Wanted, operation: Operation
    ) -> Page:
        """Read one page of a list; StreamsChanged when there is no such list after all."""

    @abc.abstractmethod
    async def read_log(self, place: tuple[str, ...], operation: Operation) -> WebhookLog | None:
        """Read the log whose id has that place, complete; None when there is none."""

    def grants(self, place: tuple[str, ...]) -> bool:
        """Tell whether a log of that place lies inside the configuration, for an action."""
        del place
        return True

    async def retry(self, place: tuple[str, ...], operation: Operation) -> WebhookLog | None:
        """Send a delivery again, once; give the log as it then is, where it can be read."""
        del place, operation
        raise self._unable("retry")

    async def delete(self, place: tuple[str, ...], operation: Operation) -> WebhookLog | None:
        """Delete a log, once; give it as it was, where the vendor tells."""
        del place, operation
        raise self._unable("delete")

    @abc.abstractmethod
    async def hooks(self, operation: Operation) -> Sequence[Hook]:
        """Give the hooks inside the configuration, remembered for a while."""

    async def close(self) -> None:
        """Give the connections back."""
        await self.client.close()

    async def page(
        self,
        stream: Stream,
        window: Window,
        wanted: Wanted,
        operation: Operation,
        *,
        max_age: float | None = None,
        not_before: Timestamp | None = None,
    ) -> Kept[Page]:
        """Give a page as it is kept, or read it.

        Nothing is taken that is older than ``max_age`` seconds, or was asked for before
        ``not_before``: a page that was read before another must not be taken to stand behind it.
        """
        first = window.offset == 0 and window.until is None
        seconds = self._lifetimes.first_page if first else self._lifetimes.page
        return await self.keep(
            _name(stream, window, wanted),
            Page,
            lambda apart: self.read_page(stream, window, wanted, apart),
            operation,
            lambda _: (seconds, (tag("hook", stream.hook_id) if stream.hook_id else self._lists,)),
            renew=renewed,
            max_age=max_age,
            not_before=not_before,
        )

    async def recall_page(
        self,
        stream: Stream,
        window: Window,
        wanted: Wanted,
        operation: Operation,
        *,
        error: UpstreamError,
        not_before: Timestamp,
    ) -> Kept[Page] | None:
        """Give a page as it is kept in place of a failure, if it was asked for since."""
        what = _name(stream, window, wanted)
        return await self.recall(what, Page, operation, error=error, not_before=not_before)

    async def log(self, place: tuple[str, ...], operation: Operation) -> Kept[WebhookLog | None]:
        """Give the log whose id has that place as it is kept, or read it; None when none is."""
        id = self.log_id(*place)

        def judge(log: WebhookLog | None) -> tuple[float, tuple[str, ...]]:
            hook_id = log.hook_id if log else self.hook_of(place)
            tags = (tag("log", id), *((tag("hook", hook_id),) if hook_id else ()))
            if log is None:
                return self._lifetimes.negative, tags
            final = self._is_final(log)
            return self._lifetimes.detail if final else self._lifetimes.first_page, tags

        def read(apart: Operation) -> Coroutine[Any, Any, WebhookLog | None]:
            return self.read_log(place, apart)

        return await self.keep(f"log/{id}", WebhookLog | None, read, operation, judge)

    def _is_final(self, log: WebhookLog) -> bool:
        """Tell whether a log will not change: what failed may be sent again where that can be."""
        if log.status is WebhookLogStatus.FAILED:
            return Capability.RETRY not in self.capabilities
        return log.status is WebhookLogStatus.SUCCEEDED

    def hook_of(self, place: tuple[str, ...]) -> str | None:
        """Give the id of the hook that a log's place names, where it does."""
        del place
        return None

    def touched(self, place: tuple[str, ...]) -> tuple[str, ...]:
        """Give the tags of all that an action on a log may change: itself, and its lists."""
        hook_id = self.hook_of(place)
        lists = (tag("hook", hook_id), self._lists) if hook_id else (self._lists,)
        return (tag("log", self.log_id(*place)), *lists)

    def listed_with(self, hook_id: str) -> tuple[str, ...]:
        """Give the tags of all that the logs of a hook may stand in."""
        return (tag("hook", hook_id), self._lists)

    @property
    def _lists(self) -> str:
        """The tag of the lists that hold the logs of several hooks."""
        return tag("lists", self.name)

    async def remember(
        self,
        what: str,
        read: Callable[[Operation], Coroutine[Any, Any, Hooks]],
        operation: Operation,
    ) -> Hooks:
        """Keep the hooks of a place for a while."""
        kept = await self.keep(what, Hooks, read, operation, lambda _: (self._lifetimes.hooks, ()))
        return kept.value

    def log_id(self, *place: str) -> str:
        """Make the id of a log of this source."""
        return ids.encode(ids.Kind.LOG, self.name, *place)

    def log_id_of(self, upstream_id: str) -> str:
        """Make a log's id from the vendor's own; RequestError where that does not say enough."""
        del upstream_id
        raise RequestError(
            ErrorCode.INVALID_REPRESENTATION,
            f"Logs of source {self.name} can't be found by upstreamId alone; refer to them by id.",
        )

    def hook_id(self, *place: str) -> str:
        """Make the id of a hook of this source."""
        return ids.encode(ids.Kind.HOOK, self.name, *place)

    def listed(self, document: Any, name: str) -> list[Any]:
        """Give the list in an envelope, where null is an empty one, as Go writes it."""
        if isinstance(document, dict) and name in document:
            return self.checked_list(document[name] if document[name] is not None else [])
        raise self.unexpected(f"an object with {name}")

    def checked_list(self, document: Any) -> list[Any]:
        """Give a document that has to be a list; UpstreamError when it is none."""
        if isinstance(document, list):
            return document
        raise self.unexpected("a list")

    def rows(self, documents: list[Any], parse: Callable[[Fields], T]) -> tuple[list[T], list[str]]:
        """Parse the rows of a page; those that can't be read are told apart, with the reason."""
        readable, unreadable = [], []
        for document in documents:
            try:
                readable.append(parse(Fields(document)))
            except UnreadableError as error:
                unreadable.append(str(error))
        return readable, unreadable

    async def read_hooks(
        self,
        ask: Callable[[int, str], Awaitable[tuple[list[Any], bool]]],
        parse: Callable[[Fields], tuple[str, Hook | None]],
    ) -> Hooks:
        """Read a list of hooks to its end.

        ``ask`` is given the number of rows read and the id of the last of them, and gives the
        next rows and whether others follow. ``parse`` gives an id, with None for what sends no
        webhooks. A page without a new id is the last: some lists ignore paging parameters.
        """
        found: dict[str, Hook | None] = {}
        unreadable: list[str] = []
        read, more = 0, True
        while more:
            rows, more = await ask(read, next(reversed(found), ""))
            fresh, reasons = self.rows(rows, parse)
            known = len(found)
            found.update(fresh)
            unreadable += reasons
            read += len(rows)
            more = more and len(found) > known
        return Hooks([hook for hook in found.values() if hook is not None], unreadable)

    async def scan(
        self,
        stream: Stream,
        upstream_id: str,
        operation: Operation,
        is_gone: Callable[[Page], bool] = lambda _: False,
        *,
        anew: bool = False,
    ) -> WebhookLog | None:
        """Look for a log through a whole list, newest first, as long as the operation may take.

        ``is_gone`` tells from a page that it would have stood there. ``anew`` has nothing of what
        is kept, nor of what others are asking for already. In place of a failure, the log is looked
        for in all pages that are kept; that it is on none of them tells nothing, so that the vendor
        has the last word.
        """
        offset = 0
        not_before: Timestamp | None = None
        failure: UpstreamError | None = None
        while True:
            window = Window(limit=self.page_size, offset=offset)
            asked = (stream, window, Wanted(), operation)
            if anew:
                page = await self.read_page(*asked)
            else:
                try:
                    kept = await self.page(*asked, not_before=not_before)
                except UpstreamError as error:
                    failure = error
                    found = await self.recall_page(*asked, error=error, not_before=Timestamp(0))
                    if found is None:
                        raise
                    kept = found
                page, not_before = kept.value, kept.freshness.fetched_at
                operation.made_of = worst(filter(None, (operation.made_of, kept.freshness)))
            for log in page.logs:
                if log.upstream_id == upstream_id:
                    return log
            end = (page.offset or 0) + page.read
            if not page.more or is_gone(page) or end <= offset:
                if failure:
                    raise failure
                if operation.made_of and operation.made_of.failure:
                    operation.made_of = None
                    return await self.scan(stream, upstream_id, operation, is_gone, anew=True)
                return None
            offset = end

    def unexpected(self, what: str) -> UpstreamError:
        """Make the error for an answer of another shape."""
        return UpstreamError(
            ErrorCode.UPSTREAM_INVALID_RESPONSE,
            f"Source {self.name} answered with a document that is not {what}. Check base_url.",
            source=self.name,
        )

    def _unable(self, verb: str) -> RequestError:
        """Make the error for what the capabilities rule out; callers look at those first."""
        return RequestError(
            ErrorCode.FORBIDDEN, f"The vendor of source {self.name} can't {verb} logs."
        )

    def unread(self, hooks: Hooks) -> list[UpstreamError]:
        """Make the error that tells of hooks that could not be read, if there are any."""
        if not hooks.unreadable:
            return []
        reason = hooks.unreadable[0]
        return [
            UpstreamError(
                ErrorCode.UPSTREAM_INVALID_RESPONSE,
                f"Source {self.name} has hooks that can't be read, so their logs are missing:"
                f" {reason}. Check that its API is of the documented version.",
                source=self.name,
            )
        ]


def _name(stream: Stream, window: Window, wanted: Wanted) -> str:
    asked = msgspec.json.encode((stream.key, window, wanted))
    return f"page/{hashlib.blake2b(asked, digest_size=16).hexdigest()}"


def not_found(what: str) -> RequestError:
    """Make the one answer for what is not there and for what is not granted."""
    return RequestError(ErrorCode.NOT_FOUND, f"There is no such {what}. It may have expired.")
