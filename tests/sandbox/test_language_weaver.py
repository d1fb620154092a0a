from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from gateway.sandbox import Credentials
from tests.sandbox.conftest import long_history

if TYPE_CHECKING:
    import httpx

    from tests.support.clock import Clock

BASE = "/language-weaver/api/v2"
ENTRIES = f"{BASE}/audit/webhooks"
KEY = (Credentials().language_weaver_key, "")


async def read(client: httpx.AsyncClient, path: str, **parameters: str | int) -> httpx.Response:
    return await client.get(path, params=parameters, auth=KEY)


async def read_all(client: httpx.AsyncClient, **parameters: str | int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    page = 1
    while True:
        answer = (await read(client, ENTRIES, page=page, perPage=100, **parameters)).json()
        rows += answer["entries"]
        if page >= answer["totalPages"]:
            assert len(rows) == answer["totalItems"]
            return rows
        page += 1


@pytest.mark.parametrize("auth", [None, ("stale", ""), (KEY[0], "password"), ("", KEY[0])])
async def test_unknown_key_is_refused(
    client: httpx.AsyncClient, auth: tuple[str, str] | None
) -> None:
    response = await client.get(ENTRIES, auth=auth)
    assert response.status_code == 401
    assert response.json() == {"error": {"code": 401, "message": "unauthorized"}}


@pytest.mark.parametrize("value", ["Basic !", "Bearer", "Negotiate x"])
async def test_malformed_header_is_refused(client: httpx.AsyncClient, value: str) -> None:
    assert (await client.get(ENTRIES, headers={"Authorization": value})).status_code == 401


async def test_token_lasts_thirty_days(client: httpx.AsyncClient, clock: Clock[float]) -> None:
    user = Credentials()
    fields = {"username": user.language_weaver_username, "password": user.language_weaver_password}
    issued = await client.post(f"{BASE}/auth", data=fields)
    bearer = {"Authorization": f"Bearer {issued.json()['token']}"}
    clock.now += 30 * 24 * 3600 - 1
    assert (await client.get(ENTRIES, headers=bearer)).status_code == 200
    clock.now += 1
    assert (await client.get(ENTRIES, headers=bearer)).status_code == 401


async def test_login_is_a_form_with_the_right_password(client: httpx.AsyncClient) -> None:
    user = Credentials()
    fields = {"username": user.language_weaver_username, "password": "guess"}
    assert (await client.post(f"{BASE}/auth", data=fields)).status_code == 401
    assert (await client.post(f"{BASE}/auth", json=fields)).status_code == 400


async def test_system_info_needs_no_key(client: httpx.AsyncClient) -> None:
    assert (await client.get(f"{BASE}/system/info")).json()["version"]


async def test_lists_four_webhooks(client: httpx.AsyncClient) -> None:
    answer = (await read(client, f"{BASE}/webhooks", perPage=3)).json()
    assert (len(answer["webhooks"]), answer["totalPages"], answer["totalItems"]) == (3, 2, 4)
    found = (await read(client, f"{BASE}/webhooks", url="nordwind")).json()["webhooks"]
    assert [webhook["description"] for webhook in found] == ["Web site"]


@long_history
async def test_pages_hold_every_entry_once_newest_first(client: httpx.AsyncClient) -> None:
    rows = await read_all(client)
    assert len({row["id"] for row in rows}) == len(rows) > 300
    times = [row["timeTriggered"].removesuffix("Z").ljust(29, "0") for row in rows]
    assert all(newer >= older for newer, older in pairwise(times))


async def test_page_has_twenty_five_rows_by_default(client: httpx.AsyncClient) -> None:
    answer = (await read(client, ENTRIES)).json()
    assert (len(answer["entries"]), answer["page"], answer["perPage"]) == (25, 1, 25)
    assert (await read(client, ENTRIES, page=1000)).json()["entries"] == []


@pytest.mark.parametrize(
    "parameters", [{"perPage": 0}, {"perPage": 101}, {"page": 0}, {"page": "x"}, {"failed": "no"}]
)
async def test_parameters_out_of_bounds_are_refused(
    client: httpx.AsyncClient, parameters: dict[str, str | int]
) -> None:
    response = await read(client, ENTRIES, **parameters)
    assert (response.status_code, response.json()["error"]["code"]) == (400, 400)


async def test_filters_apply_to_all_entries(client: httpx.AsyncClient) -> None:
    rows = await read_all(client)
    assert await read_all(client, failed="true") == [row for row in rows if row["errorMessage"]]
    assert await read_all(client, failed="false") == [
        row for row in rows if not row["errorMessage"]
    ]
    assert await read_all(client, url="nordwind") == [
        row for row in rows if "nordwind" in row["url"]
    ]
    events = {"translation.created", "adaptedlp.created"}
    assert await read_all(client, event=",".join(events)) == [
        row for row in rows if row["event"] in events
    ]


async def test_times_drop_zeros_and_data_may_be_text(client: httpx.AsyncClient) -> None:
    rows = await read_all(client)
    fractions = set()
    for row in rows:
        match = re.fullmatch(
            r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.(\d{0,8}[1-9]))?Z", row["timeTriggered"]
        )
        assert match
        fractions.add(len(match[1] or ""))
        assert row["timeLastAttempted"].endswith("Z")
    assert {0, 9} < fractions
    assert fractions & set(range(1, 9))
    assert {type(row["data"]) for row in rows} == {dict, str}


