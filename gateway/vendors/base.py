"""What a vendor's kit implements.

A source holds a vendor together with a client and a cache. So a kit neither caches, merges nor
filters: it makes the vendor's calls and parses the answers. Its methods raise UpstreamError where
the vendor fails. Every id is untrusted: a place outside of the configuration is answered with
None, like one that does not exist.
"""

from __future__ import annotations

import abc
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from gateway import ids
from gateway.errors import ErrorCode, RequestError, UpstreamError
from gateway.normalise.fields import Fields, UnreadableError
from gateway.vendors.pages import Hooks

if TYPE_CHECKING:
    from gateway.config.source import SourceTable
    from gateway.model import Capability, Details, Hook, WebhookLog
    from gateway.upstream.auth import Credential, TokenEndpoint
    from gateway.upstream.client import UpstreamClient
    from gateway.upstream.errors import VendorError
    from gateway.upstream.operation import Operation
    from gateway.vendors.pages import Found, Page, Scan, Stream, Wanted, Window

T = TypeVar("T")
S_contra = TypeVar("S_contra", bound="SourceTable", contravariant=True)

MakeEndpoint = Callable[[str], "TokenEndpoint"]
"""Returns the token endpoint at an address, with the source's own client."""
ReadHooks = Callable[["Operation"], Coroutine[Any, Any, Hooks]]
CachedHooks = Callable[[str, ReadHooks, "Operation"], Awaitable[Hooks]]
"""Returns the hooks of a place, by a name of the place: from the source's cache, or as read."""


def enum_name(provider: str) -> str:
    """Return a provider's name in the schema: ``ACME_HOOKS`` for ``acme-hooks``."""
    return provider.upper().replace("-", "_")


class SourceIds:
    """The ids of one source's logs and hooks: its name, and their place inside the vendor."""

    def __init__(self, source: str) -> None:
        self.source = source

    def log(self, *place: str) -> str:
        """Return the id of the log at a place."""
        return ids.encode(ids.Kind.LOG, self.source, *place)

    def hook(self, *place: str) -> str:
        """Return the id of the hook at a place."""
        return ids.encode(ids.Kind.HOOK, self.source, *place)


