"""Responses in parts: order, format, errors, limits and cancellation."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from queue import Queue
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.types import ASGIApp, Message

from gateway.cli.demo_configuration import write_configuration
from gateway.sandbox import Sandbox
from gateway.schema import build_schema
from gateway.service import Gateway
from gateway.settings import load
from gateway.web import concurrency as places
from gateway.web import incremental
from gateway.web.app import create_app
from gateway.web.incremental import accepts_parts
from gateway.web.media_types import parse_list
from tests.support.moment import stopped
from tests.support.sources import SOURCES
from tests.web.test_view import GRAPHQL, JSON, client_of, sentence

COUNT = len(SOURCES)
PATIENCE = 5.0
"""Seconds until a test fails; the gateway waits longer for vendors."""
ON = "GATEWAY_SERVER__INCREMENTAL"
ACCEPT = {"Accept": f"multipart/mixed;incrementalSpec=v0.2, {JSON}"}
TYPE = 'multipart/mixed; boundary="-"; incrementalSpec=v0.2'
LOGS_OF_SOURCES = "{ sources { name ... @defer { logs(first: 2) { nodes { id } } } } }"
DETAILS = """{ webhookLogs(first: 4) { nodes {
    id request { method ... @defer { headers { name } } }
} } }"""


class Gate(httpx.AsyncBaseTransport):
    """The sandbox, with some paths blocked until ``open`` is called."""

    def __init__(self, closed: str = "$.") -> None:
        self.asked: Queue[str] = Queue()
        self.left: Queue[str] = Queue()
        self._closed = re.compile(closed)
        self._doors: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
        self._opened = False
        self._sandbox = httpx.ASGITransport(Sandbox(logs=100, clock=stopped).app)

    def open(self) -> None:
        self._opened = True
        for loop, door in self._doors:
            loop.call_soon_threadsafe(door.set)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if self._closed.search(path):
            door = asyncio.Event()
            self._doors.append((asyncio.get_running_loop(), door))
            self.asked.put(path)
            if not self._opened:
                try:
                    await door.wait()
                except asyncio.CancelledError:
                    self.left.put(path)
                    raise
        return await self._sandbox.handle_async_request(request)


def made_app(folder: Path, vendors: httpx.AsyncBaseTransport, **environ: str) -> Starlette:
    """Return an application over the sandbox, with settings from environment variables."""
    written = write_configuration(folder, Sandbox(logs=1), "http://127.0.0.1:1", port=0)
    environ = {f"GATEWAY_{name}": value for name, value in environ.items()}
    return create_app(load(written, {ON: "true", **environ}), transport=vendors)


@pytest.fixture
def app(tmp_path: Path) -> Starlette:
    return made_app(tmp_path, Gate())


def parts_of(response: httpx.Response) -> Iterator[dict[str, Any]]:
    """Yield each part once the boundary behind it has arrived."""
    assert response.headers["content-type"] == TYPE
    text = ""
    for chunk in response.iter_text():
        text += chunk
        *pieces, text = text.split("\r\n---")
        for piece in filter(None, pieces):
            head, _, body = piece.partition("\r\n\r\n")
            assert head == "\r\nContent-Type: application/json; charset=utf-8"
            yield json.loads(body)
    assert text == "--\r\n"


def joined(parts: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Merge the parts of a response as clients do."""
    answer: dict[str, Any] = {}
    pending: dict[str, list[str | int]] = {}
    ended = False
    for part in parts:
        assert not ended
        answer = answer or {"data": part["data"], "errors": part.get("errors", [])}
        pending |= {one["id"]: one["path"] for one in part.get("pending", ())}
        for one in part.get("incremental", ()):
            place = answer["data"]
            for key in (*pending[one["id"]], *one.get("subPath", ())):
                place = place[key]
            if "items" in one:
                place.extend(one["items"])
            else:
                place.update(one["data"])
            answer["errors"] += one.get("errors", [])
        for one in part.get("completed", ()):
            del pending[one["id"]]
            answer["errors"] += one.get("errors", [])
        ended = not part["hasNext"]
    assert ended
    assert pending == {}
    return answer


async def ask(app: Starlette, query: str, **headers: str) -> httpx.Response:
    async with client_of(app) as client:
        return await client.post("/graphql", json={"query": query}, headers=headers)


# Order


