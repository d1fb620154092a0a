"""The checks of ``tests.benchmarks.speed`` fail where a server's work is not right.

A comparison would mean nothing if a server could win it with wrong, missing or cached answers.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks import audit_list, workloads
from tests.benchmarks.answers import GATEWAY, NO_BODIES, PLAIN, Form, WrongAnswerError, check
from tests.benchmarks.audit_list import CHANGING, TENANTS, Row
from tests.benchmarks.figures import Cell, Figures, Run
from tests.benchmarks.load import Client, Expected, Load, Request
from tests.benchmarks.speed import check_calls
from tests.benchmarks.workloads import ALL_KEYS, WORKLOADS

ROWS = audit_list.make("rows", 10, 1_800_000_000)
FORBIDDEN = {"message": "No.", "extensions": {"code": "FORBIDDEN"}}
FAULTS: dict[str, Callable[[list[Any]], object]] = {
    "row missing": lambda rows: rows.pop(),
    "row twice": lambda rows: rows.__setitem__(1, rows[0]),
    "wrong order": lambda rows: rows.reverse(),
    "wrong value": lambda rows: rows[3].update(retryAttempts=7),
    "wrong data": lambda rows: rows[3].update(data={"translationId": "another"}),
    "time cut off": lambda rows: rows[3].update(timeTriggered=rows[3]["timeTriggered"][:-4] + "Z"),
    "field missing": lambda rows: rows[9].pop("errorMessage"),
    "row null": lambda rows: rows.__setitem__(0, None),
    "field not asked for": lambda rows: rows[5].update(secret="a"),
}


def plain(rows: list[Row], **more: Any) -> bytes:
    return json.dumps({"data": {"audit": {"totalItems": 10, "entries": rows}}} | more).encode()


def own(rows: list[Row], *, bodies: bool, errors: int = 0) -> bytes:
    """Answer as the gateway does."""
    edges = [
        {
            "node": {
                "upstreamId": str(row["id"]),
                "event": row["event"],
                "triggeredAt": row["timeTriggered"].replace(" ", "T"),
                "lastAttemptedAt": row["timeLastAttempted"].replace(" ", "T"),
                "request": {"url": row["url"], "bodyJson": row["data"] if bodies else None},
                "failure": {"message": row["errorMessage"]} if row["errorMessage"] else None,
                "details": {"webhookUuid": row["uuid"], "retryAttempts": row["retryAttempts"]},
            }
        }
        for row in rows
    ]
    document: dict[str, Any] = {"data": {"webhookLogs": {"totalCount": None, "edges": edges}}}
    return json.dumps(document | ({"errors": [FORBIDDEN] * errors} if errors else {})).encode()


def test_right_answers_pass() -> None:
    check(plain(ROWS), PLAIN, ROWS)
    check(own(ROWS, bodies=True), GATEWAY, ROWS)
    check(own(ROWS, bodies=False), NO_BODIES, ROWS, bodies=False)
    check(own(ROWS, bodies=False, errors=10), GATEWAY, ROWS, bodies=False)


@pytest.mark.parametrize("fault", FAULTS)
def test_wrong_rows_are_refused(fault: str) -> None:
    rows = copy.deepcopy(ROWS)
    FAULTS[fault](rows)
    with pytest.raises(WrongAnswerError):
        check(plain(rows), PLAIN, ROWS)


@pytest.mark.parametrize(
    ("answer", "form", "bodies"),
    [
        (b"<html>", PLAIN, True),
        (b'{"data": null}', PLAIN, True),
        (plain(ROWS, errors=[{"message": "Upstream."}]), PLAIN, True),
        (own(ROWS, bodies=True, errors=10), GATEWAY, False),
        (own(ROWS, bodies=True), GATEWAY, False),
        (own(ROWS, bodies=False, errors=9), GATEWAY, False),
        (own(ROWS, bodies=False, errors=10), GATEWAY, True),
        (own(ROWS, bodies=True), NO_BODIES, False),
        (own(ROWS, bodies=True), NO_BODIES, True),
    ],
)
def test_wrong_answers_are_refused(answer: bytes, form: Form, bodies: bool) -> None:
    with pytest.raises(WrongAnswerError):
        check(answer, form, ROWS, bodies=bodies)


def test_changed_row_is_right_whatever_it_changed_to() -> None:
    rows = audit_list.make("changed", 10, 1_800_000_000)
    text = json.dumps(rows)
    assert text.count(CHANGING) == 1
    check(plain(json.loads(text.replace(CHANGING, "3-105"))), PLAIN, rows)
    with pytest.raises(WrongAnswerError):
        check(plain(json.loads(text.replace(CHANGING, "none"))), PLAIN, rows)


def test_rows_of_another_caller_void_a_run() -> None:
    """A first right answer does not make a later wrong one pass."""
    other = audit_list.make("tenant-2", 10, 1_800_000_000)
    request = Request({}, "")
    load = Load("http://127.0.0.1/graphql", 1, 1, 0, [request], [Expected(GATEWAY, ROWS)])
    client = Client(load)
    head = b"HTTP/1.1 200 OK\r\n\r\n"
    client.received(0.1, head, own(ROWS, bodies=True), 0)
    client.received(0.1, head, own(ROWS, bodies=True), 0)
    for body in (own(other, bodies=True), own([*ROWS, *other], bodies=True)):
        with pytest.raises(WrongAnswerError):
            client.received(0.1, head, body, 0)
    with pytest.raises(WrongAnswerError):
        client.received(0.1, b"HTTP/1.1 503 Unavailable\r\n\r\n", own(ROWS, bodies=True), 0)


def test_keys_differ_in_roles_and_sources() -> None:
    tenants = {name: audit_list.make(name, 10, 1_800_000_000) for name in TENANTS}
    requests, expected = workloads.isolated(WORKLOADS["isolated"], 10, tenants)
    assert len({request.headers["authorization"] for request in requests}) == 1000
    assert len({(key.role, key.sources) for key in ALL_KEYS}) == 60
    for key, request in zip(ALL_KEYS, requests, strict=True):
        urls = {row["url"].split(".")[0] for row in expected[request.expected].rows}
        assert urls <= {f"https://{source}" for source in key.sources}
        assert expected[request.expected].bodies is (key.role != "viewer")


def test_calls_too_few_or_too_many_are_refused() -> None:
    check_calls(WORKLOADS["cold"], 1000, 1000, 2)
    check_calls(WORKLOADS["warm"], 1000, 5, 2)
    check_calls(WORKLOADS["large"], 6, 2, 2)
    with pytest.raises(WrongAnswerError):
        check_calls(WORKLOADS["cold"], 1000, 900, 2)
    with pytest.raises(WrongAnswerError):
        check_calls(WORKLOADS["warm"], 1000, 200, 2)
    with pytest.raises(WrongAnswerError):
        check_calls(WORKLOADS["large"], 6, 6, 2)


def test_changed_rows_differ_from_call_to_call(tmp_path: Path) -> None:
    audit_list.write(tmp_path, [10, 25], 1_800_000_000)
    server = audit_list.Connection(tmp_path, {})
    path = "api/v2/audit/webhooks"
    audit_list.Connection.requests += 1
    first = server.response(f"/changed/{path}?page=1&perPage=25")
    audit_list.Connection.requests += 1
    second = server.response(f"/changed/{path}?page=1&perPage=25")
    assert first != second
    assert len(first.split(b"attempt 1-")) == 3
    assert server.response(f"/rows/{path}?page=2&perPage=10").endswith(b'"totalItems":10}')
    assert server.response(f"/rows/{path}?page=1&perPage=11").startswith(b"HTTP/1.1 404")


def test_ratios_are_above_one_where_the_gateway_is_ahead() -> None:
    figures, cell = Figures(), Cell("hot", 25, 1)
    figures.add(cell, "gateway", Run(0.5, 1, 2000, 100))
    figures.add(cell, "hive", Run(1, 2, 500, 300))
    assert figures.ratio(cell, "hive", "p50") == 2
    assert figures.ratio(cell, "hive", "rate") == 4
    assert figures.ratio(cell, "tailcall", "p50") is None
    assert "1.00 ±0% (2.0x)" in figures.short()
