"""Batches: several operations in one request."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from tests.web.test_bodies import NO_QUERY
from tests.web.test_disconnect import PATIENCE, ask
from tests.web.test_view import DATA, GRAPHQL, JSON, QUERY, client_of, made_app, post, sentence

LIST = "{ webhookLogs { totalCount } }"


def codes(answer: httpx.Response) -> list[str | None]:
    """Return the code of each operation's only error, or None."""
    assert answer.status_code == 200
    found = []
    for body in answer.json():
        errors = body.get("errors", [])
        assert len(errors) <= 1
        for error in errors:
            assert error["extensions"]["requestId"] == answer.headers["x-request-id"]
        found.append(errors[0]["extensions"]["code"] if errors else None)
    return found


@pytest.mark.parametrize("accept", [JSON, GRAPHQL])
async def test_results_keep_the_order_of_operations(accept: str) -> None:
    named = "query One($name: String!) { source(name: $name) { name } } query Two { __typename }"
    batch = [
        {"query": QUERY},
        {"query": LIST},
        {"query": "{"},
        {"query": "{ nowhere }"},
        {},
        {"query": named, "operationName": "One", "variables": {"name": "translations"}},
        {"query": named, "operationName": "Three"},
        {"query": named, "operationName": "Two", "extensions": {"cost": True}},
        {"query": "subscription { x }"},
        {"query": QUERY, "variables": {"x": ["x" * 70_000]}},
        {"query": "mutation { retry }"},
    ]
    async with client_of(made_app(batch_size=11)) as client:
        answer = await client.post("/graphql", json=batch, headers={"accept": accept})
    assert answer.headers["content-type"] == f"{accept}; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    bodies = answer.json()
    assert [body.get("data", ...) for body in bodies] == [
        DATA["data"],
        None,
        ...,
        ...,
        ...,
        {"source": {"name": "translations"}},
        ...,
        {"__typename": "Query"},
        ...,
        ...,
        ...,
    ]
    assert codes(answer) == [
        None,
        "ALL_SOURCES_FAILED",
        "GRAPHQL_PARSE_FAILED",
        "GRAPHQL_VALIDATION_FAILED",
        "BAD_REQUEST",
        None,
        "BAD_REQUEST",
        None,
        "BAD_REQUEST",
        "LIMIT_EXCEEDED",
        "GRAPHQL_VALIDATION_FAILED",
    ]
    assert bodies[4]["errors"][0]["message"] == NO_QUERY
    assert bodies[7]["extensions"] == {"cost": {"requested": 1, "maximum": 20_000}}


NO_OPERATION = (
    "The batch's operation 2 must hold query, documentId and operationName as text, variables and"
    " extensions as objects."
)
NO_OPERATIONS: list[Any] = [
    None,
    1,
    QUERY,
    [],
    [{"query": QUERY}],
    {"query": 1},
    {"variables": []},
]


@pytest.mark.parametrize(
    ("batch", "code", "said"),
    [
        ([], "BAD_REQUEST", "The batch is empty."),
        (
            [{"query": QUERY}] * 4,
            "LIMIT_EXCEEDED",
            "The batch has 4 operations; batch_size is 3. Send fewer at once.",
        ),
        *(([{"query": QUERY}, wrong], "BAD_REQUEST", NO_OPERATION) for wrong in NO_OPERATIONS),
    ],
)
async def test_malformed_batch_is_refused_as_a_whole(
    batch: list[Any], code: str, said: str
) -> None:
    async with client_of(made_app(batch_size=3)) as client:
        answer = await post(client, json.dumps(batch).encode(), accept=GRAPHQL)
    assert sentence(answer, 400, code) == said


async def test_single_operation_gets_no_list() -> None:
    async with client_of(made_app(batch_size=3)) as client:
        assert (await client.post("/graphql", json={"query": QUERY})).json() == DATA
        assert (await client.post("/graphql", json=[{"query": QUERY}])).json() == [DATA]
        in_url = {"query": QUERY, "variables": "[]"}
        assert sentence(await client.get("/graphql", params=in_url), 400).startswith("The URL ")


