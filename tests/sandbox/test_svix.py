from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from gateway.sandbox import Credentials, Sandbox
from gateway.sandbox.svix import Svix
from gateway.sandbox.svix.apps import APPS
from tests.sandbox.conftest import long_history
from tests.support.clock import Clock

if TYPE_CHECKING:
    import httpx

BASE = "/svix/api/v1/app"
ORDERS = f"{BASE}/bakery/attempt/endpoint/orders-rx"
THROTTLED = f"{BASE}/bakery/attempt/endpoint/ep_2yZwBg8sQr2tUo6nYl4wIe0McDg"
DISABLED = f"{BASE}/{APPS[1].id}/attempt/endpoint/legacy-proofs"
PRESS = f"{BASE}/{APPS[1].id}/attempt/endpoint/ep_2z1HdKx5uVs8wPm2qZn7yJf4ReT"
TOKEN = {"Authorization": f"Bearer {Credentials().svix_token}"}

Row = dict[str, Any]


@pytest.fixture
def sandbox(clock: Clock[float], request: pytest.FixtureRequest) -> Sandbox:
    return Sandbox(clock=clock, logs=getattr(request, "param", 500), vendors={"svix"})


async def read(client: httpx.AsyncClient, path: str, **parameters: str | int) -> httpx.Response:
    return await client.get(path, params=parameters, headers=TOKEN)


async def read_all(client: httpx.AsyncClient, path: str, **wanted: str | int) -> list[Row]:
    """Follow the iterators to the end."""
    parameters: dict[str, Any] = {"limit": 100, "expanded_statuses": "true"} | wanted
    rows: list[Row] = []
    while True:
        page = (await read(client, path, **parameters)).json()
        rows += page["data"]
        if page["done"]:
            return rows
        parameters["iterator"] = page["iterator"]


def vendor(sandbox: Sandbox) -> Svix:
    return next(vendor for vendor in sandbox.vendors if isinstance(vendor, Svix))


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer stale"}])
async def test_unknown_token_is_refused(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    response = await client.get(ORDERS, headers=headers)
    assert response.status_code == 401
    assert response.json() == {"code": "authentication_failed", "detail": "Invalid token"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", 0),
        ("limit", 251),
        ("status", 5),
        ("status", "fail"),
        ("status_code_class", 250),
        ("iterator", "page-2"),
        ("iterator", "msg_2tQvJ6aBcD3eF4gH5iJ6kL7mN8o"),
        ("before", "yesterday"),
        ("after", "2026-03-04T09:10:11"),
        ("with_msg", "yes"),
    ],
)
async def test_parameters_out_of_bounds_are_refused(
    client: httpx.AsyncClient, name: str, value: str | int
) -> None:
    response = await read(client, ORDERS, **{name: value})
    assert response.status_code == 422
    [problem] = response.json()["detail"]
    assert problem["loc"] == ["query", name]
    assert problem["msg"]


@pytest.mark.parametrize(
    "path",
    [
        f"{BASE}/nobody/endpoint",
        f"{BASE}/bakery/attempt/endpoint/legacy-proofs",
        f"{BASE}/bakery/attempt/msg/msg_2tQvJ6aBcD3eF4gH5iJ6kL7mN8o",
        f"{BASE}/bakery/attempt/msg/unknown",
    ],
)
async def test_unknown_objects_are_not_found(client: httpx.AsyncClient, path: str) -> None:
    response = await read(client, path)
    assert response.status_code == 404
    assert response.json() == {"code": "not_found", "detail": "Entity not found"}


@pytest.mark.parametrize("limit", [1, 2, 250])
async def test_apps_and_endpoints_are_paged_by_iterator(
    client: httpx.AsyncClient, limit: int
) -> None:
    apps = await read_all(client, BASE, limit=limit)
    assert [app["id"] for app in apps] == [app.id for app in APPS]
    assert [app.get("uid") for app in apps] == ["bakery", None, "old-shop"]
    found = {
        app["name"]: [
            (endpoint["description"], endpoint["disabled"])
            for endpoint in await read_all(client, f"{BASE}/{app['id']}/endpoint", limit=limit)
        ]
        for app in apps
    }
    assert found == {
        "Corner Bakery": [("Order intake", False), ("Loyalty points", False)],
        "Print Studio": [("", False), ("Proofs, until the new desk is live", True)],
        "Old Shop": [],
    }
    backwards = await read_all(client, BASE, limit=limit, order="descending")
    assert backwards == apps[::-1]


@long_history
async def test_pages_hold_every_attempt_once_newest_first(client: httpx.AsyncClient) -> None:
    rows = await read_all(client, ORDERS)
    assert len({row["id"] for row in rows}) == len(rows) > 100
    assert all(newer["id"] > older["id"] for newer, older in pairwise(rows))
    moments = [row["timestamp"].removesuffix("Z").ljust(26, "0") for row in rows]
    assert moments == sorted(moments, reverse=True)
    assert len((await read(client, ORDERS)).json()["data"]) == 50
    assert len(await read_all(client, ORDERS, limit=250)) == len(rows)


