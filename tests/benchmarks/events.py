"""What an event costs: run ``python -m tests.benchmarks.events``.

Each cost is compared with a call of an empty function on the same machine, so that its ratio says
more than a time. Without a subscriber, an event has to cost less than a microsecond.
"""

from __future__ import annotations

import functools
import sys
import timeit
from typing import Any

from gateway.events import CacheLookedUp, Event, Events, OperationEnded, UpstreamCallEnded

NUMBER = 200_000
ROUNDS = 7
MOST = 1000
"""Nanoseconds that an event may cost without a subscriber."""
OPERATION: dict[str, Any] = {
    "name": "Unreachable",
    "kind": "query",
    "document": "d" * 64,
    "caller": "api-keys:console",
    "role": "reader",
    "seconds": 0.01,
}
CALL: dict[str, Any] = {
    "source": "shop",
    "method": "GET",
    "endpoint": "/integrations/{integration}/logs",
    "status": 200,
    "code": None,
    "seconds": 0.1,
    "waited": 0.0,
    "attempt": 1,
    "sent": True,
    "background": False,
    "request_id": "a" * 32,
    "trace_id": None,
}
KINDS: dict[type[Event], dict[str, Any]] = {
    OperationEnded: OPERATION,
    UpstreamCallEnded: CALL,
    CacheLookedUp: {"source": "shop", "outcome": "HIT"},
}


def nothing() -> None:
    """Do nothing."""


def seam(events: Events, kind: type[Event], values: dict[str, Any]) -> None:
    """Tell of an event as the code at the seams does."""
    if events.wants(kind):
        events.emit(kind(**values))


def nanoseconds(work: Any) -> float:
    """Return the least time of a call."""
    return min(timeit.repeat(work, number=NUMBER, repeat=ROUNDS)) / NUMBER * 1e9


def main() -> None:
    """Print a Markdown table; exit with 1 if an event without a subscriber costs too much."""
    slowest = 0.0
    base = nanoseconds(nothing)
    print(f"An empty call takes {base:.0f} ns.\n")
    print("| Event | Without a subscriber | With one |")
    print("|---|---|---|")
    for kind, values in KINDS.items():
        deaf, heard = Events(), Events()
        heard.subscribe(kind, lambda _: None)
        costs = [
            nanoseconds(functools.partial(seam, events, kind, values)) for events in (deaf, heard)
        ]
        slowest = max(slowest, costs[0])
        shown = [f"{cost:.0f} ns, {cost / base:.1f} calls" for cost in costs]
        print(f"| {kind.__name__} | {shown[0]} | {shown[1]} |")
    if slowest > MOST:
        sys.exit(1)


if __name__ == "__main__":
    main()
