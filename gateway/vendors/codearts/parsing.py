"""Parsing of CodeArts Repo's documents."""

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
from gateway.normalise.fields import Fields, is_number
from gateway.upstream.errors import VendorError
from gateway.vendors.base import SourceIds

PROVIDER = "codearts"
SCOPES = {"projects": "project", "groups": "group", "repositories": "repository"}
EVENTS = {
    "push_events": "push_hooks",
    "tag_push_events": "tag_push_hooks",
    "merge_requests_events": "merge_request_hooks",
    "note_events": "note_hooks",
}
"""The switches of a hook, with the ``trigger`` of logs of that event."""


class CodeArtsDetails(Details, frozen=True, kw_only=True, tag="codearts"):
    """Fields that only Huawei CodeArts Repo has."""

    scope: Annotated[str, Meta(description="Owner of the hook: project, group or repository.")]
    scope_id: Annotated[str, Meta(description="Id of that project, group or repository.")]
    repository_id: Annotated[
        int | None,
        Meta(
            description="Id of the repository in which the event happened. Null if the log was read"
            " by its id: only the vendor's lists have it."
        ),
    ] = None
    repository: Annotated[
        str | None, Meta(description="Path of that repository. Null if the log was read by its id.")
    ] = None
    uuid: Annotated[
        str | None, Meta(description="UUID of the delivery, which its body contains too.")
    ] = None


def parse_log(
    row: Fields, ids: SourceIds, place: tuple[str, ...], *, complete: bool = False
) -> WebhookLog:
    """Parse a row of a list, or (``complete``) the document of the detail call."""
    upstream_id = row.number_id()
    shown = row.redacted()
    status, code = _status(row)
    repository = shown.object("repository")
    uuid = row.text("uuid")
    duration = row.number("execution_duration")
    return WebhookLog(
        id=ids.log(*place, upstream_id),
        upstream_id=upstream_id,
        source=ids.source,
        provider=PROVIDER,
        hook_id=ids.hook(*place),
        event=row.text("trigger"),
        status=status,
        failure=classify(status_code=code, message=None if code else "internal error")
        if status is WebhookLogStatus.FAILED
        else None,
        triggered_at=row.sort_time("created_at"),
        last_attempted_at=row.time("updated_at"),
        duration_ms=None if duration is None else round(duration * 1000, 6),
        correlation_id=uuid,
        request=HttpRequest(
            url=shown.text("url"),
            headers=shown.headers("request_headers"),
            body=shown.body("request_data"),
        ),
        response=None
        if code is None and "response_headers" not in row and "response_body" not in row
        else HttpResponse(
            status_code=code,
            headers=shown.headers("response_headers"),
            body=shown.body("response_body"),
        ),
        details=CodeArtsDetails(
            scope=SCOPES[place[0]],
            scope_id=place[1],
            repository_id=repository.integer("id") if repository else None,
            repository=repository.text("namespace") if repository else None,
            uuid=uuid,
        ),
        raw=shown.document,
        warnings=tuple(dict.fromkeys(row.warnings)),
        complete=complete,
    )


def parse_hook(row: Fields, ids: SourceIds, scope: tuple[str, str]) -> tuple[str, Hook]:
    """Parse a hook."""
    upstream_id = row.number_id()
    shown = row.redacted()
    return upstream_id, Hook(
        id=ids.hook(*scope, upstream_id),
        upstream_id=upstream_id,
        source=ids.source,
        name=shown.text("name"),
        url=shown.text("url"),
        events=tuple(event for switch, event in EVENTS.items() if row.boolean(switch)),
        created_at=row.time("created_at"),
    )


def _status(row: Fields) -> tuple[WebhookLogStatus, int | None]:
    """Parse ``response_status``: digits, or "internal error" if there was no response."""
    text = row.text("response_status") or ""
    if is_number(text) and 100 <= int(text) < 600:
        code = int(text)
        accepted = 200 <= code < 300
        return (WebhookLogStatus.SUCCEEDED if accepted else WebhookLogStatus.FAILED), code
    if text.strip().lower() == "internal error":
        return WebhookLogStatus.FAILED, None
    if text:
        row.warnings.append("The vendor's response_status is neither a code nor a known text.")
    return WebhookLogStatus.UNKNOWN, None


def read_error(body: Any) -> VendorError:
    """Return code and message from any of the forms that the vendor's own client accepts."""
    found = _error_in(body)
    if found is None and isinstance(body, dict):
        found = next(filter(None, map(_error_in, body.values())), None)
    return found or VendorError()


def _error_in(body: Any) -> VendorError | None:
    if not isinstance(body, dict):
        return None
    for code, message in (
        ("error_code", "error_msg"),
        ("errorCode", "errorMsg"),
        ("code", "message"),
    ):
        if isinstance(body.get(code), str) or isinstance(body.get(message), str):
            fields = Fields(body)
            return VendorError(fields.text(code), fields.text(message))
    return None
