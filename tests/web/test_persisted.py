"""Persisted queries by Apollo's protocol, and trusted documents."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.config import LimitSettings
from gateway.errors import ConfigurationError
from gateway.limits import Limits
from gateway.schema import build_schema
from gateway.schema.documents import Documents
from tests.web.test_view import DATA, GRAPHQL, JSON, QUERY, client_of, made_app, sentence

OTHER = "query Other($name: String!) { source(name: $name) { name } }"


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def persisted(hash_: object, version: object = 1) -> dict[str, Any]:
    return {"persistedQuery": {"version": version, "sha256Hash": hash_}}


Ask = Callable[..., Any]


@pytest.fixture(params=["POST", "GET"])
def method(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


async def send(client: httpx.AsyncClient, method: str, **asked: Any) -> httpx.Response:
    headers = {"accept": asked.pop("accept", JSON)}
    if method == "POST":
        return await client.post("/graphql", json=asked, headers=headers)
    in_url = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in asked.items()
    }
    return await client.get("/graphql", params=in_url, headers=headers)


# Automatic


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(made_app()) as client:
        yield client


@pytest.mark.parametrize("accept", [JSON, GRAPHQL])
async def test_hash_is_known_after_its_document_was_sent(
    client: httpx.AsyncClient, method: str, accept: str
) -> None:
    extensions = persisted(sha256(QUERY))
    unknown = await send(client, method, extensions=extensions, accept=accept)
    # Apollo's clients send the document only after this message or code, and this status.
    assert sentence(unknown, 200, "PERSISTED_QUERY_NOT_FOUND") == "PersistedQueryNotFound"
    assert unknown.headers["cache-control"] == "no-store"
    assert "etag" not in unknown.headers

    sent = await send(client, "POST", query=QUERY, extensions=extensions, accept=accept)
    known = await send(client, method, extensions=extensions, accept=accept)
    assert sent.json() == known.json() == DATA
    assert known.headers["cache-control"] == (
        "no-store" if method == "POST" else "private, no-cache"
    )


async def test_hash_can_be_sent_with_variables(client: httpx.AsyncClient, method: str) -> None:
    asked = {"extensions": persisted(sha256(OTHER)), "operationName": "Other"}
    for name, source in (("translations", {"name": "translations"}), ("other", None)):
        variables = {"name": name}
        await send(client, "POST", query=OTHER, variables=variables, **asked)
        answer = (await send(client, method, variables=variables, **asked)).json()
        assert answer["data"] == {"source": source}


async def test_hash_must_match_the_document(client: httpx.AsyncClient, method: str) -> None:
    for hash_ in (sha256(OTHER), sha256(QUERY).upper(), ""):
        response = await send(client, method, query=QUERY, extensions=persisted(hash_))
        assert sentence(response, 400) == "provided sha does not match query"
        unknown = await send(client, method, extensions=persisted(hash_))
        sentence(unknown, 200, "PERSISTED_QUERY_NOT_FOUND")


@pytest.mark.sampled(5)
@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"version": 2, "sha256Hash": sha256(QUERY)}, "Unsupported persisted query version"),
        ({"version": "1", "sha256Hash": sha256(QUERY)}, "Unsupported persisted query version"),
        ({"sha256Hash": sha256(QUERY)}, "Unsupported persisted query version"),
        ([], "Unsupported persisted query version"),
        ({"version": 1}, "The extension persistedQuery must hold sha256Hash as text."),
        (
            {"version": 1, "sha256Hash": [1]},
            "The extension persistedQuery must hold sha256Hash as text.",
        ),
    ],
)
async def test_malformed_extension_is_refused(
    client: httpx.AsyncClient, method: str, given: object, complaint: str
) -> None:
    for query in ({}, {"query": QUERY}):
        response = await send(client, method, extensions={"persistedQuery": given}, **query)
        assert sentence(response, 400) == complaint


async def test_get_does_not_execute_persisted_mutations(client: httpx.AsyncClient) -> None:
    query = 'mutation { invalidateCache(tags: ["source:translations"]) { entries } }'
    extensions = persisted(sha256(query))
    assert "data" in (await send(client, "POST", query=query, extensions=extensions)).json()
    assert "data" in (await send(client, "POST", extensions=extensions)).json()
    response = await send(client, "GET", extensions=extensions)
    assert sentence(response, 405) == "Send mutations by POST."


async def test_invalid_documents_are_not_stored(client: httpx.AsyncClient) -> None:
    for query in ("{", "{ unknown }", "{" + " a: __typename" * 1000 + "}"):
        extensions = persisted(sha256(query))
        response = await send(client, "POST", query=query, extensions=extensions)
        assert "data" not in response.json()
        unknown = await send(client, "POST", extensions=extensions)
        sentence(unknown, 200, "PERSISTED_QUERY_NOT_FOUND")


@pytest.mark.slow
def test_hashes_are_evicted_with_their_documents() -> None:
    schema = build_schema()._schema
    documents = Documents(schema, Limits(LimitSettings()), memory=20_000)
    texts = [f"query Number{number} {{ __typename }}" for number in range(100)]
    for text in texts:
        documents.get(text)
    kept = [text for text in texts if documents.text_of(sha256(text)) == text]
    assert 1 < len(kept) < 10
    assert kept == texts[-len(kept) :]
    assert len(documents._cached) == len(kept)


async def test_persisted_queries_can_be_switched_off(method: str) -> None:
    async with client_of(made_app(documents={"automatic": False})) as client:
        assert (await send(client, "POST", query=QUERY)).json() == DATA
        for query in ({}, {"query": QUERY}):
            response = await send(client, method, extensions=persisted(sha256(QUERY)), **query)
            assert sentence(response, 200, "PERSISTED_QUERY_NOT_SUPPORTED") == (
                "PersistedQueryNotSupported"
            )


async def test_document_id_needs_trusted_documents(client: httpx.AsyncClient, method: str) -> None:
    response = await send(client, method, documentId="1")
    assert sentence(response, 400) == "No trusted documents are configured here. Send the query."
    # With a query it is ignored, like any unknown parameter.
    assert (await send(client, method, documentId="1", query=QUERY)).json() == DATA
    if method == "POST":
        assert "documentId" in sentence(await send(client, method, documentId=1), 400)
    assert sentence(await send(client, method, extensions={}), 400) == (
        "There is no query in the request."
    )


async def test_document_id_in_url_does_not_show_the_explorer(client: httpx.AsyncClient) -> None:
    accept = "text/html,*/*"
    explorer = await send(client, "GET", variables={}, accept=accept)
    assert explorer.headers["content-type"].startswith("text/html")
    for asked in ({"documentId": "1"}, {"extensions": persisted("1")}):
        response = await send(client, "GET", accept=accept, **asked)
        assert response.headers["content-type"].startswith(JSON)


# Trusted


def written(folder: Path, content: object, name: str = "manifest.json") -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.fixture
async def strict(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a gateway with two manifests: one as compilers write it, one of Apollo's."""
    apollo = {
        "format": "apollo-persisted-query-manifest",
        "version": 1,
        "operations": [{"id": "two", "body": OTHER, "name": "Other", "type": "query"}],
    }
    manifests = [written(tmp_path, {"one": QUERY}), written(tmp_path, apollo, "apollo.json")]
    async with client_of(made_app(documents={"trusted": manifests})) as client:
        yield client


