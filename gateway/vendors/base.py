"""The interface that a vendor's kit implements.

A kit makes the vendor's calls and parses the responses. It does not cache, merge, filter or retry:
a source combines the vendor with a cache, the feed merges and filters, and ``self.client`` retries,
refreshes credentials and respects the rate limit.

A kit has three modules:

- ``settings.py``: a ``SourceTable`` with the vendor's own keys, and the credential for it.
- ``parsing.py``: pure functions from a row to a ``WebhookLog`` or a ``Hook``, and ``read_error``.
  They wrap a row in ``Fields``. All that callers may see (URLs, headers, bodies, ``raw``) is read
  from ``row.redacted()``. ``row.sort_time`` reads the time by which logs are sorted. A row without
  a usable id raises UnreadableError; any other field that can't be read is None and adds a warning.
- ``vendor.py``: a ``Vendor`` with at least ``find_streams``, ``read_page`` and ``hooks``.

A *stream* is one upstream list of logs, read page by page (``gateway.vendors.pages``). A *place* is
the path of ids that leads to a log or hook at the vendor, such as ``(queue, trigger, log)``. It is
part of the id that callers get, and all that is needed to find the log again. The last item of a
log's place is the vendor's own id. Places come back from callers and can't be trusted: one that the
configuration does not cover is treated like one that does not exist.

Methods raise UpstreamError if the vendor fails; ``self.client`` does so by itself.
"""

from __future__ import annotations

import abc
import functools
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import msgspec

from gateway import ids
from gateway.errors import ErrorCode, RequestError, UpstreamError
from gateway.model import Capability
from gateway.normalise.fields import Fields, UnreadableError
from gateway.row_memo import RowMemo
from gateway.upstream.answer import decode_row
from gateway.vendors.pages import Criteria, Hooks

if TYPE_CHECKING:
    from gateway.config.source import SourceTable
    from gateway.model import Attempt, Details, Hook, WebhookLog
    from gateway.row_memo import RowsMemo
    from gateway.upstream.auth import Credential, TokenEndpoint
    from gateway.upstream.client import UpstreamClient
    from gateway.upstream.errors import VendorError
    from gateway.upstream.operation import Operation
    from gateway.vendors.pages import Found, Page, Scan, Stream, Window
    from gateway.vendors.retried import Retried

T = TypeVar("T")
S_contra = TypeVar("S_contra", bound="SourceTable", contravariant=True)

ACTIONS = frozenset({Capability.RETRY, Capability.DELETE})

MakeEndpoint = Callable[[str], "TokenEndpoint"]
"""Returns the token endpoint at an address, with the source's own client."""
ReadHooks = Callable[["Operation"], Coroutine[Any, Any, Hooks]]
CachedHooks = Callable[[str, ReadHooks, "Operation"], Awaitable[Hooks]]
"""Returns the list of hooks of that name from the source's cache, or reads it. A source has several
lists of hooks if its vendor has one for each queue, project or the like."""


def enum_name(provider: str) -> str:
    """Return a provider's name in the schema: ``ACME_HOOKS`` for ``acme-hooks``."""
    return provider.upper().replace("-", "_")


class SourceIds:
    """Makes the ids of one source's logs and hooks from their places."""

    def __init__(self, source: str) -> None:
        self.source = source
        # The same hooks are named by every row of their lists.
        self.hook = functools.lru_cache(maxsize=4096)(self._hook)

    def log(self, *place: str) -> str:
        """Return the id of the log at a place."""
        return ids.encode(ids.Kind.LOG, self.source, *place)

    def _hook(self, *place: str) -> str:
        """Return the id of the hook at a place."""
        return ids.encode(ids.Kind.HOOK, self.source, *place)


