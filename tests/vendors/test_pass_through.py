"""Sources that are read with each caller's own vendor credential."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from gateway.errors import AllSourcesFailedError, ErrorCode
from gateway.service import Gateway
from gateway.settings import Settings
from gateway.upstream.operation import Operation

VENDORS: dict[str, dict[str, Any]] = {
    "codearts": {
        "base_url": "http://127.0.0.1:1",
        "projects": ["a642c851d4dc4853b595e5c8a5e56df7"],
        "hooks": [1],
    },
    "yandex-tracker": {"base_url": "http://127.0.0.1:1", "org_id": "7", "queues": ["DEV"]},
    "language-weaver": {"base_url": "http://127.0.0.1:1"},
    "elastic-path": {"base_url": "http://127.0.0.1:1"},
    "gitlab": {"base_url": "http://127.0.0.1:1", "projects": ["acme/shop"]},
}
SENT_AS = {"codearts": "X-Auth-Token", "gitlab": "PRIVATE-TOKEN"}


USERS = {"OAuth token-1": "alice", "OAuth token-2": "bob"}
"""The vendor's users by credential; it names them, since a repeated credential is masked."""


class Vendor:
    """Returns hooks and logs that carry the name of the credential's user."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        names = ("Authorization", *SENT_AS.values())
        sent = next(request.headers[name] for name in names if name in request.headers)
        self.seen.append(sent)
        if sent not in USERS:
            return httpx.Response(401)
        name = USERS[sent]
        if request.url.path.endswith("/webhooks/log"):
            return httpx.Response(200, json=[])
        if request.url.path.endswith("/triggers"):
            action = {"type": "Webhook", "id": 1}
            return httpx.Response(200, json=[{"id": 1, "name": name, "actions": [action]}])
        if request.url.path.endswith("/hooks"):
            return httpx.Response(200, json=[{"id": 1, "name": name}])
        if request.url.path.endswith("/integrations"):
            row = {"id": "2f2f0f9e-6f5c-4a0b-8f4e-8a7c5b0a1d22", "name": name}
            return httpx.Response(200, json={"data": [row]})
        if request.url.path.endswith("/api/v2/webhooks"):
            rows = [{"uuid": "u", "description": name}]
            return httpx.Response(200, json={"webhooks": rows, "totalItems": 1})
        if request.url.path.endswith("/logs/5"):
            log = {"id": 5, "web_hook_id": 1, "response_status": "200", "request_data": name}
            return httpx.Response(200, json=log)
        empty = {"entries": [], "data": [], "totalItems": 0, "results": {"total": 0}}
        return httpx.Response(200, json=[] if "/v4/" in request.url.path else empty)


@pytest.fixture
def vendor() -> Vendor:
    return Vendor()


@pytest.fixture(params=sorted(VENDORS))
def provider(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
async def gateway(vendor: Vendor, provider: str) -> AsyncIterator[Gateway]:
    source = {
        **VENDORS[provider],
        "name": "own",
        "provider": provider,
        "auth": {"type": "pass-through", "header": "X-My-Credential"},
    }
    settings = Settings.model_validate(
        {"sources": [source], "journal": {"url": SecretStr("sqlite:////dev/null/none")}}
    )
    async with Gateway(settings, transport=httpx.MockTransport(vendor)) as made:
        yield made


def operation(gateway: Gateway, credential: str) -> Operation:
    return gateway.operation({"x-my-credential": credential})


async def test_each_caller_reads_with_its_own_credential(
    gateway: Gateway, vendor: Vendor, provider: str
) -> None:
    source = gateway.source("own")
    for credential in (*USERS, *USERS):
        hooks = await source.hooks(operation(gateway, credential))
        assert [hook.name for hook in hooks] == [USERS[credential]], SENT_AS.get(provider)
    # Alice's entries are cached for alice only.
    assert set(vendor.seen) == set(USERS)
    first = len(vendor.seen)
    await source.hooks(operation(gateway, "OAuth token-2"))
    assert len(vendor.seen) == first


@pytest.mark.parametrize("provider", ["codearts"], indirect=True)
async def test_details_are_not_shared_between_callers(gateway: Gateway) -> None:
    source = gateway.source("own")
    place = ("projects", "a642c851d4dc4853b595e5c8a5e56df7", "1", "5")
    id = source.log_id(*place)
    for credential in (*USERS, *USERS):
        complete = await gateway.log(operation(gateway, credential), id)
        assert complete.request is not None
        assert complete.request.body == USERS[credential]


@pytest.mark.sampled(5)
@pytest.mark.parametrize("credential", ["", "two\nlines", " ", "\u00e9"])
async def test_nothing_is_sent_without_a_credential(
    gateway: Gateway, vendor: Vendor, credential: str
) -> None:
    with pytest.raises(AllSourcesFailedError) as caught:
        await gateway.logs(operation(gateway, credential))
    (error,) = caught.value.errors
    assert error.code is ErrorCode.UPSTREAM_UNAUTHORIZED
    assert str(error) == (
        "Source own is read with your own credential. Send it in the header X-My-Credential."
    )
    assert vendor.seen == []


async def test_failure_of_one_caller_is_not_shown_to_another(gateway: Gateway) -> None:
    with pytest.raises(AllSourcesFailedError):
        await gateway.logs(operation(gateway, "unknown"))
    health = gateway.source("own").client.health
    assert health.last_error is None


async def test_no_cache_key_holds_a_credential(gateway: Gateway) -> None:
    await gateway.source("own").hooks(operation(gateway, "OAuth token-1"))
    keys = list(gateway._cache._store._sizes)  # type: ignore[attr-defined]
    assert keys
    assert "token-1" not in json.dumps(keys)