@pytest.mark.sampled(5)
@pytest.mark.parametrize(
    "asked",
    [
        {"documentId": "one"},
        {"documentId": f"sha256:{sha256(QUERY)}"},
        {"extensions": persisted("one")},
        {"extensions": persisted(sha256(QUERY))},
        {"query": QUERY},
        {"query": QUERY, "documentId": "one"},
        {"query": QUERY, "extensions": persisted(sha256(QUERY))},
    ],
)
async def test_trusted_document_is_executed_by_id_hash_or_text(
    strict: httpx.AsyncClient, method: str, asked: dict[str, Any]
) -> None:
    assert (await send(strict, method, **asked)).json() == DATA


async def test_document_id_can_be_sent_with_variables(
    strict: httpx.AsyncClient, method: str
) -> None:
    asked = {"documentId": "two", "operationName": "Other", "variables": {"name": "translations"}}
    answer = (await send(strict, method, **asked)).json()
    assert answer == {"data": {"source": {"name": "translations"}}}


@pytest.mark.sampled(5)
@pytest.mark.parametrize(
    "asked",
    [
        {"query": "{ __typename }"},
        {"query": QUERY + " "},
        {"query": "{ _service { sdl } }"},
        {"query": "{"},
        {"query": ""},
        {"extensions": {}},
    ],
)
async def test_untrusted_documents_are_refused(
    strict: httpx.AsyncClient, method: str, asked: dict[str, Any]
) -> None:
    response = await send(strict, method, **asked)
    assert sentence(response, 403, "DOCUMENT_NOT_TRUSTED") == (
        "Only trusted documents are executed here. Send the id of one as documentId."
    )