class Vendor(abc.ABC, Generic[S_contra]):
    """One vendor's API, for one configured source.

    ``page_size`` is the number of rows to request; a kit may lower it to the vendor's own maximum
    when it learns that. Of the streams, the first ``max_streams`` are read, so a kit need not look
    for more than one beyond. ``cached_hooks`` returns a list of hooks through the source's cache.
    """

    provider: ClassVar[str]
    """The name of the vendor in the configuration, such as ``acme-hooks``."""
    title: ClassVar[str]
    """The product's name, such as ``Acme Hooks``."""
    settings: ClassVar[type[SourceTable]]
    """The table of a source in the configuration. Its docstrings go into the JSON schema."""
    details: ClassVar[type[Details]]
    """Fields that no other vendor has. Docstring and descriptions go into the GraphQL schema."""
    capabilities: ClassVar[frozenset[Capability]]
    """The actions and filters that the vendor's API supports."""
    lacks: ClassVar[frozenset[str]] = frozenset()
    """Attributes that no log of this vendor has, as named in ``gateway.feed.filter_fields``."""
    retention: ClassVar[str | None] = None
    """How long the vendor keeps logs, in words; None if that is not documented."""
    limits: ClassVar[str | None] = None
    """How many calls the vendor allows, in words; None if that is not documented."""
    resends_in_place: ClassVar[bool] = False
    """Whether a successful delivery can be sent again in the same log, which may then change."""
    appends_retries: ClassVar[bool] = False
    """Whether a retry makes a new log that the answer does not name. What is listed is then read
    before a retry, too, to tell the new log from those of earlier retries."""

    def __init__(
        self, settings: S_contra, client: UpstreamClient, cached_hooks: CachedHooks
    ) -> None:
        self.name = settings.name
        self.ids = SourceIds(settings.name)
        self.client = client
        self.page_size = settings.page_size
        self.max_streams = settings.max_streams
        self.cached_hooks = cached_hooks

    @classmethod
    def for_settings(cls, settings: Any) -> type[Vendor[Any]]:
        """Return the vendor for a source's settings; another one if they say more of it."""
        del settings
        return cls

    @staticmethod
    @abc.abstractmethod
    def read_error(body: Any) -> VendorError:
        """Return the vendor's code and message from an error's decoded body, of any JSON type."""

    @staticmethod
    @abc.abstractmethod
    def credential(settings: Any, endpoint: MakeEndpoint) -> Credential:
        """Return the credential for a source's settings.

        ``endpoint`` is for credentials that are exchanged for tokens.
        """

    @abc.abstractmethod
    async def find_streams(self, operation: Operation) -> Found:
        """Return the upstream lists, in a fixed order; UpstreamError if none can be found.

        This runs for every query, so calls should go through ``cached_hooks``. Lists that can't be
        found are reported in ``Found.errors``; the others are read nevertheless.
        """

    def stream_of(self, hook: Hook) -> Stream | None:
        """Return the list of one hook's logs, to read it while hooks are still being listed.

        None if lists are not by hook, or the configuration leaves the hook out.
        """
        del hook
        return None

    def applicable(self, criteria: Criteria) -> Criteria:
        """Return the criteria without those that the vendor can't apply.

        Lists that differ only in these share their cached pages.
        """
        return criteria

    def counts(self, criteria: Criteria) -> bool:
        """Return whether the total of a list with these criteria counts just what meets them."""
        return criteria == Criteria()

    @abc.abstractmethod
    async def read_page(
        self, stream: Stream, window: Window, criteria: Criteria, operation: Operation
    ) -> Page:
        """Read one page of a list.

        A vendor may apply the ``criteria``; a page that ignores them is correct, too. Raises
        StreamsChanged if there is no such list any more.
        """

    @abc.abstractmethod
    async def hooks(self, operation: Operation) -> Sequence[Hook]:
        """Return the hooks that the configuration covers."""

    async def read_log(self, place: tuple[str, ...], operation: Operation) -> WebhookLog | None:
        """Read the log at a place with all its fields; None if there is none.

        Not called for a place for which ``scan_for`` returns a scan.
        """
        del place, operation
        return None

    def scan_for(self, place: tuple[str, ...]) -> Scan | None:
        """Return the list to search for a log that no call can read; None if one can."""
        del place
        return None

    def grants(self, place: tuple[str, ...]) -> bool:
        """Return whether the configuration covers a log's place; checked before an action.

        A vendor with actions has to implement it: the default refuses every place.
        """
        del place
        return self.capabilities.isdisjoint(ACTIONS)

    def hook_of(self, place: tuple[str, ...]) -> str | None:
        """Return the id of the hook in a log's place; None if places do not contain it.

        An action or an eviction then affects the cached lists of that hook only.
        """
        del place
        return None

    def log_id_of(self, upstream_id: str) -> str:
        """Return the id of a log by the vendor's own; RequestError if that is not enough."""
        del upstream_id
        raise RequestError(
            ErrorCode.INVALID_REPRESENTATION,
            f"Logs of source {self.name} can't be found by upstreamId alone; refer to them by id.",
        )

    async def read_attempts(
        self, place: tuple[str, ...], operation: Operation
    ) -> Sequence[Attempt] | None:
        """Read the attempts of the delivery at a place, the first one first; None if it has none.

        Called for vendors with Capability.ATTEMPTS. As with ``read_log``, the configuration may not
        cover the place.
        """
        del place, operation
        return None

    async def retry(self, place: tuple[str, ...], operation: Operation) -> Retried:
        """Send a delivery again, once; return what that does to the logs.

        Use ``self.client.act``, which never repeats a call. The place has passed ``grants``.
        """
        del place, operation
        raise self._unsupported("retry")

    def retry_keys(self, log: WebhookLog) -> frozenset[str]:
        """Return the values of which a new log, made by a retry of this one, has at least one."""
        return frozenset() if log.correlation_id is None else frozenset({log.correlation_id})

    async def delete(self, place: tuple[str, ...], operation: Operation) -> WebhookLog | None:
        """Delete a log, once; return it if the vendor's answer contains it."""
        del place, operation
        raise self._unsupported("delete")

    def _unsupported(self, verb: str) -> RequestError:
        """Return the error for an action that ``capabilities`` lacks; callers check those first."""
        return RequestError(ErrorCode.FORBIDDEN, f"{self.title} can't {verb} logs ({self.name}).")

    # Helpers for reading documents.

    def listed(self, document: Any, name: str) -> list[Any]:
        """Return the list in an object's field; null, or no document at all, is an empty list.

        Go encodes an empty list as null. Raises UpstreamError for anything else.
        """
        if document is None:
            return []
        if isinstance(document, dict) and name in document:
            return self.checked_list(document[name] if document[name] is not None else [])
        raise self.unexpected(f"an object with {name}")

    def checked_list(self, document: Any) -> list[Any]:
        """Return a document that has to be a list; null, or no document, is an empty list."""
        if document is None:
            return []
        if isinstance(document, list):
            return document
        raise self.unexpected("a list")

    def unexpected(self, what: str) -> UpstreamError:
        """Return the error for a document that has another shape than ``what``."""
        return UpstreamError(
            ErrorCode.UPSTREAM_INVALID_RESPONSE,
            f"Source {self.name} answered with a document that is not {what}. Check base_url.",
            source=self.name,
        )

    def unreadable_errors(self, hooks: Hooks) -> list[UpstreamError]:
        """Return an error if some hooks could not be parsed, otherwise an empty list."""
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


