"""Bodies in other scripts, and large ones."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from starlette.responses import Response

from gateway.sandbox.github import deliveries
from gateway.sandbox.github.answers import respond as send
from gateway.sandbox.github.exchange import exchange as original

if TYPE_CHECKING:
    from tests.web.console.screen import Console

GERMAN = {"betreff": "Größe geändert: Maßeinheit „Öl“, 5 €", "straße": "Fußgängerüberweg"}
ARABIC = "تعذّر تسليم الإشعار: انتهت مهلة الخادم"
NUMBERS = "[9007199254740993, 18446744073709551617, -3.0, 1.10, 1e400]"
MEGABYTE = [{"nr": number, "text": f"Zeile {number} " + "ä" * 40} for number in range(9000)]


@pytest.fixture
def exchanged(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What GitHub's deliveries are made to have sent and to have got: request and response."""
    parts: dict[str, Any] = {}

    def exchange(*arguments: Any) -> dict[str, Any]:
        fields = original(*arguments)
        for name, payload in parts.items():
            fields[name] = {**fields[name], "payload": payload}
        return fields

    monkeypatch.setattr(deliveries, "exchange", exchange)
    return parts


@pytest.fixture
def numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let GitHub's deliveries have numbers that JavaScript has not."""

    def respond(content: Any, *arguments: Any, **options: Any) -> Response:
        if isinstance(content, dict):
            text = json.dumps({**content, "numbers": None}).replace(
                'bers": null', f'bers": {NUMBERS}'
            )
            return Response(text, media_type="application/json")
        return send(content, *arguments, **options)

    monkeypatch.setattr(deliveries, "respond", respond)


def open_first(console: Console) -> None:
    console.open("?view=deliveries&source=github")
    console.page.locator(".grid-row").first.click()
    assert console.drawer.is_visible()


def test_german_body_is_shown_as_it_is(console: Console, exchanged: dict[str, Any]) -> None:
    exchanged["request"] = GERMAN
    open_first(console)
    body = console.drawer.get_by_role("region", name="body of the request")
    assert json.loads(body.inner_text()) == GERMAN
    assert body.inner_text() == json.dumps(GERMAN, ensure_ascii=False, indent=2)


def test_arabic_runs_from_right_to_left_and_json_does_not(
    console: Console, exchanged: dict[str, Any]
) -> None:
    exchanged["request"] = {"الرسالة": ARABIC}
    exchanged["response"] = ARABIC
    open_first(console)
    request, response = (
        console.drawer.get_by_role("region", name=f"body of the {name}")
        for name in ("request", "response")
    )
    assert response.inner_text() == ARABIC
    assert json.loads(request.inner_text()) == {"الرسالة": ARABIC}
    direction = "(element) => getComputedStyle(element).direction"
    assert response.evaluate(direction) == "rtl"
    assert request.evaluate(direction) == "ltr"
    left_of = """(element, text) => {
      const range = document.createRange();
      const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
      while (!walker.nextNode().data.includes(text));
      const at = walker.currentNode.data.indexOf(text);
      range.setStart(walker.currentNode, at);
      range.setEnd(walker.currentNode, at + text.length);
      return range.getBoundingClientRect().left;
    }"""
    words = ARABIC.split()
    assert response.evaluate(left_of, words[0]) > response.evaluate(left_of, words[1])


def test_numbers_of_the_raw_document_are_not_rounded(console: Console, numbers: None) -> None:
    """The gateway keeps integers of any length. It writes decimals in the shortest way, and one
    that is too large for a double as a text.
    """
    del numbers
    open_first(console)
    console.drawer.get_by_text("Raw document of the vendor").click()
    body = console.drawer.get_by_role("region", name="raw document")
    body.wait_for()
    text = body.evaluate("(element) => element.textContent")
    shown = json.loads(text, parse_int=str, parse_float=str)["numbers"]
    assert shown == ["9007199254740993", "18446744073709551617", "-3.0", "1.1", "1e400"]
    console.drawer.get_by_role("button", name="As sent").last.click()
    body.get_by_text("[9007199254740993,18446744073709551617,-3.0,1.1").wait_for()


def test_body_of_a_megabyte_is_cut_until_all_is_wanted(
    console: Console, exchanged: dict[str, Any]
) -> None:
    exchanged["request"] = MEGABYTE
    open_first(console)
    drawer = console.drawer
    drawer.get_by_text("JSON, 1.0 MB").wait_for()
    body = drawer.get_by_role("region", name="body of the request")
    count = "(element) => [element.querySelectorAll('*').length, element.textContent.length]"
    elements, characters = body.evaluate(count)
    assert elements < 10
    assert characters < 100_000
    drawer.get_by_role("button", name="Show all").click()
    drawer.get_by_role("button", name="Show all").wait_for(state="detached")
    assert json.loads(body.evaluate("(element) => element.textContent")) == MEGABYTE
    elements, _ = body.evaluate(count)
    assert elements < 1000
    drawer.get_by_role("button", name="As sent").first.click()
    drawer.get_by_role("button", name="Show all").or_(drawer.get_by_text("Zeile 8999")).wait_for()
    console.page.keyboard.press("Escape")
    drawer.wait_for(state="detached")
    assert console.rows
