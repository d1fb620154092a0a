"""``gateway logs``: the list of all sources."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import typer
from rich.text import Text

from gateway.cli.document import document, dumps
from gateway.cli.screen import line, messages, output, print_error, sentence
from gateway.errors import AllSourcesFailedError, RequestError
from gateway.feed import cursor
from gateway.feed.feed import UNREAD
from gateway.feed.paging import MAX_PAGE_SIZE
from gateway.model import WebhookLogStatus
from gateway.normalise.timestamps import format_rfc3339

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from gateway.feed.feed import Report, Slice
    from gateway.feed.filters import Document
    from gateway.model import WebhookLog
    from gateway.service import Gateway

_TITLES = ("TIME", "SOURCE", "EVENT", "STATUS", "HTTP", "TOOK", "RECEIVER", "FAILURE", "ID")
_COLOURS = {
    WebhookLogStatus.SUCCEEDED: "green",
    WebhookLogStatus.FAILED: "red",
    WebhookLogStatus.PENDING: "yellow",
    WebhookLogStatus.CANCELLED: "dim",
    WebhookLogStatus.UNKNOWN: "magenta",
}
_BEFORE_HOST = re.compile(r"https?://(?:[^/@]*@)?")
_OPTIONS = {"event.eq": "--event"}
"""The options for the schema's arguments whose values can be refused."""
_NARROW = 100
"""Terminals with fewer columns of text get fewer columns of the list."""
_PIPED = 160
"""The width of the list in a pipe, in columns of text."""


async def print_logs(gateway: Gateway, wanted: Document, first: int, *, as_json: bool) -> int:
    """Print the newest logs page by page, then the failures; return the exit code.

    Raises RequestError for an invalid filter, with the names of the options.
    """
    rows = Rows(gateway.sources)
    troubles: dict[tuple[str, str], str] = {}
    printed = code = 0
    try:
        async for page in _pages(gateway, wanted, first):
            for entry in page.entries:
                if as_json:
                    typer.echo(dumps(document(entry.log)))
                else:
                    rows.print(entry.log)
            printed += len(page.entries)
            for report in page.reports:
                troubles |= _problem_sentences(report)
    except AllSourcesFailedError as error:
        troubles |= {(failure.source, ""): sentence(failure) for failure in error.errors}
        code = 1
    for trouble in troubles.values():
        print_error(trouble)
    if not printed and not code:
        messages().print("No webhook log matches.")
    elif printed and rows.cut and not as_json:
        messages().print("In a pipe, or with --json, the list has the ids for gateway show.")
    return code


async def _pages(gateway: Gateway, wanted: Document, first: int) -> AsyncIterator[Slice]:
    progress = messages()
    after, scanned, missing = None, 0, first
    while True:
        with progress.status(f"Reading; {first - missing} found in {scanned} webhook logs so far"):
            operation, size = gateway.operation(), min(missing, MAX_PAGE_SIZE)
            try:
                answer = await gateway.logs(operation, first=size, after=after, wanted=wanted)
            except RequestError as error:
                raise _with_option_names(error) from None
        page = answer.slice
        yield page
        scanned += sum(report.scanned for report in page.reports)
        missing -= len(page.entries)
        if missing == 0 or not page.has_next:
            return
        after = cursor.encode(page.end)


def _with_option_names(error: RequestError) -> RequestError:
    """Replace the names of the schema's arguments with those of the options."""
    message = str(error)
    for argument, option in _OPTIONS.items():
        message = message.replace(argument, option, 1)
    return RequestError(error.code, message)


def _problem_sentences(report: Report) -> dict[tuple[str, str], str]:
    """Return sentences about a source by key; repeats on later pages have the same key."""
    name = report.source
    told = {(name, note): f"Source {name}: {note}" for note in report.notes if note != UNREAD}
    for reason in report.unreadable:
        told[name, reason] = f"Source {name} has rows that can't be read: {reason}"
    if report.error:
        told[name, ""] = sentence(report.error)
    return told


class Rows:
    """Prints the list: cut to the width of a terminal, or whole and with ids in a pipe."""

    def __init__(self, sources: Iterable[str]) -> None:
        self._console = output()
        self.cut = self._console.is_terminal
        width = self._console.width if self.cut else _PIPED
        narrow = width < _NARROW
        source = min(24, max(map(len, sources)))
        took = 0 if narrow else 7
        left = max(20, width - sum(fixed + 1 for fixed in (20, source, 9, 4, took) if fixed))
        event = min(24, left // 3 if narrow else left // 4)
        receiver = 0 if narrow else (left - event) * 2 // 5
        failure = left - event - receiver - (1 if narrow else 2)
        self._widths = (20, source, event, 9, 4, took, receiver, failure, 0 if self.cut else 1)
        self._titled = not self.cut

    def print(self, log: WebhookLog) -> None:
        """Print the line of a log; the first one on a terminal below the titles."""
        if not self._titled:
            self._titled = True
            self._print(Text(title, "bold") for title in _TITLES)
        self._print(_cells(log, cut=self.cut))

    def _print(self, cells: Iterable[Text]) -> None:
        shown = Text()
        for cell, width in zip(cells, self._widths, strict=True):
            if width:
                if self.cut:
                    cell.truncate(width, overflow="ellipsis")
                cell.pad_right(max(0, width - cell.cell_len))
                shown.append_text(cell).append(" ")
        shown.rstrip()
        self._console.print(shown)


def _cells(log: WebhookLog, *, cut: bool) -> Iterator[Text]:
    colour = _COLOURS[log.status]
    code = log.response.status_code if log.response else None
    url = log.request.url if log.request else None
    yield _cell(None if log.triggered_at is None else f"{format_rfc3339(log.triggered_at)[:19]}Z")
    yield _cell(log.source)
    yield _cell(log.event)
    yield _cell(log.status.name.lower(), colour)
    yield _cell(None if code is None else str(code))
    yield _cell(None if log.duration_ms is None else _duration(log.duration_ms))
    yield _cell(_BEFORE_HOST.sub("", url) if cut and url else url)
    failure = log.failure
    yield _cell(f"{failure.category.name} {failure.message}" if failure else "", colour)
    yield _cell(log.id)


def _cell(text: str | None, style: str = "") -> Text:
    return Text("-" if text is None else line(text), style)


def _duration(milliseconds: float) -> str:
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms"
    return f"{milliseconds / 1000:.1f} s"
