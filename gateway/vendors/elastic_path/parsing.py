"""Parsing of Elastic Path's documents."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from msgspec import Meta

from gateway.model import (
    Details,
    Hook,
    HttpRequest,
    HttpResponse,
    Timestamp,
    WebhookLog,
    WebhookLogStatus,
)
from gateway.normalise.failures import classify
from gateway.normalise.fields import Fields, UnreadableError
from gateway.upstream.errors import VendorError
from gateway.vendors.base import SourceIds

PROVIDER = "elastic-path"
ID = re.compile(r"[0-9A-Za-z_-]{1,64}")


class ElasticPathDetails(Details, frozen=True, kw_only=True, tag="elastic"):
    """Fields that only Elastic Path Commerce Cloud has."""

    integration_id: Annotated[str | None, Meta(description="Id of the integration.")] = None
    job_id: Annotated[
        str | None,
        Meta(description="Id of the job. A job delivers one event, with a log for each attempt."),
    ] = None


def parse_log(
    row: Fields, ids: SourceIds, place: tuple[str, ...], hooks: Mapping[str, Hook]
) -> WebhookLog:
    """Parse a log; event and URL come from its integration, if that is in ``hooks``."""
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
        # The path of a job contains its integration.
        id=ids.log(integration or "", (integration and job) or "", upstream_id),
        upstream_id=upstream_id,
        source=ids.source,
        provider=PROVIDER,
        hook_id=ids.hook(integration) if integration else None,
        event=hook.events[0] if hook and len(hook.events) == 1 else None,
        status=status,
        failure=classify(status_code=code, message=row.text("error_detail"))
        if status is WebhookLogStatus.FAILED
        else None,
        triggered_at=created_at,
        last_attempted_at=created_at,
        # The unit is not documented. The examples 0.2529 and 1.4414 must be seconds, as deliveries
        # time out after ten.
        duration_ms=None if seconds is None else round(seconds * 1000, 6),
        attempt=row.count("attempt"),
        correlation_id=job,
        request=HttpRequest(url=hook.url) if hook and hook.url else None,
        response=None if code is None and not body else HttpResponse(status_code=code, body=body),
        details=ElasticPathDetails(integration_id=integration or None, job_id=job),
        raw=shown.document,
        warnings=tuple(dict.fromkeys(row.warnings)),
    )


def parse_hook(row: Fields, ids: SourceIds) -> tuple[str, Hook]:
    """Parse an integration."""
    upstream_id = row.id()
    if not ID.fullmatch(upstream_id):
        raise UnreadableError("id is not the id of an integration")
    shown = row.redacted()
    meta = row.object("meta")
    configuration = shown.object("configuration")
    times = meta.object("timestamps") if meta else None
    return upstream_id, Hook(
        id=ids.hook(upstream_id),
        upstream_id=upstream_id,
        source=ids.source,
        name=shown.text("name"),
        # The rest of the configuration may be secret.
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


def _created(row: Fields) -> Timestamp | None:
    """Parse ``meta.timestamps.created_at``, which is not in the specification."""
    meta = row.object("meta")
    times = meta.object("timestamps") if meta else None
    # The vendor's published types nest it one level deeper than its examples.
    times = (times.object("timestamps") or times) if times else None
    return times.sort_time("created_at") if times else None


def _status(row: Fields, code: int | None) -> WebhookLogStatus:
    """Return what ``succeeded`` says, with a warning if the status code contradicts it."""
    succeeded = row.boolean("succeeded")
    if succeeded is None:
        return WebhookLogStatus.UNKNOWN
    if code is not None and succeeded != (200 <= code < 300):
        word = "succeeded" if succeeded else "failed"
        row.warnings.append(f"The vendor says it {word}, but the receiver answered {code}.")
    return WebhookLogStatus.SUCCEEDED if succeeded else WebhookLogStatus.FAILED


def read_error(body: Any) -> VendorError:
    """Return status, title and detail of the first error."""
    errors = Fields(body).objects("errors") if isinstance(body, dict) else []
    if not errors:
        return VendorError()
    messages = [text for text in (errors[0].text("title"), errors[0].text("detail")) if text]
    return VendorError(
        errors[0].text("status"), ": ".join(messages) or None, errors[0].text("request_id")
    )