async def test_iterator_with_minus_leads_back(client: httpx.AsyncClient) -> None:
    rows = await read_all(client, ORDERS)
    second = (await read(client, ORDERS, limit=10, iterator=rows[9]["id"])).json()
    assert [row["id"] for row in second["data"]] == [row["id"] for row in rows[10:20]]
    first = (await read(client, ORDERS, limit=4, iterator=second["prevIterator"])).json()
    assert [row["id"] for row in first["data"]] == [row["id"] for row in rows[6:10]]
    assert not first["done"]
    newest = (await read(client, ORDERS, limit=20, iterator=second["prevIterator"])).json()
    assert [row["id"] for row in newest["data"]] == [row["id"] for row in rows[:10]]
    assert newest["done"]
    end = (await read(client, ORDERS, iterator=rows[-1]["id"])).json()
    assert end == {"data": [], "iterator": None, "prevIterator": None, "done": True}


async def test_iterator_survives_arrivals(client: httpx.AsyncClient, clock: Clock[float]) -> None:
    rows = await read_all(client, ORDERS)
    first = (await read(client, ORDERS, limit=5)).json()
    clock.now += 1
    await client.post("/control/arrive", json={"count": 200})
    second = (await read(client, ORDERS, limit=5, iterator=first["iterator"])).json()
    assert [row["id"] for row in second["data"]] == [row["id"] for row in rows[5:10]]
    assert (await read(client, ORDERS, limit=1)).json()["data"][0]["id"] > rows[0]["id"]


async def test_bounds_are_exclusive(client: httpx.AsyncClient) -> None:
    rows = await read_all(client, ORDERS)
    newer, older = rows[5]["timestamp"], rows[15]["timestamp"]
    found = await read_all(client, ORDERS, before=newer, after=older)
    assert found == [row for row in rows if older < row["timestamp"] < newer]
    assert 0 < len(found) < 10


async def test_after_alone_starts_from_the_oldest(client: httpx.AsyncClient) -> None:
    rows = await read_all(client, ORDERS)
    page = (await read(client, ORDERS, limit=3, after=rows[10]["timestamp"])).json()
    assert [row["id"] for row in page["data"]] == [row["id"] for row in rows[7:10]]
    assert not page["done"]


@long_history
async def test_statuses_and_codes_are_filtered(client: httpx.AsyncClient) -> None:
    rows = await read_all(client, ORDERS)
    by_status = {status: [row for row in rows if row["status"] == status] for status in range(5)}
    assert [bool(found) for found in by_status.values()] == [True, False, True, False, True]
    for status, expected in by_status.items():
        assert await read_all(client, ORDERS, status=status) == expected
    for code_class in (0, 200, 300, 400, 500):
        found = await read_all(client, ORDERS, status_code_class=code_class)
        assert found == [
            row for row in rows if row["responseStatusCode"] // 100 * 100 == code_class
        ]
    assert all(row["responseStatusCode"] == 0 for row in by_status[4])
    assert {row["statusText"] for row in by_status[2]} == {"fail"}


@long_history
async def test_canceled_is_success_unless_statuses_are_expanded(client: httpx.AsyncClient) -> None:
    canceled = {row["id"] for row in await read_all(client, ORDERS, status=4)}
    rows = await read_all(client, ORDERS, expanded_statuses="false")
    statuses = {row["id"]: (row["status"], row["statusText"]) for row in rows}
    assert {statuses[id] for id in canceled} == {(0, "success")}
    successes = await read_all(client, ORDERS, expanded_statuses="false", status=0)
    assert canceled < {row["id"] for row in successes}


async def test_message_comes_without_payload_and_only_on_request(client: httpx.AsyncClient) -> None:
    rows = await read_all(client, ORDERS, with_msg="true")
    events = {row["msg"]["eventType"] for row in rows}
    assert events == {"order.created", "order.paid", "order.cancelled"}
    assert all(row["msg"]["id"] == row["msgId"] and not row["msg"]["payload"] for row in rows)
    assert "msg" not in (await read_all(client, ORDERS))[0]
    found = await read_all(client, ORDERS, with_msg="true", event_types="order.paid,order.created")
    assert found == [row for row in rows if row["msg"]["eventType"] != "order.cancelled"]
    assert any(row["response"] for row in rows)
    bare = await read_all(client, ORDERS, with_msg="true", with_content="false")
    assert bare == [row | {"response": ""} for row in rows]


@long_history
async def test_attempts_without_response_tell_the_error(client: httpx.AsyncClient) -> None:
    rows = await read_all(client, PRESS, status=2, status_code_class=0)
    texts = {row["response"].rpartition(": ")[2] for row in rows}
    assert {"", "operation timed out"} < texts


