"""Every documented endpoint is called with exactly its method, path, headers and parameters."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest
from pydantic import SecretStr

from gateway import __version__
from gateway.model import Timestamp
from gateway.sources.source import Source
from gateway.upstream.operation import Operation
from gateway.vendors.pages import Stream, Wanted, Window
from tests.vendors.vendors import (
    BASE,
    INTEGRATION,
    JOB,
    PROJECT,
    Vendor,
    always,
    answer,
    make,
    token,
)

UNTIL = Timestamp(1_772_615_411_120_000_000)
SINCE = Timestamp(UNTIL - 3_600_000_000_000)
SINCE_Z, UNTIL_Z = "2026-03-04T08%3A10%3A10.120Z", "2026-03-04T09%3A10%3A12.000Z"
SINCE_0, UNTIL_0 = SINCE_Z.replace("Z", "%2B0000"), UNTIL_Z.replace("Z", "%2B0000")
PLAIN = {
    "accept": "application/json",
    "accept-encoding": "gzip",
    "connection": "keep-alive",
    "user-agent": f"webhook-log-gateway/{__version__}",
}


async def list_logs(
    source: Source, *place: str, wanted: Wanted | None = None, **window: Any
) -> None:
    await source.vendor.read_page(
        Stream(key="-", place=place),
        Window(**{"limit": 50, **window}),
        wanted or Wanted(),
        Operation(5),
    )


async def asked(provider: str, document: Any, **changes: Any) -> tuple[Source, Vendor]:
    vendor = always(document)
    return make(provider, vendor, **changes), vendor


SCOPES = [
    (("projects", PROJECT), {}),
    (("groups", "41207"), {"projects": [], "groups": [41207]}),
    (("repositories", "2111884"), {"projects": [], "repositories": [2111884]}),
]


@pytest.mark.parametrize(("scope", "changes"), SCOPES)
async def test_codearts(scope: tuple[str, str], changes: dict[str, Any]) -> None:
    source, vendor = await asked("codearts", [], **changes)
    window = f"created_before={UNTIL_Z}&created_after={SINCE_Z}"
    base = f"GET /v4/{scope[0]}/{scope[1]}/hooks"
    await source.find_streams(Operation(5))
    await list_logs(source, *scope, "990412")
    await list_logs(
        source,
        *scope,
        "990412",
        wanted=Wanted(since=SINCE, correlation_id="7f0c2c4e-31f6 17"),
        until=UNTIL,
        offset=50,
    )
    assert vendor.asked == [
        f"{base}?offset=0&limit=100",
        f"{base}/990412/logs?offset=0&limit=50",
        f"{base}/990412/logs?offset=50&limit=50&{window}&uuid=7f0c2c4e-31f6+17",
    ]


async def test_codearts_detail() -> None:
    """The endpoint of the vendor's page, which requires only X-Auth-Token."""
    source, vendor = await asked("codearts", {"id": 1})
    await source.read_log(("projects", PROJECT, "1", "1"), Operation(5))
    assert vendor.asked == [f"GET /v4/projects/{PROJECT}/hooks/1/logs/1"]
    (request,) = vendor.requests
    assert dict(request.headers) == {
        **PLAIN,
        "host": "vendor.example",
        "x-auth-token": "MIIToken",
    }


async def test_tracker() -> None:
    source, vendor = await asked("yandex-tracker", [])
    await source.find_streams(Operation(5))
    await list_logs(source, "DEV", "41")
    await list_logs(
        source, "DEV", "41", wanted=Wanted(since=SINCE, correlation_id="67c6"), until=UNTIL
    )
    await source.read_log(("DEV", "41", str(UNTIL), "67c6c20b9a1e4d0c7b5f2a10"), Operation(5))
    log = "GET /v3/queues/DEV/triggers/41/webhooks/log"
    assert vendor.asked == [
        "GET /v3/queues/DEV/triggers?perPage=50",
        f"{log}?limit=50",
        f"{log}?limit=50&from={SINCE_0}&to={UNTIL_0}&issueId=67c6",
        f"{log}?limit=100&from={UNTIL_0.replace('12.000', '10.120')}&to={UNTIL_0}",
    ]
    assert dict(vendor.requests[0].headers) == {
        **PLAIN,
        "host": "vendor.example",
        "authorization": "OAuth y0_token",
        "x-org-id": "7405813",
    }


