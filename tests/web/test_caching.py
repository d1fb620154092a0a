"""Headers about freshness, caching and deadlines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from gateway.callers import Authenticator, Caller, Grant, Method, Role
from gateway.limits import Limits
from gateway.model import CacheStatus, Freshness, Timestamp
from gateway.schema import build_schema
from gateway.service import Gateway
from gateway.settings import Settings
from gateway.upstream.operation import Operation
from gateway.web.caching import cache_control, cache_status, is_current
from gateway.web.view import GraphQLView
from tests.web.test_view import client_of

SECOND = 10**9
NOW = 1_772_615_411 * SECOND
QUERY = "{ sources { name } }"
DATA = {"data": {"sources": [{"name": "shop"}, {"name": "tracker"}]}}


def read(status: str, left: float = 30.0, **more: Any) -> Freshness:
    """Return the freshness of a read that is fresh for ``left`` more seconds."""
    until = Timestamp(NOW + round(left * SECOND))
    fetched = Timestamp(NOW - SECOND)
    return Freshness(status=CacheStatus[status], fetched_at=fetched, fresh_until=until, **more)


@pytest.mark.parametrize(
    ("reads", "expected"),
    [
        ([read("HIT", 4.9)], "hit; ttl=4"),
        ([read("HIT", -0.1)], "hit; ttl=-1"),
        ([read("MISS")], "fwd=miss; stored"),
        ([read("MISS", collapsed=True)], "fwd=miss; stored; collapsed"),
        ([read("STALE", -12)], "hit; ttl=-12"),
        (
            [read("STALE", -12, failure="UPSTREAM_TIMEOUT")],
            'hit; ttl=-12; detail="UPSTREAM_TIMEOUT"',
        ),
        ([read("REVALIDATED")], "fwd=stale; fwd-status=304"),
        ([read("REVALIDATED", collapsed=True)], "fwd=stale; fwd-status=304; collapsed"),
        # The worst status and the shortest lifetime of several.
        ([read("HIT", 9), read("HIT", 5), read("HIT", 7)], "hit; ttl=5"),
        ([read("HIT"), read("REVALIDATED")], "fwd=stale; fwd-status=304"),
        ([read("REVALIDATED"), read("MISS"), read("HIT")], "fwd=miss; stored"),
        ([read("STALE", -1), read("MISS"), read("HIT", -3)], "hit; ttl=-3"),
        (
            [read("STALE", -1), read("STALE", -2, failure="UPSTREAM_ERROR")],
            'hit; ttl=-2; detail="UPSTREAM_ERROR"',
        ),
        # One was not collapsed, so this caller caused a call of its own.
        ([read("MISS", collapsed=True), read("MISS")], "fwd=miss; stored"),
        ([read("MISS", collapsed=True), read("HIT")], "fwd=miss; stored; collapsed"),
    ],
)
def test_cache_status_holds_the_worst_read_of_a_source(
    reads: Sequence[Freshness], expected: str
) -> None:
    assert cache_status({"shop": reads}, NOW) == f'gateway; {expected}; key="shop"'


def test_cache_status_sorts_sources_by_name() -> None:
    reads = {"tracker": [read("MISS")], "none": [], "shop": [read("HIT", 4)]}
    assert cache_status(reads, NOW) == (
        'gateway; hit; ttl=4; key="shop", gateway; fwd=miss; stored; key="tracker"'
    )
    assert cache_status({}, NOW) == ""


@given(st.text())
def test_names_are_escaped_in_cache_status(name: str) -> None:
    value = cache_status({name: [read("HIT", 4)]}, NOW)
    assert value.isascii()
    assert value.isprintable()
    start = 'gateway; hit; ttl=4; key="'
    assert value.startswith(start)
    assert value.endswith('"')
    inner = value[len(start) : -1].replace("\\\\", "").replace('\\"', "")
    assert not {'"', "\\"} & set(inner)


@pytest.mark.parametrize(
    ("reads", "expected"),
    [
        ({}, "private, no-cache"),
        ({"shop": []}, "private, no-cache"),
        ({"shop": [read("HIT", 4.9)]}, "private, max-age=4"),
        ({"shop": [read("HIT", 9), read("MISS", 7)], "x": [read("HIT", 8)]}, "private, max-age=7"),
        ({"shop": [read("HIT", 9)], "x": [read("STALE", -3)]}, "private, max-age=0"),
    ],
)
def test_max_age_ends_with_the_first_stale_read(
    reads: Mapping[str, Sequence[Freshness]], expected: str
) -> None:
    assert cache_control(reads, NOW) == expected


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ('"a"', True),
        ('W/"a"', True),
        ("*", True),
        (" * ", True),
        ('"b", "a"', True),
        ('"b",W/"a" , "c"', True),
        ('"x, y", "a"', True),
        ("", False),
        ("a", False),
        ('"A"', False),
        ('"b"', False),
        ('"a b"', False),
        ('"b", "ca"', False),
        ('"', False),
    ],
)
def test_if_none_match_is_a_list(given: str, kept: bool) -> None:
    assert is_current(given, '"a"') is kept


# Over HTTP


class Told(Gateway):
    """A gateway whose operations report preset reads."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(
            settings,
            transport=httpx.MockTransport(lambda _: httpx.Response(503)),
            clock=lambda: NOW,
        )
        self.reads: dict[str, list[Freshness]] = {}
        self.operations: list[Operation] = []

    def operation(self, *args: Any, **kwargs: Any) -> Operation:
        operation = super().operation(*args, **kwargs)
        operation.reads.update(self.reads)
        self.operations.append(operation)
        return operation


