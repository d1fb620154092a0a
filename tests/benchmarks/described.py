"""What a description costs: ``python -m tests.benchmarks.described``.

Language Weaver is read by its kit in Python and by a description of it, from the same bytes. Both
give the same records. They take turns, and the CPU time of a row is that of this process alone:
decoding, parsing and redaction.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from gateway.model import WebhookLog
from gateway.normalise.fields import Fields
from gateway.upstream.answer import decode_row
from gateway.vendors.base import SourceIds
from gateway.vendors.described.compiled import Compiled
from gateway.vendors.described.description import load
from gateway.vendors.language_weaver.parsing import PROVIDER, parse_log
from tests.benchmarks.audit_list import make

DESCRIPTION = Path(__file__).parent / "language_weaver.toml"
ROWS = 2000
TURNS = 15
LIMIT = 1.5
"""The most that a described row may cost, in rows of the kit in Python."""

Parse = Callable[[Fields], WebhookLog]


class Cost(NamedTuple):
    """Microseconds of CPU time for a row: the median of the turns, and their spread."""

    median: float
    spread: float


class Comparison(NamedTuple):
    """The costs of both ways; ``ratio`` is the median of the ratios of each turn."""

    kit: Cost
    description: Cost
    ratio: float
    spread: float


def ways() -> tuple[Parse, Parse]:
    """Return the parser of the kit, and that of the description."""
    ids = SourceIds("it")
    described = Compiled(load(DESCRIPTION), PROVIDER).parse_log
    return (lambda row: parse_log(row, ids)), (lambda row: described(row, ids))


def rows() -> list[bytes]:
    """Return the rows of the benchmark, as the vendor sends them."""
    return [json.dumps(row).encode() for row in make("rows", ROWS, 1_772_615_411)]


def same(log: WebhookLog) -> dict[str, Any]:
    """Return what both ways must agree in: all but the type of the details."""
    fields = msgspec.to_builtins(log)
    details = fields.pop("details")
    values = details.get("values", details)
    return {**fields, "values": {key: it for key, it in values.items() if key != "type"}}


def read(parse: Parse, documents: Sequence[bytes]) -> list[WebhookLog]:
    """Parse all rows."""
    return [parse(Fields(decode_row(msgspec.Raw(document)))) for document in documents]


def compare() -> Comparison:
    """Measure both ways in turns; AssertionError if they differ in a record."""
    kit, description = ways()
    documents = rows()
    expected = [same(log) for log in read(kit, documents)]
    assert [same(log) for log in read(description, documents)] == expected
    costs: dict[str, list[float]] = {"kit": [], "description": []}
    for turn in range(TURNS):
        order = [("kit", kit), ("description", description)]
        for name, parse in order if turn % 2 else reversed(order):
            began = time.process_time()
            read(parse, documents)
            costs[name].append((time.process_time() - began) / len(documents) * 1e6)
    ratios = [b / a for a, b in zip(costs["kit"], costs["description"], strict=True)]
    return Comparison(
        _cost(costs["kit"]),
        _cost(costs["description"]),
        statistics.median(ratios),
        statistics.pstdev(ratios) / statistics.fmean(ratios),
    )


def _cost(values: list[float]) -> Cost:
    return Cost(statistics.median(values), statistics.pstdev(values) / statistics.fmean(values))


def main() -> None:
    """Print the costs; fail if a description costs too much."""
    found = compare()
    for name, cost in (("kit in Python", found.kit), ("description", found.description)):
        print(f"{name}: {cost.median:.1f} \u00b5s of CPU per row \u00b1{cost.spread:.0%}")
    print(f"ratio: {found.ratio:.2f} \u00b1{found.spread:.0%}, at most {LIMIT}")
    assert found.ratio <= LIMIT


if __name__ == "__main__":
    main()
