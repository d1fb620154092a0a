"""A fixed time for tests that depend on the sandbox's generated data, which changes every hour."""

from __future__ import annotations

MOMENT = 1772615411
"""Unix seconds: 2026-03-04 09:10:11 UTC, the time of the responses in the documentation."""


def stopped() -> float:
    """Return the fixed time, as a clock."""
    return float(MOMENT)
