from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from gateway.sandbox import Credentials, Sandbox

if TYPE_CHECKING:
    import httpx

    from tests.support.clock import Clock

BASE = "/gitlab/api/v4"
PROJECT = f"{BASE}/projects/{Sandbox.gitlab_project.replace('/', '%2F')}/hooks"
GROUP = f"{BASE}/groups/{Sandbox.gitlab_group.replace('/', '%2F')}/hooks"
EVENTS = f"{PROJECT}/88012/events"
TOKEN = {"PRIVATE-TOKEN": Credentials().gitlab_token}
FIELDS = {
    "id",
    "url",
    "trigger",
    "request_headers",
    "request_data",
    "response_headers",
    "response_body",
    "execution_duration",
    "response_status",
    "created_at",
}


@pytest.fixture
def sandbox(clock: Clock[float]) -> Sandbox:
    return Sandbox(clock=clock, logs=3_000, vendors={"gitlab"})


async def read(client: httpx.AsyncClient, path: str, **parameters: str | int) -> httpx.Response:
    return await client.get(path, params=parameters, headers=TOKEN)


async def read_all(
    client: httpx.AsyncClient, path: str, **parameters: str | int
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    page = "1"
    while page:
        response = await read(client, path, page=page, **parameters)
        rows += response.json()
        page = response.headers["X-Next-Page"]
    return rows


async def resend(client: httpx.AsyncClient, events: str, id: int) -> httpx.Response:
    return await client.post(f"{events}/{id}/resend", headers=TOKEN)


@pytest.mark.parametrize(
    "headers", [{}, {"PRIVATE-TOKEN": "stale"}, {"Authorization": "Bearer stale"}]
)
async def test_unknown_token_is_refused(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    response = await client.get(EVENTS, headers=headers)
    assert (response.status_code, response.json()) == (401, {"message": "401 Unauthorized"})


async def test_token_may_be_a_bearer(client: httpx.AsyncClient) -> None:
    headers = {"Authorization": f"Bearer {Credentials().gitlab_token}"}
    assert (await client.get(EVENTS, headers=headers)).status_code == 200


@pytest.mark.parametrize(
    ("path", "ids"),
    [
        (PROJECT, [88012, 88013, 88020]),
        (f"{BASE}/projects/73105/hooks", [88012, 88013, 88020]),
        (GROUP, [88107]),
        (f"{BASE}/groups/4410/hooks", [88107]),
    ],
)
async def test_lists_the_hooks_of_each_owner(
    client: httpx.AsyncClient, path: str, ids: list[int]
) -> None:
    hooks = (await read(client, path)).json()
    assert [hook["id"] for hook in hooks] == ids
    assert (await read(client, f"{path}/{ids[-1]}")).json() == hooks[-1]


async def test_hook_tells_its_events_and_state(client: httpx.AsyncClient) -> None:
    deploy, _, old = (await read(client, PROJECT)).json()
    assert [name for name, value in deploy.items() if name.endswith("events") and value] == [
        "push_events",
        "tag_push_events",
        "pipeline_events",
    ]
    assert deploy["custom_headers"] == [{"key": "X-Deploy-Key"}]
    assert (deploy["alert_status"], old["alert_status"]) == ("executable", "disabled")


@pytest.mark.parametrize(
    "path",
    [
        PROJECT.replace("%2F", "/"),
        f"{BASE}/projects/4410/hooks",
        f"{BASE}/projects/kestrel%2Fnothing/hooks",
        f"{BASE}/users/73105/hooks",
        f"{PROJECT}/88107",
        f"{PROJECT}/88107/events",
        f"{GROUP}/many/events",
    ],
)
async def test_unknown_places_are_not_found(client: httpx.AsyncClient, path: str) -> None:
    response = await read(client, path)
    assert (response.status_code, response.json()) == (404, {"message": "404 Not found"})


async def test_pages_hold_every_event_of_a_week_once_newest_first(
    client: httpx.AsyncClient,
) -> None:
    rows = await read_all(client, EVENTS)
    assert len({row["id"] for row in rows}) == len(rows) > 60
    assert all(newer["id"] > older["id"] for newer, older in pairwise(rows))
    assert all(newer["created_at"] >= older["created_at"] for newer, older in pairwise(rows))
    assert "2026-02-25T09:10:11.250Z" <= rows[-1]["created_at"] < "2026-02-26"
    assert rows[0].keys() == FIELDS


async def test_headers_tell_the_pages(client: httpx.AsyncClient) -> None:
    rows = await read_all(client, EVENTS)
    last = -(-len(rows) // 20)
    first = await read(client, EVENTS)
    assert first.json() == rows[:20]
    names = ("Page", "Per-Page", "Next-Page", "Prev-Page", "Total", "Total-Pages")
    told = [first.headers[f"X-{name}"] for name in names]
    assert told == ["1", "20", "2", "", str(len(rows)), str(last)]
    end = await read(client, EVENTS, page=last)
    told = [end.headers[f"X-{name}"] for name in names]
    assert told == [str(last), "20", "", str(last - 1), str(len(rows)), str(last)]
    beyond = await read(client, EVENTS, page=last + 1)
    assert (beyond.json(), beyond.headers["X-Next-Page"]) == ([], "")


async def test_links_lead_to_the_pages(client: httpx.AsyncClient) -> None:
    second = await read(client, EVENTS, page=2, per_page=5, status="successful")
    found = re.findall(r'<([^>]+)>; rel="(\w+)"', second.headers["Link"])
    links = {relation: url for url, relation in found}
    assert list(links) == ["first", "prev", "next", "last"]
    rows = (await read(client, EVENTS, per_page=20, status="successful")).json()
    assert (await client.get(links["prev"], headers=TOKEN)).json() == rows[:5]
    assert (await client.get(links["next"], headers=TOKEN)).json() == rows[10:15]


async def test_group_has_no_totals(client: httpx.AsyncClient) -> None:
    response = await read(client, f"{GROUP}/88107/events")
    assert response.headers["X-Next-Page"] == "2"
    assert "X-Total" not in response.headers
    assert "X-Total-Pages" not in response.headers
    assert 'rel="next"' in response.headers["Link"]
    assert 'rel="last"' not in response.headers["Link"]


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"per_page": 21}, "per_page does not have a valid value"),
        ({"per_page": 0}, "per_page does not have a valid value"),
        ({"per_page": "ten"}, "per_page is invalid"),
        ({"page": "-1"}, "page is invalid"),
        ({"status": "failed"}, "status does not have a valid value"),
        ({"status": "299"}, "status does not have a valid value"),
        ({"status": "200-299"}, "status does not have a valid value"),
    ],
)
async def test_parameters_out_of_bounds_are_refused(
    client: httpx.AsyncClient, parameters: dict[str, str | int], error: str
) -> None:
    response = await read(client, EVENTS, **parameters)
    assert (response.status_code, response.json()) == (400, {"error": error})


