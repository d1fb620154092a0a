"""What the console shows while vendors are down, slow or answer nonsense."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.web.console.screen import DAY, EMPTY

if TYPE_CHECKING:
    from tests.web.console.screen import Console

FAILING: dict[str, tuple[str, dict[str, Any], str]] = {
    "shop": ("elastic-path", {"kind": "status", "status": 503}, "503 Service Unavailable"),
    "repo-cn": ("codearts", {"kind": "html"}, "web page instead of JSON"),
    "tracker": ("yandex-tracker", {"kind": "latency", "seconds": 300}, "did not answer within"),
}
"""By source: the vendor, its fault, and what the console says of it."""


@pytest.fixture
def failing(console: Console) -> Console:
    """A console of which one vendor is down, one answers HTML and one never answers."""
    for vendor, fault, _ in FAILING.values():
        console.fail(vendor, **fault)
    sources = [
        source.model_copy(update={"timeout": 0.5}) if source.name == "tracker" else source
        for source in console.settings.sources
    ]
    console.start(console.settings.model_copy(update={"sources": sources}))
    return console


@pytest.mark.parametrize("query", ["?view=deliveries", f"?time={DAY}"])
def test_others_are_shown_and_each_reason_is_told(failing: Console, query: str) -> None:
    failing.open(query)
    page = failing.page
    reports = page.locator(".reports")
    reports.get_by_text(
        "Not everything is here: repo-cn, shop and tracker could not be read"
    ).wait_for()
    reports.get_by_role("button", name="Details").click()
    told = reports.get_by_role("listitem").all_inner_texts()
    assert len(told) == len(FAILING)
    for text, source in zip(told, sorted(FAILING), strict=True):
        assert text.startswith(source)
        assert FAILING[source][2] in text
    page.locator(".grid-row, .group").first.wait_for()


def test_cards_of_sources_tell_which_fail(failing: Console) -> None:
    failing.open(f"?time={DAY}")
    cards = failing.page.locator(".source-card")
    for source, (_, _, reason) in FAILING.items():
        card = cards.filter(has=failing.page.get_by_role("link", name=source, exact=True))
        card.get_by_text(reason).wait_for()
        card.get_by_text("Not read").wait_for()
    assert cards.filter(has_text="Responds").count() == len(failing.settings.sources) - len(FAILING)


def test_sources_that_fail_come_first(failing: Console) -> None:
    """On a phone, and below a high chart, only the first are seen without scrolling."""
    failing.open(f"?time={DAY}")
    names = failing.page.locator(".source-name a")
    names.first.wait_for()
    assert set(names.all_inner_texts()[: len(FAILING)]) == set(FAILING)


def test_time_that_was_not_read_has_no_zeros(console: Console) -> None:
    """A zero, and a check beside it, would be an all-clear."""
    console.open("?time=2020-02-20T00:00:00.000Z~2020-02-20T01:00:00.000Z")
    page = console.page
    page.get_by_text("No failures that were read").wait_for()
    assert page.locator(".numbers dd").all_inner_texts() == ["\N{EN DASH}"] * 4
    page.locator(".source-card").get_by_text("None that was read").first.wait_for()


def test_sources_come_back_with_try_again(console: Console) -> None:
    console.fail("codearts", kind="html")
    console.open("?view=deliveries&source=repo-cn&source=github")
    page = console.page
    page.get_by_text("repo-cn could not be read").wait_for()
    assert not any("repo-cn" in row for row in console.rows)
    console.heal()
    page.get_by_role("button", name="Try again").click()
    page.locator(".reports").wait_for(state="detached")
    page.locator(".grid-row", has_text="repo-cn").first.wait_for()


def test_delivery_that_can_not_be_loaded_says_why(console: Console) -> None:
    console.open("?view=deliveries&source=github")
    page = console.page
    assert console.rows
    console.fail("github", kind="html")
    page.locator(".grid-row").first.click()
    page.get_by_text("The delivery could not be loaded").wait_for()
    page.get_by_text("web page instead of JSON").wait_for()
    console.heal()
    page.locator(".drawer").get_by_role("button", name="Try again").click()
    console.drawer.get_by_text("Vendor's id").wait_for()


def test_gateway_that_is_gone_is_told(console: Console, complaints: list[str]) -> None:
    console.open("?view=deliveries&source=github")
    assert console.rows
    console.page.context.set_offline(True)
    console.page.keyboard.press(".")
    console.page.get_by_text("The gateway can't be reached").wait_for()
    console.page.context.set_offline(False)
    console.page.get_by_role("button", name="Try again").click()
    assert console.rows
    assert all("ERR_INTERNET_DISCONNECTED" in complaint for complaint in complaints)
    complaints.clear()


def test_empty_time_is_no_failure(console: Console) -> None:
    console.open(f"?time={EMPTY}")
    page = console.page
    page.get_by_text("No failures").wait_for()
    assert page.locator(".numbers dd").first.inner_text() == "0"
    page.get_by_text("None in this time").first.wait_for()
    page.get_by_role("link", name="Show in the list").click()
    page.get_by_text("Nothing matches").wait_for()
    page.get_by_role("button", name="At any time").click()
    assert console.rows