async def test_tracker_named_triggers() -> None:
    source, vendor = await asked(
        "yandex-tracker", {"id": 41}, queues=[], triggers={"DEV": [41, 43], "OPS": [61]}
    )
    await source.hooks(Operation(5))
    assert sorted(vendor.asked) == [
        "GET /v3/queues/DEV/triggers/41",
        "GET /v3/queues/DEV/triggers/43",
        "GET /v3/queues/OPS/triggers/61",
    ]


async def test_language_weaver() -> None:
    empty = {"entries": [], "webhooks": [], "page": 1, "perPage": 50, "totalItems": 0}
    source, vendor = await asked("language-weaver", empty)
    await source.hooks(Operation(5))
    await list_logs(source)
    await list_logs(
        source,
        wanted=Wanted(failed=True, events=("translation.created", "adaptedlp.created")),
        offset=100,
    )
    await source.read_log(("88",), Operation(5))
    audit = "GET /api/v2/audit/webhooks"
    assert vendor.asked == [
        "GET /api/v2/webhooks?page=1&perPage=50",
        f"{audit}?page=1&perPage=50",
        f"{audit}?page=3&perPage=50&failed=true&event=translation.created%2Cadaptedlp.created",
        f"{audit}?page=1&perPage=50",
    ]
    assert dict(vendor.requests[0].headers) == {
        **PLAIN,
        "host": "vendor.example",
        "authorization": "Basic " + base64.b64encode(b"u_key:").decode(),
    }


async def test_elastic_path() -> None:
    source, vendor = await asked("elastic-path", {"data": []})
    await source.hooks(Operation(5))
    await list_logs(source)
    await list_logs(source, INTEGRATION, offset=50)
    await source.read_log((INTEGRATION, JOB, "5e0a6f0c"), Operation(5))
    await source.read_log((INTEGRATION, "", "5e0a6f0c"), Operation(5))
    integrations = "GET /v2/integrations"
    assert vendor.asked == [
        f"{integrations}?page%5Blimit%5D=100&page%5Boffset%5D=0",
        f"{integrations}/logs?page%5Blimit%5D=50&page%5Boffset%5D=0",
        f"{integrations}/{INTEGRATION}/logs?page%5Blimit%5D=50&page%5Boffset%5D=50",
        f"{integrations}/{INTEGRATION}/jobs/{JOB}/logs",
        f"{integrations}/{INTEGRATION}/logs?page%5Blimit%5D=50&page%5Boffset%5D=0",
    ]
    assert dict(vendor.requests[-1].headers) == {
        **PLAIN,
        "host": "vendor.example",
        "authorization": "Bearer t0",
    }


IAM = "https://iam.example"
TOKENS: list[tuple[str, dict[str, Any], str, dict[str, Any], dict[str, str]]] = [
    (
        "codearts",
        {
            "auth": {
                "type": "iam",
                "url": IAM,
                "domain": "acme-cn",
                "user": "svc",
                "password": SecretStr("a password"),
                "project": "cn-north-4",
            }
        },
        f"{IAM}/v3/auth/tokens?nocatalog=true",
        {
            "auth": {
                "identity": {
                    "methods": ["password"],
                    "password": {
                        "user": {
                            "name": "svc",
                            "password": "a password",
                            "domain": {"name": "acme-cn"},
                        }
                    },
                },
                "scope": {"project": {"name": "cn-north-4"}},
            }
        },
        {"x-auth-token": "t0"},
    ),
    (
        "yandex-tracker",
        {
            "org_id": None,
            "cloud_org_id": "bpf3c9s1",
            "auth": {
                "type": "iam",
                "url": f"{IAM}/iam/v1/tokens",
                "passport_token": SecretStr("y0_passport"),
            },
        },
        f"{IAM}/iam/v1/tokens",
        {"yandexPassportOauthToken": "y0_passport"},
        {"authorization": "Bearer t0", "x-cloud-org-id": "bpf3c9s1"},
    ),
    (
        "language-weaver",
        {"auth": {"type": "login", "username": "a user", "password": SecretStr("p&=+ä")}},
        f"{BASE}/api/v2/auth",
        {"username": "a user", "password": "p&=+ä"},
        {"authorization": "Bearer t0"},
    ),
    (
        "elastic-path",
        {},
        f"{BASE}/oauth/access_token",
        {"grant_type": "client_credentials", "client_id": "an id", "client_secret": "a secret"},
        {"authorization": "Bearer t0"},
    ),
]


