"""Keys and tokens: wrong, expired, and of a viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.callers import authenticator
from gateway.callers.tokens import TokenVerifier
from gateway.config.auth import AuthSettings
from tests.callers.issuer import NOW, RSA, Clock, jwt_settings, token
from tests.web.console.screen import DAY, KEYS, refusals_allowed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.web.console.screen import Console


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock by which tokens expire."""
    clock = Clock()

    def verifier(settings: object, keys: object, _clock: object) -> TokenVerifier:
        return TokenVerifier(settings, keys, clock)  # type: ignore[arg-type]

    monkeypatch.setattr(authenticator, "TokenVerifier", verifier)
    return clock


@pytest.fixture
def with_tokens(console: Console, clock: Clock, complaints: list[str]) -> Iterator[Console]:
    """A console whose gateway asks for a token of an issuer."""
    del clock
    public = RSA.as_pem(private=False).decode()
    jwt = jwt_settings(public_key=public)
    with refusals_allowed(console.page, complaints):
        auth = AuthSettings(methods=("jwt",), jwt=jwt)
        console.start(console.settings.model_copy(update={"auth": auth}))
        yield console


def test_expired_token_is_told_from_a_wrong_one(with_tokens: Console) -> None:
    with_tokens.open("?view=deliveries")
    page = with_tokens.page
    with_tokens.enter(token(exp=NOW - 3600))
    page.get_by_role("heading", name="The token has expired").wait_for()
    page.get_by_text("Get a new one").wait_for()
    with_tokens.enter(token())
    assert with_tokens.rows


def test_token_that_expires_is_asked_for_where_one_was(with_tokens: Console, clock: Clock) -> None:
    with_tokens.open("?view=deliveries&status=FAILED")
    page = with_tokens.page
    with_tokens.enter(token())
    assert with_tokens.rows
    clock.now += 7200
    page.locator(".grid-row").first.click()
    page.get_by_role("heading", name="The token has expired").wait_for()
    address = page.url
    assert "log" in with_tokens.parameters
    with_tokens.enter(token(iat=clock.now, exp=clock.now + 3600))
    assert with_tokens.drawer.is_visible()
    page.locator(".grid-row.open").wait_for()
    assert all("Failed" in row for row in with_tokens.rows)
    assert page.url == address


def test_key_is_kept_for_the_tab_and_never_in_the_url(protected: Console) -> None:
    page = protected.page
    protected.enter("wlg_wrong")
    page.get_by_text("The key is not accepted").wait_for()
    protected.enter(KEYS["admin"])
    assert protected.rows
    page.reload()
    assert protected.rows
    assert KEYS["admin"] not in page.url
    assert page.evaluate("() => localStorage.getItem('webhook-logs.key')") is None
    page.get_by_role("button", name="admin").click()
    page.get_by_role("dialog", name="Who am I").get_by_text("all sources").wait_for()
    page.get_by_role("button", name="Forget the key").click()
    page.get_by_text("A key is needed").wait_for()
    assert page.evaluate("() => sessionStorage.length") == 0


def test_key_can_be_kept_on_the_device(protected: Console) -> None:
    page = protected.page
    page.get_by_label("Keep it on this device").check()
    protected.enter(KEYS["admin"])
    assert protected.rows
    assert page.evaluate("() => localStorage.getItem('webhook-logs.key')") == KEYS["admin"]


def test_viewer_sees_no_bodies_and_is_told_why_it_can_not_retry(protected: Console) -> None:
    page = protected.page
    protected.enter(KEYS["viewer"])
    page.locator(".grid-row").filter(has_text="repo-cn").first.click()
    drawer = protected.drawer
    drawer.get_by_text("need the role reader").first.wait_for()
    assert drawer.get_by_role("button", name="Retry").get_attribute("aria-disabled") == "true"
    assert drawer.locator(".reason").inner_text()
    assert drawer.get_by_text("Raw document").count() == 0
    assert page.get_by_role("link", name="Journal").count() == 0
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.keyboard.press("u")
    page.get_by_text("The command copied").wait_for()
    command = page.evaluate("() => navigator.clipboard.readText()")
    assert "The body needs the role reader." in command
    assert "does not record the body" not in command


def test_viewer_finds_failures_and_changes_nothing(protected: Console) -> None:
    page = protected.page
    protected.enter(KEYS["viewer"])
    assert protected.rows
    page.goto(f"{protected.url}/?time={DAY}")
    page.locator(".group").first.click()
    assert all("Failed" in row for row in protected.rows)
    page.keyboard.press("j")
    page.keyboard.press("r")
    page.locator(".message").get_by_text("role operator").wait_for()
    page.goto(f"{protected.url}/?view=journal")
    page.get_by_text("The journal is for administrators").wait_for()
