from __future__ import annotations

import functools
import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from gateway.sandbox import Credentials, Sandbox
from tests.sandbox.conftest import START

if TYPE_CHECKING:
    from tests.support.clock import Clock

REPOSITORY = f"/github/repos/{Sandbox.github_repositories[0]}/hooks"
ORGANIZATION = f"/github/orgs/{Sandbox.github_organization}/hooks"
LIST = f"{REPOSITORY}/512001/deliveries"
APP = "/github-app/app/hook/deliveries"
TOKEN = {"Authorization": f"Bearer {Credentials().github_token}"}
SUMMARY = {
    "id",
    "guid",
    "delivered_at",
    "redelivery",
    "duration",
    "status",
    "status_code",
    "event",
    "action",
    "installation_id",
    "repository_id",
    "throttled_at",
}


@pytest.fixture
def sandbox(clock: Clock[float]) -> Sandbox:
    return Sandbox(clock=clock, logs=8_000, vendors={"github", "github-app"})


@functools.cache
def signed(key: str = Credentials().github_app_key, **changes: Any) -> dict[str, str]:
    """Return the header with the app's token, issued at ``START``."""
    claims = {"iss": Credentials().github_app_id, "iat": int(START), "exp": int(START) + 540}
    token = jwt.encode({"alg": "RS256"}, claims | changes, RSAKey.import_key(key))
    return {"Authorization": f"Bearer {token}"}


async def read(client: httpx.AsyncClient, path: str, **parameters: str | int) -> httpx.Response:
    headers = signed() if path.startswith(APP) else TOKEN
    return await client.get(path, params=parameters, headers=headers)


async def read_all(
    client: httpx.AsyncClient, path: str, **parameters: str | int
) -> list[dict[str, Any]]:
    response = await read(client, path, per_page=100, **parameters)
    rows: list[dict[str, Any]] = response.json()
    while cursor := cursors(response).get("next"):
        response = await read(client, path, per_page=100, cursor=cursor, **parameters)
        rows += response.json()
    return rows


async def redeliver(client: httpx.AsyncClient, path: str, id: int) -> httpx.Response:
    headers = signed() if path.startswith(APP) else TOKEN
    return await client.post(f"{path}/{id}/attempts", headers=headers)


def cursors(response: httpx.Response) -> dict[str, str]:
    """Return the cursors of other pages, by relation."""
    found = re.findall(r'[?&]cursor=([^&>]+)[^>]*>; rel="(\w+)"', response.headers.get("Link", ""))
    return {relation: cursor for cursor, relation in found}


@pytest.mark.parametrize(
    ("headers", "status", "message"),
    [
        ({}, 401, "Requires authentication"),
        ({"Authorization": "Bearer stale"}, 401, "Bad credentials"),
        ({"Authorization": f"Basic {Credentials().github_token}"}, 401, "Bad credentials"),
        ({**TOKEN, "User-Agent": ""}, 403, "Request forbidden by administrative rules."),
    ],
)
async def test_unknown_token_is_refused(
    client: httpx.AsyncClient, headers: dict[str, str], status: int, message: str
) -> None:
    response = await client.get(LIST, headers=headers)
    assert response.status_code == status
    assert response.json() == {
        "message": message,
        "documentation_url": "https://docs.github.com/rest",
        "status": str(status),
    }


async def test_older_scheme_of_the_token_is_accepted(client: httpx.AsyncClient) -> None:
    headers = {"Authorization": f"token {Credentials().github_token}"}
    assert (await client.get(LIST, headers=headers)).status_code == 200


async def test_lists_the_hooks_of_each_owner(client: httpx.AsyncClient) -> None:
    found = {}
    for owner in (REPOSITORY, REPOSITORY.replace("checkout", "catalog"), ORGANIZATION):
        hooks = (await read(client, owner)).json()
        found[owner] = [hook["id"] for hook in hooks]
        for hook in hooks:
            assert (await read(client, f"{owner}/{hook['id']}")).json() == hook
            assert hook["config"]["secret"] == "********"
            assert ("last_response" in hook) == (hook["type"] == "Repository")
    assert list(found.values()) == [[512001, 512002], [512117], [512500]]


async def test_hook_tells_its_last_response(client: httpx.AsyncClient) -> None:
    hook = (await read(client, f"{REPOSITORY}/512001")).json()
    newest = (await read(client, LIST, per_page=1)).json()[0]
    assert hook["last_response"] == {
        "code": newest["status_code"],
        "status": "active",
        "message": newest["status"],
    }


async def test_hook_whose_deliveries_have_expired_counts_as_unused(
    client: httpx.AsyncClient, clock: Clock[float]
) -> None:
    clock.now += 3 * 24 * 3600 + 1
    hook = (await read(client, f"{REPOSITORY}/512001")).json()
    assert hook["last_response"] == {"code": None, "status": "unused", "message": None}
    assert (await read(client, LIST)).json() == []


