"""What every vendor's source offers, in the one form that the feed merges."""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterable, Sequence
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
    url_part: str | None = None
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
    the vendor's count for the same list. ``unreadable`` has one reason for each row left out.
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


class StreamsChanged(Exception):  # noqa: N818 - no failure, but news
    """A call taught the source that its streams are others; find them again."""


class Source(abc.ABC):
    """One configured system.

    A source applies its vendor's rules only: it neither merges nor filters, and it takes every
    id as untrusted: a place outside of its configuration is answered with None, like one that
    does not exist.
    """

    provider: ClassVar[Provider]
    capabilities: ClassVar[frozenset[Capability]]

    def __init__(self, settings: SourceSettings, client: UpstreamClient, cache: Cache) -> None:
        self.name = settings.name
        self.page_size = settings.page_size
        self.client = client
        self._cache = cache

    @abc.abstractmethod
    async def find_streams(self, operation: Operation) -> Found:
        """Find the upstream lists, in a fixed order; UpstreamError when none can be found."""

    @abc.abstractmethod
    async def read_page(
        self, stream: Stream, window: Window, wanted: Wanted, operation: Operation
    ) -> Page:
        """Make one list call."""

    @abc.abstractmethod
    async def read_log(self, place: tuple[str, ...], operation: Operation) -> WebhookLog | None:
        """Read the log whose id has that place, complete; None when there is none."""

    @abc.abstractmethod
    async def load_hooks(self, operation: Operation) -> Sequence[Hook]:
        """Ask the vendor for the hooks inside the configuration."""

    async def hooks(self, operation: Operation) -> Sequence[Hook]:
        """Give the hooks, remembered for a while."""
        return await self.remember("hooks", lambda: self.load_hooks(operation))

    async def close(self) -> None:
        """Give the connections back."""
        await self.client.close()

    async def remember(self, what: str, load: Callable[[], Any]) -> Any:
        """Keep what ``load`` gives for ``HOOKS_SECONDS``, for this source alone."""
        return await self._cache.remember(f"{self.name}/{what}", HOOKS_SECONDS, load)

    def log_id(self, *place: str) -> str:
        """Make the id of a log of this source."""
        return ids.encode(ids.Kind.LOG, self.name, *place)

    def hook_id(self, *place: str) -> str:
        """Make the id of a hook of this source."""
        return ids.encode(ids.Kind.HOOK, self.name, *place)

    def rows(
        self, documents: Any, parse: Callable[[Fields], WebhookLog]
    ) -> tuple[list[WebhookLog], list[str]]:
        """Parse the rows of a page; those that can't be read are told apart, with the reason."""
        if not isinstance(documents, list):
            raise self.unexpected("a list of logs")
        logs, unreadable = [], []
        for document in documents:
            try:
                logs.append(parse(Fields(document)))
            except UnreadableError as error:
                unreadable.append(str(error))
        return logs, unreadable

    def unexpected(self, what: str) -> UpstreamError:
        """Make the error for an answer of another shape."""
        return UpstreamError(
            ErrorCode.UPSTREAM_INVALID_RESPONSE,
            f"Source {self.name} answered with a document that is not {what}. Check base_url.",
            source=self.name,
        )


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


def not_found(what: str) -> RequestError:
    """Make the one answer for what is not there and for what is not granted."""
    return RequestError(ErrorCode.NOT_FOUND, f"There is no such {what}. It may have expired.")
