"""``gateway show``: one log with its headers and bodies."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import typer
from rich.text import Text

from gateway.cli.document import document, dumps
from gateway.cli.screen import block, line, output

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gateway.model import HttpRequest, HttpResponse, WebhookLog
    from gateway.service import Gateway


async def print_log(gateway: Gateway, id: str, *, as_json: bool) -> int:
    """Print a log with all details of its vendor; return 0.

    Raises RequestError if there is no such log, and UpstreamError if it can't be read.
    """
    log = await gateway.log(gateway.operation(), id)
    if as_json:
        typer.echo(dumps(document(log) | {"raw": log.raw}, indent=2))
        return 0
    print_texts(log)
    return 0


def print_texts(log: WebhookLog) -> None:
    """Print a log as text."""
    console = output()
    for text in _texts(log):
        # The terminal wraps long lines, so that they can be copied as one.
        console.print(text, soft_wrap=True)


def _texts(log: WebhookLog) -> Iterator[Text]:
    written = document(log)
    del written["request"], written["response"]
    for name, value in _paths(written):
        shown = "-" if value is None else value if isinstance(value, str) else json.dumps(value)
        yield Text.assemble((f"{name:<22}", "dim"), line(shown))
    if log.request:
        yield _title(f"Request {log.request.method or ''} {log.request.url or ''}")
        yield from _message(log.request)
    if log.response:
        yield _title(f"Response {log.response.status_code or ''}")
        yield from _message(log.response)


def _title(text: str) -> Text:
    return Text(f"\n{line(text)}", "bold")


def _paths(written: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Yield each value with its path, named as in a query."""
    for name, value in written.items():
        if isinstance(value, dict):
            yield from _paths(value, f"{prefix}{name}.")
        elif isinstance(value, list):
            yield from ((f"{prefix}{name}", item) for item in value)
        else:
            yield f"{prefix}{name}", value


def _message(message: HttpRequest | HttpResponse) -> Iterator[Text]:
    for header in message.headers or ():
        yield Text.assemble((f"{line(header.name)}: ", "dim"), line(header.value))
    if message.body is None:
        return
    body = message.body
    if isinstance(message.body_json, dict | list):
        body = json.dumps(message.body_json, indent=2, ensure_ascii=False)
    yield Text(f"\n{block(body)}")
