"""``gateway check``: tries to read each source, and explains failures."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from rich import box
from rich.table import Table
from rich.text import Text

from gateway.cli.screen import age, line, messages, output, sentence
from gateway.errors import AllSourcesFailedError, UpstreamError, internal_error
from gateway.model import Hook, Timestamp

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.service import Gateway
    from gateway.sources import Source

log = logging.getLogger(__name__)


class Check(NamedTuple):
    """The result for one source; ``seconds`` is the time to read its newest log.

    ``is_partial`` is true if a part of it could be read despite the error.
    """

    source: Source
    seconds: float
    error: UpstreamError | None
    is_partial: bool
    hooks: Sequence[Hook] | None
    newest: Timestamp | None


async def check_sources(gateway: Gateway) -> int:
    """Try all sources at the same time and print the results; return the exit code."""
    waiting = set(gateway.sources)

    async def check(source: Source) -> Check:
        checked = await _check(gateway, source)
        waiting.remove(source.name)
        progress.update(f"Waiting for {', '.join(sorted(waiting))}")
        return checked

    with messages().status(f"Waiting for {', '.join(sorted(waiting))}") as progress:
        checks = await asyncio.gather(*map(check, gateway.sources.values()))
    console = output()
    console.print(_table(checks))
    failures = [check.error for check in checks if check.error]
    for error in failures:
        console.print(Text(line(sentence(error)), "red"))
    return 1 if failures else 0


async def _check(gateway: Gateway, source: Source) -> Check:
    operation = gateway.operation()
    began = time.perf_counter()
    error: UpstreamError | None = None
    newest: Timestamp | None = None
    hooks: Sequence[Hook] | None = None
    is_partial = False
    try:
        page = await gateway.logs(operation, first=1, wanted={"source": {"eq": source.name}})
        seconds = time.perf_counter() - began
        report = page.slice.reports[0]
        error = report.error
        newest = next((entry.log.triggered_at for entry in page.slice.entries), None)
        hooks = await source.hooks(operation)
        is_partial = error is not None and not report.failed
    except UpstreamError as failure:
        seconds, error = time.perf_counter() - began, failure
    except AllSourcesFailedError as failure:
        seconds, error = time.perf_counter() - began, failure.errors[0]
    except Exception:
        log.exception("Checking source %s failed.", source.name)
        seconds, error = time.perf_counter() - began, internal_error(source.name)
    return Check(source, seconds, error, is_partial, hooks, newest)


def _result(check: Check) -> Text:
    if check.error is None:
        return Text("ok", "green")
    return Text("partial", "yellow") if check.is_partial else Text("failed", "red")


def _table(checks: Iterable[Check]) -> Table:
    now = Timestamp(time.time_ns())
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for title in ("source", "provider", "result"):
        table.add_column(title, no_wrap=True)
    table.add_column("hooks", justify="right")
    table.add_column("newest log")
    table.add_column("latency", justify="right")
    for check in checks:
        table.add_row(
            check.source.name,
            check.source.provider,
            _result(check),
            "-" if check.hooks is None else str(len(check.hooks)),
            "-" if check.newest is None else age(check.newest, now),
            f"{check.seconds * 1000:.0f} ms",
        )
    return table
