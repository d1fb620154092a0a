"""Whichever way a request takes through the gateway, its response is the same."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from gateway.config.documents import Manifest
from gateway.sandbox import Sandbox
from gateway.schema.documents import digest
from gateway.web import door
from gateway.web.execution import Execution
from tests.support.moment import stopped
from tests.web.direct import KEPT, KEY, LIST, LONG_WAY, Direct, direct, repeat, watch_ways, ways
from tests.web.protected import CALLERS

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.sampled(8)

TOKEN = next(each for each in CALLERS if each.method == "jwt" and each.grant.role).credential
LISTS = "query L($n: Int) { webhookLogs(first: $n) { nodes { id } totalCount } }"
GRAPHQL = "application/graphql-response+json"

VIEW = ["view"] * 4
DOOR = ["view", "door", "door", "door"]


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    return Sandbox(clock=stopped, logs=60)


REQUESTS: dict[str, tuple[Any, list[str], int]] = {
    "list": (LIST, KEPT, 200),
    "with variables": ({"query": LISTS, "variables": {"n": 2}}, KEPT, 200),
    "with its cost": ({"query": LIST, "extensions": {"cost": True}}, KEPT, 200),
    "with empty variables": ({"query": LIST, "variables": ""}, KEPT, 200),
    "by name": (
        {"query": f"query A {LIST} query B {LIST}", "operationName": "B"},
        KEPT,
        200,
    ),
    "type name": ("{ __typename }", KEPT, 200),
    "reports": ("{ webhookLogs(first: 2) { sourceReports { returned outcome } } }", KEPT, 200),
    "ages": ("{ webhookLogs(first: 2) { sourceReports { age cache } } }", DOOR, 200),
    "left to graphql-core": ("{ sources { name } }", DOOR, 200),
    "wrong variable": ({"query": LISTS, "variables": {"n": "2"}}, DOOR, 200),
    "too large page": ({"query": LISTS, "variables": {"n": 200}}, DOOR, 200),
    "variables of a wrong type": ({"query": LISTS, "variables": [2]}, VIEW, 400),
    "unknown field": ("{ webhookLog }", DOOR, 200),
    "no GraphQL": ("{ webhookLogs(", DOOR, 200),
    "unknown operation": ({"query": LIST, "operationName": "Other"}, DOOR, 400),
    "no query": ({"variables": {}}, DOOR, 400),
    "empty object": ({}, DOOR, 400),
    "subscription": ("subscription { a }", DOOR, 400),
    "mutation": ("mutation { invalidateCache(tags: []) { entries } }", DOOR, 200),
    "batch": ([{"query": LIST}], VIEW, 400),
    "number": (b"12", VIEW, 400),
    "bad JSON": (b'{"query": "{ __typename }"', VIEW, 400),
    "key twice": (b'{"query": "{ __typename }", "query": "{ __typename }"}', VIEW, 400),
    "no body": (b"", VIEW, 400),
    "byte order mark": ("\ufeff".encode() + json.dumps({"query": LIST}).encode(), KEPT, 200),
    "UTF-16": (json.dumps({"query": LIST}).encode("utf-16"), KEPT, 200),
    "not UTF-8": (b'{"query": "{ __typename } # \xe9"}', VIEW, 400),
    "nested": (b'{"variables": ' + b"[" * 9000 + b"]" * 9000 + b"}", VIEW, 400),
    "too large": (b" " * 2**18 + b"{}", VIEW, 413),
    "unknown hash": (
        {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "0" * 64}}},
        DOOR,
        200,
    ),
    "known hash": (
        {
            "query": LIST,
            "extensions": {"persistedQuery": {"version": 1, "sha256Hash": digest(LIST)}},
        },
        KEPT,
        200,
    ),
    "wrong hash": (
        {"query": LIST, "extensions": {"persistedQuery": {"version": 1, "sha256Hash": "1" * 64}}},
        DOOR,
        400,
    ),
    "unknown id": ({"documentId": "a"}, DOOR, 400),
}


@pytest.mark.parametrize("name", REQUESTS)
async def test_body_is_answered_in_the_same_way(app: Direct, name: str) -> None:
    body, expected, status = REQUESTS[name]
    others = await repeat(app)  # so that there is a verdict for the headers
    replies = await repeat(app, body)
    assert replies[0].status == status
    assert ways(replies)[-1] == expected[-1]
    assert ("view" in ways(replies)) == (expected == VIEW)
    lefts = [reply.left for reply in (others[-1], *replies)]
    # Those that take the long way are counted, too.
    assert [lefts[0] - left for left in lefts[1:]] == [3, 4, 5, 6]


HEADERS: dict[str, tuple[dict[str, Any], list[str], int]] = {
    "none": ({}, KEPT, 200),
    "charset": ({"kind": 'application/json; charset="UTF-8"'}, KEPT, 200),
    "other charset": ({"kind": "application/json; charset=latin-1"}, VIEW, 200),
    "hidden charset": ({"kind": 'application/json; charset=latin-1; a="utf-8"'}, VIEW, 200),
    "two charsets": ({"kind": "application/json; charset=utf-8; charset=latin-1"}, VIEW, 200),
    "unknown charset": ({"kind": "application/json; charset=koi8-r"}, VIEW, 415),
    "form": ({"kind": "text/plain"}, VIEW, 415),
    "no media type": ({"kind": None}, VIEW, 415),
    "newer media type": ({"more": [("accept", GRAPHQL)]}, KEPT, 200),
    "older media type": ({"more": [("accept", "application/json, */*;q=0.1")]}, KEPT, 200),
    "two lines": ({"more": [("accept", "text/html"), ("accept", GRAPHQL)]}, KEPT, 200),
    "page": ({"more": [("accept", "text/html")]}, VIEW, 406),
    "parts": ({"more": [("accept", f"multipart/mixed, {GRAPHQL}")]}, VIEW, 200),
    "query string": ({"query": b"a=1"}, VIEW, 200),
    "own origin": ({"more": [("origin", "http://127.0.0.1")]}, VIEW, 200),
    "other origin": ({"more": [("origin", "https://a.example")]}, VIEW, 403),
    "no-cache": ({"more": [("cache-control", "no-cache")]}, VIEW, 200),
    "timeout": ({"more": [("x-request-timeout", "5")]}, VIEW, 200),
    "wrong timeout": ({"more": [("x-request-timeout", "soon")]}, VIEW, 400),
    "request id": ({"more": [("x-request-id", "abc")]}, KEPT, 200),
    "wrong request id": ({"more": [("x-request-id", "<b>")]}, KEPT, 200),
    "two request ids": ({"more": [("x-request-id", "a"), ("x-request-id", "b")]}, KEPT, 200),
    "user agent": ({"more": [("user-agent", "curl/8")]}, KEPT, 200),
    "cookie": ({"more": [("cookie", "a=b")]}, VIEW, 200),
    "content coding": ({"more": [("content-encoding", "gzip")]}, VIEW, 415),
    "no coding": ({"more": [("content-encoding", "identity")]}, VIEW, 200),
    "if-none-match": ({"more": [("if-none-match", "*")]}, KEPT, 200),
    "chunked": ({"more": [("transfer-encoding", "chunked")], "chunks": 3}, VIEW, 200),
    "several packets": ({"chunks": 3}, VIEW, 200),
    "token": ({"key": TOKEN}, VIEW, 200),
    "unknown key": ({"key": "wlg_00000000_" + "a" * 43}, VIEW, 401),
    "no key": ({"key": None}, VIEW, 401),
    "long header": ({"more": [("x-other", "a" * 3000)]}, VIEW, 200),
}


@pytest.mark.parametrize("name", HEADERS)
async def test_headers_lead_to_the_same_answer(app: Direct, name: str) -> None:
    sent, expected, status = HEADERS[name]
    await repeat(app)
    sent = dict(sent)
    replies = await repeat(app, LIST, *sent.pop("more", []), **sent)
    assert replies[0].status == status
    by_headers = ["view" if way == "view" else "kept" for way in expected]
    assert ways(replies)[-1] == by_headers[-1]
    assert (ways(replies)[1:] == ["view"] * 3) == (expected == VIEW)
    if "ratelimit" in replies[0].headers:
        lefts = [reply.left for reply in replies]
        assert [lefts[0] - left for left in lefts] == [0, 1, 2, 3]


async def test_first_request_takes_the_long_way_and_the_fourth_is_a_kept_answer(
    app: Direct,
) -> None:
    assert ways(await repeat(app)) == KEPT


async def test_text_is_decoded_by_the_charset_of_each_request(app: Direct) -> None:
    body = json.dumps({"query": '{ a: __typename webhookLogs(filter: {event: {eq: "é"}}) { x } }'})
    for kind in ("application/json", 'application/json; charset=latin-1; a="utf-8"') * 2:
        content = body.encode("utf-8")
        replies = await repeat(app, content, kind=kind)
        assert replies[0].status == 200


@pytest.mark.parametrize("free", ["user-agent", "x-request-id"])
async def test_large_head_is_refused_by_the_short_way_too(app: Direct, free: str) -> None:
    await repeat(app)
    replies = [await app.post(LIST, (free, "a" * 2**16), key=KEY) for _ in range(2)]
    assert [reply.status for reply in replies] == [431, 431]
    many = [(free, "a")] * 120
    assert (await app.post(LIST, *many, key=KEY)).status == 431


async def test_verdicts_are_bounded(app: Direct) -> None:
    await repeat(app, LIST, ("x-other", "a" * 2000))
    await app.post(LIST, key=KEY)
    verdicts = next(_doors(app))._verdicts
    assert all(sum(len(b"".join(line)) for line in key) <= 2048 for key in verdicts)


def _doors(app: Direct) -> Any:
    layer: Any = app.app
    layer = layer.middleware_stack
    while layer is not None:
        if isinstance(layer, door.Door):
            yield layer
        layer = getattr(layer, "app", None) or getattr(layer, "_app", None)


async def test_body_that_does_not_arrive_is_not_waited_for(
    app: Direct, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anyone with a key could otherwise hold any number of connections open."""
    await repeat(app)
    monkeypatch.setattr(door, "TIMEOUT", 0.01)
    monkeypatch.setattr("gateway.web.body.TIMEOUT", 0.01)
    lines = [
        (b"host", b"127.0.0.1"),
        (b"content-type", b"application/json"),
        (b"content-length", b"9"),
        (b"authorization", f"Bearer {KEY}".encode()),
    ]
    replies = [
        await app.send(each, [])
        for each in (lines, [*lines, (b"traceparent", LONG_WAY[1].encode())])
    ]
    assert replies[0].status == 408
    assert replies[0].comparable == replies[1].comparable