@pytest.mark.slow
def test_slow_source_arrives_after_the_others(
    serve: Callable[[ASGIApp], str], tmp_path: Path
) -> None:
    gate = Gate("^/elastic-path")
    url = serve(made_app(tmp_path, gate)) + "/graphql"
    body = {"query": LOGS_OF_SOURCES}
    with httpx.stream("POST", url, json=body, headers=ACCEPT, timeout=PATIENCE) as response:
        parts = parts_of(response)
        seen = [next(parts)]
        sources = seen[0]["data"]["sources"]
        assert [source.keys() for source in sources] == [{"name"}] * COUNT
        slow = [source["name"] for source in sources].index("shop")
        while sum(len(part.get("completed", ())) for part in seen) < COUNT - 1:
            seen.append(next(parts))
        came = {one["id"] for part in seen for one in part.get("completed", ())}
        assert {one["id"]: one["path"] for one in seen[0]["pending"] if one["id"] not in came} == {
            str(slow): ["sources", slow]
        }
        gate.open()
        answer = joined([*seen, *parts])
    assert all(len(source["logs"]["nodes"]) == 2 for source in answer["data"]["sources"])


@pytest.mark.slow
def test_rows_arrive_before_their_details(serve: Callable[[ASGIApp], str], tmp_path: Path) -> None:
    gate = Gate(r"/hooks/\d+/logs/\d+$")  # of CodeArts Repo, whose list has no headers
    url = serve(made_app(tmp_path, gate)) + "/graphql"
    body = {"query": DETAILS}
    with httpx.stream("POST", url, json=body, headers=ACCEPT, timeout=PATIENCE) as response:
        parts = parts_of(response)
        first = next(parts)
        logs = first["data"]["webhookLogs"]["nodes"]
        assert [log["request"].keys() for log in logs] == [{"method"}] * 4
        assert gate.asked.get(timeout=PATIENCE)
        gate.open()
        answer = joined([first, *parts])
    assert answer["data"]["webhookLogs"]["nodes"][0]["request"]["headers"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "query",
    [
        LOGS_OF_SOURCES,
        DETAILS,
        "{ webhookLogs(first: 7) { nodes @stream(initialCount: 2) { id request { body } } } }",
        "{ sources @stream { name logs(first: 3) { edges @stream { node { id } } } } }",
        "{ ...Later @defer viewer { name } } fragment Later on Query { viewer { name method }"
        " sources { ...@defer { name ...@defer { health { status } } } id } }",
        '{ nodes(ids: ["a", "b"]) @stream { id } ...@defer { source(name: "nobody") { id } } }',
    ],
)
async def test_merged_parts_equal_the_whole_response(app: Starlette, query: str) -> None:
    known = {"X-Request-Id": "the-same"}
    response = await ask(app, query, **ACCEPT, **known)
    assert response.headers["X-Request-Id"] == "the-same"
    answer = joined(parts_of(response))
    whole = await ask(app, query, Accept=JSON, **known)
    expected = whole.json()
    assert whole.headers["content-type"] == f"{JSON}; charset=utf-8"
    assert answer["data"] == expected["data"]
    errors = sorted(answer["errors"], key=str)
    assert errors == sorted(expected.get("errors", []), key=str)


@pytest.mark.slow
def test_rows_of_a_streamed_list_are_resolved_together(
    serve: Callable[[ASGIApp], str], tmp_path: Path
) -> None:
    gate = Gate("^/(?!tracker)")
    url = serve(made_app(tmp_path, gate)) + "/graphql"
    body = {"query": "{ sources @stream { name logs(first: 1) { nodes { id } } } }"}
    with httpx.stream("POST", url, json=body, headers=ACCEPT, timeout=PATIENCE) as response:
        parts = parts_of(response)
        first = next(parts)
        assert first["data"] == {"sources": []}
        asked: set[str] = set()
        while len(asked) < COUNT - 1:
            asked.add(gate.asked.get(timeout=PATIENCE).split("/")[1])
        gate.open()
        answer = joined([first, *parts])
    names = [source["name"] for source in answer["data"]["sources"]]
    assert names == list(SOURCES)


# Format


@pytest.mark.parametrize(
    ("accept", "taken"),
    [
        ("multipart/mixed", True),
        ("application/json, Multipart/Mixed; q=0.5", True),
        ('multipart/mixed;boundary="-";incrementalSpec="v0.2", application/json', True),
        ("multipart/mixed;q=0.0, application/json", False),
        ("multipart/mixed;deferSpec=20220824, application/json", False),
        ("multipart/mixed;incrementalSpec=v0.3, application/json", False),
        ("multipart/form-data, multipart/*, */*", False),
        ("multipart/mixed-up", False),
        ("", False),
    ],
)
def test_accept_must_name_the_format_of_parts(accept: str, taken: bool) -> None:
    assert accepts_parts(parse_list([accept])) is taken


