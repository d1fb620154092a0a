"""Tokens are fetched and sent as documented, and nothing else gets into a request.

The requests of each vendor are tested in its own folder.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest

from gateway.upstream.operation import Operation
from gateway.vendors.pages import Criteria
from tests.vendors.cases import CASES
from tests.vendors.requests import asked, list_logs
from tests.vendors.vendors import (
    BASE,
    PROJECT,
    PROVIDERS,
    WITH_TOKENS,
    Vendor,
    answer,
    make,
    token,
)


@pytest.mark.parametrize("provider", WITH_TOKENS)
async def test_token_is_fetched_and_sent(provider: str) -> None:
    case = CASES[provider]
    assert case.token_request
    settings, url, body, headers, _, _ = case.token_request
    source, vendor = await asked(provider, case.page_of_hooks([]), **settings)
    await source.hooks(Operation(5))
    first, second = vendor.requests
    assert (first.method, str(first.url)) == ("POST", url)
    if first.headers["content-type"] == "application/json":
        assert json.loads(first.content) == body
    else:
        assert first.headers["content-type"] == "application/x-www-form-urlencoded"
        assert dict(parse_qsl(first.content.decode())) == body
    assert not {"authorization", "x-auth-token"} & set(first.headers)
    assert headers.items() <= dict(second.headers).items()


@pytest.mark.parametrize(
    ("provider", "document"),
    [(provider, document) for provider in PROVIDERS for document in CASES[provider].token_answers],
)
async def test_token_response_may_be_wrapped(provider: str, document: dict[str, Any]) -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return answer(document)
        return answer(CASES[provider].page_of_hooks([]))

    vendor = Vendor(respond)
    request = CASES[provider].token_request
    assert request
    await make(provider, vendor, **request.settings).hooks(Operation(5))
    assert vendor.requests[-1].headers["authorization"] == "Bearer t1"


async def test_callers_cannot_inject_parameters() -> None:
    """Only short printable text is sent to a vendor; the feed applies all other conditions."""
    source, vendor = await asked("codearts", [])
    for text in ("", "x" * 101, "a\nb", "\ud800", "\x00"):
        await list_logs(source, "projects", PROJECT, "1", wanted=Criteria(correlation_id=text))
    await list_logs(source, "projects", PROJECT, "1", wanted=Criteria(correlation_id="a&limit=1#"))
    assert {*vendor.asked[:-1]} == {
        f"GET /v4/projects/{PROJECT}/hooks/1/logs?offset=0&limit=50",
    }
    assert vendor.asked[-1].endswith("&limit=50&uuid=a%26limit%3D1%23")
    source, vendor = await asked("language-weaver", {"entries": []})
    for events in ((), ("a,b",), ("\ud800",), ("",), tuple(map(str, range(11)))):
        await list_logs(source, wanted=Criteria(events=events))
    assert set(vendor.asked) == {"GET /api/v2/audit/webhooks?page=1&perPage=50"}


async def test_base_url_may_have_a_path() -> None:
    vendor = Vendor(lambda request: token(request) or answer([]))
    source = make("codearts", vendor, base_url=f"{BASE}/proxy/codearts/")
    await source.hooks(Operation(5))
    assert vendor.asked == [f"GET /proxy/codearts/v4/projects/{PROJECT}/hooks?offset=0&limit=100"]
