"""Limits of requests and responses, and deadlines, in each mode: enforce, warn, off.

Limits of documents are tested in tests/schema/test_limits.py, rates and concurrency in
test_rates.py.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import pytest

from gateway.events import LimitMet
from gateway.web.answer import size
from tests.support.virtual_time import VIRTUAL_TIME, Backend, now
from tests.vendors.documents import ROWS
from tests.web.test_incremental import parts_of
from tests.web.test_view import DATA, JSON, client_of, made_app, post, sentence

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway.limits import Limits

LIST = "{ webhookLogs { nodes { id } } }"
EMPTY: dict[str, Any] = {"data": {"webhookLogs": {"nodes": []}}}


@pytest.fixture(scope="module")
def anyio_backend() -> Backend:
    return VIRTUAL_TIME


async def slow(_: httpx.Request) -> httpx.Response:
    """Respond within the timeout of the source, but after the deadline."""
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


def modes_told(app: Any) -> list[str]:
    """Return a list to which the mode of each limit that is met is added."""
    told: list[str] = []
    limits_of(app)._events.subscribe(LimitMet, lambda event: told.append(event.mode))
    return told


def vendor(_: httpx.Request) -> httpx.Response:
    """Return logs with large bodies."""
    row = ROWS["language-weaver"][0]
    rows = [{**row, "id": 1000 - number, "data": "\u00e9" * 5000} for number in range(10)]
    return httpx.Response(200, json={"entries": rows, "webhooks": []})


def aliases(count: int) -> str:
    return " ".join(f"a{number}: raw b{number}: request {{ body }}" for number in range(count))


ROWS_OF = "{{ sources {{ logs {{ nodes {{ {} }} }} }} }}"


@pytest.mark.slow
@pytest.mark.parametrize("accept", [JSON, "application/graphql-response+json"])
async def test_repeated_values_count_for_the_response_size(accept: str) -> None:
    """The operation is executed, which takes little memory, but not encoded."""
    written: list[int] = []

    async def outcome(limit: Any, fields: str) -> tuple[dict[str, Any], dict[str, int]]:
        app = made_app({"answer": limit}, answer=vendor)
        query = {"query": ROWS_OF.format(fields)}
        async with client_of(app) as client:
            answer = await client.post("/graphql", json=query, headers={"accept": accept})
        assert answer.status_code == 200
        written.append(len(answer.content))
        told: dict[str, Any] = answer.json()
        return told, limits_of(app).exceeded

    answer, exceeded = await outcome(2_100_000, aliases(10))
    assert ("errors" in answer, exceeded) == (False, {})
    assert 2_000_000 < written[-1] < 2_100_000
    answer, exceeded = await outcome(2_000_000, aliases(10))
    [error] = answer["errors"]
    assert (answer["data"], error["extensions"]["code"]) == (None, "LIMIT_EXCEEDED")
    assert "the limit answer is 2000000. It was executed all the same; ask for" in error["message"]
    assert (written[-1] < 1000, exceeded) == (True, {"answer": 1})
    for limit, counted in (("off", {}), ({"max": 9, "mode": "warn"}, {"answer": 1})):
        answer, exceeded = await outcome(limit, aliases(1))
        assert ("errors" in answer, exceeded) == (False, counted)


@pytest.mark.parametrize(
    "value",
    [
        {"a": [None, 1, True, "text"], "b": {"c": "é" * 500}},
        ["x" * 5000] * 50,
        {"a": {"b": '"' * 5000}},
        [2**60, 0.1234567890123456, False] * 50,
        ["字" * 100] * 50,
    ],
)
def test_size_equals_the_encoded_length(value: Any) -> None:
    assert size(value, {}) == pytest.approx(len(msgspec.json.encode(value)), abs=20)


async def test_oversized_error_has_no_data() -> None:
    async with client_of(made_app({"answer": 10})) as client:
        headers = {"accept": "application/graphql-response+json"}
        answer = await client.post("/graphql", json={"query": "{ nothing }"}, headers=headers)
    assert (answer.status_code, answer.json().keys()) == (400, {"errors"})


def test_repeated_values_are_measured_once() -> None:
    """Otherwise the test would never end."""
    value: Any = ["x" * 1000]
    for _ in range(60):
        value = [value, value]
    assert size(value, {}) > 2**60 * 1000
    deep: Any = []
    for _ in range(400):
        deep = [deep]
    assert size(deep, {}) > 400


async def test_batch_shares_the_response_size() -> None:
    app = made_app({"answer": 250_000}, answer=vendor, batch_size=3)
    batch = [{"query": ROWS_OF.format(fields)} for fields in (aliases(1), aliases(1), "id")]
    async with client_of(app) as client:
        first, second, third = (await client.post("/graphql", json=batch)).json()
    assert "errors" not in first
    assert [error["extensions"]["code"] for error in second["errors"]] == ["LIMIT_EXCEEDED"]
    assert (second["data"], "errors" in third) == (None, False)


@pytest.mark.sampled(2)
@pytest.mark.parametrize(("most", "refused"), [(10**6, False), (5000, True), (10, True)])
async def test_parts_share_the_response_size(most: int, refused: bool) -> None:
    app = made_app({"answer": most}, answer=vendor, incremental=True)
    deferred = ROWS_OF.format(aliases(1))
    query = (
        f"{{ __typename ... @defer {deferred} ... @defer {deferred.replace('logs', 'a: logs')} }}"
    )
    headers = {"accept": "multipart/mixed, application/json"}
    async with client_of(app) as client:
        response = await client.post("/graphql", json={"query": query}, headers=headers)
    first, *others = parts_of(response)
    errors = first.get("errors", [])
    begun = {one["id"] for one in first.get("pending", ())}
    assert bool(begun) == (most > 10)
    assert (first.get("data") is None) == (most == 10)
    for part in others:
        for one in part["completed"]:
            begun.remove(one["id"])
            errors += one.get("errors", [])
    assert not begun
    assert [first, *others][-1]["hasNext"] is False
    codes = {error["extensions"]["code"] for error in errors}
    assert codes == ({"LIMIT_EXCEEDED"} if refused else set())
    assert limits_of(app).exceeded == ({"answer": 1} if refused else {})


CONTENT = b'{"query": "{ sources { name } }", "variables": {"a": [1]}}'


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("name", "value", "status"),
    [("body", len(CONTENT), 413), ("variables", 9, 400), ("variables_depth", 2, 400)],
)
@pytest.mark.parametrize("counted", [True, False], ids=["announced", "in chunks"])
async def test_every_limit_has_three_modes(
    name: str, value: int, status: int, counted: bool
) -> None:
    told: list[LimitMet] = []

    async def chunks() -> AsyncIterator[bytes]:
        yield CONTENT

    async def outcome(limit: Any) -> tuple[int, dict[str, int]]:
        app = made_app({name: limit})
        limits_of(app)._events.subscribe(LimitMet, told.append)
        async with client_of(app) as client:
            content = CONTENT if counted else chunks()
            answer = await post(client, content)
        if answer.status_code == 200:
            assert answer.json() == DATA
        else:
            assert f"the limit {name} is " in sentence(answer, answer.status_code, "LIMIT_EXCEEDED")
        return answer.status_code, limits_of(app).exceeded

    assert await outcome(value) == (200, {})
    assert await outcome({"max": 1, "mode": "off"}) == await outcome("off") == (200, {})
    assert told == []
    assert await outcome(value - 1) == (status, {name: 1})
    assert [event.mode for event in told] == ["enforce"]
    assert await outcome({"max": value - 1, "mode": "warn"}) == (200, {name: 1})
    assert told[1:] == [LimitMet(name, value, value - 1, "warn")]


@pytest.mark.parametrize("deadline", [7, {"max": 5, "mode": "off"}, "off"])
async def test_operation_within_its_deadline_completes(deadline: Any) -> None:
    app = made_app(answer=slow, deadline=deadline)
    told = modes_told(app)
    async with client_of(app) as client:
        assert (await client.post("/graphql", json={"query": LIST})).json() == EMPTY
    assert (limits_of(app).exceeded, told) == ({}, [])


async def test_exceeded_deadline_ends_the_operation_and_is_counted() -> None:
    app = made_app(answer=slow, deadline=5)
    told = modes_told(app)
    async with client_of(app) as client:
        begun = now()
        answer = await client.post("/graphql", json={"query": LIST})
    assert (code_of(answer), now() - begun) == ("UPSTREAM_TIMEOUT", 5)
    assert (limits_of(app).exceeded, told) == ({"deadline": 1}, ["enforce"])


async def test_exceeded_deadline_can_be_told_only() -> None:
    app = made_app(answer=slow, deadline={"max": 5, "mode": "warn"}, batch_size=2)
    told = modes_told(app)
    async with client_of(app) as client:
        assert (await client.post("/graphql", json={"query": LIST})).json() == EMPTY
        batch = [{"query": LIST}, {"query": "{ __typename }"}]
        anew = {"cache-control": "no-cache"}
        assert (await client.post("/graphql", json=batch, headers=anew)).json()[0] == EMPTY
    assert limits_of(app).exceeded == {"deadline": 2}
    assert told == ["warn", "warn"]


@pytest.mark.parametrize("deadline", ["off", {"max": 1, "mode": "warn"}, 5])
async def test_callers_timeout_applies_in_every_mode(deadline: Any) -> None:
    app = made_app(answer=slow, deadline=deadline)
    async with client_of(app) as client:
        begun = now()
        headers = {"x-request-timeout": "2"}
        answer = await client.post("/graphql", json={"query": LIST}, headers=headers)
    assert (code_of(answer), now() - begun) == ("UPSTREAM_TIMEOUT", 2)


async def test_vendor_timeout_applies_without_a_deadline() -> None:
    async def silent(_: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    async with client_of(made_app(answer=silent, deadline="off")) as client:
        begun = now()
        answer = await client.post("/graphql", json={"query": LIST})
    assert (code_of(answer), now() - begun) == ("UPSTREAM_TIMEOUT", 8)


@pytest.mark.parametrize("deadline", ["off", {"max": 1, "mode": "warn"}])
async def test_parts_arrive_without_a_deadline(deadline: Any) -> None:
    app = made_app(answer=slow, deadline=deadline, incremental=True)
    query = "{ sources { name ... @defer { logs { nodes { id } } } } }"
    headers = {"accept": "multipart/mixed, application/json"}
    async with client_of(app) as client:
        answer = await client.post("/graphql", json={"query": query}, headers=headers)
    assert '"data":{"logs":{"nodes":[]}}' in answer.text
    assert answer.text.endswith("-----\r\n")
    assert limits_of(app).exceeded == ({} if deadline == "off" else {"deadline": 1})
