"""``gateway logs``: filters, pages, failures and the width of the list."""

from __future__ import annotations

import httpx
import pytest
from rich.text import Text

from gateway import ids
from gateway.model import WebhookLogStatus
from gateway.normalise.timestamps import parse
from tests.cli.command import run
from tests.support.moment import MOMENT
from tests.support.sources import SOURCES

NOW = MOMENT * 1_000_000_000
"""The sandbox's time, in Unix nanoseconds."""

pytestmark = pytest.mark.usefixtures("configuration")


@pytest.mark.slow
def test_logs_of_all_sources_newest_first() -> None:
    listed = run("logs", "--first", "250")
    assert (listed.code, listed.complaints) == (0, "")
    rows = [line.split() for line in listed.lines()]
    assert len({row[-1] for row in rows}) == 250
    times = [row[0] for row in rows]
    assert times == sorted(times, reverse=True)
    assert {row[1] for row in rows} == set(SOURCES)
    assert all(ids.decode(row[-1]).source == row[1] for row in rows)


@pytest.mark.slow
def test_logs_applies_every_option() -> None:
    everything = run("logs", "--json", "--first", "1000").rows()
    since = everything[600]["triggeredAt"]
    assert since.endswith("Z")
    wanted = {
        row["id"]
        for row in everything
        if row["source"]["name"] in {"shop", "repo-cn"}
        and row["status"] == "FAILED"
        and row["event"] == "order.paid"
        and parse(row["triggeredAt"]) >= parse(since)
    }
    assert 1 < len(wanted) < 100
    words = ["--source", "shop", "--source", "repo-cn", "--status", "failed", "--since", since]
    listed = run("logs", "--json", "--event", "order.paid", "--first", "100", *words)
    assert {row["id"] for row in listed.rows()} == wanted
    assert len(run("logs", *words).lines()) == 25


@pytest.mark.slow
@pytest.mark.parametrize("status", ["failed", "FAILED", "Failed", " failed "])
def test_status_is_accepted_in_any_case(status: str) -> None:
    """JSON output has statuses in upper case, lines have them in lower case."""
    rows = run("logs", "--json", "--first", "5", "--status", status).rows()
    assert [row["status"] for row in rows] == ["FAILED"] * 5


@pytest.mark.slow
@pytest.mark.parametrize("status", WebhookLogStatus)
def test_every_status_can_be_chosen(status: WebhookLogStatus) -> None:
    assert run("logs", "--first", "1", "--status", status.name).code == 0


@pytest.mark.slow
def test_source_is_accepted_in_any_case() -> None:
    rows = run("logs", "--json", "--first", "5", "--source", "Shop", "--source", "TRACKER").rows()
    assert {row["source"]["name"] for row in rows} <= {"shop", "tracker"}
    assert len(rows) == 5


@pytest.mark.slow
@pytest.mark.parametrize("since", ["1h", "PT1H", "60m", "1 hour ago"])
def test_since_accepts_durations(since: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time_ns", lambda: NOW)
    words = ("--json", "--first", "1000", "--source", "shop")
    begin = NOW - 3_600_000_000_000
    wanted = [
        row["id"]
        for row in run("logs", *words).rows()
        if row["triggeredAt"] and parse(row["triggeredAt"]) >= begin
    ]
    assert wanted
    assert [row["id"] for row in run("logs", *words, "--since", since).rows()] == wanted


@pytest.mark.slow
def test_logs_without_a_match() -> None:
    listed = run("logs", "--event", "none.such")
    assert listed == (0, "", "No webhook log matches.\n")


@pytest.mark.slow
def test_logs_reports_a_failed_source_below_the_list(control: httpx.Client) -> None:
    control.put("/faults/elastic-path", json={"kind": "html"})
    listed = run("logs", "--json", "--first", "120")
    assert listed.code == 0
    assert {row["source"]["name"] for row in listed.rows()} == set(SOURCES) - {"shop"}
    assert listed.complaints.startswith("Source shop answered with a web page")
    assert listed.complaints.count("\n") == 1


def test_logs_fails_if_every_source_fails(control: httpx.Client) -> None:
    control.put("/faults/elastic-path", json={"kind": "reset"})
    listed = run("logs", "--source", "shop")
    assert (listed.code, listed.output) == (1, "")
    assert listed.complaints.startswith("Source shop broke the connection")


@pytest.mark.slow
def test_list_fits_the_width_of_a_terminal() -> None:
    for width in (80, 100, 200):
        listed = run("logs", "--status", "failed", FORCE_COLOR="1", COLUMNS=str(width))
        plain = [Text.from_ansi(line) for line in listed.lines()]
        assert len(plain) == 26
        assert all(line.cell_len <= width for line in plain)
        assert plain[0].plain.split()[:3] == ["TIME", "SOURCE", "EVENT"]
        assert listed.output.count("\x1b[31mfailed") == 25
