"""``gateway check``: a row for each source, and advice for each failure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.sandbox import Sandbox
from gateway.vendors.codearts.vendor import CodeArts
from tests.cli.command import run
from tests.support.sources import SOURCES, VENDORS

pytestmark = pytest.mark.usefixtures("configuration")

END = 2 + len(SOURCES)
"""The lines of the table."""


@pytest.mark.slow
def test_check_shows_a_row_for_each_source() -> None:
    checked = run("check")
    assert checked.code == 0
    rows = [line.split() for line in checked.lines()[2:]]
    assert [row[:4] for row in rows] == [
        ["github", "github", "ok", "4"],
        ["gitlab", "gitlab", "ok", "4"],
        ["hookdeck", "hookdeck", "ok", "4"],
        ["repo-cn", "codearts", "ok", "6"],
        ["shop", "elastic-path", "ok", "5"],
        ["svix", "svix", "ok", "4"],
        ["tracker", "yandex-tracker", "ok", "5"],
        ["translations", "language-weaver", "ok", "4"],
    ]
    for row in rows:
        assert row[-3] == "ago"
        assert row[-1] == "ms"


@pytest.mark.slow
def test_check_gives_advice_for_a_wrong_token(configuration: Path) -> None:
    (configuration.parent / "secrets" / "tracker-token").write_text("not-the-token")
    checked = run("check")
    assert checked.code == 1
    results = {line.split()[0]: line.split()[2] for line in checked.lines()[2:END]}
    assert results == {name: "failed" if name == "tracker" else "ok" for name in SOURCES}
    (advice,) = checked.lines()[END:]
    assert "Source tracker answered 401 Unauthorized" in advice
    assert "Check the source's credential under auth." in advice
    assert "vendor's request id" in advice
    assert "not-the-token" not in checked.output


@pytest.mark.slow
def test_check_reports_a_defect_at_its_source(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def stumble(*_: object) -> Any:
        raise KeyError("planted")

    monkeypatch.setattr(CodeArts, "hooks", stumble)
    checked = run("check")
    assert checked.code == 1
    results = {line.split()[0]: line.split()[2] for line in checked.lines()[2:END]}
    assert results == {name: "failed" if name == "repo-cn" else "ok" for name in SOURCES}
    assert checked.lines()[END].startswith("Source repo-cn returned something that the gateway")
    assert "KeyError: 'planted'" in caplog.text


@pytest.mark.slow
def test_check_names_the_refused_path(control: httpx.Client) -> None:
    fault = {"kind": "status", "status": 403, "paths": "/v4/groups/"}
    control.put("/faults/codearts", json=fault)
    (advice,) = run("check").lines()[END:]
    group = f"/codearts/v4/groups/{Sandbox.codearts_group}/hooks"
    assert advice.startswith(f"Source repo-cn answered 403 Forbidden to {group} and said: ")


@pytest.mark.slow
def test_check_tells_that_a_source_has_more_lists_than_are_read(configuration: Path) -> None:
    text = configuration.read_text()
    name = 'name = "repo-cn"\n'
    assert text.count(name) == 1
    configuration.write_text(text.replace(name, f"{name}max_streams = 5\n"))
    checked = run("check")
    assert checked.code == 1
    results = {line.split()[0]: line.split()[2] for line in checked.lines()[2:END]}
    assert results == {name: "partial" if name == "repo-cn" else "ok" for name in SOURCES}
    (advice,) = checked.lines()[END:]
    assert advice.startswith("Source repo-cn has more than 5 lists of webhook logs; only the first")
    assert "max_streams" in advice


@pytest.mark.slow
def test_check_explains_every_failure(control: httpx.Client) -> None:
    for vendor in VENDORS.values():
        control.put(f"/faults/{vendor}", json={"kind": "status", "status": 503})
    checked = run("check")
    assert checked.code == 1
    for name, advice in zip(SOURCES, checked.lines()[END:], strict=True):
        assert advice.startswith(f"Source {name} answered 503 Service Unavailable")