async def test_status_filter_takes_codes_and_classes(client: httpx.AsyncClient) -> None:
    """Deliveries without a response are failures of a server; redirects have no class."""
    rows = await read_all(client, EVENTS)
    found = {
        status: await read_all(client, EVENTS, status=status)
        for status in ("successful", "client_failure", "server_failure", "404,successful")
    }
    assert found["successful"] == [row for row in rows if row["response_status"][0] == "2"]
    assert found["client_failure"] == [row for row in rows if row["response_status"][0] == "4"]
    assert found["server_failure"] == [row for row in rows if row["response_status"][0] in "5i"]
    assert found["404,successful"] == [
        row for row in rows if row["response_status"] == "404" or row["response_status"][0] == "2"
    ]
    assert all(found.values())
    assert any(row["response_status"] == "internal error" for row in rows)


async def test_events_have_headers_bodies_and_inexact_durations(client: httpx.AsyncClient) -> None:
    rows = await read_all(client, EVENTS)
    for row in rows:
        assert row["url"] == "https://*****:*****@ci.kestrel.example/hooks/gitlab"
        headers = row["request_headers"]
        assert headers["X-Gitlab-Token"] == headers["X-Deploy-Key"] == "[REDACTED]"
        assert headers["X-Gitlab-Event"] in {"Push Hook", "Pipeline Hook", "Tag Push Hook"}
        answered = row["response_status"] != "internal error"
        assert bool(row["response_headers"]) == answered
        assert answered or row["response_body"] == ""
    assert any(row["request_data"] == {"oversize": True} for row in rows)
    assert any(len(str(row["execution_duration"])) > 10 for row in rows)


TRANSIENT = {"429", "500", "502", "503", "504"}


