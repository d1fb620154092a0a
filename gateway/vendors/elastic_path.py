"""Elastic Path Commerce Cloud: the logs of a store's integrations.

The published specification lacks the ``/v2`` that every client of the vendor sends, and the list
of the whole store: both are tried first, and given up for good where only the others work.

https://elasticpath.dev/docs/api/integrations/list-integration-logs
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from gateway.errors import UpstreamError
from gateway.model import (
    Capability,
    ElasticPathDetails,
    Hook,
    HttpRequest,
    HttpResponse,
    Provider,
    Timestamp,
    WebhookLog,
    WebhookLogStatus,
)
from gateway.normalise.failures import classify
from gateway.normalise.fields import Fields, UnreadableError
from gateway.sources.source import Source
from gateway.upstream.auth import Credential, PassedCredential, Token, TokenEndpoint
from gateway.upstream.errors import VendorError
from gateway.vendors.calls import Params, first_accepted, if_known, outcome
from gateway.vendors.pages import Found, Hooks, Page, Stream, StreamsChanged, Wanted, Window

if TYPE_CHECKING:
    from gateway.cache import Cache
    from gateway.config import ElasticPathSettings
    from gateway.upstream.client import UpstreamClient
    from gateway.upstream.operation import Operation

ID = re.compile(r"[0-9A-Za-z_-]{1,64}")
HOOKS_PER_PAGE = 100
TOKEN_SECONDS = 3600


class ElasticPath(Source):
    """The configured integrations, or the whole store."""

    provider: ClassVar = Provider.ELASTIC_PATH
    capabilities: ClassVar = frozenset(
        {Capability.LIST, Capability.GET, Capability.COUNT, Capability.RESPONSE_BODY}
    )

    def __init__(self, settings: ElasticPathSettings, client: UpstreamClient, cache: Cache) -> None:
        super().__init__(settings, client, cache)
        self._chosen = settings.integrations
        self._prefixes: tuple[str, ...] = ("/v2", "")
        self._store_wide = not self._chosen

    async def find_streams(self, operation: Operation) -> Found:
        """Give a stream for the store, or one for each integration."""
        if self._store_wide:
            return Found([Stream(key="store")])
        integrations, errors = self._chosen, []
        if not integrations:
            hooks = await self._integrations(operation)
            integrations = tuple(hook.upstream_id for hook in hooks.readable)
            errors = self.unread(hooks)
        return Found(
            [
                Stream(key=integration, place=(integration,), hook_id=self.hook_id(integration))
                for integration in integrations
            ],
            errors,
        )

    async def read_page(
        self, stream: Stream, window: Window, wanted: Wanted, operation: Operation
    ) -> Page:
        """List logs, and give them event and address, which only their integrations know."""
        del wanted
        path = "/".join(("/integrations", *stream.place, "logs"))
        paging = (("page[limit]", str(window.limit)), ("page[offset]", str(window.offset)))
        # Whatever comes of one, the other is waited for, lest it go on uncounted by the report.
        listed, integrations = await asyncio.gather(
            outcome(
                first_accepted,
                lambda params: self._get(path, params, operation),
                # The specification has no pages, but then there is no second one either.
                [paging] if window.offset else [paging, ()],
            ),
            outcome(self._integrations, operation),
        )
        if isinstance(listed, UpstreamError):
            # Far down the list, a refusal is about the offset. Else those of the integrations take
            # its place, if they can be found.
            gives_up = not window.offset and listed.status in {400, 404, 405}
            if stream.place or not gives_up or isinstance(integrations, UpstreamError):
                raise listed
            self._store_wide = False
            raise StreamsChanged(listed)
        document, taken = listed
        hooks = _by_id(integrations)
        rows = self.listed(document, "data")
        logs, unreadable = self.rows(rows, lambda row: self._parse(row, stream.place, hooks))
        read = len(logs) + len(unreadable)
        results = Fields(document).object("results")
        total = results.count("total") if results else None
        return Page(
            logs=logs,
            unreadable=unreadable,
            read=read,
            offset=window.offset,
            total=total,
            more=bool(taken)
            and (read >= window.limit if total is None else window.offset + read < total),
        )

    async def read_log(self, place: tuple[str, ...], operation: Operation) -> WebhookLog | None:
        """Ask for the one job that the id keeps: it has a log for each attempt.

        A log without a job, which none should be, is looked for in the list it came from.
        """
        if len(place) != 3 or not self._granted(place):
            return None
        integration, job, upstream_id = place
        if not job:
            stream = Stream(key="", place=(integration,) if integration else ())
            try:
                return await if_known(self.scan, stream, upstream_id, operation)
            except StreamsChanged:
                return None
        path = f"/integrations/{integration}/jobs/{job}/logs"
        document, integrations = await asyncio.gather(
            if_known(self._get, path, (), operation), outcome(self._integrations, operation)
        )
        if document is None:
            return None
        hooks = _by_id(integrations)
        rows = self.listed(document, "data")
        logs, _ = self.rows(rows, lambda row: self._parse(row, place[:2], hooks))
        return next((log for log in logs if log.upstream_id == upstream_id), None)

    def hook_of(self, place: tuple[str, ...]) -> str | None:
        """Give the id of the integration that a log's place names, if it does."""
        return self.hook_id(place[0]) if place and place[0] else None

    async def hooks(self, operation: Operation) -> Sequence[Hook]:
        """Give the integrations."""
        return [
            hook
            for hook in (await self._integrations(operation)).readable
            if not self._chosen or hook.upstream_id in self._chosen
        ]

    async def _integrations(self, operation: Operation) -> Hooks:
        async def load(operation: Operation) -> Hooks:
            async def ask(read: int, _last: str) -> tuple[list[Any], bool]:
                # Whether this list has pages is not documented.
                paging = (("page[limit]", str(HOOKS_PER_PAGE)), ("page[offset]", str(read)))
                document, taken = await first_accepted(
                    lambda params: self._get("/integrations", params, operation), (paging, ())
                )
                rows = self.listed(document, "data")
                return rows, bool(taken) and len(rows) >= HOOKS_PER_PAGE

            return await self.read_hooks(ask, self._parse_hook)

        return await self.remember("hooks", load, operation)

    async def _get(self, path: str, params: Params, operation: Operation) -> Any:
        prefix, *others = self._prefixes
        try:
            document, _ = await self.client.json(prefix + path, params, operation=operation)
        except UpstreamError as error:
            if error.status != 404 or not others:
                raise
            prefix = others[0]
            try:
                document, _ = await self.client.json(prefix + path, params, operation=operation)
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

    def _parse(self, row: Fields, place: tuple[str, ...], hooks: Mapping[str, Hook]) -> WebhookLog:
        upstream_id = row.id()
        shown = row.redacted()
        integration = place[0] if place else _related(row, "integration")
        job = _related(row, "job")
        hook = hooks.get(integration or "")
        code = row.status("status_code")
        status = _status(row, code)
        seconds = row.number("processing_time")
        body = shown.body("body")
        created_at = _created(row)
        return WebhookLog(
            # A job can be asked for only below its integration.
            id=self.log_id(integration or "", (integration and job) or "", upstream_id),
            upstream_id=upstream_id,
            source=self.name,
            provider=self.provider,
            hook_id=self.hook_id(integration) if integration else None,
            event=hook.events[0] if hook and len(hook.events) == 1 else None,
            status=status,
            failure=classify(status_code=code, message=row.text("error_detail"))
            if status is WebhookLogStatus.FAILED
            else None,
            triggered_at=created_at,
            last_attempted_at=created_at,
            # The unit is not documented; with a limit of ten seconds, 0.2529 and 1.4414 are such.
            duration_ms=None if seconds is None else round(seconds * 1000, 6),
            attempt=row.count("attempt"),
            correlation_id=job,
            request=HttpRequest(url=hook.url) if hook and hook.url else None,
            response=None
            if code is None and not body
            else HttpResponse(status_code=code, body=body),
            details=ElasticPathDetails(integration_id=integration or None, job_id=job),
            raw=shown.document,
            warnings=tuple(dict.fromkeys(row.warnings)),
        )

    def _parse_hook(self, row: Fields) -> tuple[str, Hook]:
        upstream_id = row.id()
        if not ID.fullmatch(upstream_id):
            raise UnreadableError("id is no id of an integration")
        shown = row.redacted()
        meta = row.object("meta")
        configuration = shown.object("configuration")
        times = meta.object("timestamps") if meta else None
        return upstream_id, Hook(
            id=self.hook_id(upstream_id),
            upstream_id=upstream_id,
            source=self.name,
            name=shown.text("name"),
            # The only part of the configuration that is no secret.
            url=configuration.text("url") if configuration else None,
            events=row.texts("observes"),
            enabled=row.boolean("enabled"),
            created_at=times.time("created_at") if times else None,
        )


