"""What every vendor's source offers, in the one form that the feed merges."""

from __future__ import annotations

import abc
import hashlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import msgspec

from gateway import ids
from gateway.errors import ErrorCode, RequestError, UpstreamError
from gateway.model import Capability, Hook, Provider, Timestamp, WebhookLog
from gateway.sources.fields import Fields, UnreadableError

if TYPE_CHECKING:
    from gateway.cache import Cache
    from gateway.config import SourceSettings
    from gateway.upstream.client import UpstreamClient
    from gateway.upstream.operation import Operation

HOOKS_SECONDS = 60.0
"""How long the hooks of a source are remembered; a new hook is seen after that."""

REFUSED = frozenset({400, 422})
"""The statuses of a vendor that does not take a parameter."""

Params = tuple[tuple[str, str], ...]
"""The parameters of a query."""

T = TypeVar("T")


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


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """What a vendor answered, in its order.

    ``offset`` is where the first log really stands, which may be before what was asked for where
    the vendor has page numbers, or None when it counts from the window's ``until``. ``total`` is
    the vendor's count for the same list. ``read`` counts the rows, and ``unreadable`` has one
    reason for each of them that is left out of ``logs``.
    """

    logs: Sequence[WebhookLog]
    more: bool
    offset: int | None = None
    total: int | None = None
    read: int = 0
    unreadable: Sequence[str] = ()


class Found(msgspec.Struct, frozen=True):
    """The streams of a source, and what kept it from finding the others."""

    streams: Sequence[Stream]
    errors: Sequence[UpstreamError] = ()


class Hooks(msgspec.Struct, frozen=True):
    """The hooks of a place, and a reason for each that could not be read."""

    readable: Sequence[Hook]
    unreadable: Sequence[str] = ()


class StreamsChanged(Exception):  # noqa: N818 - no failure, but news
    """A call taught the source that its streams are others; find them again."""


class Source(abc.ABC):
    """One configured system.

    A source applies its vendor's rules only: it neither merges nor filters, and it takes every
    id as untrusted: a place outside of its configuration is answered with None, like one that
    does not exist. Its methods raise UpstreamError where the vendor fails.
    """

    provider: ClassVar[Provider]
    capabilities: ClassVar[frozenset[Capability]]

    def __init__(self, settings: SourceSettings, client: UpstreamClient, cache: Cache) -> None:
        self.name = settings.name
        self.page_size = settings.page_size
        self.client = client
        self._cache = cache
        auth = settings.auth
        self._passed = auth.header.lower() if auth.type == "pass-through" else None

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

    def partition(self, operation: Operation) -> str:
        """Name the part of the cache that an operation may use: what was fetched for it alone.

        It is the same for all who share the source's credential, and each caller's own where
        callers send theirs.
        """
        if self._passed is None:
            return self.name
        credential = operation.passed.get(self._passed, "")
        return f"{self.name}/{hashlib.sha256(credential.encode()).hexdigest()}"

    async def remember(self, what: str, load: Callable[[], Any], operation: Operation) -> Any:
        """Keep what ``load`` gives for ``HOOKS_SECONDS``, for this source and credential alone."""
        key = f"{self.partition(operation)}/{what}"
        return await self._cache.remember(key, HOOKS_SECONDS, load)

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
    ) -> WebhookLog | None:
        """Look for a log through a whole list, newest first, as long as the operation may take.

        ``is_gone`` tells from a page that it would have stood there.
        """
        offset = 0
        while True:
            window = Window(limit=self.page_size, offset=offset)
            page = await self.read_page(stream, window, Wanted(), operation)
            for log in page.logs:
                if log.upstream_id == upstream_id:
                    return log
            end = (page.offset or 0) + page.read
            if not page.more or is_gone(page) or end <= offset:
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


async def outcome(work: Awaitable[T]) -> T | UpstreamError:
    """Await, giving a vendor's failure in place of raising it, so that others can go on."""
    try:
        return await work
    except UpstreamError as error:
        return error


async def if_known(work: Awaitable[T]) -> T | None:
    """Await, giving None where the vendor does not know what it is asked for."""
    try:
        return await work
    except UpstreamError as error:
        if error.code is ErrorCode.UPSTREAM_NOT_FOUND:
            return None
        raise


async def first_accepted(
    ask: Callable[[Params], Awaitable[T]], attempts: Iterable[Params]
) -> tuple[T, Params]:
    """Ask with one set of parameters after the other, until the vendor does not refuse them.

    Gives what was answered and the parameters that were taken; the last refusal is raised.
    """
    *others, last = dict.fromkeys(attempts)
    for params in others:
        try:
            return await ask(params), params
        except UpstreamError as error:
            if error.status not in REFUSED:
                raise
    return await ask(last), last


def either(values: Iterable[T | UpstreamError]) -> tuple[list[T], list[UpstreamError]]:
    """Tell results from failures."""
    good: list[T] = []
    bad: list[UpstreamError] = []
    for value in values:
        if isinstance(value, UpstreamError):
            bad.append(value)
        else:
            good.append(value)
    return good, bad


def is_sendable(text: str) -> bool:
    """Tell whether a caller's text can go into a vendor's query; the feed filters anyway."""
    return 0 < len(text) <= 100 and text.isprintable()


def not_found(what: str) -> RequestError:
    """Make the one answer for what is not there and for what is not granted."""
    return RequestError(ErrorCode.NOT_FOUND, f"There is no such {what}. It may have expired.")
