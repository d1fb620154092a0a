"""Lists that are read by POST, and actions with parameters, a body and headers."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from gateway.errors import UpstreamError
from gateway.upstream.auth import FixedCredential, Token, TokenCredential
from gateway.upstream.client import NotModified
from gateway.upstream.operation import Operation
from tests.upstream.network import NOW, Network, client_of, document

QUERY = {"status": "failed", "name": "Zoë", "ids": [1, 2]}


def sent(network: Network) -> list[tuple[str, str, Any]]:
    """Return the method, target and body of each request."""
    return [
        (
            request.method,
            request.url.raw_path.decode(),
            json.loads(request.content) if request.content else None,
        )
        for request in network.requests
    ]


async def test_list_by_post_sends_its_body_as_json() -> None:
    network = Network(lambda _: document({"rows": [{"id": 1}]}))
    operation = Operation(5)
    found, _ = await client_of(network).json(
        "/query", [("api-version", "7.1")], operation=operation, body=QUERY
    )
    assert found == {"rows": [{"id": 1}]}
    assert sent(network) == [("POST", "/query?api-version=7.1", QUERY)]
    (request,) = network.requests
    assert request.headers["content-type"] == "application/json"
    assert request.headers["content-length"] == str(len(request.content))
    assert operation.calls == {"shop": 1}


async def test_list_by_post_may_be_empty_of_all_conditions() -> None:
    network = Network(lambda _: document({}))
    await client_of(network).json("/query", operation=Operation(5), body={})
    assert [(request.method, request.content) for request in network.requests] == [("POST", b"{}")]


async def test_list_by_post_must_have_a_document() -> None:
    """Unlike an action, whose response may be empty."""
    client = client_of(lambda _: httpx.Response(200))
    with pytest.raises(UpstreamError, match="answered with an empty body"):
        await client.json("/query", operation=Operation(5), body=QUERY)
    assert await client.act("POST", "/query", operation=Operation(5), body=QUERY) is None


async def test_list_by_post_is_never_revalidated() -> None:
    """Its ETag would be that of another body, and a condition means something else with POST."""
    network = Network(lambda _: document({}, ETag='"one"'))
    client, operation = client_of(network), Operation(5)
    await client.json("/query", operation=operation)
    got = dict(operation.validators)
    for body in (QUERY, {}):
        again = operation.detached(operation.validators, background=False)
        again.etags = got
        await client.json("/query", operation=again, body=body)
        assert '"one"' not in again.validators.values()
        operation.validators.update(again.validators)
    assert not any("if-none-match" in request.headers for request in network.requests)
    # What was made of both answers is not confirmed by one of them.
    assert got == {"/query": '"one"'}
    assert operation.detached(got, background=False).etags == got
    assert operation.detached(operation.validators, background=False).etags == {}


async def test_unasked_304_to_a_post_is_an_error() -> None:
    client = client_of(lambda _: httpx.Response(304))
    operation = Operation(5)
    operation.etags = {"/query": '"one"'}
    with pytest.raises(NotModified):
        await client.json("/query", operation=operation)
    with pytest.raises(UpstreamError, match="304 Not Modified"):
        await client.json("/query", operation=operation, body=QUERY)


async def test_action_sends_parameters_a_body_and_headers() -> None:
    network = Network(lambda _: httpx.Response(202))
    client = client_of(network)
    await client.act(
        "POST",
        "/resend",
        operation=Operation(5),
        params=[("force", "true"), ("q", "a b")],
        body={"since": "2026"},
        headers=[("Idempotency-Key", "k-1"), ("Accept", "application/vnd.shop+json")],
    )
    assert sent(network) == [("POST", "/resend?force=true&q=a+b", {"since": "2026"})]
    headers = network.requests[0].headers
    assert headers["idempotency-key"] == "k-1"
    assert headers["accept"] == "application/vnd.shop+json"
    assert headers["authorization"] == "Bearer fixed"


async def test_action_without_a_body_sends_none() -> None:
    network = Network(lambda _: httpx.Response(202))
    await client_of(network).act("POST", "/resend", operation=Operation(5))
    (request,) = network.requests
    assert (request.content, request.headers["content-length"]) == (b"", "0")
    assert "content-type" not in request.headers


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_action_with_an_idempotency_key_is_sent_once_all_the_same(status: int) -> None:
    network = Network(lambda _: httpx.Response(status))
    with pytest.raises(UpstreamError):
        await client_of(network).act(
            "POST", "/resend", operation=Operation(5), headers=[("idempotency-key", "k-1")]
        )
    assert len(network.requests) == 1


async def test_action_is_repeated_for_a_new_token_with_the_same_key_and_body() -> None:
    tokens = iter("ab")

    async def fetch() -> Token:
        return Token(next(tokens), NOW + 10**12)

    credential = TokenCredential(fetch, lambda token: {"Authorization": token}, lambda: NOW)
    answers = [httpx.Response(202), httpx.Response(401)]
    network = Network(lambda _: answers.pop())
    await client_of(network, credential=credential).act(
        "POST",
        "/resend",
        operation=Operation(5),
        body=QUERY,
        headers=[("idempotency-key", "k-1")],
    )
    assert sent(network) == [("POST", "/resend", QUERY)] * 2
    assert [
        (request.headers["authorization"], request.headers["idempotency-key"])
        for request in network.requests
    ] == [("a", "k-1"), ("b", "k-1")]


async def test_kit_cannot_replace_the_credential() -> None:
    network = Network(lambda _: httpx.Response(202))
    client = client_of(network, credential=FixedCredential({"Authorization": "Bearer fixed"}))
    await client.act(
        "POST", "/resend", operation=Operation(5), headers=[("authorization", "Bearer other")]
    )
    assert network.requests[0].headers.get_list("authorization") == ["Bearer fixed"]