@pytest.mark.parametrize(
    ("provider", "changes", "url", "body", "headers"), TOKENS, ids=[row[0] for row in TOKENS]
)
async def test_token_is_fetched_and_sent(
    provider: str, changes: dict[str, Any], url: str, body: dict[str, Any], headers: dict[str, str]
) -> None:
    source, vendor = await asked(provider, {"data": [], "webhooks": []}, **changes)
    if provider in {"codearts", "yandex-tracker"}:
        source, vendor = await asked(provider, [], **changes)
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


async def test_tracker_ready_iam_token() -> None:
    source, vendor = await asked(
        "yandex-tracker",
        [],
        org_id=None,
        cloud_org_id="bpf3c9s1",
        auth={"type": "iam", "token": SecretStr("t1.ready")},
    )
    await source.hooks(Operation(5))
    (request,) = vendor.requests
    assert request.headers["authorization"] == "Bearer t1.ready"
    assert request.headers["x-cloud-org-id"] == "bpf3c9s1"
    assert "x-org-id" not in request.headers


WRAPPED = [
    ("language-weaver", {"token": "t1"}),
    ("language-weaver", {"accessToken": "t1"}),
    ("language-weaver", {"data": {"access_token": "t1"}}),
    ("elastic-path", {"access_token": "t1", "expires_in": "3600"}),
    ("elastic-path", {"data": {"access_token": "t1", "expires_in": 3600}}),
    ("elastic-path", {"access_token": "t1", "expires_in": 1e308}),
    ("elastic-path", {"access_token": "t1", "expires_in": -1, "extra": [1]}),
]


@pytest.mark.parametrize(("provider", "document"), WRAPPED)
async def test_token_response_may_be_wrapped(provider: str, document: dict[str, Any]) -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return answer(document)
        return answer({"data": [], "webhooks": []})

    vendor = Vendor(respond)
    login = {"type": "login", "username": "a", "password": SecretStr("b")}
    changes: dict[str, Any] = {"auth": login} if provider == "language-weaver" else {}
    source = make(provider, vendor, **changes)
    await source.hooks(Operation(5))
    assert vendor.requests[-1].headers["authorization"] == "Bearer t1"


async def test_callers_cannot_inject_parameters() -> None:
    """Only short printable text is sent to a vendor; the feed applies all other conditions."""
    source, vendor = await asked("codearts", [])
    for text in ("", "x" * 101, "a\nb", "\ud800", "\x00"):
        await list_logs(source, "projects", PROJECT, "1", wanted=Wanted(correlation_id=text))
    await list_logs(source, "projects", PROJECT, "1", wanted=Wanted(correlation_id="a&limit=1#"))
    assert {*vendor.asked[:-1]} == {
        f"GET /v4/projects/{PROJECT}/hooks/1/logs?offset=0&limit=50",
    }
    assert vendor.asked[-1].endswith("&limit=50&uuid=a%26limit%3D1%23")
    source, vendor = await asked("language-weaver", {"entries": []})
    for events in ((), ("a,b",), ("\ud800",), ("",), tuple(map(str, range(11)))):
        await list_logs(source, wanted=Wanted(events=events))
    assert set(vendor.asked) == {"GET /api/v2/audit/webhooks?page=1&perPage=50"}


async def test_base_url_may_have_a_path() -> None:
    vendor = Vendor(lambda request: token(request) or answer([]))
    source = make("codearts", vendor, base_url=f"{BASE}/proxy/codearts/")
    await source.hooks(Operation(5))
    assert vendor.asked == [f"GET /proxy/codearts/v4/projects/{PROJECT}/hooks?offset=0&limit=100"]
