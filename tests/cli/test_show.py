"""``gateway show`` and JSON: complete, equal to a query, and without secrets."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from gateway import ids
from gateway.normalise.redaction import MASK
from tests.cli.command import run
from tests.cli.queries import ask, every_field
from tests.support.sources import SOURCES

pytestmark = pytest.mark.usefixtures("configuration")


DETAIL = {"attempts", "headers", "body", "bodyJson"}
"""Fields that some vendors return only in a detail call."""


RIGHTS = {"availableActions", "freshness"}
"""Fields that depend on the caller or the time, not on the log."""


def test_show_of_a_deleted_log_fails() -> None:
    shown = run("show", ids.encode(ids.Kind.LOG, "translations", "999999"))
    assert shown.code == 1
    assert shown.complaints.startswith("There is no such webhook log.")


@pytest.mark.slow
@pytest.mark.parametrize("name", SOURCES)
def test_json_equals_the_response_of_a_query(configuration: Path, name: str) -> None:
    (listed,) = run("logs", "--json", "--first", "1", "--source", name).rows()
    shown = json.loads(run("show", "--json", listed["id"]).output)
    fields = every_field("WebhookLog", without=RIGHTS)
    one = f"query($id: ID!) {{ webhookLog(id: $id) {fields} }}"
    assert ask(configuration, one, id=listed["id"])["webhookLog"] == shown

    for exchange in (listed["request"], listed["response"]):
        for key in DETAIL & (exchange or {}).keys():
            del exchange[key]
    fields = every_field("WebhookLog", without=DETAIL | RIGHTS | {"raw"})
    many = (
        "query($name: String)"
        " { webhookLogs(first: 1, filter: { source: { eq: $name } }) { nodes " + fields + " } }"
    )
    assert ask(configuration, many, name=name)["webhookLogs"]["nodes"] == [listed]


@pytest.mark.slow
def test_show_prints_fields_headers_and_indented_bodies() -> None:
    rows = run("logs", "--json", "--first", "400", "--status", "failed").rows()
    row = next(row for row in rows if row["source"]["name"] == "repo-cn" and row["response"])
    shown = run("show", row["id"])
    assert shown.code == 0
    lines = shown.lines()
    assert lines[0].split() == ["id", row["id"]]
    assert f"failure.category      {row['failure']['category']}" in lines
    assert f"Request {row['request']['url']}" in lines
    assert "Content-Type: application/json" in lines
    assert '  "object_kind": ' in shown.output
    assert f"Response {row['response']['statusCode'] or ''}".strip() in lines


@pytest.mark.slow
def test_planted_secrets_are_never_printed(control: httpx.Client) -> None:
    secrets = control.get("/secrets").json()
    assert len(secrets) > 20
    listed = run("logs", "--json", "--first", "1000")
    rows = listed.rows()
    printed = [listed.output, run("logs", "--first", "1000").output]
    for name in SOURCES:
        own = [row["id"] for row in rows if row["source"]["name"] == name]
        for id in own[:: len(own) // 6]:
            printed += [run("show", id).output, run("show", id, "--json").output]
    everything = "\n".join(printed)
    assert everything.count(MASK) > 1000
    assert [secret for secret in secrets if secret in everything] == []
