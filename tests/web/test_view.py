"""GraphQL over HTTP: execution, refusals, and the other paths."""

from __future__ import annotations

import asyncio
import gc
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from gateway.settings import Settings
from gateway.web.app import create_app
from tests.support.examples import examples

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from starlette.applications import Starlette
    from starlette.types import ASGIApp, Message

JSON = "application/json"
GRAPHQL = "application/graphql-response+json"
QUERY = "{ sources { name } }"
DATA = {"data": {"sources": [{"name": "translations"}]}}
LOCAL = "http://127.0.0.1:8000"


def made_app(
    limits: dict[str, Any] | None = None,
    answer: Callable[[httpx.Request], Any] = lambda _: httpx.Response(403),
    documents: dict[str, Any] | None = None,
    **server: Any,
) -> Starlette:
    """Return an application over one vendor, which refuses all calls by default."""
    source = {
        "name": "translations",
        "provider": "language-weaver",
        "base_url": "http://127.0.0.1:1",
        "auth": {"type": "api-key", "key": SecretStr("key")},
    }
    return create_app(
        Settings.model_validate(
            {
                "server": server,
                "limits": limits or {},
                "documents": documents or {},
                "sources": [source],
            }
        ),
        transport=httpx.MockTransport(answer),
    )


def client_of(app: ASGIApp, base_url: str = LOCAL) -> httpx.AsyncClient:
    """Return a client whose GETs prove that no page of another site sent them."""
    shown = {"Apollo-Require-Preflight": "true"}
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=base_url, headers=shown)


@pytest.fixture(scope="module")
def app() -> Starlette:
    return made_app()


@pytest.fixture
async def client(app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app) as client:
        yield client


def sentence(response: httpx.Response, status: int, code: str = "BAD_REQUEST") -> str:
    """Check that a response is a refusal in GraphQL form, and return its message."""
    assert response.status_code == status
    assert response.headers["content-type"] in {
        f"{kind}; charset=utf-8" for kind in (JSON, GRAPHQL)
    }
    [error] = response.json()["errors"]
    assert error["extensions"] == {"code": code, "requestId": response.headers["x-request-id"]}
    assert "data" not in response.json()
    message: str = error["message"]
    return message


async def post(
    client: httpx.AsyncClient, content: bytes | AsyncIterator[bytes], **headers: str
) -> httpx.Response:
    sent = {
        "content-type": JSON,
        **{name.replace("_", "-"): text for name, text in headers.items()},
    }
    return await client.post("/graphql", content=content, headers=sent)


# Execution


@pytest.mark.parametrize("accept", [JSON, GRAPHQL])
async def test_post_and_get_execute(client: httpx.AsyncClient, accept: str) -> None:
    headers = {"accept": accept}
    posted = await client.post("/graphql", json={"query": QUERY}, headers=headers)
    got = await client.get("/graphql", params={"query": QUERY}, headers=headers)
    for response, kept in ((posted, "no-store"), (got, "private, no-cache")):
        assert (response.status_code, response.json()) == (200, DATA)
        assert response.headers["content-type"] == f"{accept}; charset=utf-8"
        assert response.headers["cache-control"] == kept


async def test_variables_and_operation_name_are_passed_on(client: httpx.AsyncClient) -> None:
    document = "query One($name: String!) { source(name: $name) { name } } query Two { __typename }"
    variables = {"name": "translations"}
    asked = {"query": document, "operationName": "One", "variables": variables, "extensions": {}}
    expected = {"data": {"source": {"name": "translations"}}}
    assert (await client.post("/graphql", json=asked)).json() == expected
    in_url = {
        name: text if isinstance(text, str) else json.dumps(text) for name, text in asked.items()
    }
    assert (await client.get("/graphql", params=in_url)).json() == expected
    two = {"query": document, "operationName": "Two", "variables": None, "other": [1]}
    assert (await client.post("/graphql", json=two)).json() == {"data": {"__typename": "Query"}}


@pytest.mark.parametrize("name", [None, ""])
async def test_document_with_several_operations_needs_operation_name(
    client: httpx.AsyncClient, name: str | None
) -> None:
    document = "query One { __typename } query Two { __typename }"
    response = await client.post(
        "/graphql", json={"query": document, "operationName": name}, headers={"accept": GRAPHQL}
    )
    assert sentence(response, 400, "GRAPHQL_VALIDATION_FAILED") == (
        "The document has several operations. Name the one to execute in operationName."
    )