async def test_hooks_are_paged(client: httpx.AsyncClient) -> None:
    first = await read(client, REPOSITORY, per_page=1)
    assert [hook["id"] for hook in first.json()] == [512001]
    relations = re.findall(r'page=(\d)>; rel="(\w+)"', first.headers["Link"])
    assert relations == [("2", "next"), ("2", "last")]
    last = await read(client, REPOSITORY, per_page=1, page=2)
    assert [hook["id"] for hook in last.json()] == [512002]
    relations = re.findall(r'page=(\d)>; rel="(\w+)"', last.headers["Link"])
    assert relations == [("1", "prev"), ("1", "first")]
    beyond = await read(client, REPOSITORY, page=3)
    assert beyond.json() == []


@pytest.mark.parametrize("path", [LIST, f"{ORGANIZATION}/512500/deliveries", APP])
async def test_pages_hold_every_delivery_once_newest_first(
    client: httpx.AsyncClient, path: str
) -> None:
    rows = await read_all(client, path)
    assert len({row["id"] for row in rows}) == len(rows) > 40
    assert all(newer["id"] > older["id"] for newer, older in pairwise(rows))
    assert all(newer["delivered_at"] >= older["delivered_at"] for newer, older in pairwise(rows))
    assert rows[0].keys() == SUMMARY


async def test_cursor_names_the_first_delivery_of_its_page(client: httpx.AsyncClient) -> None:
    rows = await read_all(client, LIST)
    first = await read(client, LIST, per_page=5)
    assert first.headers["Link"].startswith(
        "<https://api.github.example/repos/kestrel/checkout/hooks/512001/deliveries?per_page=5&"
    )
    assert cursors(first) == {"next": f"v1_{rows[5]['id']}"}
    second = await read(client, LIST, per_page=5, cursor=cursors(first)["next"])
    assert second.json() == rows[5:10]
    assert cursors(second) == {"next": f"v1_{rows[10]['id']}", "prev": f"v1_{rows[0]['id']}"}
    last = await read(client, LIST, cursor=f"v1_{rows[-1]['id']}")
    assert last.json() == rows[-1:]
    assert cursors(last) == {"prev": f"v1_{rows[-31]['id']}"}


async def test_page_is_the_same_while_deliveries_arrive(client: httpx.AsyncClient) -> None:
    rows = await read_all(client, LIST)
    await client.post("/control/arrive", json={"count": 20})
    assert (await read(client, LIST)).json()[0]["id"] > rows[0]["id"]
    page = await read(client, LIST, per_page=5, cursor=f"v1_{rows[5]['id']}")
    assert page.json() == rows[5:10]


@pytest.mark.parametrize("cursor", ["", "v1_1", "v1_", "2", "v2_9007199254740993"])
async def test_unknown_cursor_is_refused(client: httpx.AsyncClient, cursor: str) -> None:
    response = await read(client, LIST, cursor=cursor)
    assert response.status_code == 422
    document = response.json()
    assert (document["message"], document["errors"][0]["field"]) == ("Validation Failed", "cursor")


async def test_deliveries_expire_after_three_days(
    client: httpx.AsyncClient, clock: Clock[float]
) -> None:
    """A cursor that names an expired delivery is unknown, as is the delivery itself."""
    rows = await read_all(client, LIST)
    clock.now += 24 * 3600
    left = await read_all(client, LIST)
    assert 0 < len(left) < len(rows)
    assert left == rows[: len(left)]
    assert left[-1]["delivered_at"] >= "2026-03-02T09:10:11"
    assert rows[len(left)]["delivered_at"] < "2026-03-02T09:10:11"
    expired = rows[-1]["id"]
    assert (await read(client, LIST, cursor=f"v1_{expired}")).status_code == 422
    assert (await read(client, f"{LIST}/{expired}")).status_code == 404
    assert (await redeliver(client, LIST, expired)).status_code == 404


@pytest.mark.parametrize(
    ("parameters", "size"), [({}, 30), ({"per_page": 0}, 30), ({"per_page": 1000}, 100)]
)
async def test_page_size_is_held_within_its_bounds(
    client: httpx.AsyncClient, parameters: dict[str, int], size: int
) -> None:
    assert len((await read(client, LIST, **parameters)).json()) == size


