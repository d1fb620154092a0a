"""``gateway retry``, ``gateway delete`` and ``gateway actions``."""

from __future__ import annotations

import getpass
import json
import os
from pathlib import Path
from typing import Any

import httpx
import pytest
from graphql import GraphQLObjectType
from typer.testing import CliRunner

from gateway import ids
from gateway.cli import app
from gateway.normalise.timestamps import parse
from tests.cli.command import run
from tests.cli.queries import SCHEMA, ask

pytestmark = pytest.mark.usefixtures("configuration")


def listed_failures() -> list[dict[str, Any]]:
    words = ("--source", "translations", "--status", "failed", "--first", "100")
    return run("logs", "--json", *words).rows()


def deliveries_of(control: httpx.Client, vendor: str) -> set[str]:
    return {log["id"] for log in control.get("/inventory").json() if log["vendor"] == vendor}


def test_retry_sends_each_delivery_once_more(control: httpx.Client) -> None:
    control.delete("/calls")
    first, second = listed_failures()[:2]
    told = run("retry", first["id"], second["id"])
    assert (told.code, told.complaints) == (0, "")
    for line, log in zip(told.lines(), (first, second), strict=True):
        assert line.startswith(f"Sent again: {log['upstreamId']} (")
        assert line.endswith(f") {log['id']}")
        now = json.loads(run("show", "--json", log["id"]).output)
        assert now["attempt"] == log["attempt"] + 1
    acts = [
        call["path"] for call in control.get("/calls").json()["calls"] if call["method"] == "PUT"
    ]
    assert [path.split("/")[-2] for path in acts] == [first["upstreamId"], second["upstreamId"]]


@pytest.mark.slow
def test_retry_continues_after_a_failure() -> None:
    (other,) = run("logs", "--json", "--first", "1", "--source", "shop").rows()
    gone = ids.encode(ids.Kind.LOG, "translations", "999999")
    log = listed_failures()[0]
    told = run("retry", "abc", other["id"], gone, log["id"])
    assert told.code == 1
    assert [line.partition(": ")[0] for line in told.complaints.splitlines()] == [
        "abc",
        other["id"],
        gone,
    ]
    assert "The vendor of source shop can't retry webhook logs." in told.complaints
    assert len(told.lines()) == 1


@pytest.mark.slow
def test_delete_asks_for_confirmation(control: httpx.Client) -> None:
    log = listed_failures()[0]
    before = deliveries_of(control, "language-weaver")
    for answer in ("n\n", "\n", ""):
        asked = CliRunner().invoke(app, ["delete", log["id"]], input=answer)
        assert asked.exit_code == 1
        assert "Delete this webhook log at the vendor for good? [y/N]" in asked.output
        assert "Aborted" in asked.output
    assert deliveries_of(control, "language-weaver") == before
    assert run("actions") == (0, "", "")

    done = CliRunner().invoke(app, ["delete", log["id"]], input="y\n")
    assert done.exit_code == 0
    assert f"Deleted: {log['upstreamId']} (failed) {log['id']}" in done.output
    assert before - deliveries_of(control, "language-weaver") == {log["upstreamId"]}


@pytest.mark.slow
def test_delete_of_several_logs_without_confirmation(control: httpx.Client) -> None:
    logs = listed_failures()[:2]
    before = deliveries_of(control, "language-weaver")
    told = run("delete", "--yes", *(log["id"] for log in logs))
    assert (told.code, told.complaints, len(told.lines())) == (0, "", 2)
    gone = {log["upstreamId"] for log in logs}
    assert before - deliveries_of(control, "language-weaver") == gone
    assert not {log["id"] for log in logs} & {log["id"] for log in listed_failures()}
    assert run("show", logs[0]["id"]).code == 1


@pytest.mark.slow
def test_actions_lists_the_journal_newest_first(configuration: Path) -> None:
    log = listed_failures()[0]
    run("retry", log["id"])
    run("delete", "--yes", log["id"])
    run("delete", "--yes", log["id"])
    listed = run("actions")
    assert (listed.code, listed.complaints) == (0, "")
    assert [line.split()[1:5] for line in listed.lines()] == [
        [kind, outcome, "translations", log["upstreamId"]]
        for kind, outcome in (
            ("DELETE", "REJECTED"),
            ("DELETE", "SUCCEEDED"),
            ("RETRY", "SUCCEEDED"),
        )
    ]
    rows = run("actions", "--json").rows()
    caller = f"none:{getpass.getuser()}"
    assert {(row["logId"], row["caller"]) for row in rows} == {(log["id"], caller)}
    assert parse(rows[0]["requestedAt"]) > parse(rows[1]["requestedAt"])
    assert run("actions", "--json", "--first", "1").rows() == rows[:1]

    action = SCHEMA._schema.type_map["Action"]
    assert isinstance(action, GraphQLObjectType)
    assert rows[0].keys() == action.fields.keys()
    fields = " ".join(action.fields)
    asked = ask(configuration, f"{{ actions {{ nodes {{ {fields} }} }} }}")
    assert asked["actions"]["nodes"] == rows


@pytest.mark.slow
def test_user_without_a_name_is_recorded_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 2)
    log = listed_failures()[0]
    assert run("retry", log["id"]).code == 0
    (row,) = run("actions", "--json").rows()
    assert row["caller"] == f"none:{2**31 - 2}"


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    "words",
    [["actions"], ["retry", "ID"], ["delete", "--yes", "ID"], ["serve", "--port", "0"]],
    ids=" ".join,
)
def test_unusable_journal_is_explained_before_any_call(
    configuration: Path, words: list[str], control: httpx.Client
) -> None:
    id = listed_failures()[0]["id"]
    control.delete("/calls")
    (configuration.parent / "journal.sqlite3").mkdir()
    told = run(*(id if word == "ID" else word for word in words))
    assert (told.code, told.output) == (1, "")
    assert told.complaints.count("\n") == 1
    assert told.complaints.startswith("The journal of actions at ")
    assert control.get("/calls").json()["calls"] == []


@pytest.mark.slow
def test_reading_needs_no_journal(configuration: Path) -> None:
    assert run("logs").code == run("check").code == 0
    assert not (configuration.parent / "journal.sqlite3").exists()