class Vendor(abc.ABC, Generic[S_contra]):
    """One vendor's API, for one configured source.

    ``page_size`` is how many rows a list is asked for; a kit may lower it when it learns that the
    vendor gives fewer.
    """

    provider: ClassVar[str]
    """The name in the configuration, such as ``acme-hooks``."""
    title: ClassVar[str]
    """The product's name, such as ``Acme Hooks``."""
    settings: ClassVar[type[SourceTable]]
    details: ClassVar[type[Details]]
    """What only this vendor has. Its docstring and field descriptions go into the schema."""
    capabilities: ClassVar[frozenset[Capability]]
    lacks: ClassVar[frozenset[str]] = frozenset()
    """The attributes that no log of this vendor has, by the names of ``gateway.feed.filters``."""

    def __init__(
        self, settings: S_contra, client: UpstreamClient, cached_hooks: CachedHooks
    ) -> None:
        self.name = settings.name
        self.ids = SourceIds(settings.name)
        self.client = client
        self.page_size = settings.page_size
        self.cached_hooks = cached_hooks

    @staticmethod
    @abc.abstractmethod
    def read_error(body: Any) -> VendorError:
        """Find the vendor's own words in the decoded body of a refusal, whatever its type."""

    @staticmethod
    @abc.abstractmethod
    def credential(settings: Any, endpoint: MakeEndpoint) -> Credential:
        """Return what authenticates the calls, by the source's settings."""

    @abc.abstractmethod
    async def find_streams(self, operation: Operation) -> Found:
        """Find the upstream lists, in a fixed order; UpstreamError when none can be found."""

    def stream_of(self, hook: Hook) -> Stream | None:
        """Return the list of one hook's logs, so that it is read before the other hooks are known.

        None where the lists do not go by hook, or the configuration leaves the hook out.
        """
        del hook
        return None

    @abc.abstractmethod
    async def read_page(
        self, stream: Stream, window: Window, wanted: Wanted, operation: Operation
    ) -> Page:
        """Read one page of a list; StreamsChanged when there is no such list after all."""

    @abc.abstractmethod
    async def hooks(self, operation: Operation) -> Sequence[Hook]:
        """Return the hooks inside the configuration."""

    async def read_log(self, place: tuple[str, ...], operation: Operation) -> WebhookLog | None:
        """Read the log at a place, complete; None when there is none."""
        del place, operation
        return None

    def scan_for(self, place: tuple[str, ...]) -> Scan | None:
        """Tell which list to look through for a log that no call can read; None where one can."""
        del place
        return None

    def grants(self, place: tuple[str, ...]) -> bool:
        """Return whether a log's place lies inside the configuration, for an action."""
        del place
        return True

    def hook_of(self, place: tuple[str, ...]) -> str | None:
        """Return the id of the hook that a log's place names, where it does."""
        del place
        return None

    def log_id_of(self, upstream_id: str) -> str:
        """Return a log's id by the vendor's own; RequestError where that does not say enough."""
        del upstream_id
        raise RequestError(
            ErrorCode.INVALID_REPRESENTATION,
            f"Logs of source {self.name} can't be found by upstreamId alone; refer to them by id.",
        )

    async def retry(self, place: tuple[str, ...], operation: Operation) -> WebhookLog | None:
        """Send a delivery again, once; return the log where the vendor's answer holds it."""
        del place, operation
        raise self._unable("retry")

    async def delete(self, place: tuple[str, ...], operation: Operation) -> WebhookLog | None:
        """Delete a log, once; return it as it was where the vendor's answer holds it."""
        del place, operation
        raise self._unable("delete")

    def _unable(self, verb: str) -> RequestError:
        """Return the error for what the capabilities rule out; callers look at those first."""
        return RequestError(ErrorCode.FORBIDDEN, f"{self.title} can't {verb} logs ({self.name}).")

    # What kits share when they read documents.

    def listed(self, document: Any, name: str) -> list[Any]:
        """Return the list in an envelope; null, as Go writes it, or no document is an empty one."""
        if document is None:
            return []
        if isinstance(document, dict) and name in document:
            return self.checked_list(document[name] if document[name] is not None else [])
        raise self.unexpected(f"an object with {name}")

    def checked_list(self, document: Any) -> list[Any]:
        """Return a document that has to be a list; null or no document is an empty one."""
        if document is None:
            return []
        if isinstance(document, list):
            return document
        raise self.unexpected("a list")

    def unexpected(self, what: str) -> UpstreamError:
        """Return the error for a document of another shape."""
        return UpstreamError(
            ErrorCode.UPSTREAM_INVALID_RESPONSE,
            f"Source {self.name} answered with a document that is not {what}. Check base_url.",
            source=self.name,
        )

    def unread(self, hooks: Hooks) -> list[UpstreamError]:
        """Return the error that tells of hooks that could not be read, if there are any."""
        if not hooks.unreadable:
            return []
        return [
            UpstreamError(
                ErrorCode.UPSTREAM_INVALID_RESPONSE,
                f"Source {self.name} has hooks that can't be read, so their logs are missing:"
                f" {hooks.unreadable[0]}. Check that its API is of the documented version.",
                source=self.name,
            )
        ]


def parse_rows(documents: list[Any], parse: Callable[[Fields], T]) -> tuple[list[T], list[str]]:
    """Parse the rows of a page; a row that can't be read leaves its reason in the second list."""
    readable, unreadable = [], []
    for document in documents:
        try:
            readable.append(parse(Fields(document)))
        except UnreadableError as error:
            unreadable.append(str(error))
    return readable, unreadable


async def read_hooks(
    ask: Callable[[int, str], Awaitable[tuple[list[Any], bool]]],
    parse: Callable[[Fields], tuple[str, Hook | None]],
    operation: Operation,
) -> Hooks:
    """Read a list of hooks to its end, telling the operation of each page of them.

    ``ask`` takes the number of rows read and the id of the last of them, and returns the next rows
    and whether others may follow, which a short page does not rule out. ``parse`` returns an id,
    with None for what sends no webhooks. A page without a new id is the last: some lists ignore
    their paging parameters.
    """
    found: dict[str, Hook | None] = {}
    unreadable: list[str] = []
    read, more = 0, True
    while more:
        rows, more = await ask(read, next(reversed(found), ""))
        fresh, reasons = parse_rows(rows, parse)
        known = len(found)
        operation.tell_of_hooks([hook for id, hook in fresh if hook and id not in found])
        found.update(fresh)
        unreadable += reasons
        read += len(rows)
        more = more and len(found) > known
    return Hooks([hook for hook in found.values() if hook is not None], unreadable)
