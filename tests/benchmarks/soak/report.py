"""The report of a soak, as Markdown."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from tests.benchmarks.figures import Figure, number, table
from tests.benchmarks.soak.client import Measured
from tests.benchmarks.soak.load import Failed
from tests.benchmarks.soak.plan import Plan
from tests.benchmarks.soak.watch import BOUNDS, COUNT, FEWEST_THIRDS, SHARE, STEP, Series

SHOWN = 20
"""Failures that are printed in full."""


class Outcome(NamedTuple):
    """What a soak found; ``broken`` are promises that were not kept."""

    measured: Sequence[Measured]
    failed: Sequence[Failed]
    series: Sequence[Series]
    broken: Sequence[str]

    @property
    def is_good(self) -> bool:
        return not (
            self.broken
            or any(failed.cause is None for failed in self.failed)
            or any(not series.is_flat for series in self.series)
        )


def report(outcome: Outcome, plan: Plan, begun: float) -> str:
    """Return the tables, and what is wrong."""
    parts = [
        "## Responses by kind\n",
        latencies("kind", _by_kind(outcome.measured), plan),
        "\nMilliseconds: the medians of the cycles, with their coefficient of variation.",
        "\n## Responses by phase\n",
        latencies("phase", _by_phase(outcome.measured, plan), plan),
        "\n## Use of all processors by phase\n",
        _busy(plan),
        "\n## Failures that the plan caused\n",
        _planned(outcome.failed),
        "\n## Memory, descriptors and tasks, when the load rests\n",
        growth(outcome.series),
        "\nFlat is what grows by less than"
        f" {BOUNDS['RSS MiB']:.0f} MiB, {BOUNDS['kiloblocks']:.0f} thousand blocks or {COUNT:.0f}"
        f" of what is counted, or memory by less than {SHARE:.0%} an hour, by the Theil-Sen slope"
        " of one measurement a cycle; heap and blocks by its lower confidence limit (95 %). From"
        f" {FEWEST_THIRDS} measurements on, the last third of memory is not higher than the first"
        f" by so much, either, or by {STEP:.0f} of what is counted; blocks and stores apart.",
    ]
    unplanned = [failed for failed in outcome.failed if failed.cause is None]
    if unplanned or outcome.broken:
        parts.append("\n## Broken promises\n")
        parts += [f"- {text}" for text in outcome.broken]
        for failed in unplanned[:SHOWN]:
            parts.append(
                f"- {failed.at - begun:.1f} s, {failed.phase}, {failed.kind}, {failed.id}:"
                f" {failed.what}\n  `{failed.response}`"
            )
        if len(unplanned) > SHOWN:
            parts.append(f"- and {len(unplanned) - SHOWN} more failed requests")
    return "\n".join(parts)


def latencies(head: str, groups: Mapping[str, Sequence[Measured]], plan: Plan) -> str:
    """Return a line for each group, with percentiles of the cycles."""
    lines = [[head, "requests", "p50 ms", "p95 ms", "p99 ms", "longest"]]
    for name, measured in sorted(groups.items()):
        by_cycle = defaultdict(list)
        for one in measured:
            by_cycle[_cycle(plan, one.at)].append(one.took)
        figures = [
            str(_figure([_percentile(times, share) for times in by_cycle.values()]))
            for share in (0.5, 0.95, 0.99)
        ]
        longest = number(max(one.took for one in measured))
        lines.append([name, str(len(measured)), *figures, longest])
    return table(lines)


def growth(found: Iterable[Series]) -> str:
    """Return a line for each thing that was measured more than once."""
    lines = [["", "pid", "", "points", "some, first to last", "per hour", "flat"]]
    for series in found:
        if len(series.points) > 1:
            count = len(series.points)
            head = [series.name, str(series.pid or ""), series.measure, str(count)]
            some = sorted({round(part * (count - 1) / 7) for part in range(8)})
            values = " ".join(f"{series.points[index].value:.1f}" for index in some)
            flat = "yes" if series.is_flat else "**no**"
            lines.append([*head, values, f"{series.slope:+.1f}", flat])
    return table(lines)


def _busy(plan: Plan) -> str:
    """Return a line for each phase, with the mean of its spans and the busiest of them."""
    shares = defaultdict(list)
    for span in plan.spans:
        shares[span.phase.name].append(span.busy)
    lines = [["phase", "times", "mean", "highest"]]
    for name, values in sorted(shares.items()):
        figures = (f"{statistics.fmean(values):.0%}", f"{max(values):.0%}")
        lines.append([name, str(len(values)), *figures])
    return table(lines)


def _planned(failures: Sequence[Failed]) -> str:
    counts = Counter(
        (failed.cause, failed.kind, failed.what) for failed in failures if failed.cause
    )
    lines = [["cause", "kind", "failure", "requests"]]
    lines += [[*map(str, key), str(count)] for key, count in sorted(counts.items())]
    return table(lines)


def _by_kind(measured: Iterable[Measured]) -> dict[str, list[Measured]]:
    groups = defaultdict(list)
    for one in measured:
        groups[one.kind].append(one)
    return groups


def _by_phase(measured: Iterable[Measured], plan: Plan) -> dict[str, list[Measured]]:
    groups = defaultdict(list)
    for one in measured:
        if one.kind != "left":
            groups[plan.at(one.at)].append(one)
    return groups


def _cycle(plan: Plan, at: float) -> int:
    return next((span.cycle for span in reversed(plan.spans) if span.start <= at), 0)


def _percentile(times: list[float], share: float) -> float:
    return sorted(times)[int(share * (len(times) - 1))]


def _figure(values: list[float]) -> Figure:
    mean = statistics.fmean(values)
    return Figure(statistics.median(values), statistics.pstdev(values) / mean if mean else 0)