def parse_rows(
    rows: list[Any], parse: Callable[[Fields], T], memo: RowsMemo | None = None
) -> tuple[list[T], list[str]]:
    """Parse the rows of a page; the second list has the reason for each unreadable row.

    ``memo`` has the records of rows that were parsed before, in the same way.
    """
    memo = memo or RowMemo(enabled=False).within()
    readable, unreadable = [], []
    for row in rows:
        key = memo.key(row) if isinstance(row, msgspec.Raw) else None
        record: T | None = None if key is None else memo.get(key)
        if record is None:
            try:
                record = parse(Fields(row if key is None else decode_row(row)))
            except UnreadableError as error:
                unreadable.append(str(error))
                continue
            if key is not None:
                memo.keep(key, record)
        readable.append(record)
    return readable, unreadable


async def read_hooks(
    read_rows: Callable[[int, str], Awaitable[tuple[list[Any], bool]]],
    parse: Callable[[Fields], tuple[str, Hook | None]],
    operation: Operation,
) -> Hooks:
    """Read a list of hooks to its end; each page is passed on to the operation at once.

    ``read_rows`` takes the number of rows read so far and the id of the last one. It returns the
    next rows, and whether more may follow; a short page does not rule that out. ``parse`` returns
    the id of a row, with None in place of a hook for a row that sends no webhooks. A page without a
    new id is the last, because some vendors ignore paging parameters. Where a page fails, the error
    has the hooks read before it.
    """
    found: dict[str, Hook | None] = {}
    unreadable: list[str] = []
    read, more = 0, True
    while more:
        try:
            rows, more = await read_rows(read, next(reversed(found), ""))
        except UpstreamError as error:
            error.hooks = [hook for hook in found.values() if hook is not None]
            raise
        fresh, reasons = parse_rows(rows, parse)
        known = len(found)
        operation.report_hooks([hook for id, hook in fresh if hook and id not in found])
        found.update(fresh)
        unreadable += reasons
        read += len(rows)
        more = more and len(found) > known
    return Hooks([hook for hook in found.values() if hook is not None], unreadable)