@long_history
async def test_errors_have_the_form_of_go(client: httpx.AsyncClient) -> None:
    messages = " | ".join(row["errorMessage"] for row in await read_all(client, failed="true"))
    for words in (
        "connect: connection refused",
        "no such host",
        "x509: certificate has expired",
        "Client.Timeout exceeded while awaiting headers",
        "unexpected response status: 50",
        "unexpected response status: 40",
    ):
        assert words in messages


@long_history
async def test_retry_is_counted_and_fixes_transient_failures(
    client: httpx.AsyncClient, clock: Clock[float]
) -> None:
    clock.now += 60
    failed = await read_all(client, failed="true")
    mended = next(row for row in failed if "connection refused" in row["errorMessage"])
    broken = next(row for row in failed if "404" in row["errorMessage"])
    for row in (mended, broken, broken):
        response = await client.put(f"{ENTRIES}/{row['id']}/retry", auth=KEY)
        assert (response.status_code, response.content) == (200, b"")
    after = {row["id"]: row for row in await read_all(client)}
    assert after[mended["id"]] == mended | {
        "errorMessage": "",
        "retryAttempts": mended["retryAttempts"] + 1,
        "timeLastAttempted": "2026-03-04 09:11:11.25Z",
    }
    assert after[broken["id"]] == broken | {
        "retryAttempts": broken["retryAttempts"] + 2,
        "timeLastAttempted": "2026-03-04 09:11:11.25Z",
    }


async def test_deleted_entry_is_returned_and_removed(client: httpx.AsyncClient) -> None:
    rows = await read_all(client)
    path = f"{ENTRIES}/{rows[3]['id']}"
    assert (await client.delete(path, auth=KEY)).json() == rows[3]
    assert await read_all(client) == rows[:3] + rows[4:]
    assert (await client.delete(path, auth=KEY)).status_code == 404
    assert (await client.put(f"{path}/retry", auth=KEY)).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("DELETE", f"{ENTRIES}/999999", 404),
        ("DELETE", f"{ENTRIES}/first", 400),
        ("GET", f"{ENTRIES}/1", 405),
        ("GET", f"{BASE}/nowhere", 404),
    ],
)
async def test_unknown_objects_are_not_found(
    client: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    response = await client.request(method, path, auth=KEY)
    assert (response.status_code, response.json()["error"]["code"]) == (status, status)
