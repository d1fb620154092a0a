"""The check of a place before an action."""

from __future__ import annotations

import pytest

from gateway.vendors import VENDORS
from gateway.vendors.base import ACTIONS
from tests.vendors.vendors import PROVIDERS, always, make

ACTING = [name for name in PROVIDERS if not VENDORS[name].capabilities.isdisjoint(ACTIONS)]


@pytest.mark.parametrize("provider", ACTING)
async def test_vendor_without_the_check_allows_no_action(
    provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kit without the check must not let callers act on logs outside the configuration."""
    checking = next(each for each in VENDORS[provider].__mro__ if "grants" in vars(each))
    monkeypatch.delattr(checking, "grants")
    source = make(provider, always({}))
    assert not source.grants(("1",))
