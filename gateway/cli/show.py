"""``gateway show``: one log with its headers and bodies."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import typer
from rich.text import Text

from gateway.cli.document import attempt_document, document, dumps
from gateway.cli.screen import block, line, output

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gateway.model import Attempt, HttpRequest, HttpResponse, WebhookLog
    from gateway.service import Gateway


async def print_log(gateway: Gateway, id: str, *, as_json: bool) -> int:
    """Print a log with all details of its vendor; return 0.

    Raises RequestError if there is no such log, and UpstreamError if it can't be read.
    """
    operation = gateway.operation()
    log = await gateway.log(operation, id)
    attempts = await gateway.attempts(operation, id)
    if as_json:
        listed = None if attempts is None else [attempt_document(each) for each in attempts]
        typer.echo(dumps(document(log) | {"attempts": listed, "raw": log.raw}, indent=2))
        return 0
    print_texts(log, attempts or ())
    return 0


def print_texts(log: WebhookLog, attempts: Sequence[Attempt] = ()) -> None:
    """Print a log as text, and its attempts."""
    console = output()
    for text in itertools.chain(_texts(log), _attempts(attempts)):
        # The terminal wraps long lines, so that they can be copied as one.
        console.print(text, soft_wrap=True)


def _texts(log: WebhookLog) -> Iterator[Text]:
    written = document(log)
    del written["request"], written["response"]
    for name, value in _paths(written):
        shown = "-" if value is None else value if isinstance(value, str) else json.dumps(value)
        yield Text.assemble((f"{name:<21} ", "dim"), line(shown))
    if log.request:
        yield _title(f"Request {log.request.method or ''} {log.request.url or ''}")
        yield from _message(log.request)
    if log.response:
        yield _title(f"Response {log.response.status_code or ''}")
        yield from _message(log.response)


def _attempts(attempts: Sequence[Attempt]) -> Iterator[Text]:
    for attempt in attempts:
        written = attempt_document(attempt)
        facts = (
            written["at"],
            attempt.status.name.lower(),
            written["statusCode"],
            None if attempt.duration_ms is None else f"{attempt.duration_ms:.0f} ms",
            attempt.error,
        )
        told = " ".join(str(fact) for fact in facts if fact is not None)
        yield _title(f"Attempt {written['number'] or ''} {told}")
        yield from _body(attempt.response_body)


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
    body = message.body
    if isinstance(message.body_json, dict | list):
        body = json.dumps(message.body_json, indent=2, ensure_ascii=False)
    yield from _body(body)


def _body(body: str | None) -> Iterator[Text]:
    if body is not None:
        yield Text(f"\n{block(body)}")