@pytest.fixture
async def told() -> AsyncIterator[Told]:
    tracker = {
        "name": "tracker",
        "provider": "yandex-tracker",
        "org_id": "7",
        "queues": ["DEV"],
        "auth": {"type": "pass-through", "header": "X-Tracker-Token"},
    }
    shop = {
        "name": "shop",
        "provider": "language-weaver",
        "base_url": "http://127.0.0.1:1",
        "auth": {"type": "api-key", "key": SecretStr("key")},
    }
    made = Told(Settings.model_validate({"server": {"batch_size": 3}, "sources": [tracker, shop]}))
    async with made:
        yield made


@pytest.fixture
async def client(told: Told) -> AsyncIterator[httpx.AsyncClient]:
    limits = Limits(told.settings.limits)
    view = GraphQLView(build_schema(), told, Authenticator(told.settings.auth), limits)
    async with client_of(view) as made:
        yield made


async def get(
    client: httpx.AsyncClient, query: str = QUERY, **headers: str | list[str]
) -> httpx.Response:
    """Send a query by GET with headers, in whose names _ stands for a hyphen."""
    lines = [
        (name.replace("_", "-"), line)
        for name, given in headers.items()
        for line in ([given] if isinstance(given, str) else given)
    ]
    return await client.get("/graphql", params={"query": query}, headers=lines)


async def test_response_to_get_is_cacheable(told: Told, client: httpx.AsyncClient) -> None:
    told.reads = {"shop": [read("HIT", 4)], "tracker": [read("MISS", 30)]}
    answer = await get(client)
    assert (answer.status_code, answer.json()) == (200, DATA)
    assert answer.headers["cache-control"] == "private, max-age=4"
    assert answer.headers["vary"] == "Accept, Authorization, X-API-Key, x-tracker-token"
    assert answer.headers["cache-status"] == (
        'gateway; hit; ttl=4; key="shop", gateway; fwd=miss; stored; key="tracker"'
    )
    assert answer.headers["etag"][:1] == answer.headers["etag"][-1:] == '"'


async def test_credentials_for_sources_not_granted_are_not_passed_on(told: Told) -> None:
    grant = Grant(Role.VIEWER, frozenset({"shop"}))
    view = told.seen_by(Caller(name="ada", method=Method.API_KEYS, grants=(grant,)))
    sent = {"x-tracker-token": "t"}
    assert view.operation(sent).passed == {}
    assert told.operation(sent).passed == sent


async def test_unchanged_response_is_304(told: Told, client: httpx.AsyncClient) -> None:
    told.reads = {"shop": [read("HIT", 4)]}
    whole = await get(client)
    tag = whole.headers["etag"]
    for tags in (tag, f"W/{tag}", "*", f'"other", {tag}', ['"other"', tag]):
        answer = await get(client, if_none_match=tags)
        assert (answer.status_code, answer.content) == (304, b"")
        for name in ("cache-control", "etag", "vary", "cache-status"):
            assert answer.headers[name] == whole.headers[name]
        assert not {"content-type", "content-length"} & answer.headers.keys()
    answer = await get(client, if_none_match='"other"')
    assert (answer.status_code, answer.json()) == (200, DATA)


async def test_etag_changes_with_content_and_media_type(client: httpx.AsyncClient) -> None:
    answers = [
        await get(client),
        await get(client, "{ sources { provider } }"),
        await get(client, accept="application/graphql-response+json"),
    ]
    assert len({answer.headers["etag"] for answer in answers}) == 3
    assert (await get(client)).headers["etag"] == answers[0].headers["etag"]


