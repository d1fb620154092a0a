"""The vendors of a sandbox can be chosen."""

from __future__ import annotations

import pytest

from gateway.sandbox import Sandbox
from tests.support.clock import Clock

from .conftest import START

FIRST = ("codearts", "yandex-tracker", "language-weaver", "elastic-path")
LATER = ("github", "github-app", "gitlab", "svix", "hookdeck")


def history(sandbox: Sandbox) -> list[tuple[str, int, int, int | None]]:
    return [
        (log.stream.id, log.number, log.time, log.outcome.status)
        for vendor in sandbox.vendors
        for log in vendor.archive.deliveries
    ]


def test_later_vendors_do_not_change_the_history_of_the_first() -> None:
    """Otherwise each new vendor would change what tests and examples show of the others."""
    few = history(Sandbox(clock=Clock(START), logs=500, vendors=FIRST))
    all = history(Sandbox(clock=Clock(START), logs=500, vendors=FIRST + LATER))
    assert all[: len(few)] == few
    assert len(all) > len(few)


@pytest.mark.parametrize("names", [FIRST, ("gitlab",), ("gitlab", "codearts")])
def test_sandbox_has_the_vendors_that_are_named(names: tuple[str, ...]) -> None:
    sandbox = Sandbox(clock=Clock(START), logs=100, vendors=names)
    assert {vendor.name for vendor in sandbox.vendors} == set(names)


def test_unknown_vendor_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown vendors: gitlub"):
        Sandbox(vendors=("github", "gitlub"))
