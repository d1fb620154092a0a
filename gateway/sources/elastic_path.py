"""Elastic Path Commerce Cloud: the logs of a store's integrations.

The published specification lacks the ``/v2`` that every client of the vendor sends, and the lists
of whole stores: both are tried first, and given up for good where the vendor refuses them.

https://elasticpath.dev/docs/api/integrations/list-integration-logs
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from gateway.errors import UpstreamError
from gateway.failure import classify
from gateway.model import (
    Capability,
    ElasticPathDetails,
    Hook,
    HttpRequest,
    HttpResponse,
    Provider,
    WebhookLog,
    WebhookLogStatus,
)
from gateway.sources.base import Found, Page, Source, Stream, StreamsChanged, Wanted, Window
from gateway.sources.fields import Fields
from gateway.upstream.auth import Credential, Token, TokenCredential, TokenEndpoint
from gateway.upstream.client import VendorError

if TYPE_CHECKING:
    from gateway.cache import Cache
    from gateway.config import ElasticPathSettings
    from gateway.upstream.client import Params, UpstreamClient
    from gateway.upstream.operation import Operation

ID = re.compile(r"[0-9A-Za-z_-]{1,64}")
MAX_LIMIT = 100
SCAN_PAGES = 10
"""How many pages of an integration are looked through for a log that names no job."""


class ElasticPath(Source):
    """The configured integrations, or the whole store."""

    provider: ClassVar = Provider.ELASTIC_PATH
    capabilities: ClassVar = frozenset(
        {Capability.LIST, Capability.GET, Capability.COUNT, Capability.RESPONSE_BODY}
    )

    def __init__(self, settings: ElasticPathSettings, client: UpstreamClient, cache: Cache) -> None:
        super().__init__(settings, client, cache)
        self._chosen = tuple(settings.integrations or ())
        self._prefix = "/v2"
        self._store_wide = not self._chosen

    async def find_streams(self, operation: Operation) -> Found:
        """One stream for the store, or one for each integration."""
        if self._store_wide:
            return Found([Stream(key="store")])
        integrations = self._chosen or [hook.upstream_id for hook in await self.hooks(operation)]
        return Found(
            [
                Stream(key=integration, place=(integration,), hook_id=self.hook_id(integration))
                for integration in integrations
            ]
        )

    async def read_page(
        self, stream: Stream, window: Window, wanted: Wanted, operation: Operation
    ) -> Page:
        """List logs, and give them event and address, which only their integrations know."""
        del wanted
        params = [("page[limit]", str(window.limit)), ("page[offset]", str(window.offset))]
        path = "/".join(("/integrations", *stream.place, "logs"))
        try:
            document, hooks = await asyncio.gather(
                self._get(path, params, operation), self._known_hooks(operation)
            )
        except UpstreamError as error:
            if stream.place or error.status not in {400, 404, 405}:
                raise
            self._store_wide = False
            raise StreamsChanged from None
        rows = document.get("data") if isinstance(document, dict) else None
        logs, unreadable = self.rows(rows, lambda row: self._parse(row, stream.place, hooks))
        read = len(logs) + len(unreadable)
        results = Fields(document).object("results")
        total = results.integer("total") if results else None
        return Page(
            logs=logs,
            unreadable=unreadable,
            read=read,
            offset=window.offset,
            total=total,
            more=read >= window.limit if total is None else window.offset + read < total,
        )

    async def read_log(self, place: tuple[str, ...], operation: Operation) -> WebhookLog | None:
        """Ask for the one job that the id keeps: it has a log for each attempt."""
        if len(place) != 3 or not self._granted(place):
            return None
        integration, job, upstream_id = place
        hooks = await self._known_hooks(operation)
        for number in range(1 if job else SCAN_PAGES):
            path = f"/integrations/{integration}/jobs/{job}/logs"
            params: Params = ()
            if not job:
                path = f"/integrations/{integration}/logs"
                params = [("page[limit]", "100"), ("page[offset]", str(number * MAX_LIMIT))]
            try:
                document = await self._get(path, params, operation)
            except UpstreamError as error:
                if error.status == 404:
                    return None
                raise
            rows = document.get("data") if isinstance(document, dict) else None
            logs, _ = self.rows(rows, lambda row: self._parse(row, place[:2], hooks))
            for log in logs:
                if log.upstream_id == upstream_id:
                    return log
            if len(logs) < MAX_LIMIT:
                break
        return None

    async def load_hooks(self, operation: Operation) -> Sequence[Hook]:
        """List the integrations, page by page."""
        hooks: dict[str, Hook] = {}
        offset = 0
        while True:
            params = [("page[limit]", str(MAX_LIMIT)), ("page[offset]", str(offset))]
            document = await self._get("/integrations", params, operation)
            if not isinstance(document, dict) or not isinstance(document.get("data"), list):
                raise self.unexpected("a list of integrations")
            rows = Fields(document).objects("data")
            fresh = [hook for hook in map(self._parse_hook, rows) if hook.upstream_id not in hooks]
            hooks |= {hook.upstream_id: hook for hook in fresh}
            # Whether this list is paged is not documented: the same page again ends it.
            if len(rows) < MAX_LIMIT or not fresh:
                break
            offset += len(rows)
        return [
            hook for hook in hooks.values() if not self._chosen or hook.upstream_id in self._chosen
        ]

    async def _known_hooks(self, operation: Operation) -> Mapping[str, Hook]:
        """Give the integrations, or none where the credential may not list them."""
        try:
            return {hook.upstream_id: hook for hook in await self.hooks(operation)}
        except UpstreamError:
            return {}

    async def _get(self, path: str, params: Params, operation: Operation) -> Any:
        try:
            document, _ = await self.client.json(self._prefix + path, params, operation=operation)
        except UpstreamError as error:
            if error.status != 404 or not self._prefix:
                raise
            try:
                document, _ = await self.client.json(path, params, operation=operation)
            except UpstreamError:
                raise error from None
            self._prefix = ""
        return document

    def _granted(self, place: tuple[str, ...]) -> bool:
        return (
            all(ID.fullmatch(part) for part in (place[0], place[1] or "none"))
            and not {"logs", "jobs"} & set(place[:2])
            and (not self._chosen or place[0] in self._chosen)
        )

    def _parse(self, row: Fields, place: tuple[str, ...], hooks: Mapping[str, Hook]) -> WebhookLog:
        shown = row.redacted()
        upstream_id = row.id()
        integration = _related(row, "integration") or (place[0] if place else "")
        job = _related(row, "job")
        hook = hooks.get(integration)
        code = row.integer("status_code") or None
        status = _status(row, code)
        seconds = row.number("processing_time")
        body = shown.body("body")
        created_at = _created(row)
        return WebhookLog(
            id=self.log_id(integration, job or "", upstream_id),
            upstream_id=upstream_id,
            source=self.name,
            provider=self.provider,
            hook_id=self.hook_id(integration) if integration else None,
            event=hook.events[0] if hook and len(hook.events) == 1 else None,
            status=status,
            failure=classify(status_code=code, message=shown.text("error_detail"))
            if status is WebhookLogStatus.FAILED
            else None,
            triggered_at=created_at,
            last_attempted_at=created_at,
            # The unit is not documented; with a limit of ten seconds, 0.2529 and 1.4414 are such.
            duration_ms=None if seconds is None else round(seconds * 1000, 6),
            attempt=row.integer("attempt"),
            correlation_id=job,
            request=HttpRequest(url=hook.url) if hook and hook.url else None,
            response=None
            if code is None and not body
            else HttpResponse(status_code=code, body=body),
            details=ElasticPathDetails(integration_id=integration or None, job_id=job),
            raw=shown.document,
            warnings=tuple(dict.fromkeys(row.warnings)),
        )

    def _parse_hook(self, row: Fields) -> Hook:
        upstream_id = row.id()
        shown = row.redacted()
        meta = row.object("meta")
        configuration = shown.object("configuration")
        times = meta.object("timestamps") if meta else None
        return Hook(
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


def _related(row: Fields, name: str) -> str | None:
    found: Fields | None = row
    for step in ("relationships", name, "data"):
        found = found.object(step) if found else None
    text = found.text("id") if found else None
    return text if text and ID.fullmatch(text) else None


def _created(row: Fields) -> Any:
    """Read ``meta.timestamps.created_at``, which the specification lacks."""
    meta = row.object("meta")
    times = meta.object("timestamps") if meta else None
    # The vendor's own types nest it once more than its own data do.
    times = (times.object("timestamps") or times) if times else None
    return times.time("created_at") if times else None


def _status(row: Fields, code: int | None) -> WebhookLogStatus:
    """Trust ``succeeded``, and tell where the receiver's answer contradicts it."""
    succeeded = row.boolean("succeeded")
    if succeeded is None:
        return WebhookLogStatus.UNKNOWN
    if code is not None and succeeded != (200 <= code < 300):
        word = "succeeded" if succeeded else "failed"
        row.warnings.append(f"The vendor says it {word}, but the receiver answered {code}.")
    return WebhookLogStatus.SUCCEEDED if succeeded else WebhookLogStatus.FAILED