async def test_every_operation_counts_for_the_rate_limit() -> None:
    async with client_of(made_app({"rate": 4}, batch_size=5)) as client:
        answer = await client.post("/graphql", json=[{"query": QUERY}] * 3)
        assert codes(answer) == [None] * 3
        assert answer.headers["ratelimit"].startswith('"requests";r=1;')
        answer = await client.post("/graphql", json=[{"query": QUERY}] * 3)
        assert codes(answer) == [None, "RATE_LIMITED", "RATE_LIMITED"]
        assert answer.headers["ratelimit"].startswith('"requests";r=0;')
        assert "retry-after" not in answer.headers
        refused = await client.post("/graphql", json=[{"query": QUERY}] * 3)
        assert sentence(refused, 429, "RATE_LIMITED")
        assert "retry-after" in refused.headers


async def test_limits_apply_to_each_operation() -> None:
    two = "{ a: __typename b: __typename }"
    async with client_of(made_app({"cost": 2, "root_fields": 2}, batch_size=3)) as client:
        answer = await client.post("/graphql", json=[{"query": two}] * 3)
        assert codes(answer) == [None] * 3
        answer = await client.post("/graphql", json=[{"query": two}, {"query": LIST}])
        assert codes(answer) == [None, "LIMIT_EXCEEDED"]


class Vendor:
    """A vendor that responds once it has received a number of calls."""

    def __init__(self, wanted: int) -> None:
        self._wanted = wanted
        self.asked = asyncio.Event()
        self.left = 0

    async def __call__(self, _: httpx.Request) -> httpx.Response:
        self._wanted -= 1
        if not self._wanted:
            self.asked.set()
        try:
            await self.asked.wait()
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.left += 1
            raise
        return httpx.Response(403)


def different(count: int) -> list[dict[str, Any]]:
    """Return operations that each need a vendor call of their own."""
    query = "query ($filter: WebhookLogFilter) { webhookLogs(filter: $filter) { nodes { id } } }"
    return [
        {"query": query, "variables": {"filter": {"event": {"eq": f"event-{n}"}}}}
        for n in range(count)
    ]


async def test_operations_run_concurrently() -> None:
    vendor = Vendor(3)
    async with (
        asyncio.timeout(PATIENCE),
        client_of(made_app(answer=vendor, batch_size=3)) as client,
    ):
        answer = await client.post("/graphql", json=different(3))
    assert codes(answer) == ["ALL_SOURCES_FAILED"] * 3


async def test_operations_beyond_the_concurrency_limit_are_refused_one_by_one() -> None:
    vendor = Vendor(1)
    app = made_app({"operations": 1}, answer=vendor, batch_size=4)
    async with asyncio.timeout(PATIENCE), client_of(app) as client:
        answer = await client.post("/graphql", json=different(4))
    assert codes(answer) == [*["ALL_SOURCES_FAILED"] * 2, *["OVERLOADED"] * 2]


async def test_cache_status_covers_the_whole_batch() -> None:
    empty = httpx.Response(
        200, json={"entries": [], "page": 1, "perPage": 25, "totalPages": 1, "totalItems": 0}
    )
    async with client_of(made_app(answer=lambda _: empty, batch_size=2)) as client:
        answer = await client.post("/graphql", json=[{"query": QUERY}, {"query": LIST}])
    assert answer.headers["cache-status"].startswith("gateway; fwd=miss; stored; key=")


async def test_disconnect_cancels_the_whole_batch() -> None:
    vendor = Vendor(4)  # which never come

    async def leave() -> None:
        while vendor._wanted > 1:  # noqa: ASYNC110
            await asyncio.sleep(0)

    app = made_app(answer=vendor, batch_size=3)
    async with asyncio.timeout(PATIENCE):
        assert await ask(app, different(3), leave()) == []  # type: ignore[arg-type]
    assert vendor.left == 3
