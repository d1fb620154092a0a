"""The figures of a comparison, as Markdown tables."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeVar

from tests.benchmarks.servers import TITLES
from tests.benchmarks.workloads import WORKLOADS

T = TypeVar("T")


class Cell(NamedTuple):
    """What was measured together: the servers took turns at it."""

    workload: str
    rows: int
    connections: int


class Run(NamedTuple):
    """The figures of one turn: milliseconds, requests per second, MiB of the largest process."""

    p50: float
    p99: float
    rate: float
    memory: float


class Figure(NamedTuple):
    """The median of the turns, and their coefficient of variation."""

    median: float
    variation: float

    def __str__(self) -> str:
        return f"{number(self.median)} ±{self.variation:.0%}"


class Figures:
    """The runs of all servers."""

    def __init__(self) -> None:
        self._runs: dict[Cell, dict[str, list[Run]]] = defaultdict(lambda: defaultdict(list))

    def add(self, cell: Cell, server: str, run: Run) -> None:
        """Add a turn of a server."""
        self._runs[cell][server].append(run)

    def figure(self, cell: Cell, server: str, name: str) -> Figure | None:
        """Return a figure of a server, or None if it did not take part."""
        values = [getattr(run, name) for run in self._runs.get(cell, {}).get(server, ())]
        if not values:
            return None
        mean = statistics.fmean(values)
        return Figure(statistics.median(values), statistics.pstdev(values) / mean if mean else 0)

    def ratio(self, cell: Cell, server: str, name: str) -> float | None:
        """Return by how much the gateway is ahead of a server; below 1 it is behind."""
        own, other = self.figure(cell, "gateway", name), self.figure(cell, server, name)
        if own is None or other is None:
            return None
        ahead = own.median / other.median
        return ahead if name == "rate" else 1 / ahead

    @property
    def servers(self) -> list[str]:
        """The servers that took part."""
        seen = {server for runs in self._runs.values() for server in runs}
        return [server for server in TITLES if server in seen]

    def full(self) -> str:
        """Return the table of all figures, with a line for each server."""
        heads = ["", "rows", "connections", "", "p50 ms", "p99 ms", "requests/s", "RSS MiB"]
        lines = [[*heads, "ahead at p50", "ahead at requests/s"]]
        for cell, runs in self._runs.items():
            label = [WORKLOADS[cell.workload].title, str(cell.rows), str(cell.connections)]
            for server in runs:
                values = [str(self.figure(cell, server, name)) for name in Run._fields]
                ratios = ["", ""]
                if server != "gateway":
                    ratios = [ratio_text(self.ratio(cell, server, it)) for it in ("p50", "rate")]
                lines.append([*label, TITLES[server], *values, *ratios])
                label = ["", "", ""]
        return table(lines)

    def short(self) -> str:
        """Return a table with a line for each workload, and the row counts in one cell."""
        cells = defaultdict(list)
        for cell in self._runs:
            cells[cell.workload, cell.connections].append(cell)
        columns = [
            (server, name, connections)
            for name, connections in (("p50", self._least), ("rate", self._most))
            for server in self.servers
        ]
        units = {"p50": "ms", "rate": "requests/s"}
        lines = [["", *(f"{TITLES[server]}, {units[name]}" for server, name, _ in columns)]]
        for workload in dict.fromkeys(cell.workload for cell in self._runs):
            found = [
                self._joined(cells[workload, connections], server, name)
                for server, name, connections in columns
            ]
            lines.append([WORKLOADS[workload].title, *found])
        return table(lines)

    @property
    def _least(self) -> int:
        return min(cell.connections for cell in self._runs)

    @property
    def _most(self) -> int:
        return max(cell.connections for cell in self._runs)

    def _joined(self, cells: list[Cell], server: str, name: str) -> str:
        figures = _present(self.figure(cell, server, name) for cell in cells)
        ratios = _present(self.ratio(cell, server, name) for cell in cells)
        text = " / ".join(map(str, figures))
        if server == "gateway" or not ratios:
            return text
        return f"{text} ({' / '.join(map(ratio_text, ratios))})"


def _present(values: Iterable[T | None]) -> list[T]:
    return [value for value in values if value is not None]


def number(value: float) -> str:
    """Format a figure with about three digits."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def ratio_text(value: float | None) -> str:
    """Format a ratio."""
    return "" if value is None else f"{value:.2f}x" if value < 1 else f"{value:.1f}x"


def table(lines: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table; the first line has the heads."""
    head, *rest = ["| " + " | ".join(line) + " |" for line in lines]
    return "\n".join([head, "|" + "---|" * len(lines[0]), *rest])
