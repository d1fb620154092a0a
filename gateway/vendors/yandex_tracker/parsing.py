"""Parsing of Tracker's documents."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from gateway.model import (
    Details,
    Hook,
    HttpRequest,
    HttpResponse,
    WebhookLog,
    WebhookLogStatus,
)
from gateway.normalise.failures import classify
from gateway.normalise.fields import Fields
from gateway.upstream.errors import VendorError
from gateway.vendors.base import SourceIds

PROVIDER = "yandex-tracker"


class YandexTrackerDetails(Details, frozen=True, kw_only=True, tag="tracker"):
    """Fields that only Yandex Tracker has."""

    queue: Annotated[str, Meta(description="Key of the queue.")]
    trigger_id: Annotated[str, Meta(description="Id of the trigger.")]
    action_id: Annotated[str | None, Meta(description="Id of the action within the trigger.")] = (
        None
    )
    issue_id: Annotated[
        str | None,
        Meta(description="Id, not key, of the issue that set off the trigger."),
    ] = None
    auth_type: Annotated[
        str | None,
        Meta(
            description="Authentication of the request, as the vendor names it: noauth, basic and"
            " others."
        ),
    ] = None


def parse_log(row: Fields, ids: SourceIds, place: tuple[str, ...]) -> WebhookLog:
    """Parse a row of a trigger's log. Its time is part of its place, to find it again."""
    upstream_id = row.id()
    triggered_at = row.sort_time("startTime")
    shown = row.redacted()
    issue = row.text("issueId")
    request, response = shown.object("request"), shown.object("response")
    code = response.status("statusCode") if response else None
    auth = request.object("webhookAuthContext") if request else None
    status = _status(row, code)
    return WebhookLog(
        id=ids.log(*place, "" if triggered_at is None else str(triggered_at), upstream_id),
        upstream_id=upstream_id,
        source=ids.source,
        provider=PROVIDER,
        hook_id=ids.hook(*place),
        status=status,
        failure=classify(status_code=code) if status is WebhookLogStatus.FAILED else None,
        triggered_at=triggered_at,
        last_attempted_at=row.time("endTime"),
        duration_ms=row.number("duration"),
        correlation_id=issue,
        request=None
        if request is None
        else HttpRequest(
            method=request.text("method"),
            url=request.text("endpoint"),
            headers=request.headers("headers"),
            body=request.body("body"),
        ),
        response=None
        if response is None
        else HttpResponse(status_code=code, headers=response.headers("headers")),
        details=YandexTrackerDetails(
            queue=place[0],
            trigger_id=row.text("triggerId") or place[1],
            action_id=row.text("actionId"),
            issue_id=issue,
            auth_type=auth.text("type") if auth else None,
        ),
        raw=shown.document,
        warnings=tuple(dict.fromkeys(row.warnings)),
    )


def parse_hook(row: Fields, ids: SourceIds, queue: str) -> tuple[str, Hook | None]:
    """Parse a trigger; the hook is None if it has no Webhook action."""
    upstream_id = row.number_id()
    shown = row.redacted()
    actions = [action for action in shown.objects("actions") if action.text("type") == "Webhook"]
    if not actions:
        return upstream_id, None
    return upstream_id, Hook(
        id=ids.hook(queue, upstream_id),
        upstream_id=upstream_id,
        source=ids.source,
        name=shown.text("name"),
        url=actions[0].text("endpoint") or actions[0].text("url"),
        enabled=row.boolean("active"),
    )


def _status(row: Fields, code: int | None) -> WebhookLogStatus:
    if code is None:
        # Not documented: an attempt without a response has no "response".
        return WebhookLogStatus.FAILED if "response" not in row else WebhookLogStatus.UNKNOWN
    return WebhookLogStatus.SUCCEEDED if 200 <= code < 300 else WebhookLogStatus.FAILED


def read_error(body: Any) -> VendorError:
    """Return Tracker's messages, those about single fields too, or IAM's code and message."""
    if not isinstance(body, dict):
        return VendorError()
    fields = Fields(body)
    messages = [fields.text("message"), *fields.texts("errorMessages")]
    about = fields.object("errors")
    if about:
        messages += [f"{name}: {about.text(name) or 'refused'}" for name in about.document]
    return VendorError(
        fields.text("statusCode") or fields.text("code"), " ".join(filter(None, messages)) or None
    )
