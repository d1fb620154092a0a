"""``gateway vendor check``: shows what a description makes of a vendor, without a network."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text

from gateway.cli.screen import line, output, print_error
from gateway.config.files import UnreadableFileError, read_text
from gateway.errors import ConfigurationError
from gateway.normalise.timestamps import format_rfc3339
from gateway.vendors.base import SourceIds, parse_rows
from gateway.vendors.described.compiled import Compiled
from gateway.vendors.described.description import Description, load
from gateway.vendors.described.kits import SHIPPED
from gateway.vendors.described.settings import auth_forms

if TYPE_CHECKING:
    from gateway.model import WebhookLog

_FIELDS = (
    *("event", "triggered_at", "last_attempted_at", "duration_ms", "attempt", "correlation_id"),
    *("is_redelivery", "redelivery_of"),
)
_REQUEST = ("method", "url", "headers", "body")


def check_description(file: Path, sample: Path | None) -> int:
    """Print what a description says, and what it makes of a sample; return the exit code.

    ``file`` may be the provider of a description that comes with the gateway.
    """
    shipped = SHIPPED / f"{file}.toml"
    path = shipped if file.name == str(file) and not file.exists() and shipped.exists() else file
    try:
        description = load(path)
    except ConfigurationError as error:
        for problem in error.problems:
            print_error(problem)
        return 1
    compiled = Compiled(description, "described")
    _print(_summary(description, compiled))
    return 0 if sample is None else _check_sample(compiled, sample)


def _print(lines: Iterator[str]) -> None:
    console = output()
    for text in lines:
        console.print(Text(text))


def _summary(description: Description, compiled: Compiled) -> Iterator[str]:
    yield f"{description.title}, {description.docs}"
    can = sorted(capability.name for capability in compiled.capabilities)
    yield f"It can: {', '.join(can)}"
    forms = ", ".join(f'"{form}"' for form in (*auth_forms(description.auth), "pass-through"))
    yield f"auth.type is one of {forms}"
    for name, scope in description.scopes.items():
        yield f"{name}: {scope.about}"
    for name, setting in description.settings.items():
        yield f"{name}: {setting.about}"
    for name, value in description.log.values.items():
        yield f"details.values.{name}: {value.about}"


def _check_sample(compiled: Compiled, sample: Path) -> int:
    try:
        document = json.loads(read_text(sample))
    except UnreadableFileError as error:
        print_error(f"{sample}: the file {error}")
        return 1
    except (ValueError, RecursionError):
        print_error(f"{sample}: the file is not JSON")
        return 1
    rows = compiled.pages.rows(document, {})
    if rows is None:
        items = compiled.description.list.items
        where = f"no list at {items}, where list.items looks for it" if items else "not a list"
        print_error(f"{sample}: the document has {where}")
        return 1
    place = ("scope", "sample", "hook")[-compiled.stream_length :] if compiled.stream_length else ()
    ids = SourceIds("sample")
    logs, unreadable = parse_rows(rows.rows, lambda row: compiled.parse_log(row, ids, place))
    _print(line(text) for log in logs for text in ("", *filter(None, _shown(log))))
    for reason in unreadable:
        print_error(f"{sample}: a row can't be read: {reason}")
    if logs and (absent := _absent(compiled.description, logs)):
        print_error(f"{sample}: no row has a value for {', '.join(absent)}")
    return 1 if unreadable else 0


def _shown(log: WebhookLog) -> Iterator[str]:
    """Yield the lines about a log."""
    time = format_rfc3339(log.triggered_at) if log.triggered_at is not None else "no time"
    code = log.response.status_code if log.response else None
    yield " ".join(
        str(it)
        for it in (log.upstream_id, time, log.status.name, code, log.event)
        if it is not None
    )
    if log.failure:
        yield f"{log.failure.category.name}: {log.failure.message}"
    yield ", ".join(
        f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
        for name in ("duration_ms", "attempt", "correlation_id", "is_redelivery")
        if (value := getattr(log, name)) is not None
    )
    values: dict[str, Any] = getattr(log.details, "values", {})
    yield ", ".join(f"{name} {json.dumps(value)}" for name, value in values.items())
    for warning in log.warnings:
        yield f"Warning: {warning}"


def _absent(description: Description, logs: Sequence[WebhookLog]) -> list[str]:
    """Return the fields of the description that no log has."""
    table = description.log
    named = {"duration_ms": "duration"}
    found = [
        f"log.{named.get(name, name)}"
        for name in _FIELDS
        if getattr(table, named.get(name, name)) is not None
        and all(getattr(log, name) is None for log in logs)
    ]
    if description.detail is None or not description.detail.adds:
        for name in _REQUEST:
            key = name if name in {"method", "url"} else f"request_{name}"
            if getattr(table, key) is not None and not any(
                log.request and getattr(log.request, name) is not None for log in logs
            ):
                found.append(f"log.{key}")
    return found
