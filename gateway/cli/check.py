"""``gateway check``: whether each source can be read, and what to do where one can't."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from gateway.cli.screen import age, line, messages, output, sentence
from gateway.model import Timestamp

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.service import Check, Gateway


async def check_sources(gateway: Gateway) -> int:
    """Try all sources at the same time, and print what came of it; give the exit code."""
    waiting = set(gateway.sources)

    async def check(name: str) -> Check:
        checked = await gateway.check(name)
        waiting.remove(name)
        progress.update(f"Waiting for {', '.join(sorted(waiting))}")
        return checked

    with messages().status(f"Waiting for {', '.join(sorted(waiting))}") as progress:
        checks = await asyncio.gather(*map(check, gateway.sources))
    console = output()
    console.print(_table(checks))
    failures = [check.error for check in checks if check.error]
    for error in failures:
        console.print(Text(line(sentence(error)), "red"))
    return 1 if failures else 0


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
            check.source,
            check.provider,
            Text("failed", "red") if check.error else Text("ok", "green"),
            "-" if check.hooks is None else str(check.hooks),
            "-" if check.newest is None else age(check.newest, now),
            f"{check.seconds * 1000:.0f} ms",
        )
    return table