@pytest.mark.parametrize(
    ("document", "name"),
    [
        ("query One { __typename }", "Two"),
        ("{ __typename }", "One"),
        ("fragment One on Query { __typename }", None),
        ("fragment One on Query { __typename }", "One"),
    ],
)
async def test_unknown_operation_name_is_refused(
    client: httpx.AsyncClient, document: str, name: str | None
) -> None:
    response = await client.post("/graphql", json={"query": document, "operationName": name})
    named = " of that operationName" if name else ""
    assert sentence(response, 400) == f"The document has no operation{named}."


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("{ nowhere }", "GRAPHQL_VALIDATION_FAILED"),
        ("query ($name: String!) { source(name: $name) { name } }", "GRAPHQL_VALIDATION_FAILED"),
        ("{" * 10_000, "GRAPHQL_PARSE_FAILED"),
        ("{ sources " * 2_000 + "}" * 2_000, "GRAPHQL_PARSE_FAILED"),
        ("mutation { retry }", "GRAPHQL_VALIDATION_FAILED"),
    ],
)
async def test_invalid_document_yields_errors_without_data(
    client: httpx.AsyncClient, query: str, code: str
) -> None:
    for accept, status in ((GRAPHQL, 400), (JSON, 200)):
        response = await client.post("/graphql", json={"query": query}, headers={"accept": accept})
        assert sentence(response, status, code)


async def test_field_error_comes_with_data(client: httpx.AsyncClient) -> None:
    for query, data in [
        ('{ source(name: "x") { name } }', {"source": None}),
        ("{ webhookLogs(first: -1) { totalCount } }", None),
        ("{ webhookLogs { totalCount } }", None),
    ]:
        response = await client.post("/graphql", json={"query": query}, headers={"accept": GRAPHQL})
        assert (response.status_code, response.json()["data"]) == (200, data)
        assert response.json()["errors"][0]["path"]


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    "field",
    [
        "webhookLogs({}) {{ totalCount }}",
        'source(name: "translations") {{ logs({}) {{ totalCount }} }}',
        'source(name: "translations") {{ hooks({}) {{ totalCount }} }}',
    ],
)
@pytest.mark.parametrize(
    "arguments",
    [
        "after: {}",
        "first: 1, after: {}",
        "before: {}",
        "last: 1, before: {}",
        "first: 1, before: {}",
    ],
)
async def test_empty_cursor_is_null(client: httpx.AsyncClient, field: str, arguments: str) -> None:
    """Clients whose cursor is not nullable send it for the first page."""
    answers = []
    for cursor in ("null", '""'):
        query = f"{{ {field.format(arguments.format(cursor))} }}"
        answer = (await client.post("/graphql", json={"query": query})).json()
        for error in answer.get("errors", ()):
            del error["extensions"]["requestId"]
            error.pop("locations", None)
        answers.append(answer)
    assert answers[0] == answers[1]


async def test_failures_of_abandoned_fields_are_not_logged(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    """A failed non-null field cancels its siblings, which may fail later."""
    query = '{ webhookLog(id: "x") { id } webhookLogs(first: -1) { totalCount } }'
    assert (await client.post("/graphql", json={"query": query})).json()["data"] is None
    for _ in range(10):
        await asyncio.sleep(0)
    gc.collect()
    assert caplog.records == []


# Refusals


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "QUERY"])
async def test_other_methods_are_refused(client: httpx.AsyncClient, method: str) -> None:
    response = await client.request(method, "/graphql", params={"query": QUERY})
    assert (response.status_code, response.headers["allow"]) == (405, "GET, POST")
    if method != "HEAD":
        assert sentence(response, 405) == "Send GraphQL by POST, or queries by GET."


async def test_get_does_not_execute_mutations(client: httpx.AsyncClient) -> None:
    response = await client.get("/graphql", params={"query": "mutation { retry }"})
    assert sentence(response, 405) == "Send mutations by POST."
    assert response.headers["allow"] == "POST"


async def test_get_without_query_shows_explorer_to_browsers(client: httpx.AsyncClient) -> None:
    page = await client.get("/graphql", headers={"accept": "text/html,*/*;q=0.8"})
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "GraphiQL" in page.text
    for accept in ("*/*", JSON, GRAPHQL):
        response = await client.get("/graphql", headers={"accept": accept})
        assert sentence(response, 400) == (
            "There is no query. Send one, or open this page in a browser."
        )
    executed = await client.get(
        "/graphql", params={"query": QUERY}, headers={"accept": "text/html,*/*;q=0.8"}
    )
    assert executed.json() == DATA


