"""Request ids in responses and errors, and trace context in vendor calls."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.routing import Route

from tests.web.test_view import GRAPHQL, JSON, LOCAL, QUERY, client_of, made_app, post

LIST = "{ webhookLogs { totalCount } }"
GOOD = ["a", "0" * 128, "00-4bf9:2/x+y=.z_", "urn:uuid:6ba7b810-9dad-11d1-80b4-00c04fd430c8"]
BAD = ["", "0" * 129, "a b", "a,b", "a;b", "<b>", "é", "'", "%0a"]
MADE = re.compile("[0-9a-f]{32}")


@pytest.mark.parametrize("given", GOOD)
async def test_valid_id_is_kept(given: str) -> None:
    async with client_of(made_app()) as client:
        answer = await post(client, b"{}", x_request_id=given)
        assert answer.headers["x-request-id"] == given
        assert answer.json()["errors"][0]["extensions"]["requestId"] == given


@pytest.mark.sampled(5)
@pytest.mark.parametrize("given", [*BAD, None])
async def test_new_id_replaces_a_missing_or_invalid_one(given: str | None) -> None:
    headers = [] if given is None else [(b"x-request-id", given.encode())]
    async with client_of(made_app()) as client:
        answers = [
            await client.get("/graphql", params={"query": QUERY}, headers=headers) for _ in "ab"
        ]
    ids = {answer.headers["x-request-id"] for answer in answers}
    assert len(ids) == 2
    assert all(MADE.fullmatch(one) for one in ids)


async def test_two_ids_are_replaced() -> None:
    async with client_of(made_app()) as client:
        lines = [("x-request-id", "a"), ("x-request-id", "b")]
        answer = await client.get("/graphql", params={"query": QUERY}, headers=lines)
    assert MADE.fullmatch(answer.headers["x-request-id"])


REQUESTS: dict[str, tuple[int, str, str, dict[str, Any]]] = {
    "a result": (200, "POST", "/graphql", {"json": {"query": QUERY}}),
    "a result with an error": (200, "POST", "/graphql", {"json": {"query": LIST}}),
    "an error of validation": (
        400,
        "POST",
        "/graphql",
        {"json": {"query": "{ a b }"}, "headers": {"accept": GRAPHQL}},
    ),
    "no query": (400, "GET", "/graphql", {}),
    "another method": (405, "PUT", "/graphql", {}),
    "another media type": (415, "POST", "/graphql", {"content": "x"}),
    "too many headers": (
        431,
        "GET",
        "/graphql",
        {"headers": {f"x-{n}": "x" for n in range(100)}},
    ),
    "another host": (421, "GET", "/graphql", {"headers": {"host": "evil.example"}}),
    "another place": (404, "GET", "/nowhere", {}),
    "a defect": (500, "GET", "/broken", {}),
}


@pytest.mark.parametrize("name", REQUESTS)
async def test_every_response_and_error_has_the_id(name: str) -> None:
    async def broken(_: Request) -> Any:
        raise RuntimeError

    status, method, path, request = REQUESTS[name]
    app = made_app()
    app.router.routes.append(Route("/broken", broken))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    headers = {"x-request-id": "mine", **request.get("headers", {})}
    async with httpx.AsyncClient(transport=transport, base_url=LOCAL) as client:
        answer = await client.request(method, path, **{**request, "headers": headers})
    assert answer.status_code == status
    assert answer.headers["x-request-id"] == "mine"
    errors = answer.json().get("errors", ())
    assert len(errors) == {"a result": 0, "an error of validation": 2}.get(name, 1)
    assert all(error["extensions"]["requestId"] == "mine" for error in errors)


async def test_304_has_the_id_of_its_own_request() -> None:
    async with client_of(made_app()) as client:
        asked = {"query": QUERY}
        first = await client.get("/graphql", params=asked, headers={"x-request-id": "one"})
        kept = {"if-none-match": first.headers["etag"], "x-request-id": "two"}
        again = await client.get("/graphql", params=asked, headers=kept)
    assert (again.status_code, again.headers["x-request-id"]) == (304, "two")


async def test_error_has_the_vendors_request_id_too() -> None:
    refusing = httpx.Response(403, headers={"x-request-id": "theirs"})
    query = """{ webhookLogs { totalCount } }"""
    async with client_of(made_app(answer=lambda _: refusing)) as client:
        answer = await post(client, f'{{"query": "{query}"}}'.encode(), x_request_id="mine")
    [error] = answer.json()["errors"]
    [source] = error["extensions"]["sources"]
    assert (error["extensions"]["requestId"], source["vendorRequestId"]) == ("mine", "theirs")
    assert "requestId" not in source


TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_trace_context_is_passed_to_vendors(method: str) -> None:
    asked: list[httpx.Request] = []

    def vendor(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(403)

    sent = [
        ("traceparent", f"00-{TRACE}-00f067aa0ba902b7-01"),
        ("tracestate", "congo=t61"),
        ("tracestate", "rojo=1"),
        ("content-type", JSON),
    ]
    request: dict[str, Any] = (
        {"params": {"query": LIST}} if method == "GET" else {"json": {"query": LIST}}
    )
    async with client_of(made_app(answer=vendor)) as client:
        await client.request(method, "/graphql", **request, headers=sent)
        [told] = asked
        assert re.fullmatch(f"00-{TRACE}-[0-9a-f]{{16}}-01", told.headers["traceparent"])
        assert "00f067aa0ba902b7" not in told.headers["traceparent"]
        assert told.headers["tracestate"] == "congo=t61,rojo=1"
        del asked[:]
        await client.request(method, "/graphql", **request, headers=sent[1:])
        [told] = asked
        assert not {"traceparent", "tracestate"} & told.headers.keys()