@pytest.mark.sampled(5)
@pytest.mark.parametrize(
    "asked",
    [
        {"documentId": "three"},
        {"documentId": ""},
        {"documentId": "three", "query": QUERY},
        {"extensions": persisted(sha256("{ __typename }"))},
        {"query": "{ __typename }", "extensions": persisted(sha256("{ __typename }"))},
    ],
)
async def test_unknown_document_id_is_refused(
    strict: httpx.AsyncClient, method: str, asked: dict[str, Any]
) -> None:
    for _ in range(2):
        response = await send(strict, method, **asked)
        assert sentence(response, 404, "DOCUMENT_NOT_TRUSTED") == (
            "No trusted document has this id. It may be newer than the gateway's manifest."
        )


async def test_document_id_with_another_document_is_refused(
    strict: httpx.AsyncClient, method: str
) -> None:
    response = await send(strict, method, documentId="one", query=OTHER)
    assert sentence(response, 400) == "The request names one document and sends another."


async def test_trusted_documents_disable_the_explorer(strict: httpx.AsyncClient) -> None:
    response = await strict.get("/graphql", headers={"accept": "text/html"})
    assert sentence(response, 400).startswith("There is no query.")


def test_all_unusable_trusted_documents_are_reported(tmp_path: Path) -> None:
    documents = {
        "good": QUERY,
        "broken": "{",
        "wrong": "{ sources { nam } }",
        "large": "{" + " __typename" * 1000 + "}",
        "eye\x1b[2J": "{ a }",
    }
    first, second = written(tmp_path, documents), written(tmp_path, {"good": OTHER}, "second.json")
    with pytest.raises(ConfigurationError) as caught:
        made_app(documents={"trusted": [first, second]})
    assert caught.value.problems == (
        f'{first}: the document "broken" is not GraphQL: Syntax Error: Expected Name, found <EOF>.',
        f"{first}: the document \"wrong\" does not fit the schema: Cannot query field 'nam' on type"
        " 'Source'. Did you mean 'name'?",
        f'{first}: the document "large" is beyond a limit: The document has too many tokens or'
        " comments; the limit tokens is 1000. Split it into several.",
        f'{first}: the document "eye\\u001b[2J" does not fit the schema: '
        "Cannot query field 'a' on type 'Query'.",
        f'{second}: the document "good" has the id of another one',
    )


def test_trusted_introspection_is_unusable_without_introspection(tmp_path: Path) -> None:
    manifest = written(tmp_path, {"one": "{ __schema { queryType { name } } }"})
    made_app(documents={"trusted": [manifest]})
    with pytest.raises(ConfigurationError, match="does not fit the schema"):
        made_app(documents={"trusted": [manifest]}, introspection=False)