def read_error(body: Any, headers: Mapping[str, str]) -> VendorError:
    """Find title and detail of the first error."""
    errors = Fields(body).objects("errors") if isinstance(body, dict) else []
    request_id = headers.get("X-Request-Id")
    if not errors:
        return VendorError(request_id=request_id)
    said = [text for text in (errors[0].text("title"), errors[0].text("detail")) if text]
    return VendorError(
        errors[0].text("status"),
        ": ".join(said) or None,
        errors[0].text("request_id") or request_id,
    )


def credential(
    settings: ElasticPathSettings, endpoint: Callable[[str], TokenEndpoint]
) -> Credential:
    """Make the credential: a token of an hour for a client's id and secret.

    https://elasticpath.dev/docs/api/authentication/create-an-access-token
    """
    auth = settings.auth
    tokens = endpoint(f"{settings.base_url}/oauth/access_token")

    async def fetch() -> Token:
        document, _ = await tokens.post(
            form={
                "grant_type": "client_credentials",
                "client_id": auth.client_id.get_secret_value(),
                "client_secret": auth.client_secret.get_secret_value(),
            }
        )
        seconds = Fields(document).number("expires_in") or 3600
        return tokens.token(document.get("access_token"), time.time() + seconds)

    return TokenCredential(fetch, lambda token: {"Authorization": f"Bearer {token}"})