def _by_id(integrations: Hooks | UpstreamError) -> Mapping[str, Hook]:
    """Give the integrations by id, or none where the credential may not list them."""
    if isinstance(integrations, UpstreamError):
        return {}
    return {hook.upstream_id: hook for hook in integrations.readable}


def _related(row: Fields, name: str) -> str | None:
    found: Fields | None = row
    for step in ("relationships", name, "data"):
        found = found.object(step) if found else None
    text = found.text("id") if found else None
    return text if text and ID.fullmatch(text) else None


def _created(row: Fields) -> Timestamp | None:
    """Read ``meta.timestamps.created_at``, which the specification lacks."""
    meta = row.object("meta")
    times = meta.object("timestamps") if meta else None
    # The vendor's own types nest it once more than its own data do.
    times = (times.object("timestamps") or times) if times else None
    return times.own_time("created_at") if times else None


def _status(row: Fields, code: int | None) -> WebhookLogStatus:
    """Trust ``succeeded``, and tell where the receiver's answer contradicts it."""
    succeeded = row.boolean("succeeded")
    if succeeded is None:
        return WebhookLogStatus.UNKNOWN
    if code is not None and succeeded != (200 <= code < 300):
        word = "succeeded" if succeeded else "failed"
        row.warnings.append(f"The vendor says it {word}, but the receiver answered {code}.")
    return WebhookLogStatus.SUCCEEDED if succeeded else WebhookLogStatus.FAILED