@pytest.mark.parametrize(
    ("hook", "kept", "made"),
    [
        (88012, "X-Gitlab-Event-UUID", "Idempotency-Key"),
        (88013, "Idempotency-Key", "X-Gitlab-Event-UUID"),
    ],
)
async def test_resend_makes_a_new_event(
    client: httpx.AsyncClient, clock: Clock[float], hook: int, kept: str, made: str
) -> None:
    events = f"{PROJECT}/{hook}/events"
    before = await read_all(client, events)
    old = next(
        row for row in before if row["response_status"] in {"429", "500", "502", "503", "504"}
    )
    clock.now += 5
    response = await resend(client, events, old["id"])
    assert (response.status_code, response.json()) == (201, {"response_status": 200})
    new, *rest = await read_all(client, events)
    assert rest == before
    assert new["id"] > old["id"]
    assert (new["response_status"], new["created_at"]) == ("200", "2026-03-04T09:10:16.250Z")
    assert new["request_data"] == old["request_data"]
    assert new["request_headers"][kept] == old["request_headers"][kept]
    assert new["request_headers"][made] != old["request_headers"][made]


async def test_event_that_is_no_longer_listed_can_be_sent_again(
    client: httpx.AsyncClient, clock: Clock[float]
) -> None:
    before = await read_all(client, EVENTS)
    oldest = next(row for row in reversed(before) if row["response_status"] == "200")
    clock.now += 7 * 24 * 3600
    assert oldest not in await read_all(client, EVENTS)
    assert (await resend(client, EVENTS, oldest["id"])).status_code == 201
    newest = (await read(client, EVENTS, per_page=1)).json()
    assert newest[0]["request_data"] == oldest["request_data"]


async def test_resend_without_a_response_is_refused_but_listed(client: httpx.AsyncClient) -> None:
    before = await read_all(client, EVENTS)
    failed = [row for row in before if row["response_status"] == "internal error"][:5]
    answers = [await resend(client, EVENTS, row["id"]) for row in failed]
    refused = [response.status_code == 422 for response in answers]
    assert True in refused
    assert answers[refused.index(True)].json() == {"message": "Failed to open TCP connection"}
    newest = (await read(client, EVENTS, per_page=len(failed))).json()[::-1]
    assert [row["response_status"] == "internal error" for row in newest] == refused
    assert [row["request_data"] for row in newest] == [row["request_data"] for row in failed]


async def test_disabled_hook_sends_nothing(client: httpx.AsyncClient) -> None:
    events = f"{PROJECT}/88020/events"
    before = await read_all(client, events)
    response = await resend(client, events, before[0]["id"])
    assert (response.status_code, response.json()) == (422, {"message": "Hook disabled"})
    assert await read_all(client, events) == before


async def test_unknown_event_can_not_be_sent_again(client: httpx.AsyncClient) -> None:
    elsewhere = (await read(client, f"{GROUP}/88107/events", per_page=1)).json()[0]["id"]
    for id in (1, elsewhere):
        response = await resend(client, EVENTS, id)
        assert (response.status_code, response.json()) == (404, {"message": "404 Not found"})


async def test_five_resends_a_minute_are_allowed_for_each_hook(
    client: httpx.AsyncClient, clock: Clock[float]
) -> None:
    rows = (await read(client, EVENTS, status="successful")).json()
    statuses = [(await resend(client, EVENTS, row["id"])).status_code for row in rows[:6]]
    assert statuses == [201] * 5 + [429]
    refused = await resend(client, EVENTS, rows[6]["id"])
    assert refused.json()["message"]["error"].startswith("This endpoint has been requested too")
    other = (await read(client, f"{GROUP}/88107/events", status="successful")).json()[0]
    assert (await resend(client, f"{GROUP}/88107/events", other["id"])).status_code == 201
    clock.now += 60
    assert (await resend(client, EVENTS, rows[6]["id"])).status_code == 201


async def test_inventory_equals_the_lists(client: httpx.AsyncClient, clock: Clock[float]) -> None:
    """It leaves out what is kept but no longer listed."""
    clock.now += 3600
    listed = set()
    for hooks, hook in ((PROJECT, 88012), (PROJECT, 88013), (PROJECT, 88020), (GROUP, 88107)):
        for row in await read_all(client, f"{hooks}/{hook}/events"):
            listed.add((str(hook), str(row["id"]), row["created_at"]))
    entries = (await client.get("/control/inventory")).json()
    assert {(entry["stream"], entry["id"], entry["time"]) for entry in entries} == listed
    assert len(entries) == len(listed) > 200
