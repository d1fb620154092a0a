"""GraphQL over HTTP: execution, refusals, and the other paths."""

from __future__ import annotations

import asyncio
import gc
import gzip
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from starlette.routing import Route

from gateway.config import LimitSettings, Settings
from gateway.web.app import create_app

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.types import ASGIApp, Message

JSON = "application/json"
GRAPHQL = "application/graphql-response+json"
QUERY = "{ sources { name } }"
DATA = {"data": {"sources": [{"name": "translations"}]}}
LOCAL = "http://127.0.0.1:8000"
MAX_BODY = LimitSettings().body.max


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
        "The document has several operations; name one as operationName."
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
    """A failed non-null field cancels those beside it, which may fail later."""
    query = '{ webhookLog(id: "x") { id } webhookLogs(first: -1) { totalCount } }'
    assert (await client.post("/graphql", json={"query": query})).json()["data"] is None
    for _ in range(10):
        await asyncio.sleep(0)
    gc.collect()
    assert caplog.records == []


# Refusals


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, JSON),
        ("", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        (JSON, JSON),
        (f"{JSON}; charset=utf-8", JSON),
        ("APPLICATION/JSON", JSON),
        (GRAPHQL, GRAPHQL),
        (f"{GRAPHQL}, {JSON}", GRAPHQL),
        (f"{JSON}, {GRAPHQL}", GRAPHQL),
        (f"{JSON};q=0.9,{GRAPHQL};q=0.8", JSON),
        (f"{JSON};q=0.5, */*;q=0.9", GRAPHQL),
        (f"{JSON} ;; profile=a ; Q=0.5 , */*;q=0.6", GRAPHQL),
        (f"{JSON};q=0, */*", GRAPHQL),
        (f"{GRAPHQL};q=0, */*", JSON),
        (f"{GRAPHQL};q=x, {JSON};q=0.1", JSON),
        (f"{GRAPHQL};q=nan, {JSON};q=0.1", JSON),
        (f"{GRAPHQL};q=1e9, {JSON};q=0.1", JSON),
        ("text/html, application/xhtml+xml, */*;q=0.8", JSON),
        (f"{GRAPHQL}, application/graphql+json, {JSON}, text/event-stream", GRAPHQL),
        ("text/html", None),
        ("text/*", None),
        ("application/jsonx", None),
        ("application/json-seq", None),
        (f"{JSON};q=0", None),
        ("*/*;q=0.0", None),
        (";;,,=", None),
        (f"text/plain;x={JSON}", None),
    ],
)
async def test_response_has_an_accepted_media_type(
    client: httpx.AsyncClient, accept: str | None, chosen: str | None
) -> None:
    del client.headers["accept"]
    headers = {} if accept is None else {"accept": accept}
    response = await client.post("/graphql", json={"query": QUERY}, headers=headers)
    if chosen is None:
        assert sentence(response, 406) == f"This endpoint answers with {GRAPHQL} or {JSON}."
    else:
        assert response.headers["content-type"] == f"{chosen}; charset=utf-8"
        assert response.json() == DATA


async def test_several_accept_lines_form_one_list(client: httpx.AsyncClient) -> None:
    lines = [("accept", "text/html"), ("accept", f"{GRAPHQL};q=0.5")]
    response = await client.post("/graphql", json={"query": QUERY}, headers=lines)
    assert response.headers["content-type"] == f"{GRAPHQL}; charset=utf-8"


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "QUERY"])
async def test_other_methods_are_refused(client: httpx.AsyncClient, method: str) -> None:
    response = await client.request(method, "/graphql", params={"query": QUERY})
    assert (response.status_code, response.headers["allow"]) == (405, "GET, POST")
    if method != "HEAD":
        assert sentence(response, 405) == "Send GraphQL by POST, or queries by GET."


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "text/plain, application/json",
        "text/plain;application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/graphql",
        "application/jsonx",
        "application/json-seq",
        "json",
        "application/json, text/plain",
    ],
)
async def test_body_of_another_media_type_is_refused(
    client: httpx.AsyncClient, content_type: str
) -> None:
    """Any page can send the first of these without permission."""
    response = await post(client, json.dumps({"query": QUERY}).encode(), content_type=content_type)
    assert sentence(response, 415) == "Send the body as application/json."
    assert response.headers["accept"] == JSON