def read_error(body: Any) -> VendorError:
    """Find title and detail of the first error."""
    errors = Fields(body).objects("errors") if isinstance(body, dict) else []
    if not errors:
        return VendorError()
    said = [text for text in (errors[0].text("title"), errors[0].text("detail")) if text]
    return VendorError(
        errors[0].text("status"), ": ".join(said) or None, errors[0].text("request_id")
    )


def credential(
    settings: ElasticPathSettings, endpoint: Callable[[str], TokenEndpoint]
) -> Credential:
    """Make the credential: a token of an hour for a client's id and secret.

    https://elasticpath.dev/docs/api/authentication/create-an-access-token
    """
    auth = settings.auth
    if auth.type == "pass-through":
        return PassedCredential(settings.name, auth.header, "Authorization")
    tokens = endpoint(f"{settings.base_url}/oauth/access_token")

    async def fetch() -> Token:
        document, _ = await tokens.post(
            form={
                "grant_type": "client_credentials",
                "client_id": auth.client_id.get_secret_value(),
                "client_secret": auth.client_secret.get_secret_value(),
            }
        )
        seconds = Fields(document).number("expires_in") or 0
        usual = 0 < seconds < 100 * TOKEN_SECONDS
        return tokens.token(document.get("access_token"), seconds if usual else TOKEN_SECONDS)

    return tokens.credential(fetch, lambda token: {"Authorization": f"Bearer {token}"})
