from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from gateway.sandbox import Credentials, Sandbox
from gateway.sandbox.hookdeck import Hookdeck
from tests.sandbox.conftest import long_history
from tests.support.clock import Clock

if TYPE_CHECKING:
    import httpx

BASE = "/hookdeck/2025-07-01"
EVENTS = f"{BASE}/events"
ATTEMPTS = f"{BASE}/attempts"
KEY = {"Authorization": f"Bearer {Credentials().hookdeck_key}"}
NEWEST_FIRST = {"order_by": "created_at", "dir": "desc"}
DELAYED, PAUSED, DISABLED = "web_7PvX2cYfJm8D", "web_5DsG4kLbNa0E", "web_9TrY1uIoPw3F"

Row = dict[str, Any]


@pytest.fixture
def sandbox(clock: Clock[float], request: pytest.FixtureRequest) -> Sandbox:
    return Sandbox(clock=clock, logs=getattr(request, "param", 500), vendors={"hookdeck"})


async def read(client: httpx.AsyncClient, path: str, **parameters: Any) -> httpx.Response:
    return await client.get(path, params=parameters, headers=KEY)


async def read_all(client: httpx.AsyncClient, path: str = EVENTS, **wanted: Any) -> list[Row]:
    """Follow the tokens to the end."""
    parameters = {"limit": 255, **NEWEST_FIRST, **wanted}
    rows: list[Row] = []
    while True:
        page = (await read(client, path, **parameters)).json()
        assert page["count"] == len(page["models"])
        rows += page["models"]
        if "next" not in page["pagination"]:
            return rows
        parameters["next"] = page["pagination"]["next"]


async def act(client: httpx.AsyncClient, method: str, event: Row, verb: str) -> httpx.Response:
    return await client.request(method, f"{EVENTS}/{event['id']}/{verb}", headers=KEY)


@pytest.mark.parametrize("value", ["", "Bearer stale", "Basic !"])
async def test_unknown_key_is_refused(client: httpx.AsyncClient, value: str) -> None:
    response = await client.get(EVENTS, headers={"Authorization": value})
    assert response.status_code == 401
    assert response.json() == {
        "code": "UNAUTHORIZED",
        "status": 401,
        "message": "Unauthorized",
        "data": None,
    }


async def test_key_may_be_the_user_of_basic(client: httpx.AsyncClient) -> None:
    response = await client.get(EVENTS, auth=(Credentials().hookdeck_key, ""))
    assert response.status_code == 200


@pytest.mark.parametrize(
    "parameters",
    [
        {"limit": 256},
        {"limit": "ten"},
        {"dir": "down"},
        {"order_by": "status"},
        {"status": "LOST"},
        {"created_at[before]": "2026-03-04T09:10:11Z"},
        {"created_at[lte]": "yesterday"},
        {"search_term": "ab"},
        {"next": "!"},
        {"page": 2},
    ],
)
async def test_parameters_out_of_bounds_are_refused(
    client: httpx.AsyncClient, parameters: dict[str, Any]
) -> None:
    response = await read(client, EVENTS, **parameters)
    assert (response.status_code, response.json()["code"]) == (422, "UNPROCESSABLE_ENTITY")


async def test_disabled_connections_are_listed_on_request(client: httpx.AsyncClient) -> None:
    shown = await read_all(client, f"{BASE}/connections", limit=2)
    assert [row["name"] for row in shown] == [
        "tickets-to-chat",
        "payments-to-ledger",
        "orders-to-erp",
    ]
    rows = await read_all(client, f"{BASE}/connections", limit=1, disabled="true")
    assert [row["id"] for row in rows if row["disabled_at"]] == [DISABLED]
    assert [row["id"] for row in rows if row["paused_at"]] == [PAUSED]
    single = await read(client, f"{BASE}/connections/{DISABLED}")
    assert single.json() == rows[0]
    assert (await read(client, f"{BASE}/connections/web_0")).status_code == 404


@long_history
async def test_pages_hold_every_event_once_newest_first(client: httpx.AsyncClient) -> None:
    rows = await read_all(client, limit=100)
    assert len({row["id"] for row in rows}) == len(rows) > 300
    assert all(newer["created_at"] >= older["created_at"] for newer, older in pairwise(rows))
    assert await read_all(client, dir="asc") == rows[::-1]


async def test_oldest_come_first_unless_asked_for_the_newest(client: httpx.AsyncClient) -> None:
    rows = await read_all(client)
    page = (await read(client, EVENTS)).json()
    assert page["models"] == rows[::-1][:100]
    assert page["pagination"]["dir"] == "asc"