async def test_body_without_content_type_is_refused(client: httpx.AsyncClient) -> None:
    response = await client.post("/graphql", content=json.dumps({"query": QUERY}))
    assert sentence(response, 415) == "Send the body as application/json."


@pytest.mark.parametrize("charset", ["utf-8", '"UTF-8"', "Utf-8; v=1"])
async def test_charset_utf8_is_accepted(client: httpx.AsyncClient, charset: str) -> None:
    response = await post(
        client, json.dumps({"query": QUERY}).encode(), content_type=f"{JSON}; charset={charset}"
    )
    assert response.json() == DATA


@pytest.mark.parametrize("charset", ["utf-7", "koi8-r", '"utf-80"', "x"])
async def test_unknown_charset_is_refused(client: httpx.AsyncClient, charset: str) -> None:
    response = await post(client, b"{}", content_type=f"{JSON}; charset={charset}")
    assert sentence(response, 415) == "Send the body in UTF-8."


async def test_compressed_body_is_refused(client: httpx.AsyncClient) -> None:
    bomb = gzip.compress(b" " * 10**7)
    response = await post(client, bomb, content_encoding="gzip")
    assert sentence(response, 415) == "Send the body without a content coding."


async def test_large_body_is_refused_with_and_without_length(client: httpx.AsyncClient) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(MAX_BODY // 1024):
            yield b" " * 1024
        yield b" "
        yield json.dumps({"query": QUERY}).encode()

    head = b'{"query": "{ sources { name } }"'
    fits = head + b" " * (MAX_BODY - len(head) - 1) + b"}"
    assert (await post(client, fits)).json() == DATA
    for content in (b" " + fits, chunks()):
        response = await client.post(
            "/graphql", content=content, headers={"content-type": JSON, "accept": GRAPHQL}
        )
        assert sentence(response, 413, "LIMIT_EXCEEDED").endswith(
            "; the limit body is 262144. Send less at once."
        )


NO_JSON = "The body is not JSON that can be read."
NO_TEXT = "The body is not text in UTF-8."
TOO_DEEP = "The body holds lists or objects too deep in one another."
NO_FIELDS = (
    "The body must hold query, documentId and operationName as text, variables and"
    " extensions as objects."
)
NO_QUERY = "There is no query in the request."
BODIES: list[tuple[bytes, str]] = [
    (b"", NO_JSON),
    (b"{", NO_JSON),
    (b"nul", NO_JSON),
    (b"{}{}", NO_JSON),
    (b"\xef\xbb\xbf{}", NO_QUERY),
    (b'{"query": "\xff"}', NO_TEXT),
    (b'"\xff"', NO_TEXT),
    (b'{"query": "\xc0\xaf"}', NO_TEXT),
    (b'{"query": "\xed\xa0\x80"}', NO_TEXT),
    (b'{"query": "\\ud800"}', NO_JSON),
    ('{"query": ""}'.encode("utf-16"), NO_QUERY),
    (b"[" * 100_000, TOO_DEEP),
    (b'{"variables": ' + b'{"a":' * 40_000, TOO_DEEP),
    (b"1" * 5000, NO_JSON),
    (b'{"variables": {"a": 1e400}}', NO_JSON),
    (b'{"variables": {"a": NaN}}', NO_JSON),
    (b"null", NO_FIELDS),
    (b"1", NO_FIELDS),
    (b"true", NO_FIELDS),
    (b'"{ sources { name } }"', NO_FIELDS),
    (b'{"query": 5}', NO_FIELDS),
    (b'{"query": {}}', NO_FIELDS),
    (b'{"query": ["{ sources { name } }"]}', NO_FIELDS),
    (b'{"query": "{ __typename }", "operationName": 1}', NO_FIELDS),
    (b'{"query": "{ __typename }", "variables": "{}"}', NO_FIELDS),
    (b'{"query": "{ __typename }", "variables": []}', NO_FIELDS),
    (b'{"query": "{ __typename }", "variables": 0}', NO_FIELDS),
    (b'{"query": "{ __typename }", "extensions": true}', NO_FIELDS),
    (b"[]", "Batches are not executed here; send one operation a request."),
    (
        b'[{"query": "{ __typename }"}]',
        "Batches are not executed here; send one operation a request.",
    ),
    (b"{}", NO_QUERY),
    (b'{"query": null}', NO_QUERY),
    (b'{"query": ""}', NO_QUERY),
    (b'{"Query": "{ __typename }"}', NO_QUERY),
    (b'{"query": "subscription { x }"}', "No subscription is executed here."),
]


@pytest.mark.parametrize(("body", "expected"), BODIES, ids=range(len(BODIES)))
async def test_malformed_body_is_refused(
    client: httpx.AsyncClient, body: bytes, expected: str
) -> None:
    assert sentence(await post(client, body), 400) == expected


@pytest.mark.parametrize(
    "body",
    [
        b'{"query": "{ sources { name } }", "query": "{ sources { name } }"}',
        b'{"query": "{ __typename }", "variables": {"a": [{"b": 1, "\\u0062": 1}]}}',
    ],
)
async def test_repeated_key_is_refused(client: httpx.AsyncClient, body: bytes) -> None:
    """Parsers differ in which one counts; a proxy may have checked the other."""
    assert sentence(await post(client, body), 400) == "The body has a key twice in one object."


async def test_huge_integer_is_refused_by_validation(client: httpx.AsyncClient) -> None:
    query = "query ($first: Int) { webhookLogs(first: $first) { totalCount } }"
    body = f'{{"query": "{query}", "variables": {{"first": {10**300}}}}}'
    response = await post(client, body.encode(), accept=GRAPHQL)
    assert "32-bit" in sentence(response, 400, "GRAPHQL_VALIDATION_FAILED")


PARAMETERS: list[tuple[dict[str, str], str]] = [
    ({"query": ""}, NO_QUERY),
    (
        {"query": QUERY, "variables": "{"},
        "The URL's parameter variables is not JSON that can be read.",
    ),
    (
        {"query": QUERY, "variables": '{}, "query": "{ nowhere }"'},
        "The URL's parameter variables is not JSON that can be read.",
    ),
    (
        {"query": QUERY, "extensions": "x"},
        "The URL's parameter extensions is not JSON that can be read.",
    ),
    (
        {"query": QUERY, "variables": "[]"},
        "The URL must hold query, documentId and operationName as text, variables and"
        " extensions as objects.",
    ),
    (
        {"query": QUERY, "extensions": "5"},
        "The URL must hold query, documentId and operationName as text, variables and"
        " extensions as objects.",
    ),
    ({"query": "subscription { x }"}, "No subscription is executed here."),
]


@pytest.mark.parametrize(("parameters", "expected"), PARAMETERS)
async def test_malformed_url_is_refused(
    client: httpx.AsyncClient, parameters: dict[str, str], expected: str
) -> None:
    assert sentence(await client.get("/graphql", params=parameters), 400) == expected


@pytest.mark.parametrize("name", ["query", "variables", "%71uery"])
async def test_repeated_url_parameter_is_refused(client: httpx.AsyncClient, name: str) -> None:
    url = f"/graphql?query=%7B__typename%7D&variables=%7B%7D&{name}=%7B%7D"
    assert sentence(await client.get(url), 400) == "The URL has a parameter twice."


async def test_url_with_invalid_utf8_is_refused(client: httpx.AsyncClient) -> None:
    response = await client.get("/graphql?query=%ff%fe&variables=%ff", headers={"accept": GRAPHQL})
    assert sentence(response, 400).startswith("The URL's parameter variables is not JSON")
    response = await client.get("/graphql?query=%ff%fe", headers={"accept": GRAPHQL})
    assert sentence(response, 400, "GRAPHQL_PARSE_FAILED")


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


async def test_size_and_depth_of_variables_are_limited() -> None:
    query = "query ($x: [ID!]) { __typename }"
    async with client_of(made_app({"variables": 40, "variables_depth": 3})) as client:
        for value, said in [
            (["x" * 60], "The variables have "),
            ([[["x"]]], "The variables hold values at depth 4; the limit variables_depth is 3."),
        ]:
            for refused in (
                await client.post("/graphql", json={"query": query, "variables": {"x": value}}),
                await client.get(
                    "/graphql", params={"query": query, "variables": json.dumps({"x": value})}
                ),
            ):
                assert sentence(refused, 400, "LIMIT_EXCEEDED").startswith(said)
        fits = {"query": "{ __typename }", "variables": {"x": [["y"]]}}
        assert (await client.post("/graphql", json=fits)).json()["data"]


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


@settings(max_examples=250, deadline=None)
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


# Other paths and hosts


async def test_healthz_ignores_vendors(client: httpx.AsyncClient) -> None:
    response = await client.get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


async def test_readyz_names_failing_sources() -> None:
    async with client_of(made_app()) as client:
        response = await client.get("/readyz")
        assert (response.status_code, response.json()) == (
            200,
            {"status": "ready", "sources": {"translations": "OK"}},
        )
        await client.post("/graphql", json={"query": "{ webhookLogs { totalCount } }"})
        response = await client.get("/readyz")
        assert (response.status_code, response.json()) == (
            200,
            {"status": "ready", "sources": {"translations": "UPSTREAM_FORBIDDEN"}},
        )


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("GET", "/", 404, "Not Found."),
        ("GET", "/graphql/static/none", 404, "Not Found."),
        ("POST", "/graphql/", 404, "Not Found."),
        ("GET", "/healthz/", 404, "Not Found."),
        ("POST", "/healthz", 405, "Method Not Allowed."),
        ("DELETE", "/readyz", 405, "Method Not Allowed."),
    ],
)
async def test_unknown_paths_get_a_graphql_response(
    client: httpx.AsyncClient, method: str, path: str, status: int, message: str
) -> None:
    response = await client.request(method, path)
    assert sentence(response, status) == message
    assert ("allow" in response.headers) is (status == 405)


