"""Parsing of Language Weaver's documents."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from gateway.model import Details, Hook, HttpRequest, WebhookLog, WebhookLogStatus
from gateway.normalise.failures import classify
from gateway.normalise.fields import MAX_ID, Fields
from gateway.upstream.errors import VendorError
from gateway.vendors.base import SourceIds

PROVIDER = "language-weaver"


class LanguageWeaverDetails(Details, frozen=True, kw_only=True, tag="weaver"):
    """Fields that only RWS Language Weaver Edge has."""

    webhook_uuid: Annotated[str | None, Meta(description="UUID of the webhook.")] = None
    retry_attempts: Annotated[
        int | None, Meta(description="Number of times that the delivery was sent again.")
    ] = None


def parse_log(row: Fields, ids: SourceIds) -> WebhookLog:
    """Parse an entry of the audit log."""
    upstream_id = row.number_id()
    shown = row.redacted()
    uuid = row.text("uuid")
    message = row.text("errorMessage")
    status = _status(message)
    retries = row.count("retryAttempts")
    return WebhookLog(
        id=ids.log(upstream_id),
        upstream_id=upstream_id,
        source=ids.source,
        provider=PROVIDER,
        hook_id=ids.hook(uuid) if uuid and len(uuid) <= MAX_ID else None,
        event=row.text("event"),
        status=status,
        failure=classify(message=message) if status is WebhookLogStatus.FAILED else None,
        triggered_at=row.sort_time("timeTriggered"),
        last_attempted_at=row.time("timeLastAttempted"),
        attempt=None if retries is None else retries + 1,
        request=HttpRequest(url=shown.text("url"), body=shown.body("data")),
        details=LanguageWeaverDetails(webhook_uuid=uuid, retry_attempts=retries),
        raw=shown.document,
        warnings=tuple(dict.fromkeys(row.warnings)),
    )


def parse_hook(row: Fields, ids: SourceIds) -> tuple[str, Hook]:
    """Parse a webhook."""
    upstream_id = row.id("uuid")
    shown = row.redacted()
    return upstream_id, Hook(
        id=ids.hook(upstream_id),
        upstream_id=upstream_id,
        source=ids.source,
        name=shown.text("description"),
        url=shown.text("url"),
        events=row.texts("events"),
    )


def _status(message: str | None) -> WebhookLogStatus:
    """Return the status by the error message, which is the only sign of a failure."""
    if message is None:
        return WebhookLogStatus.UNKNOWN
    return WebhookLogStatus.FAILED if message else WebhookLogStatus.SUCCEEDED


def read_error(body: Any) -> VendorError:
    """Return code, message and details, each of which may be missing."""
    error = Fields(body).object("error") if isinstance(body, dict) else None
    if error is None:
        return VendorError()
    messages = [text for text in (error.text("message"), error.text("details")) if text]
    return VendorError(error.text("code"), ": ".join(messages) or None)
