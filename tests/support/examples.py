"""How many random examples a test tries."""

from __future__ import annotations

from hypothesis import settings

USUAL = 100
"""Default number of examples in the whole suite."""


def examples(count: int) -> settings:
    """Set the number of examples of a test in the whole suite.

    In the edit loop it is reduced in the same proportion as ``USUAL``; see ``tests/conftest.py``.
    """
    return settings(max_examples=max(1, count * settings().max_examples // USUAL))