@pytest.mark.parametrize(("path", "status"), [(ORDERS, 3), (THROTTLED, 1)])
async def test_new_attempts_are_sending_or_pending_at_first(
    client: httpx.AsyncClient, clock: Clock[float], path: str, status: int
) -> None:
    clock.now += 3600
    await client.post("/control/arrive", json={"count": 300})
    newest: dict[str, Any] = {"limit": 5, "after": "2026-03-04T10:00:00Z"}
    rows = (await read(client, path, expanded_statuses="true", **newest)).json()["data"]
    assert {row["status"] for row in rows} - {4} == {status}
    assert {(row["responseStatusCode"], row["response"]) for row in rows} == {(0, "")}
    clock.now += 61
    later = (await read(client, path, expanded_statuses="true", **newest)).json()["data"]
    assert [row["id"] for row in later] == [row["id"] for row in rows]
    assert {row["status"] for row in later} <= {0, 2, 4}


async def test_attempt_is_found_by_its_message(client: httpx.AsyncClient) -> None:
    rows = await read_all(client, ORDERS, with_msg="true")
    row = rows[3]
    path = f"{BASE}/bakery/msg/{row['msgId']}/attempt/{row['id']}"
    shown = (await read(client, path, expanded_statuses="true")).json()
    assert shown == row | {"msg": None}
    other = next(other for other in rows if other["msgId"] != row["msgId"])
    wrong = f"{BASE}/bakery/msg/{other['msgId']}/attempt/{row['id']}"
    assert (await read(client, wrong)).status_code == 404
    elsewhere = path.replace("bakery", APPS[1].id)
    assert (await read(client, elsewhere)).status_code == 404


@long_history
async def test_attempts_of_a_message_are_listed(client: httpx.AsyncClient) -> None:
    rows = await read_all(client, ORDERS, with_msg="true")
    message = next(
        row["msgId"] for row in rows if [r["msgId"] for r in rows].count(row["msgId"]) > 1
    )
    path = f"{BASE}/bakery/attempt/msg/{message}"
    found = await read_all(client, path, with_msg="true", endpoint_id="orders-rx")
    assert found == [row for row in rows if row["msgId"] == message]
    assert (await read(client, path, endpoint_id="nobody")).status_code == 404


@long_history
async def test_resend_makes_a_new_attempt_some_seconds_later(
    client: httpx.AsyncClient, clock: Clock[float]
) -> None:
    clock.now += 60
    rows = await read_all(client, ORDERS, status=2)
    row = next(row for row in rows if row["responseStatusCode"] >= 500)
    path = f"{BASE}/bakery/msg/{row['msgId']}/endpoint/orders-rx/resend"
    for _ in range(2):
        key = {"Idempotency-Key": "one"}
        response = await client.post(path, headers=TOKEN | key)
        assert (response.status_code, response.json()) == (202, {})
    newest = (await read(client, ORDERS, limit=1)).json()["data"][0]
    assert newest["triggerType"] == 0
    clock.now += 5
    sent, before = (await read(client, ORDERS, limit=2)).json()["data"]
    assert before["id"] == newest["id"]
    assert (sent["msgId"], sent["triggerType"]) == (row["msgId"], 1)
    assert sent["status"] == 0
    assert sent["timestamp"] == "2026-03-04T09:11:14.250Z"
    inventory = (await client.get("/control/inventory")).json()
    assert sent["id"] in {entry["id"] for entry in inventory if entry["vendor"] == "svix"}


@pytest.mark.parametrize(
    "path",
    [
        f"{BASE}/bakery/msg/unknown/endpoint/orders-rx/resend",
        f"{BASE}/nobody/msg/unknown/endpoint/orders-rx/resend",
    ],
)
async def test_resend_of_nothing_is_not_found(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.post(path, headers=TOKEN)).status_code == 404


async def test_resend_is_refused_for_another_endpoint(client: httpx.AsyncClient) -> None:
    row = (await read_all(client, ORDERS))[0]
    path = f"{BASE}/bakery/msg/{row['msgId']}/endpoint/{THROTTLED.rpartition('/')[2]}/resend"
    assert (await client.post(path, headers=TOKEN)).status_code == 404


async def test_disabled_endpoint_gets_nothing_new(client: httpx.AsyncClient) -> None:
    rows = await read_all(client, DISABLED)
    assert rows
    await client.post("/control/arrive", json={"count": 300})
    assert await read_all(client, DISABLED) == rows


async def test_requests_are_limited_by_the_minute(
    sandbox: Sandbox, client: httpx.AsyncClient, clock: Clock[float]
) -> None:
    vendor(sandbox).rate_limit.limit = 2
    statuses = [(await read(client, BASE)).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
    clock.now += 60
    assert (await read(client, BASE)).status_code == 200
