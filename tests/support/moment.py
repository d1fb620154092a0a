"""When tests take place that look at what the sandbox made up, which is other at every hour."""

from __future__ import annotations

MOMENT = 1772615411
"""Unix seconds: 2026-03-04 09:10:11 UTC, when the answers in the documentation were given."""


def stopped() -> float:
    """Tell the time, on a clock that stands still."""
    return float(MOMENT)
