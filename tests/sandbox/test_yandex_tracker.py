from __future__ import annotations

import datetime as dt
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from gateway.sandbox import Credentials, Sandbox
from tests.sandbox.conftest import long_history

if TYPE_CHECKING:
    import httpx

    from tests.support.clock import Clock

QUEUES = "/tracker/v3/queues"
TRIGGERS = f"{QUEUES}/DEV/triggers"
LOG = f"{TRIGGERS}/41/webhooks/log"
ORG = {"X-Org-ID": Sandbox.tracker_org_id}
CLOUD = {"X-Cloud-Org-ID": Sandbox.tracker_cloud_org_id}
OAUTH = {"Authorization": f"OAuth {Credentials().tracker_oauth_token}"}


async def read(client: httpx.AsyncClient, path: str, **parameters: str | int) -> httpx.Response:
    return await client.get(path, params=parameters, headers=OAUTH | ORG)


async def read_all(client: httpx.AsyncClient, path: str) -> list[dict[str, Any]]:
    """Read windows down to the oldest time seen; rows at that time are read twice."""
    rows: dict[str, dict[str, Any]] = {}
    window: dict[str, str] = {}
    while True:
        page = (await read(client, path, limit=100, **window)).json()
        rows |= {row["id"]: row for row in page}
        if len(page) < 100:
            return list(rows.values())
        oldest = dt.datetime.fromisoformat(page[-1]["startTime"])
        window = {"to": (oldest + dt.timedelta(milliseconds=1)).isoformat()}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        (ORG, 401),
        (OAUTH, 400),
        (OAUTH | ORG | CLOUD, 400),
        (OAUTH | {"X-Org-ID": "1"}, 403),
        ({"Authorization": "OAuth stale"} | ORG, 401),
        ({"Authorization": f"Bearer {Credentials().tracker_oauth_token}"} | CLOUD, 401),
        (OAUTH | ORG, 200),
        (OAUTH | CLOUD, 200),
    ],
)
async def test_requires_a_token_and_one_organisation(
    client: httpx.AsyncClient, headers: dict[str, str], status: int
) -> None:
    response = await client.get(LOG, headers=headers)
    assert response.status_code == status
    assert response.headers["X-Request-Id"]
    if status != 200:
        document = response.json()
        assert (document["statusCode"], document["errors"]) == (status, {})
        assert document["errorMessages"]


async def test_iam_token_lasts_twelve_hours_in_a_cloud_organisation(
    client: httpx.AsyncClient, clock: Clock[float]
) -> None:
    issued = await client.post(
        "/yandex-iam/iam/v1/tokens",
        json={"yandexPassportOauthToken": Credentials().yandex_passport_token},
    )
    assert issued.json()["expiresAt"] == "2026-03-04T21:10:11.250000000Z"
    bearer = {"Authorization": f"Bearer {issued.json()['iamToken']}"}
    assert (await client.get(LOG, headers=bearer | ORG)).status_code == 403
    assert (await client.get(LOG, headers=bearer | CLOUD)).status_code == 200
    clock.now += 12 * 3600
    assert (await client.get(LOG, headers=bearer | CLOUD)).status_code == 401


async def test_iam_refuses_a_wrong_token_or_an_incomplete_document(
    client: httpx.AsyncClient,
) -> None:
    path = "/yandex-iam/iam/v1/tokens"
    wrong = await client.post(path, json={"yandexPassportOauthToken": "guess"})
    assert wrong.status_code == 401
    assert (await client.post(path, content="{")).status_code == 400


async def test_queues_are_listed_in_pages(client: httpx.AsyncClient) -> None:
    both = await read(client, QUEUES)
    assert [queue["key"] for queue in both.json()] == list(Sandbox.tracker_queues)
    second = await read(client, QUEUES, perPage=1, page=2)
    assert second.json() == both.json()[1:]
    assert (second.headers["X-Total-Count"], second.headers["X-Total-Pages"]) == ("2", "2")


async def test_page_of_triggers_begins_with_its_cursor(client: httpx.AsyncClient) -> None:
    first = (await read(client, f"{QUEUES}/OPS/triggers")).json()
    assert len(first) == 50
    second = (await read(client, f"{QUEUES}/OPS/triggers", id=first[-1]["id"])).json()
    assert second[0] == first[-1]
    assert second[-1]["id"] == 162
    ids = [trigger["id"] for trigger in first + second[1:]]
    assert ids == sorted(set(ids))


