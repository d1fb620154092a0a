"""The console in a real browser, over the simulated vendors."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.web.console.screen import DAY, RETRYABLE

if TYPE_CHECKING:
    from tests.web.console.screen import Console


# From the overview to a delivery that is sent again


def test_failure_is_found_and_sent_again_by_mouse(console: Console) -> None:
    console.open(f"?time={DAY}")
    page = console.page
    page.locator(".chart rect").first.wait_for()
    page.locator(RETRYABLE).first.click()
    rows = console.rows
    assert rows
    assert all("Failed" in row for row in rows)
    page.locator(".grid-row").first.click()
    page.get_by_role("complementary", name="Delivery").get_by_text("Sending it again").wait_for()
    page.locator(".drawer").get_by_role("button", name="Retry").click()
    console.is_sent_again()


def test_failure_is_found_and_sent_again_by_keyboard(console: Console) -> None:
    console.open(f"?time={DAY}")
    page = console.page
    page.locator(RETRYABLE).first.wait_for()
    links = page.locator(".group")
    first = next(
        index for index in range(links.count()) if links.nth(index).locator(".retryable").count()
    )
    for _ in range(first + 1):
        page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.locator(".grid-row").first.wait_for()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.locator(".drawer .facts").wait_for()
    page.keyboard.press("r")
    console.is_sent_again()
    page.keyboard.press("Escape")
    page.locator(".drawer").wait_for(state="detached")
    assert "log" not in console.parameters


def test_dragging_over_the_chart_sets_the_time(console: Console) -> None:
    console.open(f"?time={DAY}")
    page = console.page
    chart = page.get_by_role("slider", name="Deliveries over time")
    box = chart.bounding_box()
    assert box
    page.mouse.move(box["x"] + 300, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + 600, box["y"] + 50)
    page.mouse.up()
    page.wait_for_function("(day) => !location.search.includes(encodeURIComponent(day))", arg=DAY)
    [zoomed] = console.parameters["time"]
    assert DAY[:10] <= zoomed[:10] <= DAY[-24:-14]
    page.go_back()
    assert console.parameters["time"] == [DAY]


def test_several_are_sent_again_with_a_summary(console: Console) -> None:
    console.open("?view=deliveries&status=FAILED&source=translations&source=tracker")
    page = console.page
    sources = console.rows[:8]
    able = sum("translations" in row for row in sources)
    for _ in sources:
        page.keyboard.press("j")
        page.keyboard.press("x")
    page.keyboard.press("r")
    dialog = page.get_by_role("dialog", name="Retry deliveries")
    dialog.get_by_text(f"send {able}").wait_for()
    assert dialog.get_by_text("tracker can't retry").count() == (able < len(sources))
    page.keyboard.press("Enter")
    dialog.get_by_text(re.compile(rf"^{able} deliver\w+ sent again")).wait_for()
    page.keyboard.press("Escape")
    dialog.wait_for(state="detached")


def test_deletion_is_asked_for_and_kept_in_the_journal(console: Console) -> None:
    console.open("?view=deliveries&source=translations")
    page = console.page
    rows = page.locator(".grid-row")
    rows.first.click()
    drawer = page.locator(".drawer")
    drawer.get_by_text("Vendor's id").wait_for()
    id_ = drawer.locator("dd code").first.inner_text()
    drawer.get_by_role("button", name="Delete").click()
    dialog = page.get_by_role("dialog", name="Delete deliveries")
    dialog.get_by_role("button", name="Delete 1 delivery").click()
    dialog.get_by_text("1 delivery deleted").wait_for()
    dialog.get_by_role("button", name="Close").last.click()
    page.get_by_role("link", name="Journal").click()
    entry = page.get_by_role("row").filter(has_text=id_)
    entry.get_by_text("Delete").wait_for()
    entry.get_by_text("Done").wait_for()


# What stands in the URL


def test_filters_survive_reload_and_back(console: Console) -> None:
    console.open("?view=deliveries")
    page = console.page
    everything = len(console.rows)
    page.get_by_role("button", name="Status").click()
    page.get_by_label("Failed").check()
    page.keyboard.press("Escape")
    page.wait_for_function("() => location.search.includes('status=FAILED')")
    page.get_by_label("Remove the filter Status: Failed").wait_for()
    assert all("Failed" in row for row in console.rows)
    page.reload()
    assert all("Failed" in row for row in console.rows)
    page.go_back()
    page.get_by_label("Remove the filter").wait_for(state="detached")
    page.locator(".grid-row .good").first.wait_for()
    assert len(console.rows) == everything


def test_delivery_has_an_address_of_its_own(console: Console) -> None:
    console.open("?view=deliveries&status=FAILED")
    page = console.page
    page.locator(".grid-row").nth(2).click()
    shown = page.locator(".drawer .facts").inner_text()
    address = page.url
    page.goto("about:blank")
    page.goto(address)
    assert page.locator(".drawer .facts").inner_text().splitlines()[0] == shown.splitlines()[0]
    page.locator(".grid-row.open").wait_for()


def test_filters_are_kept_as_a_view(console: Console) -> None:
    console.open("?view=deliveries&status=FAILED&source=translations")
    page = console.page
    page.get_by_role("button", name="Save view").click()
    page.get_by_label("Name").fill("Mine")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="All", exact=True).click()
    page.get_by_label("Remove the filter").first.wait_for(state="detached")
    page.reload()
    page.get_by_role("link", name="Mine").click()
    page.get_by_label("Remove the filter Source: translations").wait_for()
    assert console.parameters["status"] == ["FAILED"]


@pytest.mark.parametrize("utc", [False, True])
def test_times_are_chosen_in_the_zone_that_is_shown(console: Console, *, utc: bool) -> None:
    """Someone who reads 14:30 in the list, and asks for 14:30, means that."""
    page = console.page
    devtools = page.context.new_cdp_session(page)
    devtools.send("Emulation.setTimezoneOverride", {"timezoneId": "Asia/Kolkata"})
    console.open("?view=deliveries")
    assert console.rows
    if utc:
        page.keyboard.press("z")
    page.get_by_role("button", name="Time", exact=True).click()
    page.get_by_label(f"From ({'UTC' if utc else 'GMT+5:30'})").fill("2026-03-04T08:30")
    page.get_by_role("button", name="Apply").click()
    page.get_by_label("Remove the filter Time: since 4 Mar 2026, 08:30:00").wait_for()
    expected = "2026-03-04T08:30:00.000Z~" if utc else "2026-03-04T03:00:00.000Z~"
    assert console.parameters["time"] == [expected]
    page.get_by_role("button", name="Time").first.click()
    assert page.get_by_label("From").input_value() == "2026-03-04T08:30"


def test_filter_that_can_not_be_used_can_be_cleared(console: Console) -> None:
    console.open("?view=deliveries&time=rubbish")
    page = console.page
    page.get_by_text("The deliveries could not be loaded").wait_for()
    page.get_by_role("button", name="Clear the filters").click()
    assert console.rows
    assert list(console.parameters) == ["view"]


def test_reversed_range_of_codes_is_refused_where_it_is_written(console: Console) -> None:
    console.open("?view=deliveries")
    page = console.page
    page.get_by_role("button", name="Code", exact=True).click()
    page.get_by_label("Code", exact=True).fill("504-500")
    page.keyboard.press("Enter")
    page.get_by_text("Write a code, a class or a range").wait_for()
    assert "code" not in console.parameters


def test_times_below_the_chart_are_round(console: Console) -> None:
    console.open(f"?time={DAY}")
    console.page.locator(".chart rect").first.wait_for()
    texts = console.page.locator(".chart text[text-anchor=middle]").all_text_contents()
    assert len(texts) > 3
    assert all(text.endswith(":00") for text in texts)


def test_comparison_of_headers_with_none_shows_no_empty_line(console: Console) -> None:
    source = '{source: {eq: "github"}, failure: {in: [CONNECTION, HTTP_SERVER_ERROR]}}'
    fields = "nodes { id correlationId failure { category } }"
    logs = console.ask(f"{{ webhookLogs(first: 100, filter: {source}) {{ {fields} }} }}")
    by_category = {log["failure"]["category"]: log for log in logs["webhookLogs"]["nodes"]}
    one, other = by_category["CONNECTION"]["id"], by_category["HTTP_SERVER_ERROR"]["id"]
    console.open(f"?view=deliveries&log={one}&compare=l{one}&compare=l{other}")
    lines = console.drawer.get_by_role("region", name="Response headers, line by line")
    lines.wait_for()
    assert len(set(lines.locator(".sign").all_inner_texts())) == 1


def test_nothing_matches_and_the_filters_can_be_cleared(console: Console) -> None:
    console.open("?view=deliveries&source=translations&event=no-such-event")
    console.page.get_by_text("Nothing matches").wait_for()
    console.page.get_by_role("button", name="Clear the filters").click()
    assert console.rows
    assert list(console.parameters) == ["view"]


# Vendors that fail


def test_source_that_failed_is_told_in_the_list(console: Console) -> None:
    console.fail("elastic-path", kind="status", status=503)
    console.fail("codearts", kind="html")
    console.open("?view=deliveries")
    page = console.page
    assert console.rows
    page.get_by_text("could not be read").wait_for()
    page.get_by_role("button", name="Details").click()
    page.get_by_text("503 Service Unavailable").first.wait_for()
    page.get_by_text("web page instead of JSON").first.wait_for()


def test_list_that_can_not_be_loaded_says_why(console: Console) -> None:
    console.fail("elastic-path", kind="status", status=503)
    console.open("?view=deliveries&source=shop")
    page = console.page
    page.get_by_text("The deliveries could not be loaded").wait_for()
    console.heal()
    page.get_by_role("button", name="Try again").click()
    page.get_by_text("could not be loaded").wait_for(state="detached")


# A narrow window


def test_phone_shows_why_an_action_was_refused(console: Console) -> None:
    page = console.page
    page.set_viewport_size({"width": 390, "height": 844})
    console.open("?view=deliveries&source=gitlab&status=FAILED")
    page.locator(".grid-row").first.click()
    assert console.drawer.is_visible()
    console.fail("gitlab", kind="status", status=422)
    page.keyboard.press("r")
    page.locator(".message").get_by_text("422").wait_for()
    page.get_by_role("link", name="Journal").click()
    reason = page.get_by_role("row").get_by_text("UPSTREAM_REJECTED")
    reason.wait_for()
    box = reason.bounding_box()
    assert box
    assert 0 < box["x"] < box["x"] + box["width"] < 390


@pytest.mark.parametrize("query", ["", "?view=deliveries", "?view=journal"])
def test_phone_shows_no_wider_page(console: Console, query: str) -> None:
    page = console.page
    page.set_viewport_size({"width": 390, "height": 844})
    console.open(query)
    page.locator("h1").first.wait_for(state="attached")
    if not query:
        page.locator(".source-card").first.wait_for()
    assert page.evaluate("() => document.documentElement.scrollWidth") == 390