async def test_prev_leads_back(client: httpx.AsyncClient) -> None:
    rows = await read_all(client)
    first = (await read(client, EVENTS, limit=10, **NEWEST_FIRST)).json()
    assert "prev" not in first["pagination"]
    token = first["pagination"]["next"]
    second = (await read(client, EVENTS, limit=5, next=token, **NEWEST_FIRST)).json()
    assert second["models"] == rows[10:15]
    token = second["pagination"]["prev"]
    back = (await read(client, EVENTS, limit=5, prev=token, **NEWEST_FIRST)).json()
    assert back["models"] == rows[5:10]


async def test_token_survives_arrivals_and_changes(
    client: httpx.AsyncClient, clock: Clock[float]
) -> None:
    clock.now += 60
    rows = await read_all(client, status="FAILED")
    first = (await read(client, EVENTS, limit=3, status="FAILED", **NEWEST_FIRST)).json()
    await act(client, "POST", rows[2], "retry")
    await client.post("/control/arrive", json={"count": 100})
    token = first["pagination"]["next"]
    second = await read(client, EVENTS, limit=3, status="FAILED", next=token, **NEWEST_FIRST)
    assert second.json()["models"] == rows[3:6]


async def test_bounds_are_inclusive(client: httpx.AsyncClient) -> None:
    rows = await read_all(client)
    newer, older = rows[10]["created_at"], rows[30]["created_at"]
    inside = [row for row in rows if older <= row["created_at"] <= newer]
    bounds = {"created_at[lte]": newer, "created_at[gte]": older}
    assert await read_all(client, **bounds) == inside
    assert await read_all(client, **{"created_at[le]": newer, "created_at[gt]": older}) == [
        row for row in inside if row["created_at"] != older
    ]
    assert await read_all(client, created_at=newer) == [
        row for row in rows if row["created_at"] == newer
    ]


@long_history
async def test_filters_apply_to_all_events(client: httpx.AsyncClient) -> None:
    rows = await read_all(client)
    for name in ("status", "webhook_id", "source_id", "error_code"):
        for value in {row[name] for row in rows} - {None}:
            found = await read_all(client, **{name: value})
            assert found == [row for row in rows if row[name] == value], (name, value)
    several = {"FAILED", "CANCELLED"}
    expected = [row for row in rows if row["status"] in several]
    assert await read_all(client, status=list(several)) == expected
    indexed = {f"status[{index}]": value for index, value in enumerate(several)}
    assert await read_all(client, **indexed) == expected
    codes: Row = {"response_status[gte]": 400, "response_status[lte]": 499}
    assert await read_all(client, **codes) == [
        row for row in rows if row["response_status"] in range(400, 500)
    ]
    assert await read_all(client, response_status=503) == [
        row for row in rows if row["response_status"] == 503
    ]
    repeated: Row = {"attempts[gt]": 1}
    assert await read_all(client, **repeated) == [row for row in rows if row["attempts"] > 1]
    last = rows[40]["last_attempt_at"]
    assert await read_all(client, **{"last_attempt_at[gte]": last}) == [
        row for row in rows if (row["last_attempt_at"] or "") >= last
    ]


@long_history
async def test_each_status_has_its_own_fields(client: httpx.AsyncClient) -> None:
    rows = await read_all(client)
    statuses = {row["status"] for row in rows}
    assert statuses == {"SUCCESSFUL", "FAILED", "CANCELLED", "HOLD"}
    for row in rows:
        assert (row["successful_at"] is not None) == (row["status"] == "SUCCESSFUL")
        assert (row["attempts"] == 0) == (row["status"] in {"CANCELLED", "HOLD"})
        assert (row["error_code"] is not None) == (row["status"] in {"FAILED", "CANCELLED"})
    assert {row["webhook_id"] for row in rows if row["status"] == "HOLD"} == {PAUSED}


async def test_new_events_are_pending_at_first(
    client: httpx.AsyncClient, clock: Clock[float]
) -> None:
    clock.now += 3600
    await client.post("/control/arrive", json={"count": 300})
    created = "2026-03-04T10:10:11.250Z"
    rows = await read_all(client, created_at=created)
    expected = {DELAYED: {"SCHEDULED", "CANCELLED"}, PAUSED: {"HOLD", "CANCELLED"}}
    for row in rows:
        assert row["status"] in expected.get(row["webhook_id"], {"QUEUED", "CANCELLED"})
        assert row["attempts"] == 0
    assert {row["status"] for row in rows} >= {"QUEUED", "SCHEDULED", "HOLD"}
    clock.now += 40
    later = await read_all(client, created_at=created)
    assert {row["status"] for row in later} - {"CANCELLED"} == {"SUCCESSFUL", "FAILED", "HOLD"}
    assert any(row["next_attempt_at"] for row in later if row["status"] == "FAILED")