@pytest.mark.slow
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_parts_are_not_cacheable(app: Starlette, method: str) -> None:
    given: Any = {"params" if method == "GET" else "json": {"query": LOGS_OF_SOURCES}}
    async with client_of(app) as client:
        response = await client.request(method, "/graphql", headers=ACCEPT, **given)
    assert (response.status_code, response.headers["content-type"]) == (200, TYPE)
    assert response.headers["cache-control"] == "no-store"
    assert not {"etag", "cache-status", "content-length"} & response.headers.keys()
    assert len(joined(parts_of(response))["data"]["sources"]) == COUNT


async def test_response_without_parts_is_json(app: Starlette) -> None:
    for query in ("{ sources { name } }", "{ ...@defer(if: false) { sources { name } } }"):
        response = await ask(app, query, **ACCEPT)
        assert response.headers["content-type"] == f"{JSON}; charset=utf-8"
        assert len(response.json()["data"]["sources"]) == COUNT
    response = await ask(app, LOGS_OF_SOURCES, Accept="multipart/mixed")
    assert "application/json" in sentence(response, 406)


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("query", "cost"),
    [
        # A source and its name, a deferred part, the list with a call, the rows and their ids.
        (LOGS_OF_SOURCES, COUNT * (1 + 1 + 5 + (1 + 10) + 1 + 2 * 1)),
        ("{ sources @stream { name } }", COUNT * (1 + 1 + 5)),
        ("{ sources { capabilities @stream } }", COUNT * (1 + 1 + 10 * 5)),
    ],
)
async def test_cost_is_in_the_first_part(app: Starlette, query: str, cost: int) -> None:
    body = {"query": query, "extensions": {"cost": True}}
    async with client_of(app) as client:
        response = await client.post("/graphql", json=body, headers=ACCEPT)
    first, *others = parts_of(response)
    assert first["extensions"]["cost"]["requested"] == cost
    assert not any("extensions" in part for part in others)


async def test_incremental_delivery_is_off_by_default(tmp_path: Path) -> None:
    app = made_app(tmp_path, Gate(), SERVER__INCREMENTAL="false")
    response = await ask(app, LOGS_OF_SOURCES, **ACCEPT)
    assert "Unknown directive '@defer'" in sentence(response, 200, "GRAPHQL_VALIDATION_FAILED")


async def test_federation_schema_stays_the_same(app: Starlette) -> None:
    query = "{ _service { sdl } __schema { directives { name } } }"
    data = (await ask(app, query)).json()["data"]
    assert data["_service"]["sdl"] == build_schema().as_str()
    assert {"defer", "stream"} <= {one["name"] for one in data["__schema"]["directives"]}


@pytest.mark.parametrize(
    ("limit", "most", "message"),
    [
        ("COST", 167, "may cost 168"),
        ("DEPTH", 3, "limit depth is 3"),
        ("DIRECTIVES", 1, "limit directives is 1"),
        ("TOKENS", 10, "limit tokens is 10"),
    ],
)
async def test_limits_apply_to_deferred_fields(
    tmp_path: Path, limit: str, most: int, message: str
) -> None:
    app = made_app(tmp_path, Gate(), **{f"LIMITS__{limit}": str(most)})
    query = LOGS_OF_SOURCES.replace("name", "name @skip(if: false)")
    accept = f"multipart/mixed, {GRAPHQL}"
    refusal = sentence(await ask(app, query, Accept=accept), 400, "LIMIT_EXCEEDED")
    assert message in refusal


