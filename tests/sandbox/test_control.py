"""The control API agrees with the APIs of the vendors."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from gateway.sandbox import Sandbox
from tests.sandbox.conftest import long_history

from . import (
    test_codearts,
    test_elastic_path,
    test_github,
    test_gitlab,
    test_hookdeck,
    test_language_weaver,
    test_svix,
    test_yandex_tracker,
)

if TYPE_CHECKING:
    from tests.support.clock import Clock

HOOKS = {
    "990412": test_codearts.PROJECT,
    "990413": test_codearts.PROJECT,
    "990530": test_codearts.OTHER_PROJECT,
    "990531": test_codearts.OTHER_PROJECT,
    "990777": test_codearts.GROUP,
    "990901": test_codearts.REPOSITORY,
}
TRIGGERS = {"41": "DEV", "43": "DEV", "44": "DEV", "61": "OPS", "162": "OPS"}
GITHUB = {
    "512001": test_github.REPOSITORY,
    "512002": test_github.REPOSITORY,
    "512117": test_github.REPOSITORY.replace("checkout", "catalog"),
    "512500": test_github.ORGANIZATION,
}
GITLAB = {
    "88012": test_gitlab.PROJECT,
    "88013": test_gitlab.PROJECT,
    "88020": test_gitlab.PROJECT,
    "88107": test_gitlab.GROUP,
}
SVIX = (test_svix.ORDERS, test_svix.THROTTLED, test_svix.DISABLED, test_svix.PRESS)

Entry = tuple[str, str, str, str | None]


async def codearts_rows(client: httpx.AsyncClient) -> dict[str, list[dict[str, Any]]]:
    return {
        hook: await test_codearts.read_all(client, f"{scope}/hooks/{hook}/logs")
        for hook, scope in HOOKS.items()
    }


async def tracker_rows(client: httpx.AsyncClient) -> dict[str, list[dict[str, Any]]]:
    return {
        trigger: await test_yandex_tracker.read_all(
            client, f"/tracker/v3/queues/{queue}/triggers/{trigger}/webhooks/log"
        )
        for trigger, queue in TRIGGERS.items()
    }


async def inventory(client: httpx.AsyncClient) -> set[Entry]:
    entries = (await client.get("/control/inventory")).json()
    unique = {(entry["vendor"], entry["stream"], entry["id"], entry["time"]) for entry in entries}
    assert len(unique) == len(entries)
    return unique


@pytest.mark.slow
@long_history
async def test_inventory_equals_the_vendors_lists(client: httpx.AsyncClient) -> None:
    listed: set[Entry] = set()
    for hook, rows in (await codearts_rows(client)).items():
        listed |= {("codearts", hook, str(row["id"]), row["created_at"]) for row in rows}
    for trigger, rows in (await tracker_rows(client)).items():
        listed |= {("yandex-tracker", trigger, row["id"], row["startTime"]) for row in rows}
    for row in await test_language_weaver.read_all(client):
        listed.add(("language-weaver", row["uuid"], str(row["id"]), row["timeTriggered"]))
    await test_elastic_path.sign_in(client)
    for row in await test_elastic_path.read_all(client, test_elastic_path.STORE):
        integration = row["relationships"]["integration"]["data"]["id"]
        time = row["meta"]["timestamps"]["created_at"] if "meta" in row else None
        listed.add(("elastic-path", integration, row["id"], time))
    for hook, owner in GITHUB.items():
        for row in await test_github.read_all(client, f"{owner}/{hook}/deliveries"):
            listed.add(("github", hook, str(row["id"]), row["delivered_at"]))
    for hook, owner in GITLAB.items():
        for row in await test_gitlab.read_all(client, f"{owner}/{hook}/events"):
            listed.add(("gitlab", hook, str(row["id"]), row["created_at"]))
    for endpoint in SVIX:
        for row in await test_svix.read_all(client, endpoint):
            listed.add(("svix", row["endpointId"], row["id"], row["timestamp"]))
    for row in await test_hookdeck.read_all(client):
        listed.add(("hookdeck", row["webhook_id"], row["id"], row["created_at"]))
    assert listed == await inventory(client)
    assert len(listed) >= 2_000


@pytest.mark.slow
async def test_every_secret_appears_in_some_response(client: httpx.AsyncClient) -> None:
    texts = []

    async def keep(response: httpx.Response) -> None:
        await response.aread()
        texts.append(response.text)

    secrets = (await client.get("/control/secrets")).json()
    client.event_hooks["response"].append(keep)
    for hook, rows in (await codearts_rows(client)).items():
        for row in rows:
            await test_codearts.read(client, f"{HOOKS[hook]}/hooks/{hook}/logs/{row['id']}")
    await tracker_rows(client)
    await test_language_weaver.read_all(client)
    await test_language_weaver.read(client, f"{test_language_weaver.BASE}/webhooks")
    await test_elastic_path.sign_in(client)
    await test_elastic_path.read_all(client, test_elastic_path.STORE)
    await test_elastic_path.read_all(client, test_elastic_path.BASE)
    text = "".join(texts)
    assert [secret for secret in secrets if secret not in text] == []
    assert len(secrets) == len(set(secrets)) > 30


async def test_calls_are_listed_until_they_are_cleared(client: httpx.AsyncClient) -> None:
    await test_codearts.read(client, test_codearts.LOGS, limit=5)
    await test_elastic_path.sign_in(client)
    record = (await client.get("/control/calls")).json()
    assert record["calls"] == [
        {
            "vendor": "codearts",
            "method": "GET",
            "path": test_codearts.LOGS,
            "query": {"limit": "5"},
        },
        {
            "vendor": "elastic-path",
            "method": "POST",
            "path": "/elastic-path/oauth/access_token",
            "query": {},
        },
    ]
    assert record["counts"] == {
        "codearts": {test_codearts.LOGS: 1},
        "elastic-path": {"/elastic-path/oauth/access_token": 1},
    }
    assert record["simultaneous"] == {"codearts": 1, "elastic-path": 0}
    await client.delete("/control/calls")
    record = (await client.get("/control/calls")).json()
    assert record == {"calls": [], "counts": {}, "simultaneous": {}, "suffered": {}}


async def test_simultaneous_calls_are_counted(client: httpx.AsyncClient) -> None:
    await asyncio.gather(
        *(test_codearts.read(client, test_codearts.LOGS) for _ in range(4)),
        test_language_weaver.read(client, test_language_weaver.ENTRIES),
    )
    await test_codearts.read(client, test_codearts.LOGS)
    record = (await client.get("/control/calls")).json()
    assert record["simultaneous"] == {"codearts": 4, "language-weaver": 1}


async def test_arrivals_are_the_newest_of_their_streams(
    client: httpx.AsyncClient, clock: Clock[float]
) -> None:
    before = await inventory(client)
    clock.now += 1
    arrived = (await client.post("/control/arrive", json={"count": 30})).json()
    after = await inventory(client)
    assert {tuple(entry.values()) for entry in arrived} == after - before
    assert len(after - before) == 30
    assert len({entry["vendor"] for entry in arrived}) == 8
    for entry in arrived:
        if entry["vendor"] == "codearts" and entry["stream"] == "990412":
            rows = (await test_codearts.read(client, test_codearts.LOGS)).json()
            assert entry["id"] in {str(row["id"]) for row in rows}


async def test_every_arrival_has_a_time(client: httpx.AsyncClient) -> None:
    arrived = (await client.post("/control/arrive", json={"count": 4_000})).json()
    numbers = sum(entry["vendor"] == "elastic-path" for entry in arrived)
    assert numbers > 400
    assert all(entry["time"] for entry in arrived)


@pytest.mark.parametrize("body", ["", "[]", '{"count":"many"}', '{"number":1}'])
async def test_empty_arrival_is_refused(client: httpx.AsyncClient, body: str) -> None:
    response = await client.post("/control/arrive", content=body)
    assert response.status_code == 400
    assert response.json()["error"]


async def test_logs_arrive_as_time_passes(clock: Clock[float]) -> None:
    sandbox = Sandbox(clock=clock, logs=100, arrivals_per_second=2)
    transport = httpx.ASGITransport(sandbox.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as client:
        first = await inventory(client)
        clock.now += 0.4
        assert await inventory(client) == first
        clock.now += 9.6
        later = await inventory(client)
        assert len(later - first) == 20
        assert first < later
        await test_codearts.read(client, test_codearts.LOGS)
        assert await inventory(client) == later


async def test_unknown_place_is_not_found(client: httpx.AsyncClient) -> None:
    for path in ("/control/nowhere", "/", "/nowhere", "/tracker-of-another"):
        response = await client.get(path)
        assert (response.status_code, response.json()) == (404, {"error": "Not Found"})
