"""A vendor that is read by its description.

Places are those of the stream, followed by the other ids of ``log.place`` and the log's own. The
place of a stream is ``(key of the scope, scope, hook)``: the first two if the description has
scopes, the last one if each hook has a list of its own.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from gateway.errors import UpstreamError
from gateway.ids import decode
from gateway.model import Attempt, Hook, WebhookLog
from gateway.normalise.fields import Fields, UnreadableError
from gateway.vendors.base import CachedHooks, Vendor, read_hooks
from gateway.vendors.calls import (
    both,
    none_if_missing,
    result_or_error,
    split_results,
    together,
)
from gateway.vendors.described.attempts import Outcome, completed
from gateway.vendors.described.calls import ActionTable, DetailTable
from gateway.vendors.described.compiled import Compiled
from gateway.vendors.described.listing import Listing
from gateway.vendors.described.pages import LogPages, checked
from gateway.vendors.described.paging import PagesTable
from gateway.vendors.described.parsing import DescribedDetails, Place, is_id
from gateway.vendors.described.paths import value_at
from gateway.vendors.described.places import ALL, Places
from gateway.vendors.described.templates import Variables, filled, params_of, path_of
from gateway.vendors.pages import Criteria, Found, Hooks, Page, Scan, Stream, Window
from gateway.vendors.retried import Retried, RetryKind

if TYPE_CHECKING:
    from gateway.config.source import SourceTable
    from gateway.upstream.client import UpstreamClient
    from gateway.upstream.operation import Operation

ROWS_PER_PAGE = 100
"""Rows to request of lists other than those of logs."""
Scope = tuple[str, ...]
"""The key and the value of a scope; empty if the description has none."""


class DescribedVendor(Vendor[Any]):
    """A vendor's API as its description has it."""

    compiled: ClassVar[Compiled]
    """The description, and the functions that it was compiled to."""

    def __init__(
        self, settings: SourceTable, client: UpstreamClient, cached_hooks: CachedHooks
    ) -> None:
        super().__init__(settings, client, cached_hooks)
        self._places = Places(self.compiled, settings)
        self._pages = LogPages(
            self.compiled, self._places, client, self.ids, self.unexpected, settings.page_size
        )
        self.page_size = self._pages.page_size

    async def find_streams(self, operation: Operation) -> Found:
        """Return a stream for each hook, each scope or the source; scopes may have to be found."""
        scopes, errors = await self._found_scopes(operation)
        if not self.compiled.by_hook:
            return Found([self._stream(scope) for scope in scopes], errors)
        found, failed = split_results(
            await together(
                [result_or_error(self._scope_hooks, scope, operation) for scope in scopes]
            )
        )
        if failed and not found:
            raise failed[0]
        for hooks in found:
            errors += self.unreadable_errors(hooks)
        streams = [
            stream for hooks in found for hook in hooks.readable if (stream := self.stream_of(hook))
        ]
        return Found(streams, [*errors, *failed])

    def stream_of(self, hook: Hook) -> Stream | None:
        """Return the stream of a hook, or of a scope that was found like one."""
        place = decode(hook.id).place
        return self._stream(place) if len(place) == self.compiled.stream_length else None

    def _stream(self, place: Place) -> Stream:
        hook_id = self.ids.hook(*place) if self.compiled.by_hook else None
        return self.compiled.stream(place, hook_id)

    async def _found_scopes(self, operation: Operation) -> tuple[list[Scope], list[UpstreamError]]:
        """Return the scopes of the configuration, or all that the vendor has."""
        description = self.compiled.description
        if not description.scopes:
            return [()], []
        if self._places.scopes:
            return self._places.scopes, []
        if description.scopes_optional:
            return [ALL], []
        found: list[Scope] = []
        errors: list[UpstreamError] = []
        for key, listing in self.compiled.finders.items():
            load = functools.partial(self._find, key, listing)
            hooks = await self.cached_hooks(f"scopes/{key}", load, operation)
            found += [(key, hook.upstream_id) for hook in hooks.readable]
            errors += self.unreadable_errors(hooks)
        return found, errors

    async def _find(self, key: str, listing: Listing, operation: Operation) -> Hooks:
        table = listing.table
        read_id = self.compiled.finder_ids[key]

        def parse(row: Fields) -> tuple[str, Hook]:
            id = read_id(row)
            return id, Hook(id=self.ids.hook(key, id), upstream_id=id, source=self.name, url=None)

        return await self._all_rows(table, listing, self._places.settings, parse, operation)

    # Hooks.

    async def hooks(self, operation: Operation) -> Sequence[Hook]:
        """Return the hooks of all scopes."""
        if self.compiled.hook_pages is None:
            return []
        scopes, _ = await self._found_scopes(operation)
        found = await together([self._scope_hooks(scope, operation) for scope in scopes])
        return [hook for hooks in found for hook in hooks.readable]

    async def _scope_hooks(self, scope: Scope, operation: Operation) -> Hooks:
        listing = self.compiled.hook_pages
        assert listing is not None  # noqa: S101 - callers know that there is a list

        async def load(operation: Operation) -> Hooks:
            return await self._all_rows(
                listing.table,
                listing,
                self._places.variables(scope),
                lambda row: self.compiled.parse_hook(row, self.ids, scope),
                operation,
            )

        return await self.cached_hooks("/".join(("hooks", *scope)), load, operation)

    async def _all_rows(
        self,
        table: PagesTable,
        listing: Listing,
        variables: Variables,
        parse: Any,
        operation: Operation,
    ) -> Hooks:
        """Read a list of hooks or scopes to its end."""
        limit = listing.limit(ROWS_PER_PAGE)
        numbers, token = itertools.count(), None
        path = path_of(table.path, variables)

        async def read_rows(read: int, _last: str) -> tuple[list[Any], bool]:
            nonlocal token
            offset = next(numbers) * limit if listing.by_page else read
            params = listing.params(variables, limit, offset=offset, token=token)
            page = checked(
                listing,
                *await self.client.json(path, params, operation=operation),
                self.unexpected,
            )
            token = page.token
            return page.rows, page.more

        return await read_hooks(read_rows, parse, operation)

    # Lists of logs.

    def applicable(self, criteria: Criteria) -> Criteria:
        """Return the criteria without those that the vendor can't apply."""
        return self.compiled.filters.applicable(criteria)

    def counts(self, criteria: Criteria) -> bool:
        """Return whether the total of a list with these criteria counts just what meets them."""
        return self.compiled.filters.counts(criteria)

    async def read_page(
        self, stream: Stream, window: Window, criteria: Criteria, operation: Operation
    ) -> Page:
        """Request a page."""
        page = await self._pages.read(stream, window, criteria, operation)
        self.page_size = self._pages.page_size
        return page

    # Single logs.

    async def read_log(self, place: Place, operation: Operation) -> WebhookLog | None:
        """Request a log that the configuration covers."""
        detail, attempts = self.compiled.description.detail, self.compiled.description.attempts
        if detail is None or not self.grants(place):
            return None
        if attempts is None or not attempts.completes:
            return await self._read_detail(detail, place, operation)
        log, outcomes = await both(
            self._read_detail(detail, place, operation), self._outcomes(place, operation)
        )
        if isinstance(log, UpstreamError):
            raise log
        if log is None or isinstance(outcomes, UpstreamError) or not outcomes:
            return log
        return completed(log, outcomes[-1])

    async def _read_detail(
        self, detail: DetailTable, place: Place, operation: Operation
    ) -> WebhookLog | None:
        variables = self._places.log_variables(place)
        answer = await none_if_missing(
            self.client.json,
            path_of(detail.path, variables),
            params_of(detail.params, variables),
            operation=operation,
        )
        return None if answer is None else self._log_in(answer[0], detail.item, place)

    async def read_attempts(self, place: Place, operation: Operation) -> Sequence[Attempt] | None:
        """Read the attempts of a log that the configuration covers, the first one first."""
        if not self.grants(place):
            return None
        outcomes = await self._outcomes(place, operation)
        return None if outcomes is None else [outcome.attempt for outcome in outcomes]

    async def _outcomes(self, place: Place, operation: Operation) -> list[Outcome] | None:
        attempts, listing = self.compiled.attempts, self.compiled.attempt_pages
        if attempts is None or listing is None:
            return None
        variables = self._places.log_variables(place)
        answer = await none_if_missing(
            self.client.json,
            path_of(listing.table.path, variables),
            listing.params(variables, listing.limit(ROWS_PER_PAGE)),
            operation=operation,
        )
        if answer is None:
            return None
        rows = checked(listing, *answer, self.unexpected)
        return attempts.parse(rows.rows, more=rows.more)

    def _log_in(self, document: Any, item: str, place: Place) -> WebhookLog | None:
        """Return the log in a document; None if there is a list without it."""
        row = value_at(item)(document)
        if isinstance(row, list):
            row = self._row_of(place[-1], row)
            if row is None:
                return None
        stream = place[: self.compiled.stream_length]
        try:
            return self.compiled.parse_log(Fields(row), self.ids, stream, complete=True)
        except UnreadableError:
            raise self.unexpected("a webhook log") from None

    def _row_of(self, upstream_id: str, rows: list[Any]) -> Any:
        for row in rows:
            with contextlib.suppress(UnreadableError):
                if self.compiled.id_of(Fields(row)) == upstream_id:
                    return row
        return None

    def scan_for(self, place: Place) -> Scan | None:
        """Return the list to search for a log, if no call reads a single one."""
        compiled = self.compiled
        if compiled.description.detail is not None or not self.grants(place):
            return None
        stream = self._stream(place[: compiled.stream_length])
        if compiled.description.log.id.kind != "number":
            return Scan(stream, place[-1])
        number = int(place[-1])

        def is_past(page: Page) -> bool:
            # Where ids descend in the list's order, a page that ends with a lower one is past it.
            numbers = [int(log.upstream_id) for log in page.logs]
            return bool(numbers) and numbers[-1] < number and sorted(numbers)[::-1] == numbers

        return Scan(stream, place[-1], is_past)

    def log_id_of(self, upstream_id: str) -> str:
        """Return the id of a log, where its place is nothing but the vendor's id."""
        if self.compiled.place_length == 1:
            return self.ids.log(upstream_id)
        return super().log_id_of(upstream_id)

    def grants(self, place: Place) -> bool:
        """Return whether a place is inside the configuration, and has ids that may exist."""
        return self._places.grants(place)

    def hook_of(self, place: Place) -> str | None:
        """Return the id of the hook in a log's place."""
        compiled = self.compiled
        return self.ids.hook(*place[: compiled.stream_length]) if compiled.by_hook else None

    # Actions.

    async def retry(self, place: Place, operation: Operation) -> Retried:
        """Send a delivery again."""
        table = self.compiled.description.retry
        if table is None:
            return await super().retry(place, operation)
        document = await self._act(table, place, operation)
        kind = RetryKind[table.makes]
        log = self._log_of(table, document, place)
        if log is not None and log.id != self.ids.log(*place):
            return Retried(RetryKind.NEW_LOG, place=decode(log.id).place)
        new_id = None if table.new_id is None else value_at(table.new_id)(document)
        if type(new_id) in {str, int} and is_id(str(new_id), self.compiled.description.log.id):
            return Retried(kind, place=(*place[:-1], str(new_id)))
        return Retried(kind, log)

    def retry_keys(self, log: WebhookLog) -> frozenset[str]:
        """Return the values that a retry keeps, by the description."""
        keys = super().retry_keys(log)
        table = self.compiled.description.retry
        if table is None or not isinstance(log.details, DescribedDetails):
            return keys
        kept = (log.details.values.get(name) for name in table.keeps)
        return keys.union(str(value) for value in kept if value is not None)

    async def delete(self, place: Place, operation: Operation) -> WebhookLog | None:
        """Delete a log; return it if the answer has it."""
        table = self.compiled.description.delete
        if table is None:
            return await super().delete(place, operation)
        return self._log_of(table, await self._act(table, place, operation), place)

    async def _act(self, table: ActionTable, place: Place, operation: Operation) -> Any:
        variables = self._places.log_variables(place)
        return await self.client.act(
            table.method,
            path_of(table.path, variables),
            operation=operation,
            params=params_of(table.params, variables),
            body=None if table.body is None else filled(table.body, variables),
            headers=params_of(table.headers, variables),
        )

    def _log_of(self, table: ActionTable, document: Any, place: Place) -> WebhookLog | None:
        """Return the log in the answer to an action, which has succeeded whatever it says."""
        if table.log is None or document is None:
            return None
        try:
            return self._log_in(document, table.log, place)
        except UpstreamError:
            return None