async def test_server_may_leave_out_an_empty_body(app: Direct) -> None:
    await repeat(app)
    lines = [(b"host", b"127.0.0.1"), (b"content-type", b"application/json")]
    lines.append((b"authorization", f"Bearer {KEY}".encode()))
    reply = await app.send(lines, [{"type": "http.request"}])
    assert reply.status == 400


@pytest.mark.parametrize(("begin", "end"), [(b'{"a":', b"}"), (b"[", b"]")])
async def test_variables_of_any_depth_are_refused_on_both_ways(
    app: Direct, begin: bytes, end: bytes
) -> None:
    await repeat(app)
    for more in ((), (LONG_WAY,)):
        said = set()
        for depth in range(800, 1000):
            nested = begin * depth + b"1" + end * depth
            body = b'{"query":"{ __typename }","variables":{"x":%b}}' % nested
            reply = await app.post(body, *more, key=KEY)
            assert reply.status == 400
            said.add("too deep in one another" in reply.text)
        # The last ones are too deep for Python, whichever step meets them.
        assert said == {False, True}


async def test_defect_is_reported_in_the_same_way(
    app: Direct, monkeypatch: pytest.MonkeyPatch
) -> None:
    await repeat(app)

    async def fail(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(Execution, "run", fail)
    sent: list[list[Any]] = []
    for more in ([], [(b"traceparent", LONG_WAY[1].encode())]):
        messages: list[Any] = []

        async def keep(message: Any, to: list[Any] = messages) -> None:
            to.append(message)

        async def receive() -> Any:
            return {"type": "http.request", "body": b'{"query": "{ sources { id } }"}'}

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/graphql",
            "query_string": b"",
            "headers": [
                (b"host", b"127.0.0.1"),
                (b"content-type", b"application/json"),
                (b"authorization", f"Bearer {KEY}".encode()),
                (b"x-request-id", b"one"),
                *more,
            ],
            "client": ("192.0.2.1", 1),
            "state": {"ways": []},
        }
        with pytest.raises(ZeroDivisionError):
            await app.app(scope, receive, keep)
        sent.append(messages)
    assert sent[0] == sent[1]
    assert sent[0][0]["status"] == 500
    assert b'"requestId":"one"' in sent[0][1]["body"].replace(b" ", b"")


async def test_documents_are_trusted_on_both_ways(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch_ways(monkeypatch)
    manifest = Manifest(path=tmp_path / "m.json", documents=(("list", LIST),))
    async with direct(tmp_path, sandbox, monkeypatch, documents={"trusted": (manifest,)}) as app:
        assert ways(await repeat(app, {"documentId": "list"})) == KEPT
        assert ways(await repeat(app, LIST))[-1] == "kept"
        refused = await repeat(app, "{ __typename }")
        assert (refused[-1].way, refused[-1].status) == ("door", 403)
        unknown = await repeat(app, {"documentId": "other"})
        assert (unknown[-1].way, unknown[-1].status) == ("door", 404)