async def test_defect_gets_a_graphql_response() -> None:
    async def broken(_: Request) -> Any:
        raise RuntimeError("s3cr3t")

    app = made_app()
    app.router.routes.append(Route("/broken", broken))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=LOCAL) as client:
        response = await client.get("/broken")
    assert sentence(response, 500, "INTERNAL_ERROR") == (
        "The gateway has a defect. Its log tells more."
    )


OURS = [
    "127.0.0.1",
    "127.0.0.1:8000",
    "localhost",
    "LocalHost:80",
    "gateway.localhost:1",
    "[::1]",
    "[::1]:8000",
    "127.9.9.9",
    "localhost.",
    "localhost.:8000",
]
OTHERS = [
    "evil.example.",
    "localhost..",
    "",
    "evil.example",
    "evil.example:8000",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "evil-localhost",
    "192.168.0.1",
    "[::]",
    "[::2]:8000",
    "169.254.169.254",
    "localhost@evil.example",
    "127.0.0.1:8000:1",
    ":8000",
    "::1",
]


@pytest.mark.parametrize("path", ["/graphql?query={__typename}", "/healthz", "/readyz", "/none"])
async def test_loopback_gateway_answers_to_loopback_hosts_only(
    client: httpx.AsyncClient, path: str
) -> None:
    """Else a page whose name resolves to 127.0.0.1 could read all logs (DNS rebinding)."""
    for host in OURS:
        assert (await client.get(path, headers={"host": host})).status_code != 421
    for host in OTHERS:
        response = await client.get(path, headers={"host": host})
        assert sentence(response, 421) == (
            "This gateway listens on loopback only, and answers to no other Host. Call it 127.0.0.1"
            " or localhost, have a proxy in front of it send that as Host, or listen on another"
            " address with --host or [server] host."
        )


async def test_request_without_host_is_answered_on_loopback(app: Starlette) -> None:
    """Health checks by HTTP/1.0 have no Host; browsers always send one."""
    async with client_of(app) as client:
        request = client.build_request("GET", "/healthz")
        del request.headers["host"]
        assert (await client.send(request)).status_code == 200


@pytest.mark.parametrize("host", ["::", "10.1.2.3", "gateway.internal"])
async def test_any_host_is_answered_when_listening_beyond_loopback(host: str) -> None:
    async with client_of(made_app(host=host), "http://logs.example") as client:
        assert (await client.get("/healthz")).status_code == 200


@pytest.mark.parametrize("host", ["::1", "127.0.0.2", "localhost"])
async def test_every_loopback_address_is_protected(host: str) -> None:
    async with client_of(made_app(host=host), "http://logs.example") as client:
        assert (await client.get("/healthz")).status_code == 421
