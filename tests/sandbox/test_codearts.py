from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from gateway.sandbox import Credentials, Sandbox
from tests.sandbox.conftest import long_history

if TYPE_CHECKING:
    import httpx

    from tests.support.clock import Clock

BASE = "/codearts/v4"
PROJECT, OTHER_PROJECT = (f"{BASE}/projects/{project}" for project in Sandbox.codearts_projects)
GROUP = f"{BASE}/groups/{Sandbox.codearts_group}"
REPOSITORY = f"{BASE}/repositories/{Sandbox.codearts_repository}"
LOGS = f"{PROJECT}/hooks/990412/logs"
TOKEN = {"X-Auth-Token": Credentials().codearts_token}
SUMMARY = {
    "id",
    "web_hook_id",
    "trigger",
    "url",
    "response_status",
    "execution_duration",
    "uuid",
    "created_at",
    "updated_at",
}


def login(**changes: str) -> dict[str, Any]:
    user = Credentials()
    return {
        "auth": {
            "identity": {
                "methods": ["password"],
                "password": {
                    "user": {
                        "name": user.iam_user,
                        "password": user.iam_password,
                        "domain": {"name": user.iam_domain},
                    }
                    | changes
                },
            },
            "scope": {"project": {"name": user.iam_project}},
        }
    }


async def read(client: httpx.AsyncClient, path: str, **parameters: str | int) -> httpx.Response:
    return await client.get(path, params=parameters, headers=TOKEN)


async def read_all(client: httpx.AsyncClient, path: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    while True:
        page = (await read(client, path, offset=len(rows), limit=100)).json()
        if not page:
            return rows
        rows += page


@pytest.mark.parametrize("headers", [{}, {"X-Auth-Token": "stale"}])
async def test_unknown_token_is_refused(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    response = await client.get(LOGS, headers=headers)
    assert response.status_code == 401
    assert response.headers["X-Request-Id"]
    assert response.json() == {
        "error_code": "DEV.00000003",
        "error_msg": "Authentication information expired.",
    }


async def test_iam_token_lasts_a_day(client: httpx.AsyncClient, clock: Clock[float]) -> None:
    issued = await client.post("/iam/v3/auth/tokens", json=login())
    assert issued.status_code == 201
    assert issued.json()["token"]["expires_at"] == "2026-03-05T09:10:11.250000Z"
    headers = {"X-Auth-Token": issued.headers["X-Subject-Token"]}
    clock.now += 24 * 3600 - 1
    assert (await client.get(LOGS, headers=headers)).status_code == 200
    clock.now += 1
    assert (await client.get(LOGS, headers=headers)).status_code == 401


async def test_iam_refuses_a_wrong_password_or_an_incomplete_document(
    client: httpx.AsyncClient,
) -> None:
    wrong = await client.post("/iam/v3/auth/tokens", json=login(password="guess"))
    assert wrong.status_code == 401
    assert "X-Subject-Token" not in wrong.headers
    assert (await client.post("/iam/v3/auth/tokens", content="{")).status_code == 400


async def test_lists_the_hooks_of_each_scope(client: httpx.AsyncClient) -> None:
    found = {}
    for scope in (PROJECT, OTHER_PROJECT, GROUP, REPOSITORY):
        response = await read(client, f"{scope}/hooks")
        found[scope] = [hook["id"] for hook in response.json()]
        assert response.headers["X-Total"] == str(len(found[scope]))
    assert found == {
        PROJECT: [990412, 990413],
        OTHER_PROJECT: [990530, 990531],
        GROUP: [990777],
        REPOSITORY: [990901],
    }


async def test_hook_hides_its_token(client: httpx.AsyncClient) -> None:
    hook = (await read(client, f"{PROJECT}/hooks/990412")).json()
    assert (hook["token"], hook["push_events"], hook["note_events"]) == ("******", True, False)


@long_history
async def test_pages_hold_every_log_once_newest_first(client: httpx.AsyncClient) -> None:
    rows = await read_all(client, LOGS)
    assert len({row["id"] for row in rows}) == len(rows) > 100
    assert (await read(client, LOGS)).headers["X-Total"] == str(len(rows))
    assert all(newer["created_at"] >= older["created_at"] for newer, older in pairwise(rows))


async def test_page_has_twenty_rows_by_default(client: httpx.AsyncClient) -> None:
    assert len((await read(client, LOGS)).json()) == 20


@pytest.mark.parametrize(
    "parameters",
    [
        {"limit": 0},
        {"limit": 101},
        {"limit": "ten"},
        {"offset": -1},
        {"created_after": "yesterday"},
        {"created_before": "2026-03-04T17:10:11.120 08:00"},
        {"repository_id": 0},
        {"uuid": ""},
        {"uuid": "0" * 101},
    ],
)
async def test_parameters_out_of_bounds_are_refused(
    client: httpx.AsyncClient, parameters: dict[str, str | int]
) -> None:
    response = await read(client, LOGS, **parameters)
    assert response.status_code == 400
    assert response.json()["error_code"] == "CH.010001"


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        (f"{BASE}/projects/short/hooks", 400, "CH.010001"),
        (f"{BASE}/projects/{'0' * 32}/hooks", 403, "CH.004403"),
        (f"{BASE}/groups/1/hooks", 403, "CH.004403"),
        (f"{BASE}/groups/many/hooks", 400, "CH.010001"),
        (f"{PROJECT}/hooks/990777/logs", 404, "CH.000404"),
        (f"{PROJECT}/hooks/0/logs", 400, "CH.010001"),
        (f"{LOGS}/1", 404, "CH.000404"),
        (f"{LOGS}/2147483648", 400, "CH.010001"),
        (f"{BASE}/nowhere", 404, "CH.000404"),
    ],
)
async def test_unknown_scopes_are_not_found(
    client: httpx.AsyncClient, path: str, status: int, code: str
) -> None:
    response = await read(client, path)
    assert (response.status_code, response.json()["error_code"]) == (status, code)


