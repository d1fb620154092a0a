"""Bodies and URLs that are refused, and how the refusal reads."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import pytest

from gateway.config import LimitSettings
from tests.web.test_view import DATA, GRAPHQL, JSON, QUERY, client_of, made_app, post, sentence

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx
    from starlette.applications import Starlette

MAX_BODY = LimitSettings().body.max


@pytest.fixture(scope="module")
def app() -> Starlette:
    return made_app()


@pytest.fixture
async def client(app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app) as client:
        yield client


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


@pytest.mark.parametrize(
    "content",
    [
        b' \r\n\xef\xbb\xbf{"query": "{ __typename }"}\r\n',
        b'{"query": "{ __typename }", "variables": "", "extensions": ""}',
        b'{"query": "{ __typename }", "documentId": "", "operationName": ""}',
    ],
)
async def test_marks_and_empty_texts_do_no_harm(client: httpx.AsyncClient, content: bytes) -> None:
    response = await post(client, content)
    assert response.json() == {"data": {"__typename": "Query"}}


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