async def test_browsers_are_refused_without_graphiql() -> None:
    async with client_of(made_app(graphiql=False)) as client:
        response = await client.get("/graphql", headers={"accept": "text/html"})
        assert sentence(response, 400) == "There is no query. Send one."


async def test_introspection_off_disables_graphiql() -> None:
    async with client_of(made_app(introspection=False)) as client:
        response = await client.get("/graphql", headers={"accept": "text/html"})
        assert sentence(response, 400).startswith("There is no query.")
        response = await client.post("/graphql", json={"query": "{ sourcess { nam } }"})
        told = sentence(response, 200, "GRAPHQL_VALIDATION_FAILED")
        assert told == "Cannot query field 'sourcess' on type '...'."
        assert (await client.post("/graphql", json={"query": QUERY})).json() == DATA


@pytest.mark.slow
async def test_cost_is_reported_on_request(client: httpx.AsyncClient) -> None:
    cost = {"cost": {"requested": 2, "maximum": 20_000}}
    asked = {"query": QUERY, "extensions": {"cost": True}}
    posted = await client.post("/graphql", json=asked)
    assert posted.json() == {**DATA, "extensions": cost}
    got = await client.get("/graphql", params={"query": QUERY, "extensions": '{"cost":true}'})
    assert got.json() == {**DATA, "extensions": cost}
    for extensions in ('{"cost": false}', '{"cost": "yes"}', "{}", "null"):
        body = f'{{"query": "{QUERY}", "extensions": {extensions}}}'
        assert (await post(client, body.encode())).json() == DATA


HEADER = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
DOCUMENTS = st.text(max_size=60) | st.sampled_from(
    [
        QUERY,
        "{ nowhere }",
        "query ($x: String!) { source(name: $x) { name } }",
        "query ($x: ID!) { node(id: $x) { id } }",
        "mutation { x }",
        "subscription { x }",
        "{ webhookLogs(filter: { event: { eq: 1 } }) { totalCount } }",
    ]
)
REQUESTS = st.fixed_dictionaries(
    {},
    optional={
        "query": DOCUMENTS | VALUES,
        "operationName": st.text(max_size=5) | VALUES,
        "variables": st.dictionaries(st.sampled_from("xy"), VALUES) | VALUES,
        "extensions": VALUES,
    },
)
BODY = st.one_of(
    REQUESTS.map(lambda made: json.dumps(made).encode()),
    VALUES.map(lambda made: json.dumps(made).encode()),
    st.binary(max_size=60),
)


@pytest.mark.slow
@examples(250)
@given(
    method=st.sampled_from(["POST", "POST", "GET"]) | st.text("ABCXYZ", min_size=1, max_size=5),
    accept=st.sampled_from([GRAPHQL, JSON, "*/*"]) | HEADER,
    content_type=st.sampled_from([JSON, f"{JSON}; charset=utf-8"]) | HEADER,
    body=BODY,
    query=st.just("")
    | st.binary(max_size=40).map(lambda made: made.hex("%"))
    | REQUESTS.map(lambda made: urlencode({name: str(text) for name, text in made.items()})),
)
async def test_any_request_gets_a_graphql_response(
    app: Starlette, method: str, accept: str, content_type: str, body: bytes, query: str
) -> None:
    async with client_of(app) as client:
        response = await client.request(
            method,
            f"/graphql?{query}",
            content=body,
            headers={"accept": accept, "content-type": content_type},
        )
    if "text/html" in response.headers["content-type"]:
        assert (method, response.status_code) == ("GET", 200)
        return
    assert response.headers["content-type"] in {
        f"{kind}; charset=utf-8" for kind in (JSON, GRAPHQL)
    }
    document = response.json()
    assert document.keys() <= {"data", "errors", "extensions"}
    assert "data" in document or document["errors"]
    for error in document.get("errors", ()):
        assert error["extensions"]["code"] != "INTERNAL_ERROR"
    assert response.status_code in {200, 400, 405, 406, 415}


@pytest.mark.slow
async def test_disconnect_during_body_is_not_an_error(app: Starlette) -> None:
    def messages() -> Iterator[Message]:
        yield {"type": "http.request", "body": b'{"que', "more_body": True}
        while True:
            yield {"type": "http.disconnect"}

    sent: list[Message] = []
    coming = messages()

    async def receive() -> Message:
        return next(coming)

    async def send(message: Message) -> None:
        sent.append(message)

    await app(
        {
            "type": "http",
            "method": "POST",
            "path": "/graphql",
            "query_string": b"",
            "headers": [(b"host", b"localhost"), (b"content-type", JSON.encode())],
        },
        receive,
        send,
    )
    assert sent[0]["status"] == 400
