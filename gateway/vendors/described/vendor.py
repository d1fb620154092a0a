"""A vendor that is read by its description.

Places are those of the stream, followed by the other ids of ``log.place`` and the log's own. The
place of a stream is ``(key of the scope, scope, hook)``: the first two if the description has
scopes, the last one if each hook has a list of its own.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from gateway.errors import UpstreamError
from gateway.ids import decode
from gateway.model import Hook, WebhookLog
from gateway.normalise.fields import Fields, UnreadableError
from gateway.vendors.base import CachedHooks, Vendor, parse_rows, read_hooks
from gateway.vendors.calls import (
    Params,
    first_accepted,
    none_if_missing,
    result_or_error,
    split_results,
    together,
)
from gateway.vendors.described.calls import ActionTable, PagesTable
from gateway.vendors.described.compiled import Compiled
from gateway.vendors.described.filters import bounds, criteria_params
from gateway.vendors.described.listing import Listing, Rows
from gateway.vendors.described.parsing import Place, is_id
from gateway.vendors.described.paths import value_at
from gateway.vendors.described.templates import SCOPE, Variables, params_of, path_of
from gateway.vendors.pages import Criteria, Found, Hooks, Page, Scan, Stream, Window

if TYPE_CHECKING:
    from gateway.config.source import SourceTable
    from gateway.upstream.client import UpstreamClient
    from gateway.upstream.operation import Operation

HOOKS_PER_PAGE = 100
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
        self.page_size = self.compiled.pages.limit(settings.page_size)
        self._scopes: list[Scope] = [
            (key, value)
            for key in self.compiled.description.scopes
            for value in _own(settings, "scopes", key) or ()
        ]
        self._settings = {
            name: value
            for name in self.compiled.description.settings
            if (value := _own(settings, "settings", name)) is not None
        }

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
        compiled = self.compiled
        return Stream(
            key="/".join(place) or "logs",
            place=place,
            hook_id=self.ids.hook(*place) if compiled.by_hook else None,
            windowed=compiled.windowed,
            **compiled.stream_options,
        )

    async def _found_scopes(self, operation: Operation) -> tuple[list[Scope], list[UpstreamError]]:
        """Return the scopes of the configuration, or all that the vendor has."""
        description = self.compiled.description
        if not description.scopes:
            return [()], []
        if self._scopes:
            return self._scopes, []
        if description.scopes_optional:
            return [("", "")], []
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

        return await self._all_rows(table, listing, self._settings, parse, operation)

    # Hooks.

    async def hooks(self, operation: Operation) -> Sequence[Hook]:
        """Return the hooks of all scopes."""
        if self.compiled.hook_pages is None:
            return ()
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
                self._variables(scope),
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
        limit = listing.limit(HOOKS_PER_PAGE)
        numbers, token = itertools.count(), None
        path = path_of(table.path, variables)

        async def read_rows(read: int, _last: str) -> tuple[list[Any], bool]:
            nonlocal token
            offset = next(numbers) * limit if listing.by_page else read
            params = listing.params(variables, limit, offset=offset, token=token)
            page = self._checked(
                listing, *await self.client.json(path, params, operation=operation)
            )
            token = page.token
            return page.rows, page.more

        return await read_hooks(read_rows, parse, operation)

    # Lists of logs.

    async def read_page(
        self, stream: Stream, window: Window, criteria: Criteria, operation: Operation
    ) -> Page:
        """Request a page, without the filters if the vendor refuses those."""
        table = self.compiled.description.list
        own = bounds(table, window, criteria)
        filters = criteria_params(table, self.compiled.description.request.lists, criteria)
        page, _ = await first_accepted(
            lambda params: self._page(stream, window, params, operation), ((*own, *filters), own)
        )
        return page

    async def _page(
        self, stream: Stream, window: Window, filters: Params, operation: Operation
    ) -> Page:
        pages = self.compiled.pages
        limit = pages.limit(window.limit)
        read = functools.partial(self._rows, stream, limit, filters, operation)
        if pages.by_token:
            return await self._page_by_token(stream, window, read, operation)
        offset = window.offset
        rows, begin = await read(offset)
        if pages.by_page and rows.size and rows.size < limit and begin is not None:
            # The vendor's pages are smaller than requested, so that number is of an earlier page.
            limit = self.page_size = rows.size
            rows, begin = await self._rows(stream, limit, filters, operation, offset)
        logs, unreadable = self._parsed(stream, rows, operation)
        return Page(
            logs=logs,
            unreadable=unreadable,
            read=len(rows.rows),
            offset=None if window.until is not None else begin,
            total=None if window.until is not None else rows.total,
            more=rows.more,
        )

    async def _page_by_token(
        self, stream: Stream, window: Window, read: Any, operation: Operation
    ) -> Page:
        """Read the page of a token, or the one after some rows of the window."""
        token: str | None = getattr(window, "token", None)
        rows, _ = await read(0, token)
        before = 0
        while token is None and before + len(rows.rows) <= window.offset and rows.token:
            before += len(rows.rows)
            rows, _ = await read(0, rows.token)
            if not rows.rows:
                break
        logs, unreadable = self._parsed(stream, rows, operation)
        options: dict[str, Any] = {}
        if "next_token" in Page.__struct_fields__:
            options["next_token"] = rows.token if rows.more else None
        return Page(
            logs=logs,
            unreadable=unreadable,
            read=len(rows.rows),
            offset=None if token or window.until is not None else before,
            total=None if token or window.until is not None else rows.total,
            more=rows.more,
            **options,
        )

    async def _rows(
        self,
        stream: Stream,
        limit: int,
        filters: Params,
        operation: Operation,
        offset: int,
        token: str | None = None,
    ) -> tuple[Rows, int | None]:
        """Request a page; return its rows, and the offset of the first."""
        pages = self.compiled.pages
        variables = self._variables(stream.place)
        path = path_of(pages.table.path, variables)
        params = (*pages.params(variables, limit, offset=offset, token=token), *filters)
        document, headers = await self.client.json(
            path, params, operation=operation, rows=pages.raw_rows
        )
        rows = self._checked(pages, document, headers)
        if pages.by_page:
            return rows, offset // limit * limit
        return rows, offset if pages.by_offset else 0

    def _parsed(
        self, stream: Stream, rows: Rows, operation: Operation
    ) -> tuple[list[WebhookLog], list[str]]:
        parse, ids, place = self.compiled.parse_log, self.ids, stream.place
        return parse_rows(rows.rows, lambda row: parse(row, ids, place), operation.memo(stream.key))

    def _checked(self, listing: Listing, document: Any, headers: Mapping[str, str]) -> Rows:
        rows = listing.rows(document, headers)
        if rows is None:
            name = listing.table.items
            raise self.unexpected(f"an object with {name}" if name else "a list")
        return rows

    # Single logs.

    async def read_log(self, place: Place, operation: Operation) -> WebhookLog | None:
        """Request a log that the configuration covers."""
        detail = self.compiled.description.detail
        if detail is None or not self.grants(place):
            return None
        variables = self._log_variables(place)
        answer = await none_if_missing(
            self.client.json,
            path_of(detail.path, variables),
            params_of(detail.params, variables),
            operation=operation,
        )
        return None if answer is None else self._log_in(answer[0], detail.item, place)

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
        compiled = self.compiled
        if len(place) != compiled.place_length or not is_id(place[-1], compiled.description.log.id):
            return False
        own = place[compiled.stream_length : -1]
        if not all(is_id(text, compiled.own_id) for text in own):
            return False
        hooks = compiled.description.hooks
        if compiled.by_hook and hooks and not is_id(place[compiled.scope_length], hooks.id):
            return False
        return not compiled.scope_length or self._covers(place[:2])

    def _covers(self, scope: Scope) -> bool:
        if self._scopes:
            return scope in self._scopes
        if self.compiled.description.scopes_optional:
            return scope == ("", "")
        spec = self.compiled.finders.get(scope[0])
        return spec is not None and is_id(scope[1], self.compiled.own_id)

    def hook_of(self, place: Place) -> str | None:
        """Return the id of the hook in a log's place."""
        compiled = self.compiled
        return self.ids.hook(*place[: compiled.stream_length]) if compiled.by_hook else None

    # Variables of paths.

    def _variables(self, place: Place) -> dict[str, str]:
        """Return the variables of a scope's or a stream's place."""
        compiled = self.compiled
        variables = dict(self._settings)
        if compiled.scope_length:
            for scope in compiled.description.scopes.values():
                variables.setdefault(scope.name, "")
            scope_table = compiled.description.scopes.get(place[0])
            if scope_table:
                variables[scope_table.name] = place[1]
            variables[SCOPE] = path_of(scope_table.path, variables) if scope_table else ""
        if len(place) > compiled.scope_length:
            variables["hook"] = place[compiled.scope_length]
        return variables

    def _log_variables(self, place: Place) -> dict[str, str]:
        """Return the variables of a log's place."""
        compiled = self.compiled
        variables = self._variables(place[: compiled.stream_length])
        names = (*compiled.description.log.place, "id")
        return variables | dict(zip(names, place[compiled.stream_length :], strict=True))

    # Actions.

    async def retry(self, place: Place, operation: Operation) -> Any:
        """Send a delivery again."""
        table = self.compiled.description.retry
        if table is None:
            return await super().retry(place, operation)
        document = await self._act(table, place, operation)
        if table.log is None or document is None:
            return None
        return self._log_in(document, table.log, place)

    async def delete(self, place: Place, operation: Operation) -> WebhookLog | None:
        """Delete a log; return it if the answer has it."""
        table = self.compiled.description.delete
        if table is None:
            return await super().delete(place, operation)
        document = await self._act(table, place, operation)
        if table.log is None or document is None:
            return None
        return self._log_in(document, table.log, place)

    async def _act(self, table: ActionTable, place: Place, operation: Operation) -> Any:
        variables = self._log_variables(place)
        return await self.client.act(
            table.method, path_of(table.path, variables), operation=operation
        )


def _own(settings: Any, table: str, key: str) -> Any:
    """Return the value of a key that only this vendor has.

    It stands in a table of its own where the description is the user's.
    """
    tables = getattr(settings, table, None)
    return getattr(settings, key, None) if tables is None else tables.get(key)