async def test_status_filter_means_codes_and_leaves_some_deliveries_out(
    client: httpx.AsyncClient,
) -> None:
    """A redirect is a success, and a delivery without a code is in neither list."""
    rows = await read_all(client, LIST)
    success = await read_all(client, LIST, status="success")
    failure = await read_all(client, LIST, status="failure")
    assert success == [row for row in rows if 200 <= row["status_code"] < 400]
    assert failure == [row for row in rows if 400 <= row["status_code"] < 600]
    assert {row["status_code"] for row in rows} >= {0, 200, 502}
    assert any(row["status_code"] // 100 == 3 for row in success)
    page = await read(client, LIST, status="failure", per_page=3)
    assert cursors(page) == {"next": f"v1_{failure[3]['id']}"}
    again = await read(client, LIST, status="failure", per_page=3, cursor=cursors(page)["next"])
    assert again.json() == failure[3:6]
    assert (await read(client, LIST, status="failed")).status_code == 422


async def test_text_tells_a_code_of_the_vendor_from_one_of_the_receiver(
    client: httpx.AsyncClient,
) -> None:
    texts: dict[int, set[str]] = {}
    for row in await read_all(client, LIST):
        texts.setdefault(row["status_code"], set()).add(row["status"])
    assert texts[200] == {"OK"}
    assert texts[503] == {"Invalid HTTP Response: 503"}
    assert texts[502] == {"failed to connect", "Invalid HTTP Response: 502"}
    assert texts[0] <= {
        "couldn't resolve host name",
        "peer certificate cannot be authenticated with given CA certificates",
    }


async def test_detail_adds_url_and_bodies_to_the_summary(client: httpx.AsyncClient) -> None:
    for row in (await read(client, LIST, per_page=100)).json():
        detail = (await read(client, f"{LIST}/{row['id']}")).json()
        assert {name: detail[name] for name in SUMMARY} == row
        assert detail.keys() - SUMMARY == {"url", "request", "response"}
        assert detail["request"]["headers"]["X-GitHub-Delivery"] == row["guid"]
        assert detail["request"]["payload"].get("action") == row["action"]
        answered = row["status"] == "OK" or row["status"].startswith("Invalid HTTP Response")
        assert isinstance(detail["response"]["payload"], str if answered else type(None))
        assert isinstance(detail["response"]["headers"], dict if answered else type(None))


@pytest.mark.parametrize(
    "path",
    [
        f"{LIST}/1",
        f"{LIST}/many",
        f"{REPOSITORY}/512500/deliveries",
        f"{REPOSITORY}/1",
        "/github/repos/kestrel/nothing/hooks",
        "/github/orgs/other/hooks",
        f"{APP}/1",
        "/github/nowhere",
    ],
)
async def test_unknown_places_are_not_found(client: httpx.AsyncClient, path: str) -> None:
    response = await read(client, path)
    assert (response.status_code, response.json()["message"]) == (404, "Not Found")


async def test_inventory_equals_the_lists(client: httpx.AsyncClient, clock: Clock[float]) -> None:
    clock.now += 500
    listed = set()
    for vendor, path in (
        ("github", LIST),
        ("github", f"{REPOSITORY}/512002/deliveries"),
        ("github", f"{REPOSITORY.replace('checkout', 'catalog')}/512117/deliveries"),
        ("github", f"{ORGANIZATION}/512500/deliveries"),
        ("github-app", APP),
    ):
        for row in await read_all(client, path):
            listed.add((vendor, str(row["id"]), row["delivered_at"]))
    entries = (await client.get("/control/inventory")).json()
    assert {(entry["vendor"], entry["id"], entry["time"]) for entry in entries} == listed
    assert len(entries) == len(listed) > 500


async def test_event_has_one_guid_for_all_hooks(client: httpx.AsyncClient) -> None:
    guids: dict[str, set[Any]] = {}
    for hook in (512001, 512002):
        for row in await read_all(client, f"{REPOSITORY}/{hook}/deliveries"):
            guids.setdefault(row["guid"], set()).add((hook, row["event"], row["action"]))
    shared = [of for of in guids.values() if len(of) > 1]
    assert shared
    for of in shared:
        assert len({(event, action) for _, event, action in of}) == 1
        assert len({hook for hook, _, _ in of}) == 2


async def test_requests_over_the_limit_are_forbidden_until_the_reset(
    client: httpx.AsyncClient,
) -> None:
    assert (await read(client, LIST)).headers["X-RateLimit-Remaining"] == "4711"
    fault = {"kind": "rate-limit", "seconds": 30}
    await client.put("/control/faults/github", json=fault)
    response = await read(client, LIST)
    assert response.status_code == 403
    assert response.headers["X-RateLimit-Remaining"] == "0"
    assert response.headers["X-RateLimit-Reset"] == str(int(START) + 31)
    assert "Retry-After" not in response.headers
    assert response.json()["message"].startswith("API rate limit exceeded")
    await client.put("/control/faults/github", json=fault | {"retry_after": 3})
    assert (await read(client, LIST)).headers["Retry-After"] == "3"