@pytest.mark.parametrize(
    ("logs", "repository"),
    [
        (LOGS, {"repository"}),
        (f"{GROUP}/hooks/990777/logs", {"repository"}),
        (f"{REPOSITORY}/hooks/990901/logs", set()),
    ],
)
async def test_list_rows_are_summaries(
    client: httpx.AsyncClient, logs: str, repository: set[str]
) -> None:
    for row in (await read(client, logs)).json():
        assert row.keys() == SUMMARY | repository
        assert row["response_status"] == "internal error" or row["response_status"].isdigit()


async def test_detail_adds_the_exchange_to_the_summary(client: httpx.AsyncClient) -> None:
    types = set()
    for row in (await read(client, LOGS, limit=100)).json():
        detail = (await read(client, f"{LOGS}/{row['id']}")).json()
        assert {name: detail[name] for name in SUMMARY} == {name: row[name] for name in SUMMARY}
        assert detail.keys() - SUMMARY == {
            "request_headers",
            "request_data",
            "response_headers",
            "response_body",
        }
        assert detail["request_headers"]["X-Repo-Token"] == "******"
        assert detail["request_data"]["user"]["email"] == "******"
        assert detail["request_data"]["uuid"] == row["uuid"]
        assert bool(detail["response_headers"]) == (row["response_status"] != "internal error")
        types.add(type(detail["response_body"]))
    assert types == {str, dict, list, type(None)}


async def test_log_of_another_hook_is_not_found(client: httpx.AsyncClient) -> None:
    row = (await read(client, LOGS, limit=1)).json()[0]
    elsewhere = await read(client, f"{PROJECT}/hooks/990413/logs/{row['id']}")
    assert elsewhere.status_code == 404


async def test_times_of_the_window_are_inclusive(client: httpx.AsyncClient) -> None:
    rows = await read_all(client, LOGS)
    newest, oldest = rows[10]["created_at"], rows[30]["created_at"]
    window = await read(client, LOGS, created_before=newest, created_after=oldest, limit=100)
    wanted = [row for row in rows if oldest <= row["created_at"] <= newest]
    assert window.json() == wanted
    assert window.headers["X-Total"] == str(len(wanted))


async def test_uuid_finds_the_log_or_the_merge_request(client: httpx.AsyncClient) -> None:
    rows = await read_all(client, LOGS)
    push = next(row for row in rows if row["trigger"] == "push_hooks")
    merge = next(row for row in rows if row["trigger"] == "merge_request_hooks")
    assert (await read(client, LOGS, uuid=push["uuid"])).json() == [push]
    assert (await read(client, LOGS, uuid=merge["uuid"])).json() == [merge]
    plain, _, number = merge["uuid"].partition("_")
    assert merge in (await read(client, LOGS, uuid=number)).json()
    assert (await read(client, LOGS, uuid=plain)).json() == []


async def test_repository_id_counts_in_project_and_group_scope_only(
    client: httpx.AsyncClient,
) -> None:
    rows = await read_all(client, LOGS)
    wanted = rows[0]["repository"]["id"]
    found = await read(client, LOGS, repository_id=wanted)
    assert found.headers["X-Total"] == str(sum(row["repository"]["id"] == wanted for row in rows))
    ignored = await read(client, f"{REPOSITORY}/hooks/990901/logs", repository_id=1)
    assert len(ignored.json()) == 20


async def test_one_project_writes_its_times_in_utc(client: httpx.AsyncClient) -> None:
    here = (await read(client, LOGS, limit=1)).json()[0]["created_at"]
    there = (await read(client, f"{OTHER_PROJECT}/hooks/990531/logs", limit=1)).json()[0]
    assert here.endswith("+08:00")
    assert there["created_at"].endswith("Z")
