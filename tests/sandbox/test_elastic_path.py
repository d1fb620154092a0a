from __future__ import annotations

import re
from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from gateway.sandbox import Credentials, Sandbox
from tests.sandbox.conftest import long_history

if TYPE_CHECKING:
    from tests.support.clock import Clock

BASE = "/elastic-path/v2/integrations"
STORE = f"{BASE}/logs"
ORDERS = f"{BASE}/2f2f0f9e-6f5c-4a0b-8f4e-8a7c5b0a1d22"
QUEUE = f"{BASE}/f6a7b8c9-0d1e-4f2a-b3c4-d5e6f7a8b9c0"
LOGIN = {
    "grant_type": "client_credentials",
    "client_id": Credentials().elastic_path_client_id,
    "client_secret": Credentials().elastic_path_client_secret,
}


async def sign_in(client: httpx.AsyncClient) -> None:
    issued = await client.post("/elastic-path/oauth/access_token", data=LOGIN)
    client.headers["Authorization"] = f"Bearer {issued.json()['access_token']}"


@pytest.fixture
async def store(client: httpx.AsyncClient) -> httpx.AsyncClient:
    """A client that has signed in."""
    await sign_in(client)
    return client


async def read_all(store: httpx.AsyncClient, path: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    while True:
        page = {"page[limit]": 100, "page[offset]": len(rows)}
        answer = (await store.get(path, params=page)).json()
        rows += answer["data"]
        if len(rows) >= answer["results"]["total"]:
            return rows


async def test_unknown_token_is_refused(client: httpx.AsyncClient) -> None:
    response = await client.get(STORE, headers={"Authorization": "Bearer stale"})
    assert response.status_code == 401
    assert response.json() == {"errors": [{"status": 401, "title": "Unauthorized"}]}
    assert response.headers["X-Request-Id"]


async def test_token_lasts_an_hour(client: httpx.AsyncClient, clock: Clock[float]) -> None:
    issued = (await client.post("/elastic-path/oauth/access_token", data=LOGIN)).json()
    assert issued["expires_in"] == 3600
    assert issued["expires"] == int(clock.now) + 3600
    bearer = {"Authorization": f"Bearer {issued['access_token']}"}
    clock.now += 3599
    assert (await client.get(STORE, headers=bearer)).status_code == 200
    clock.now += 1
    assert (await client.get(STORE, headers=bearer)).status_code == 401


@pytest.mark.parametrize(
    ("fields", "status"), [({"client_secret": "guess"}, 401), ({"grant_type": "implicit"}, 400)]
)
async def test_login_errors_have_their_status_as_text(
    client: httpx.AsyncClient, fields: dict[str, str], status: int
) -> None:
    response = await client.post("/elastic-path/oauth/access_token", data=LOGIN | fields)
    assert response.status_code == status
    assert response.json()["errors"][0]["status"] == str(status)


async def test_lists_five_integrations(store: httpx.AsyncClient) -> None:
    integrations = await read_all(store, BASE)
    types = [integration["integration_type"] for integration in integrations]
    assert types == ["webhook"] * 4 + ["aws_sqs"]
    assert integrations[0]["observes"] == ["order.paid"]
    assert integrations[0]["configuration"]["secret_key"]
    assert (await store.get(ORDERS)).json() == {"data": integrations[0]}


async def test_documented_path_without_version_is_not_served(store: httpx.AsyncClient) -> None:
    assert (await store.get("/elastic-path/integrations/logs")).status_code == 404


@long_history
async def test_store_has_the_logs_of_all_integrations_newest_first(
    store: httpx.AsyncClient,
) -> None:
    rows = await read_all(store, STORE)
    assert len({row["id"] for row in rows}) == len(rows) > 400
    times = [row["meta"]["timestamps"]["created_at"] for row in rows if "meta" in row]
    assert 0 < len(rows) - len(times) < 10
    assert "meta" in rows[0]
    assert "meta" in rows[-1]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", time) for time in times)
    assert all(newer >= older for newer, older in pairwise(times))
    own = [row for row in rows if row["relationships"]["integration"]["data"]["id"] in ORDERS]
    assert await read_all(store, f"{ORDERS}/logs") == own


async def test_page_has_twenty_five_rows_by_default(store: httpx.AsyncClient) -> None:
    answer = (await store.get(STORE, params={"page[offset]": 50})).json()
    total = answer["results"]["total"]
    assert len(answer["data"]) == 25
    assert answer["meta"] == {"limit": 25, "offset": 50, "current": 3, "total": -(-total // 25)}


@pytest.mark.parametrize(
    "page", [{"page[limit]": 0}, {"page[limit]": 101}, {"page[offset]": -1}, {"page[limit]": "x"}]
)
async def test_parameters_out_of_bounds_are_refused(
    store: httpx.AsyncClient, page: dict[str, str | int]
) -> None:
    response = await store.get(STORE, params=page)
    assert (response.status_code, response.json()["errors"][0]["status"]) == (400, 400)


async def test_jobs_have_one_to_four_attempts(store: httpx.AsyncClient) -> None:
    attempts = defaultdict(list)
    for row in await read_all(store, f"{ORDERS}/logs"):
        attempts[row["relationships"]["job"]["data"]["id"]].append(row)
    jobs = (await store.get(f"{ORDERS}/jobs")).json()
    assert jobs.keys() == {"data"}
    assert {job["id"] for job in jobs["data"]} == attempts.keys()
    for rows in attempts.values():
        numbers = [row["attempt"] for row in rows]
        assert numbers == list(range(len(rows), 0, -1))
        assert not any(row["succeeded"] for row in rows[1:])
    longest = max(attempts, key=lambda job: len(attempts[job]))
    assert 1 < len(attempts[longest]) <= 4
    assert await read_all(store, f"{ORDERS}/jobs/{longest}/logs") == attempts[longest]


@pytest.mark.slow
async def test_full_store_has_inconsistent_rows(clock: Clock[float]) -> None:
    transport = httpx.ASGITransport(Sandbox(clock=clock).app)
    async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as store:
        await sign_in(store)
        rows = await read_all(store, STORE)
    verdicts = {(row["succeeded"], row["status_code"]) for row in rows}
    assert {(True, 404), (False, 200), (True, 200), (False, 404)} < verdicts


async def test_rows_may_lack_fields(store: httpx.AsyncClient) -> None:
    rows = await read_all(store, STORE)
    assert {row["type"] for row in rows} == {"integration-log"}
    unanswered = {row["status_code"] for row in rows if "dial tcp" in row["error_detail"]}
    assert unanswered == {0, None}
    assert 0 < sum("processing_time" not in row for row in rows) < len(rows) / 10
    assert all(row["error_detail"] or row["succeeded"] for row in rows)


async def test_queue_has_its_own_status_names(store: httpx.AsyncClient) -> None:
    rows = await read_all(store, f"{QUEUE}/logs")
    assert {row["error_detail"].split(":")[0] for row in rows} == {"", "operation error SQS"}


@pytest.mark.parametrize(
    "path",
    [
        f"{BASE}/00000000-0000-4000-8000-000000000000/logs",
        f"{ORDERS}/jobs/00000000-0000-4000-8000-000000000000/logs",
        "/elastic-path/v2/nowhere",
    ],
)
async def test_unknown_integrations_are_not_found(store: httpx.AsyncClient, path: str) -> None:
    response = await store.get(path)
    assert (response.status_code, response.json()["errors"][0]["status"]) == (404, 404)