async def test_triggers_have_webhooks_among_their_actions(client: httpx.AsyncClient) -> None:
    triggers = (await read(client, TRIGGERS)).json()
    actions = {
        trigger["id"]: [action["type"] for action in trigger["actions"]] for trigger in triggers
    }
    assert actions[41] == ["Webhook"]
    assert actions[42] == ["Transition"]
    assert actions[43] == ["Transition", "Webhook", "CreateComment"]
    assert [trigger["id"] for trigger in triggers if not trigger["active"]] == [44]
    assert (await read(client, f"{TRIGGERS}/43")).json() == triggers[2]


@pytest.mark.parametrize(
    "path",
    [
        f"{QUEUES}/dev/triggers",
        f"{QUEUES}/4/triggers",
        f"{TRIGGERS}/61",
        f"{TRIGGERS}/1/webhooks/log",
        "/tracker/v3/nowhere",
    ],
)
async def test_unknown_queues_and_triggers_are_not_found(
    client: httpx.AsyncClient, path: str
) -> None:
    response = await read(client, path)
    assert (response.status_code, response.json()["statusCode"]) == (404, 404)


async def test_queue_may_be_named_by_its_number(client: httpx.AsyncClient) -> None:
    assert (await read(client, f"{QUEUES}/3/triggers/41")).status_code == 200


async def test_log_is_newest_first_and_ten_rows_long(client: httpx.AsyncClient) -> None:
    rows = (await read(client, LOG)).json()
    assert len(rows) == 10
    assert all(newer["startTime"] >= older["startTime"] for newer, older in pairwise(rows))
    assert (await read(client, LOG, limit=25)).json()[:10] == rows


async def test_trigger_without_webhook_has_an_empty_log(client: httpx.AsyncClient) -> None:
    assert (await read(client, f"{TRIGGERS}/42/webhooks/log")).json() == []


@pytest.mark.parametrize(
    "parameters", [{"limit": 0}, {"limit": 101}, {"limit": "x"}, {"from": "today"}, {"to": "x"}]
)
async def test_parameters_out_of_bounds_are_refused(
    client: httpx.AsyncClient, parameters: dict[str, str | int]
) -> None:
    response = await read(client, LOG, **parameters)
    assert (response.status_code, response.json()["statusCode"]) == (400, 400)


@long_history
async def test_window_includes_its_start_but_not_its_end(client: httpx.AsyncClient) -> None:
    rows = await read_all(client, LOG)
    assert len(rows) > 100
    end, start = rows[10]["startTime"], rows[30]["startTime"]
    window = await read(client, LOG, limit=100, **{"from": start, "to": end})
    assert window.json() == [row for row in rows if start <= row["startTime"] < end]


async def test_time_without_an_offset_is_utc(client: httpx.AsyncClient) -> None:
    newest = (await read(client, LOG, limit=1)).json()[0]
    bare = newest["startTime"].removesuffix("+0000")
    found = await read(client, LOG, **{"from": bare})
    assert newest in found.json()


async def test_issue_is_found_by_id_and_by_key(client: httpx.AsyncClient) -> None:
    newest = (await read(client, LOG, limit=1)).json()[0]
    key = msgspec.json.decode(newest["request"]["body"])["issue"]
    by_id = (await read(client, LOG, issueId=newest["issueId"])).json()
    by_key = (await read(client, LOG, issueId=key)).json()
    assert by_id == by_key
    assert newest in by_id
    assert {row["issueId"] for row in by_id} == {newest["issueId"]}


async def test_rows_have_numbers_or_texts_and_may_lack_a_response(
    client: httpx.AsyncClient,
) -> None:
    rows = await read_all(client, LOG)
    for name in ("duration", "triggerId", "actionId"):
        assert {type(row[name]) for row in rows} == {int, str}
    answered = [row for row in rows if "response" in row]
    assert 0 < len(rows) - len(answered) < len(rows) / 4
    assert all(isinstance(row["response"]["statusCode"], int) for row in answered)
    assert all(set(row["response"]["headers"].values()) == {"XXX"} for row in answered)
    assert all(len(row["id"]) == len(row["issueId"]) == 24 for row in rows)


async def test_one_trigger_shows_its_request_headers(client: httpx.AsyncClient) -> None:
    shown = (await read(client, f"{QUEUES}/OPS/triggers/61/webhooks/log")).json()[0]["request"]
    hidden = (await read(client, LOG)).json()[0]["request"]
    assert shown["headers"]["Content-Type"] == "application/json; charset=utf-8"
    assert shown["webhookAuthContext"] == {"type": "basic"}
    assert not hidden["headers"]["Content-Type"].startswith("application/json")
    assert hidden["webhookAuthContext"] == {"type": "noauth"}
