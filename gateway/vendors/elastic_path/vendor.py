"""Elastic Path Commerce Cloud: the logs of a store's integrations.

The published specification lacks two things that the vendor's clients use: the prefix ``/v2``, and
the list of the whole store. Both are tried first. If only paths without the prefix, or lists by
integration, work, the source uses those from then on.

https://elasticpath.dev/docs/api/integrations/list-integration-logs
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from gateway.errors import UpstreamError
from gateway.model import Capability, Hook, WebhookLog
from gateway.normalise.fields import Fields
from gateway.upstream.path import ApiPath
from gateway.vendors.base import CachedHooks, Vendor, parse_rows, read_hooks
from gateway.vendors.calls import REFUSED, Params, both, first_accepted, none_if_missing
from gateway.vendors.elastic_path.parsing import (
    ID,
    PROVIDER,
    ElasticPathDetails,
    parse_hook,
    parse_log,
    read_error,
)
from gateway.vendors.elastic_path.settings import ElasticPathSettings, credential
from gateway.vendors.pages import Criteria, Found, Hooks, Page, Scan, Stream, StreamsChanged, Window

if TYPE_CHECKING:
    from gateway.upstream.client import UpstreamClient
    from gateway.upstream.operation import Operation

HOOKS_PER_PAGE = 100


class ElasticPath(Vendor[ElasticPathSettings]):
    """The configured integrations, or the whole store.

    Places are ``(integration, job, log)``; the first two are empty if the vendor does not state
    them.
    """

    provider: ClassVar = PROVIDER
    title: ClassVar = "Elastic Path Commerce Cloud"
    settings: ClassVar = ElasticPathSettings
    details: ClassVar = ElasticPathDetails
    limits: ClassVar = "100 a second, 25 for a development store"
    read_error = staticmethod(read_error)
    credential = staticmethod(credential)
    capabilities: ClassVar = frozenset(
        {Capability.LIST, Capability.GET, Capability.COUNT, Capability.RESPONSE_BODY}
    )

    def __init__(
        self, settings: ElasticPathSettings, client: UpstreamClient, cached_hooks: CachedHooks
    ) -> None:
        super().__init__(settings, client, cached_hooks)
        self._chosen = settings.integrations
        self._prefixes: tuple[str, ...] = ("/v2", "")
        self._store_wide = not self._chosen

    async def find_streams(self, operation: Operation) -> Found:
        """Return the stream of the store, or one for each integration."""
        if self._store_wide:
            return Found([Stream(key="store")])
        integrations, errors = self._chosen, []
        if not integrations:
            hooks = await self._integrations(operation)
            integrations = tuple(hook.upstream_id for hook in hooks.readable)
            errors = self.unreadable_errors(hooks)
        return Found(
            [self._stream(integration) for integration in integrations],
            errors,
        )

    def stream_of(self, hook: Hook) -> Stream | None:
        """Return the stream of an integration; None if all are known already or share one list."""
        return None if self._store_wide or self._chosen else self._stream(hook.upstream_id)

    def _stream(self, integration: str) -> Stream:
        return Stream(key=integration, place=(integration,), hook_id=self.ids.hook(integration))

    def applicable(self, criteria: Criteria) -> Criteria:
        """Keep none: the lists have no filters."""
        del criteria
        return Criteria()

    async def read_page(
        self, stream: Stream, window: Window, criteria: Criteria, operation: Operation
    ) -> Page:
        """Request a page of logs, and the integrations, which have their events and URLs."""
        del criteria
        path = ApiPath("/integrations")
        for each in stream.place:
            path += ApiPath.of("/{integration}", each)
        path += "/logs"
        listed, integrations = await both(
            self._list(path, window, operation), self._integrations(operation)
        )
        if isinstance(listed, UpstreamError):
            # The store has no list if the first page is refused; further down, a refusal is about
            # the offset. Lists by integration can be read instead if the integrations are known.
            gives_up = not window.offset and listed.status in {400, 404, 405}
            known = integrations.hooks if isinstance(integrations, UpstreamError) else True
            if stream.place or not gives_up or not known:
                raise listed
            self._store_wide = False
            raise StreamsChanged(listed)
        document, taken = listed
        hooks = _by_id(integrations)
        rows = self.listed(document, "data")
        # Events and URLs of the logs are those of the integrations.
        logs, unreadable = parse_rows(
            rows,
            lambda row: parse_log(row, self.ids, stream.place, hooks),
            None
            if isinstance(integrations, UpstreamError)
            else operation.memo(*stream.place, operation.digest_of("hooks")),
        )
        read = len(logs) + len(unreadable)
        results = Fields(document or {}).object("results")
        total = results.count("total") if results else None
        return Page(
            logs=logs,
            unreadable=unreadable,
            read=read,
            offset=window.offset if taken else 0,
            total=total,
            more=bool(taken) and read > 0,
            lacking=_lacking(integrations),
        )

    async def _list(self, path: str, window: Window, operation: Operation) -> tuple[Any, Params]:
        """Return a page of a list, and the parameters that were accepted.

        The specification has no paging; without it, the first page is the whole list. A vendor that
        refuses only the size of the page is asked for pages of its own size. A refusal further down
        is about the offset, unless the first page is refused, too.
        """
        get = functools.partial(self._get, path, operation=operation, rows="data")

        def paging(offset: int) -> tuple[Params, Params]:
            begin = ("page[offset]", str(offset))
            return (("page[limit]", str(window.limit)), begin), (begin,)

        if not window.offset:
            return await first_accepted(get, [*paging(0), ()])
        try:
            return await first_accepted(get, paging(window.offset))
        except UpstreamError as error:
            if error.status not in REFUSED:
                raise
            document, taken = await first_accepted(get, [*paging(0), ()])
            if taken:
                raise
            return document, taken

    async def read_log(self, place: tuple[str, ...], operation: Operation) -> WebhookLog | None:
        """Request the logs of the job in the place, one for each attempt, and select the log."""
        if len(place) != 3 or not self._granted(place):
            return None
        integration, job, upstream_id = place
        path = ApiPath.of("/integrations/{integration}/jobs/{job}/logs", integration, job)
        document, integrations = await both(
            none_if_missing(self._get, path, (), operation), self._integrations(operation)
        )
        if isinstance(document, UpstreamError):
            raise document
        if document is None:
            return None
        hooks = _by_id(integrations)
        rows = self.listed(document, "data")
        logs, _ = parse_rows(rows, lambda row: parse_log(row, self.ids, place[:2], hooks))
        return next((log for log in logs if log.upstream_id == upstream_id), None)

    def scan_for(self, place: tuple[str, ...]) -> Scan | None:
        """Search the log's list if the log has no job, which the vendor should not allow."""
        if len(place) != 3 or place[1] or not self._granted(place):
            return None
        return Scan(Stream(key="", place=place[:1] if place[0] else ()), place[2])

    def hook_of(self, place: tuple[str, ...]) -> str | None:
        """Return the id of the integration in a log's place; None if the log has none."""
        return self.ids.hook(place[0]) if place and place[0] else None

    async def hooks(self, operation: Operation) -> Sequence[Hook]:
        """Return the integrations."""
        return [
            hook
            for hook in (await self._integrations(operation)).readable
            if not self._chosen or hook.upstream_id in self._chosen
        ]

    async def _integrations(self, operation: Operation) -> Hooks:
        async def load(operation: Operation) -> Hooks:
            async def read_rows(read: int, _last: str) -> tuple[list[Any], bool]:
                # Whether this list has paging is not documented.
                paging = (("page[limit]", str(HOOKS_PER_PAGE)), ("page[offset]", str(read)))
                document, taken = await first_accepted(
                    lambda params: self._get("/integrations", params, operation), (paging, ())
                )
                rows = self.listed(document, "data")
                return rows, bool(taken) and bool(rows)

            return await read_hooks(read_rows, lambda row: parse_hook(row, self.ids), operation)

        return await self.cached_hooks("hooks", load, operation)

    async def _get(
        self, path: str, params: Params, operation: Operation, rows: str | None = None
    ) -> Any:
        prefix, *others = self._prefixes
        read = functools.partial(self.client.json, params=params, operation=operation, rows=rows)
        try:
            document, _ = await read(ApiPath(prefix) + path)
        except UpstreamError as error:
            if error.status != 404 or not others:
                raise
            prefix = others[0]
            try:
                document, _ = await read(ApiPath(prefix) + path)
            except UpstreamError:
                raise error from None
        self._prefixes = (prefix,)
        return document

    def _granted(self, place: tuple[str, ...]) -> bool:
        integration, job, upstream_id = place
        if integration in {"logs", "jobs"} or not upstream_id:
            return False
        if not integration:
            return not self._chosen and not job
        return (
            ID.fullmatch(integration) is not None
            and (not job or ID.fullmatch(job) is not None)
            and (not self._chosen or integration in self._chosen)
        )


def _lacking(integrations: Hooks | UpstreamError) -> str | None:
    if not isinstance(integrations, UpstreamError):
        return None
    return (
        "Events and URLs are missing where the integrations could not be read, so filters by them"
        f" may leave logs out: {integrations}"
    )


def _by_id(integrations: Hooks | UpstreamError) -> Mapping[str, Hook]:
    """Return the integrations by id, as far as they could be listed."""
    if isinstance(integrations, UpstreamError):
        listed = integrations.hooks
    else:
        listed = integrations.readable
    return {hook.upstream_id: hook for hook in listed}