async def test_detail_adds_the_request(client: httpx.AsyncClient) -> None:
    headers, bodies = set(), set()
    for row in (await read_all(client))[:60]:
        detail = (await read(client, f"{EVENTS}/{row['id']}")).json()
        data = detail.pop("data")
        assert detail == row
        headers.add(type(data["headers"]))
        bodies.add(type(data["body"]))
        raw = (await read(client, f"{EVENTS}/{row['id']}/raw_body")).json()["body"]
        assert isinstance(raw, str)
    assert (headers, bodies) == ({dict, str}, {dict, str, list})
    included = (await read(client, EVENTS, include="data", limit=1, **NEWEST_FIRST)).json()
    assert included["models"][0]["data"]["method"] == "POST"


@long_history
async def test_attempts_lead_to_the_state_of_the_event(client: httpx.AsyncClient) -> None:
    for row in [row for row in await read_all(client) if row["attempts"] > 1][:20]:
        attempts = await read_all(client, ATTEMPTS, event_id=row["id"], limit=2)
        assert [one["attempt_number"] for one in attempts] == list(range(row["attempts"], 0, -1))
        last = attempts[0]
        assert last["created_at"] == row["last_attempt_at"]
        assert last["response_status"] == row["response_status"]
        assert (last["status"], last["error_code"]) == (row["status"], row["error_code"])
        assert {one["status"] for one in attempts[1:]} == {"FAILED"}
        assert attempts[-1]["trigger"] == "INITIAL"
    every = await read_all(client, ATTEMPTS)
    shown = (await read(client, f"{ATTEMPTS}/{every[3]['id']}")).json()
    assert shown == every[3]
    assert len({one["id"] for one in every}) == len(every)
    assert len(every) == sum(row["attempts"] for row in await read_all(client))


@long_history
async def test_retry_changes_the_same_event(client: httpx.AsyncClient, clock: Clock[float]) -> None:
    clock.now += 60
    failed = await read_all(client, status="FAILED")
    mended = next(row for row in failed if row["error_code"] == "CONNECTION_REFUSED")
    broken = next(row for row in failed if row["response_status"] == 404)
    [succeeded] = (await read_all(client, status="SUCCESSFUL"))[:1]
    [cancelled] = (await read_all(client, status="CANCELLED"))[:1]
    for row in (mended, broken, succeeded, cancelled):
        response = await act(client, "POST", row, "retry")
        assert response.status_code == 200
        assert (response.json()["id"], response.json()["status"]) == (row["id"], "QUEUED")
    clock.now += 60
    for row, status in (
        (mended, "SUCCESSFUL"),
        (broken, "FAILED"),
        (succeeded, "SUCCESSFUL"),
    ):
        after = (await read(client, EVENTS, id=row["id"])).json()["models"][0]
        assert (after["status"], after["attempts"]) == (status, row["attempts"] + 1)
        assert after["last_attempt_at"] == "2026-03-04T09:11:13.250Z"
        [last] = (await read(client, ATTEMPTS, event_id=row["id"], limit=1, dir="desc")).json()[
            "models"
        ]
        assert last["trigger"] == "MANUAL"
    after = (await read(client, EVENTS, id=cancelled["id"])).json()["models"][0]
    assert (after["status"] in {"SUCCESSFUL", "FAILED"}, after["attempts"]) == (True, 1)


async def test_only_pending_events_can_be_cancelled(
    client: httpx.AsyncClient, clock: Clock[float]
) -> None:
    clock.now += 60
    row = (await read_all(client, status="FAILED"))[0]
    assert (await act(client, "PUT", row, "cancel")).status_code == 422
    await act(client, "POST", row, "retry")
    assert (await act(client, "PUT", row, "cancel")).json()["status"] == "CANCELLED"
    assert (await read(client, f"{EVENTS}/{row['id']}")).json()["status"] == "CANCELLED"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"{EVENTS}/evt_0"),
        ("GET", f"{ATTEMPTS}/atm_0"),
        ("POST", f"{EVENTS}/evt_0/retry"),
        ("PUT", f"{EVENTS}/evt_0/cancel"),
        ("GET", f"{BASE}/nowhere"),
    ],
)
async def test_unknown_objects_are_not_found(
    client: httpx.AsyncClient, method: str, path: str
) -> None:
    response = await client.request(method, path, headers=KEY)
    assert (response.status_code, response.json()["code"]) == (404, "NOT_FOUND")


async def test_rate_limit_is_told_and_enforced(
    sandbox: Sandbox, client: httpx.AsyncClient, clock: Clock[float]
) -> None:
    vendor = next(vendor for vendor in sandbox.vendors if isinstance(vendor, Hookdeck))
    vendor.rate_limit.limit = 2
    left = [(await read(client, EVENTS)).headers["RateLimit-Remaining"] for _ in range(2)]
    assert left == ["1", "0"]
    refused = await read(client, EVENTS)
    assert (refused.status_code, refused.json()["code"]) == (429, "TOO_MANY_REQUESTS")
    assert refused.headers["Retry-After"] == refused.headers["RateLimit-Reset"] == "49"
    clock.now += 49
    assert (await read(client, EVENTS)).status_code == 200
