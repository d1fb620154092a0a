"""Every screen of the console, checked by axe in both themes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pytest

from tests.web.console.screen import DAY, EMPTY

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.web.console.screen import Console

    Axe = Callable[[], list[str]]

THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


def overview(console: Console) -> None:
    console.open(f"?time={DAY}")
    console.page.locator(".chart rect").first.wait_for()
    console.page.locator(".group").first.wait_for()
    console.page.locator(".source-card").first.wait_for()


def overview_of_nothing(console: Console) -> None:
    console.open(f"?time={EMPTY}")
    console.page.get_by_text("No failures").wait_for()


def overview_with_faults(console: Console) -> None:
    console.fail("elastic-path", kind="status", status=503)
    console.fail("codearts", kind="html")
    overview(console)
    console.page.get_by_role("button", name="Details").click()


def deliveries(console: Console) -> None:
    console.open("?view=deliveries")
    assert console.rows
    console.page.keyboard.press("j")
    console.page.keyboard.press("x")
    console.page.get_by_role("toolbar", name="Selected deliveries").wait_for()


def filters(console: Console) -> None:
    console.open(f"?view=deliveries&status=FAILED&event=*&time={DAY}")
    assert console.rows
    for name in ("Time", "Event", "Source"):
        console.page.get_by_role("button", name=name, exact=False).first.click()


def list_with_faults(console: Console) -> None:
    console.fail("elastic-path", kind="status", status=503)
    console.open("?view=deliveries")
    console.page.get_by_role("button", name="Details").click()
    assert console.rows


def nothing_matches(console: Console) -> None:
    console.open(f"?view=deliveries&time={EMPTY}")
    console.page.get_by_text("Nothing matches").wait_for()


def not_loaded(console: Console) -> None:
    console.fail("elastic-path", kind="status", status=503)
    console.open("?view=deliveries&source=shop")
    console.page.get_by_text("could not be loaded").wait_for()


def delivery(console: Console) -> None:
    console.open("?view=deliveries&status=FAILED&source=github")
    console.page.locator(".grid-row").first.click()
    console.drawer.get_by_role("region", name="body of the request").wait_for()


def comparison(console: Console) -> None:
    source = '{source: {eq: "hookdeck"}}'
    query = f"webhookLogs(first: 99, filter: {source}) {{ nodes {{ id attempts {{ at }} }} }}"
    logs = console.ask(f"{{ {query} }}")["webhookLogs"]["nodes"]
    several = next(log["id"] for log in logs if len(log["attempts"]) > 1)
    console.open(f"?view=deliveries&log={several}")
    boxes = console.drawer.get_by_role("checkbox", name="Compare")
    boxes.first.check()
    boxes.nth(1).check()
    console.drawer.locator(".pair").wait_for()


def deletion(console: Console) -> None:
    console.open("?view=deliveries&source=translations")
    console.page.locator(".grid-row").first.click()
    console.drawer.get_by_role("button", name="Delete").click()
    console.page.get_by_role("dialog", name="Delete deliveries").wait_for()


def journal(console: Console) -> None:
    console.open("?view=deliveries&source=translations")
    console.page.locator(".grid-row").first.click()
    console.drawer.get_by_role("button", name="Delete").click()
    console.page.keyboard.press("Tab")
    console.page.get_by_role("button", name="Delete 1 delivery").click()
    console.page.get_by_text("1 delivery deleted").wait_for()
    console.page.keyboard.press("Escape")
    console.page.get_by_role("link", name="Journal").click()
    console.page.get_by_role("row").nth(1).wait_for()


def keys(console: Console) -> None:
    console.open("?view=journal")
    console.page.get_by_text("Nothing was done yet").wait_for()
    console.page.keyboard.press("?")
    console.page.get_by_role("dialog", name="Keyboard").wait_for()


def caller(console: Console) -> None:
    console.open("?view=journal")
    console.page.get_by_title("Who am I").click()
    console.page.get_by_role("dialog", name="Who am I").wait_for()


SCREENS = [
    overview,
    overview_of_nothing,
    overview_with_faults,
    deliveries,
    filters,
    list_with_faults,
    nothing_matches,
    not_loaded,
    delivery,
    comparison,
    deletion,
    journal,
    keys,
    caller,
]


@pytest.mark.parametrize("screen", SCREENS, ids=lambda screen: screen.__name__)
def test_screen_is_accessible(
    console: Console, axe: Axe, screen: Callable[[Console], None]
) -> None:
    screen(console)
    for theme in THEMES:
        console.page.emulate_media(color_scheme=theme)
        assert axe() == []
    console.page.set_viewport_size({"width": 390, "height": 844})
    assert axe() == []


def test_question_for_a_key_is_accessible(protected: Console, axe: Axe) -> None:
    for theme in THEMES:
        protected.page.emulate_media(color_scheme=theme)
        assert axe() == []
    protected.enter("wlg_wrong")
    protected.page.get_by_text("The key is not accepted").wait_for()
    assert axe() == []
