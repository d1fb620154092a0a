"""The limits of requests, and of the time of operations: enforced, only told of, or off.

Those of documents are in tests/schema/test_limits.py, the rate and the places in test_rates.py.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.virtual_time import VIRTUAL_TIME, Backend, now
from tests.web.test_view import DATA, client_of, made_app, post, sentence

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway.limits import Limits

LIST = "{ webhookLogs { nodes { id } } }"
EMPTY: dict[str, Any] = {"data": {"webhookLogs": {"nodes": []}}}


@pytest.fixture(scope="module")
def anyio_backend() -> Backend:
    return VIRTUAL_TIME


async def slow(_: httpx.Request) -> httpx.Response:
    """Answer within the time that a source has, but not within the deadline."""
    await asyncio.sleep(6)
    return httpx.Response(200, json={"entries": [], "webhooks": []})


def limits_of(app: Any) -> Limits:
    (view,) = (route.app for route in app.routes if route.path == "/graphql")
    held: Limits = view._limits
    return held


def code_of(answer: httpx.Response) -> str:
    [error] = answer.json()["errors"]
    [source] = error["extensions"]["sources"]
    code: str = source["code"]
    return code


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.name == "gateway.limits"]


CONTENT = b'{"query": "{ sources { name } }", "variables": {"a": [1]}}'


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [("body", len(CONTENT), 413), ("variables", 9, 400), ("variables_depth", 2, 400)],
)
@pytest.mark.parametrize("counted", [True, False], ids=["announced", "in chunks"])
async def test_each_limit_of_a_request_refuses_warns_or_is_off(
    caplog: pytest.LogCaptureFixture, name: str, value: int, status: int, counted: bool
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield CONTENT

    async def outcome(limit: Any) -> tuple[int, dict[str, int]]:
        app = made_app({name: limit})
        async with client_of(app) as client:
            content = CONTENT if counted else chunks()
            answer = await post(client, content)
        if answer.status_code == 200:
            assert answer.json() == DATA
        else:
            assert f"the limit {name} is " in sentence(answer, answer.status_code, "LIMIT_EXCEEDED")
        return answer.status_code, limits_of(app).exceeded

    assert await outcome(value) == (200, {})
    assert await outcome(value - 1) == (status, {name: 1})
    assert await outcome({"max": 1, "mode": "off"}) == await outcome("off") == (200, {})
    assert told(caplog) == []
    assert await outcome({"max": value - 1, "mode": "warn"}) == (200, {name: 1})
    assert told(caplog) == [
        f"A request is beyond the limit {name}: {value}, with {value - 1} allowed. It is number 1"
        " since the start."
    ]


@pytest.mark.parametrize("deadline", [7, {"max": 5, "mode": "off"}, "off"])
async def test_what_is_within_it_or_has_none_goes_on(
    caplog: pytest.LogCaptureFixture, deadline: Any
) -> None:
    app = made_app(answer=slow, deadline=deadline)
    async with client_of(app) as client:
        assert (await client.post("/graphql", json={"query": LIST})).json() == EMPTY
    assert (limits_of(app).exceeded, told(caplog)) == ({}, [])


async def test_what_is_beyond_it_is_ended_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    app = made_app(answer=slow, deadline=5)
    async with client_of(app) as client:
        begun = now()
        answer = await client.post("/graphql", json={"query": LIST})
    assert (code_of(answer), now() - begun) == ("UPSTREAM_TIMEOUT", 5)
    assert (limits_of(app).exceeded, told(caplog)) == ({"deadline": 1}, [])


async def test_what_is_beyond_it_may_be_told_of_alone(caplog: pytest.LogCaptureFixture) -> None:
    app = made_app(answer=slow, deadline={"max": 5, "mode": "warn"}, batch_size=2)
    async with client_of(app) as client:
        assert (await client.post("/graphql", json={"query": LIST})).json() == EMPTY
        batch = [{"query": LIST}, {"query": "{ __typename }"}]
        anew = {"cache-control": "no-cache"}
        assert (await client.post("/graphql", json=batch, headers=anew)).json()[0] == EMPTY
    assert limits_of(app).exceeded == {"deadline": 2}
    assert told(caplog) == [
        f"A request is beyond the limit deadline: 6.0, with 5 allowed. It is number {number} since"
        " the start."
        for number in (1, 2)
    ]


@pytest.mark.parametrize("deadline", ["off", {"max": 1, "mode": "warn"}, 5])
async def test_the_callers_own_holds_whatever_the_servers_does(deadline: Any) -> None:
    app = made_app(answer=slow, deadline=deadline)
    async with client_of(app) as client:
        begun = now()
        headers = {"x-request-timeout": "2"}
        answer = await client.post("/graphql", json={"query": LIST}, headers=headers)
    assert (code_of(answer), now() - begun) == ("UPSTREAM_TIMEOUT", 2)


async def test_a_vendor_has_its_own_time_without_any() -> None:
    async def silent(_: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    async with client_of(made_app(answer=silent, deadline="off")) as client:
        begun = now()
        answer = await client.post("/graphql", json={"query": LIST})
    assert (code_of(answer), now() - begun) == ("UPSTREAM_TIMEOUT", 8)


@pytest.mark.parametrize("deadline", ["off", {"max": 1, "mode": "warn"}])
async def test_parts_come_without_any(deadline: Any) -> None:
    app = made_app(answer=slow, deadline=deadline, incremental=True)
    query = "{ sources { name ... @defer { logs { nodes { id } } } } }"
    headers = {"accept": "multipart/mixed, application/json"}
    async with client_of(app) as client:
        answer = await client.post("/graphql", json={"query": query}, headers=headers)
    assert '"data":{"logs":{"nodes":[]}}' in answer.text
    assert answer.text.endswith("-----\r\n")
    assert limits_of(app).exceeded == ({} if deadline == "off" else {"deadline": 1})