@pytest.mark.parametrize("count", ["-1", "null"])
async def test_invalid_initial_count_is_refused(app: Starlette, count: str) -> None:
    query = f"{{ sources @stream(initialCount: {count}) {{ name }} }}"
    (error,) = (await ask(app, query, **ACCEPT)).json()["errors"]
    assert error["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
    assert "initialCount" in error["message"]


# Failures


@pytest.mark.slow
async def test_errors_of_later_parts_have_codes_and_ids(
    app: Starlette, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def stumble(*_: object, **__: object) -> object:
        raise ZeroDivisionError("a secret")

    monkeypatch.setattr(Gateway, "log", stumble)
    details = await ask(app, DETAILS, **ACCEPT)
    monkeypatch.setattr(Gateway, "logs", stumble)
    lists = await ask(app, LOGS_OF_SOURCES, **ACCEPT)
    # The field is not nullable, so the whole part is null.
    whole = "{ __typename ... @defer { webhookLogs { nodes { id } } } }"
    merged = await ask(app, whole, **ACCEPT)
    assert [*parts_of(merged)][-1]["completed"][0]["errors"]
    for response, field in ((details, "headers"), (lists, "logs"), (merged, "webhookLogs")):
        answer = joined(parts_of(response))
        assert answer["errors"]
        assert "a secret" not in response.text
        for error in answer["errors"]:
            assert error["message"] == (
                "A defect in the gateway broke this field. The gateway's log has the details."
            )
            known = response.headers["X-Request-Id"]
            assert error["extensions"] == {"code": "INTERNAL_ERROR", "requestId": known}
            assert error["path"][-1] == field
    assert "a secret" in caplog.text


async def test_parts_share_one_deadline(tmp_path: Path) -> None:
    app = made_app(tmp_path, Gate("."))
    response = await ask(app, LOGS_OF_SOURCES, **ACCEPT, **{"X-Request-Timeout": "0.2"})
    errors = [
        error
        for part in parts_of(response)
        for one in part.get("incremental", ())
        for error in one.get("errors", ())
    ]
    assert sorted(error["path"] for error in errors) == [
        ["sources", n, "logs"] for n in range(COUNT)
    ]
    told = [one["code"] for error in errors for one in error["extensions"]["sources"]]
    assert told == ["UPSTREAM_TIMEOUT"] * COUNT


def called(url: str, query: str) -> socket.socket:
    """Send a request on a new connection."""
    body = json.dumps({"query": query})
    caller = socket.create_connection((httpx.URL(url).host, httpx.URL(url).port or 0), PATIENCE)
    caller.sendall(
        "POST /graphql HTTP/1.1\r\nHost: localhost\r\nAccept: multipart/mixed, application/json\r\n"
        f"Content-Type: {JSON}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
    )
    return caller


@pytest.mark.slow
def test_disconnect_cancels_the_vendor_call_of_later_parts(
    serve: Callable[[ASGIApp], str], tmp_path: Path
) -> None:
    gate = Gate("^/elastic-path")
    with called(serve(made_app(tmp_path, gate)), LOGS_OF_SOURCES) as caller:
        text = b""
        while b'"hasNext":true' not in text:
            text += caller.recv(65536)
        path = gate.asked.get(timeout=PATIENCE)
    assert gate.left.get(timeout=PATIENCE) == path


def test_disconnect_before_the_first_part_cancels_deferred_work(
    serve: Callable[[ASGIApp], str], tmp_path: Path
) -> None:
    gate = Gate("^/(elastic-path|language-weaver)")
    query = """{ shop: source(name: "shop") { logs { nodes { id } } }
                 later: source(name: "translations") { ...@defer { logs { nodes { id } } } } }"""
    with called(serve(made_app(tmp_path, gate)), query):
        asked = {gate.asked.get(timeout=PATIENCE) for _ in range(2)}
    assert {gate.left.get(timeout=PATIENCE) for _ in range(2)} == asked


@pytest.mark.slow
async def test_parts_hold_their_slot_until_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "MAX_WAIT", 0.0)
    gate = Gate("^/elastic-path")
    app = made_app(tmp_path, gate, LIMITS__OPERATIONS="1")
    sent: asyncio.Queue[Message] = asyncio.Queue()
    first = asyncio.create_task(to_reader(app, sent.put))
    assert (await sent.get())["status"] == 200
    assert b"hasNext" in (await sent.get())["body"]
    sentence(await ask(app, "{ sources { name } }"), 503, "OVERLOADED")
    gate.open()
    await first
    assert (await ask(app, "{ sources { name } }")).status_code == 200


@pytest.mark.slow
async def test_client_that_does_not_read_parts_is_disconnected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "MAX_WAIT", 0.0)
    monkeypatch.setattr(incremental, "GRACE", 0.0)
    app = made_app(tmp_path, Gate(), LIMITS__OPERATIONS="1")

    async def never(_: Message) -> None:
        await asyncio.Event().wait()

    async with asyncio.timeout(PATIENCE):
        await to_reader(app, never, (b"x-request-timeout", b"0.1"))
    assert (await ask(app, "{ sources { name } }")).status_code == 200


async def to_reader(
    app: Starlette, send: Callable[[Message], Awaitable[None]], *headers: tuple[bytes, bytes]
) -> None:
    """Send a request in process from a client that stays connected and receives with ``send``."""
    coming = [{"type": "http.request", "body": json.dumps({"query": LOGS_OF_SOURCES}).encode()}]

    async def receive() -> Message:
        if not coming:
            await asyncio.Event().wait()
        return coming.pop()

    known = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    accept = (b"accept", ACCEPT["Accept"].encode())
    scope = {"type": "http", "method": "POST", "path": "/graphql", "query_string": b""}
    await app({**scope, "headers": [*known, accept, *headers]}, receive, send)
