"""How many random examples a test tries."""

from __future__ import annotations

from hypothesis import settings

USUAL = 100
"""Examples of a test that does not say how many, in the whole suite."""


def examples(count: int) -> settings:
    """Decorate a test that needs another number of examples than ``USUAL``.

    The edit loop tries the same share of them as of the usual number; see ``tests/conftest.py``.
    """
    return settings(max_examples=max(1, count * settings().max_examples // USUAL))
