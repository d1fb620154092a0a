"""The quick check for secret names agrees with their patterns."""

from __future__ import annotations

import re

import pytest

from gateway.normalise.secret_names import NAMES, may_hold_name


def test_quick_check_finds_every_secret_name() -> None:
    """Text that fails the check is not searched for names, so its secrets would be shown."""
    literals = [re.sub(r"\(\?<?[!=][^)]*\)|\\", "", name) for name in NAMES]
    assert [literal for literal in literals if not may_hold_name(literal)] == []


@pytest.mark.parametrize(
    "text", ["", "created by Ada", "42 rows", "\u043f\u0440\u0438\u0432\u0435\u0442"]
)
def test_text_without_names_fails_the_quick_check(text: str) -> None:
    assert not may_hold_name(text)