async def test_response_to_post_is_not_cacheable(told: Told, client: httpx.AsyncClient) -> None:
    told.reads = {"shop": [read("STALE", -12)]}
    answer = await client.post("/graphql", json={"query": QUERY}, headers={"if-none-match": "*"})
    assert (answer.status_code, answer.json()) == (200, DATA)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["cache-status"] == 'gateway; hit; ttl=-12; key="shop"'
    assert not {"etag", "vary"} & answer.headers.keys()


@pytest.mark.parametrize(
    ("query", "status", "executed"),
    [
        ('{ sources { name } source(name: "x") { name } }', 200, True),
        ("{ nowhere }", 400, False),
        ("", 400, False),
    ],
)
async def test_response_with_errors_is_not_cacheable(
    told: Told, client: httpx.AsyncClient, query: str, status: int, executed: bool
) -> None:
    told.reads = {"shop": [read("HIT", 4)]}
    accept = "application/graphql-response+json"
    answer = await get(client, query, accept=accept, if_none_match="*")
    assert answer.status_code == status
    assert answer.headers["cache-control"] == "no-store"
    assert ("cache-status" in answer.headers) is executed
    assert "etag" not in answer.headers


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        (None, 10.0),
        ("2", 2.0),
        ("2.5", 2.5),
        (" 0.001 ", 0.001),
        ("10.001", 10.0),
        ("9" * 400, 10.0),
    ],
)
async def test_caller_can_lower_the_deadline(
    told: Told, client: httpx.AsyncClient, given: str | None, seconds: float
) -> None:
    before = asyncio.get_running_loop().time()
    answer = await (get(client) if given is None else get(client, x_request_timeout=given))
    assert answer.json() == DATA
    after = asyncio.get_running_loop().time()
    (operation,) = told.operations
    assert before <= operation.deadline - seconds <= after


async def test_batch_shares_one_deadline(told: Told, client: httpx.AsyncClient) -> None:
    before = asyncio.get_running_loop().time()
    headers = {"x-request-timeout": "2.5", "cache-control": "max-age=7"}
    answer = await client.post("/graphql", json=[{"query": QUERY}] * 3, headers=headers)
    assert answer.json() == [DATA] * 3
    after = asyncio.get_running_loop().time()
    assert len(told.operations) == 3
    for operation in told.operations:
        assert before <= operation.deadline - 2.5 <= after
        assert operation.max_age("shop") == 7


@pytest.mark.sampled(5)
@pytest.mark.parametrize(
    "given",
    ["", "0", "0.0", "-1", "+1", "1e3", "nan", "inf", ".5", "5.", "2s", "1 2", "²", ["1", "2"]],
)
async def test_invalid_timeout_is_refused(
    told: Told, client: httpx.AsyncClient, given: str | list[str]
) -> None:
    values = [given] if isinstance(given, str) else given
    lines = [(b"x-request-timeout", value.encode("latin-1")) for value in values]
    answer = await client.get("/graphql", params={"query": QUERY}, headers=lines)
    assert answer.status_code == 400
    assert answer.headers["cache-control"] == "no-store"
    (error,) = answer.json()["errors"]
    assert error["extensions"]["code"] == "BAD_REQUEST"
    assert error["message"] == (
        "The header X-Request-Timeout must hold seconds as a number above 0, such as 2.5."
    )
    assert not told.operations


@pytest.mark.sampled(5)
@pytest.mark.parametrize(
    ("given", "max_age"),
    [
        (None, None),
        ("", None),
        ("no-cache", 0.0),
        ("No-Cache", 0.0),
        ("max-age=0", 0.0),
        ("max-age=30", 30.0),
        ('Max-Age = "30"', 30.0),
        ("no-transform, max-age=30, min-fresh=1", 30.0),
        ("max-age=30, max-age=20", 20.0),
        ("max-age=30, no-cache", 0.0),
        (["max-age=30", "no-cache"], 0.0),
        ("max-age=" + "9" * 400, float("inf")),
        ("max-age", None),
        ("max-age=", None),
        ("max-age=-1", None),
        ("max-age=1.5", None),
        ("max-age=x, ;;,=", None),
        ("s-maxage=1, x-no-cache, no-store, only-if-cached", None),
    ],
)
async def test_caller_can_limit_the_age_of_a_response(
    told: Told,
    client: httpx.AsyncClient,
    given: str | list[str] | None,
    max_age: float | None,
) -> None:
    answer = await (get(client) if given is None else get(client, cache_control=given))
    assert answer.json() == DATA
    (operation,) = told.operations
    assert operation.max_age("shop") == max_age
