"""Compile the fields of a description into functions that parse rows.

Everything is decided once, when the description is loaded; for a row, only functions are called
that the description has use for.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Protocol

from msgspec import Meta

from gateway.model import (
    Details,
    Hook,
    HttpRequest,
    HttpResponse,
    WebhookLog,
    WebhookLogStatus,
)
from gateway.normalise.fields import (
    MAX_ID,
    Fields,
    HeaderPlaces,
    UnreadableError,
    is_number,
)
from gateway.normalise.redaction import MASK
from gateway.upstream.errors import VendorError
from gateway.vendors.base import SourceIds
from gateway.vendors.described.description import Description
from gateway.vendors.described.outcomes import (
    count,
    duration,
    failure,
    first_value,
    nothing,
    read,
    status,
    status_code,
)
from gateway.vendors.described.paths import reader, value_at
from gateway.vendors.described.records import LogTable
from gateway.vendors.described.terms import IdTable, MappedTable

TEXT_ID = re.compile(r"(?!\.+\Z)[A-Za-z0-9_.:~@+=-]{1,100}", re.ASCII)
"""Ids of objects that can be named in a path."""

Place = tuple[str, ...]


class DescribedDetails(Details, frozen=True, kw_only=True, tag="described"):
    """Fields that only this vendor has, which is read by a description."""

    values: Annotated[
        dict[str, Any],
        Meta(description="The values by the names that the vendor's description gives them."),
    ] = {}  # noqa: RUF012 - msgspec copies it


class ParseLog(Protocol):
    """Parses a row of a list, or (``complete``) the document of the detail call."""

    def __call__(
        self, row: Fields, ids: SourceIds, place: Place = (), *, complete: bool = False
    ) -> WebhookLog:
        """Return the log; ``place`` is that of its stream."""


def is_id(text: str, spec: IdTable) -> bool:
    """Return whether a text is an id of that kind."""
    return is_number(text) if spec.kind == "number" else TEXT_ID.fullmatch(text) is not None


def read_id(spec: IdTable) -> Callable[[Fields], str]:
    """Return the reader of an id, which raises UnreadableError if there is none."""
    read_one = reader(spec.path, "number_id" if spec.kind == "number" else "id")

    def required(row: Fields) -> str:
        text: str | None = read_one(row)
        if text is None:
            raise UnreadableError(f"{spec.path[0]} is missing or is no id")
        return text

    return required if len(spec.path) > 1 or "." in spec.path[0] else read_one


def log_parser(description: Description, provider: str) -> ParseLog:
    """Return the function that parses webhook logs."""
    log = description.log
    id_of, own_ids = read_id(log.id), [read_id(IdTable(path=(p,))) for p in log.place.values()]
    hook_of = read(log.hook, "text")
    read_status = status(log.status)
    read_failure = failure(log.failure, tells_response=log.response_status is not None)
    code_of, milliseconds = status_code(log.response_status), duration(log.duration)
    event, correlation_id = read(log.event, "text"), read(log.correlation_id, "text")
    triggered_at = read(log.triggered_at, "sort_time")
    last_attempted_at = read(log.last_attempted_at, "time")
    attempt = count(log.attempt)
    request, response = _request(log), _response(log)
    details = _details(log)
    warn = _warnings(log)
    prepared = _hidden(description.secrets)
    headers = HeaderPlaces.of(filter(None, (log.request_headers, log.response_headers)))
    lists_are_complete = description.detail is None or not description.detail.adds
    scope = 2 if description.scopes else 0
    redelivery = _redelivery(log)

    def parse(
        row: Fields, ids: SourceIds, place: Place = (), *, complete: bool = False
    ) -> WebhookLog:
        if prepared is not None:
            row = prepared(row)
        upstream_id = id_of(row)
        if own_ids:
            own = tuple([own_id(row) for own_id in own_ids])
            log_id = ids.log(*place, *own, upstream_id)
        else:
            own = ()
            log_id = ids.log(*place, upstream_id)
        shown = row.redacted(headers)
        hook = hook_of(row) if len(place) <= scope else place[scope]
        outcome, code = read_status(row), code_of(row)
        if redelivery is None:
            is_redelivery, redelivery_of = None, None
        else:
            is_redelivery, redelivery_of = redelivery(row, ids, (*place, *own))
        if warn is not None:
            warn(row)
        return WebhookLog(
            id=log_id,
            upstream_id=upstream_id,
            source=ids.source,
            provider=provider,
            hook_id=ids.hook(*place[:scope], hook) if hook and len(hook) <= MAX_ID else None,
            event=event(row),
            status=outcome,
            failure=read_failure(row, code) if outcome is WebhookLogStatus.FAILED else None,
            triggered_at=triggered_at(row),
            last_attempted_at=last_attempted_at(row),
            duration_ms=milliseconds(row),
            attempt=attempt(row),
            correlation_id=correlation_id(row),
            is_redelivery=is_redelivery,
            redelivery_of=redelivery_of,
            request=request(shown),
            response=response(shown, code),
            details=details(shown),
            raw=shown.document,
            warnings=tuple(dict.fromkeys(row.warnings)) if row.warnings else (),
            complete=complete or lists_are_complete,
        )

    return parse


def _request(log: LogTable) -> Callable[[Fields], HttpRequest | None]:
    if not any((log.method, log.url, log.request_headers, log.request_body)):
        return nothing
    method, url = read(log.method, "text"), read(log.url, "text")
    body = read(log.request_body, "body")
    headers = reader((log.request_headers,), "headers") if log.request_headers else nothing

    def request(shown: Fields) -> HttpRequest:
        return HttpRequest(
            method=method(shown), url=url(shown), headers=headers(shown), body=body(shown)
        )

    return request


def _response(log: LogTable) -> Callable[[Fields, int | None], HttpResponse | None]:
    if not any((log.response_status, log.response_headers, log.response_body)):
        return lambda _, __: None
    body = read(log.response_body, "body")
    headers = reader((log.response_headers,), "headers") if log.response_headers else nothing

    def response(shown: Fields, code: int | None) -> HttpResponse | None:
        found, text = headers(shown), body(shown)
        if code is None and found is None and text is None:
            return None
        return HttpResponse(status_code=code, headers=found, body=text)

    return response


def _details(log: LogTable) -> Callable[[Fields], DescribedDetails]:
    values = [(name, first_value(spec.path)) for name, spec in log.values.items()]

    def details(shown: Fields) -> DescribedDetails:
        document = shown.document
        return DescribedDetails(values={name: find(document) for name, find in values})

    return details


def _warnings(log: LogTable) -> Callable[[Fields], None] | None:
    rules = [(value_at(path), text) for path, text in log.warnings.items()]
    if not rules:
        return None

    def warn(row: Fields) -> None:
        row.warnings += [text for find, text in rules if find(row.document) is True]

    return warn


def _redelivery(
    log: LogTable,
) -> Callable[[Fields, SourceIds, Place], tuple[bool | None, str | None]] | None:
    """Return the reader of what few vendors tell: whether a log was sent again, and which."""
    if log.is_redelivery is None and log.redelivery_of is None:
        return None
    again = reader((log.is_redelivery,), "boolean") if log.is_redelivery else nothing
    other = reader((log.redelivery_of,), "text") if log.redelivery_of else nothing

    def redelivery(row: Fields, ids: SourceIds, place: Place) -> tuple[bool | None, str | None]:
        original = other(row)
        if original is None or not is_id(original, log.id):
            return again(row), None
        return again(row), ids.log(*place, original)

    return redelivery


def _hidden(names: tuple[str, ...]) -> Callable[[Fields], Fields] | None:
    """Return a function that masks the fields with these names, at any depth."""
    if not names:
        return None
    secret = {name.lower() for name in names}

    def masked(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                key: MASK if key.lower() in secret and item is not None else masked(item)
                for key, item in value.items()
            }
        return [masked(item) for item in value] if isinstance(value, list) else value

    return lambda row: Fields(masked(row.document), row.warnings)


def hook_parser(
    description: Description,
) -> Callable[[Fields, SourceIds, Place], tuple[str, Hook | None]]:
    """Return the function that parses webhooks; the id of a row that is none comes without one."""
    table = description.hooks
    if table is None:
        return lambda _, __, ___: ("", None)
    id_of, keep = read_id(table.id), value_at(table.keep) if table.keep else None
    name, url = read(table.name, "text"), read(table.url, "text")
    events, created_at = read(table.events, "texts"), read(table.created_at, "time")
    renamed = table.events.map if table.events else {}
    enabled = _enabled(table.enabled)
    prepared = _hidden(description.secrets)

    def parse(row: Fields, ids: SourceIds, place: Place) -> tuple[str, Hook | None]:
        if prepared is not None:
            row = prepared(row)
        upstream_id = id_of(row)
        if keep is not None and keep(row.document) is not True:
            return upstream_id, None
        shown = row.redacted()
        return upstream_id, Hook(
            id=ids.hook(*place, upstream_id),
            upstream_id=upstream_id,
            source=ids.source,
            name=name(shown),
            url=url(shown),
            events=tuple(str(renamed.get(event, event)) for event in events(row) or ()),
            enabled=enabled(row),
            created_at=created_at(row),
        )

    return parse


def _enabled(spec: MappedTable | None) -> Callable[[Fields], bool | None]:
    if spec is None:
        return nothing
    if not spec.map:
        return reader(spec.path, "boolean")
    text, known = reader(spec.path, "text"), spec.map

    def enabled(row: Fields) -> bool | None:
        found = known.get(text(row) or "")
        return found if isinstance(found, bool) else None

    return enabled


def error_reader(description: Description) -> Callable[[Any], VendorError]:
    """Return the function that finds the vendor's own words in a refusal."""
    errors = description.errors
    paths = [
        [value_at(path) for path in found or ()]
        for found in (errors.code, errors.message, errors.request_id)
    ]

    def read_error(body: Any) -> VendorError:
        return VendorError(*(_first_text(finders, body) for finders in paths))

    return read_error


def _first_text(finders: list[Callable[[Any], Any]], document: Any) -> str | None:
    for find in finders:
        value = find(document)
        if isinstance(value, bool):
            continue
        if isinstance(value, str | int | float) and value != "":
            return str(value)
    return None
