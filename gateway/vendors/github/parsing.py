"""Parsing of GitHub's documents."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from gateway.model import (
    Details,
    Failure,
    FailureCategory,
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

PROVIDER = "github"
WITHOUT_RESPONSE = frozenset(
    {
        FailureCategory.TIMEOUT,
        FailureCategory.DNS,
        FailureCategory.CONNECTION,
        FailureCategory.TLS,
        FailureCategory.NO_RESPONSE,
    }
)
"""Failures before the receiver responded. The status code beside them is GitHub's own: 502 if it
failed to connect, 504 if that took too long."""


class GitHubDetails(Details, frozen=True, kw_only=True, tag="github"):
    """Fields that only GitHub has."""

    guid: Annotated[
        str | None,
        Meta(
            description="GUID of the event, which its deliveries to all webhooks and all"
            " redeliveries share."
        ),
    ] = None
    action: Annotated[
        str | None, Meta(description="What was done, as a part of the event: opened, closed.")
    ] = None
    status_text: Annotated[str | None, Meta(description="GitHub's words for the result.")] = None
    installation_id: Annotated[
        str | None, Meta(description="Id of the installation of the app, if the event is of one.")
    ] = None
    event_repository_id: Annotated[
        str | None, Meta(description="Id of the repository in which the event happened.")
    ] = None
    throttled_at: Annotated[
        str | None, Meta(description="When the delivery was held back, as GitHub writes it.")
    ] = None


def parse_log(
    row: Fields, ids: SourceIds, place: tuple[str, ...], *, complete: bool = False
) -> WebhookLog:
    """Parse a row of a list, or (``complete``) the document of the detail call."""
    upstream_id = row.number_id()
    shown = row.redacted()
    status, code, failure = _result(row)
    duration = row.number("duration")
    request, response = shown.object("request"), shown.object("response")
    guid = row.text("guid")
    delivered_at = row.sort_time("delivered_at")
    answered = response is not None and ("headers" in response or "payload" in response)
    return WebhookLog(
        id=ids.log(*place, upstream_id),
        upstream_id=upstream_id,
        source=ids.source,
        provider=PROVIDER,
        hook_id=ids.hook(*place),
        event=row.text("event"),
        status=status,
        failure=failure,
        triggered_at=delivered_at,
        last_attempted_at=delivered_at,
        duration_ms=None if duration is None else round(duration * 1000, 6),
        correlation_id=guid,
        is_redelivery=row.boolean("redelivery"),
        request=HttpRequest(
            url=shown.text("url"),
            headers=request.headers("headers") if request else None,
            body=request.body("payload") if request else None,
        )
        if request or "url" in shown
        else None,
        response=HttpResponse(
            status_code=code,
            headers=response.headers("headers") if response else None,
            body=response.body("payload") if response else None,
        )
        if code is not None or answered
        else None,
        details=GitHubDetails(
            guid=guid,
            action=row.text("action"),
            status_text=shown.text("status"),
            installation_id=row.text("installation_id"),
            event_repository_id=row.text("repository_id"),
            throttled_at=row.text("throttled_at"),
        ),
        raw=shown.document,
        warnings=tuple(dict.fromkeys(row.warnings)),
        complete=complete,
    )


def _result(row: Fields) -> tuple[WebhookLogStatus, int | None, Failure | None]:
    """Return the status, the status code of the receiver's response, and the failure.

    The words decide first, as the code may be GitHub's own. A success always has a code of 2xx, on
    which the kit relies where it asks for successes.
    """
    text = (row.text("status") or "").strip()
    code = row.status("status_code")
    worded = classify(message=text) if text and text.upper() != "OK" else None
    if worded and worded.category in WITHOUT_RESPONSE:
        return WebhookLogStatus.FAILED, None, worded
    if code is not None and code >= 200:
        if code < 300:
            return WebhookLogStatus.SUCCEEDED, code, None
        return WebhookLogStatus.FAILED, code, classify(status_code=code, message=text or None)
    if worded and worded.category is not FailureCategory.UNKNOWN:
        return WebhookLogStatus.FAILED, code, worded
    if worded:
        row.warnings.append("The vendor's status is not a known text, and there is no status code.")
    return WebhookLogStatus.UNKNOWN, code, None


def parse_hook(row: Fields, ids: SourceIds, scope: tuple[str, ...]) -> tuple[str, Hook]:
    """Parse a webhook of a repository or an organization."""
    upstream_id = row.number_id()
    shown = row.redacted()
    config = shown.object("config")
    return upstream_id, Hook(
        id=ids.hook(*scope, upstream_id),
        upstream_id=upstream_id,
        source=ids.source,
        # All webhooks have the name "web".
        name=scope[-1],
        url=config.text("url") if config else None,
        events=row.texts("events"),
        enabled=row.boolean("active"),
        created_at=row.time("created_at"),
        note=_last_response(shown),
    )


def _last_response(shown: Fields) -> str | None:
    """Return a sentence on the last response, which hooks of repositories alone have."""
    last = shown.object("last_response")
    if last is None:
        return None
    said = " ".join(text for text in (last.text("code"), last.text("message")) if text)
    return f"Last response: {said}." if said else None


def read_error(body: Any) -> VendorError:
    """Return the message, with the first of the errors that a 422 lists.

    https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api#validation-failed
    """
    if not isinstance(body, dict):
        return VendorError()
    error = Fields(body)
    message = error.text("message")
    code = None
    items = body.get("errors")
    first = items[0] if isinstance(items, list) and items else None
    if isinstance(first, dict):
        item = Fields(first)
        code = item.text("code")
        words = item.text("message") or " ".join(
            text for text in (item.text("resource"), item.text("field"), code) if text
        )
        message = ": ".join(text for text in (message, words) if text) or None
    elif isinstance(first, str):
        message = ": ".join(text for text in (message, first) if text)
    return VendorError(code, message)
