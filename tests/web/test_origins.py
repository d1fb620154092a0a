"""Pages of other origins: which may send requests, and what they may read."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from gateway.settings import Settings
from gateway.web.app import create_app
from tests.web.test_view import DATA, JSON, LOCAL, QUERY, client_of, made_app, sentence

APP = "https://app.example.com"
EVIL = "https://evil.example"
REFUSED = (
    "A page of another origin sent this, and cors_origins does not name it. If it is the gateway's"
    " own page, let the proxy in front keep the Host header."
)


def headers_of(origin: str | None, site: str | None) -> dict[str, str]:
    given = {"origin": origin, "sec-fetch-site": site}
    return {name: value for name, value in given.items() if value is not None}


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("origin", "site", "executed"),
    [
        # Programs, and addresses typed into a browser.
        (None, None, True),
        (None, "none", True),
        # The explorer; a proxy may change Host.
        (None, "same-origin", True),
        (LOCAL, "same-origin", True),
        (LOCAL, None, True),
        (LOCAL.upper(), None, True),
        ("https://127.0.0.1:8000", None, True),
        ("https://logs.example.com", "same-origin", True),
        # Configured pages.
        (APP, "cross-site", True),
        (APP, "same-site", True),
        (APP, None, True),
        # All others: images, links, forms, scripts, and fetches.
        (None, "cross-site", False),
        (None, "same-site", False),
        (None, "", False),
        (None, "what the future brings", False),
        (None, "same-origin, cross-site", False),
        (EVIL, "cross-site", False),
        (EVIL, None, False),
        (LOCAL, "cross-site", False),
        ("http://127.0.0.1:3000", "same-site", False),
        ("http://127.0.0.1:3000", None, False),
        ("http://127.0.0.1", None, False),
        ("http://localhost:8000", None, False),
        ("null", "cross-site", False),
        ("null", None, False),
        ("", None, False),
        ("127.0.0.1:8000", None, False),
        (f"{APP}:443", None, False),
        (f"{APP}.evil.example", None, False),
        ("http://app.example.com", None, False),
    ],
)
async def test_only_own_and_configured_pages_may_send_requests(
    origin: str | None, site: str | None, executed: bool
) -> None:
    headers = headers_of(origin, site)
    async with client_of(made_app(cors_origins=[APP], batch_size=2)) as client:
        got = await client.get("/graphql", params={"query": QUERY}, headers=headers)
        posted = await client.post("/graphql", json={"query": QUERY}, headers=headers)
        batch = await client.post("/graphql", json=[{"query": QUERY}], headers=headers)
    for answer, data in ((got, DATA), (posted, DATA), (batch, [DATA])):
        if executed:
            assert answer.json() == data
        else:
            assert sentence(answer, 403) == REFUSED
            assert "access-control-allow-origin" not in answer.headers


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("headers", "executed"),
    [
        # An image's GET from a browser that does not send Sec-Fetch-Site.
        ({}, False),
        ({"accept": "image/avif,image/webp,*/*;q=0.8", "referer": f"{EVIL}/"}, False),
        ({"referer": f"{LOCAL}/graphql"}, False),
        ({"sec-fetch-mode": "no-cors"}, False),
        ({"sec-fetch-mode": "navigate"}, False),
        # Headers that need no permission, or that a browser or a proxy adds.
        ({"accept": JSON}, False),
        ({"accept": "application/graphql-response+json"}, False),
        ({"accept-language": JSON, "content-language": JSON}, False),
        ({"content-type": "text/plain"}, False),
        ({"content-type": f"text/plain;{JSON}"}, False),
        ({"content-type": "application/x-www-form-urlencoded"}, False),
        ({"content-type": "multipart/form-data; boundary=x"}, False),
        ({"if-none-match": '"x"', "cache-control": "no-cache"}, False),
        ({"cookie": "a=b", "authorization": "Basic YTpi"}, False),
        ({"x-request-id": "a", "traceparent": f"00-{'1' * 32}-{'1' * 16}-01"}, False),
        ({"apollo-require-preflight": ""}, False),
        # Headers that need permission.
        ({"content-type": JSON}, True),
        ({"content-type": "Application/JSON; charset=utf-8"}, True),
        ({"authorization": "Bearer x"}, True),
        ({"x-api-key": "x"}, True),
        ({"apollo-require-preflight": "true"}, True),
        ({"x-apollo-operation-name": "Newest"}, True),
        # Node's fetch; a browser would send Sec-Fetch-Site too.
        ({"sec-fetch-mode": "cors"}, True),
        ({"sec-fetch-mode": "same-origin"}, True),
    ],
)
async def test_get_needs_proof_that_no_foreign_page_sent_it(
    headers: dict[str, str], executed: bool
) -> None:
    async with client_of(made_app()) as client:
        del client.headers["apollo-require-preflight"]
        answer = await client.get("/graphql", params={"query": QUERY}, headers=headers)
        posted = await client.post("/graphql", json={"query": QUERY}, headers={"accept": "*/*"})
    assert posted.json() == DATA
    if executed:
        assert answer.json() == DATA
    else:
        assert sentence(answer, 403) == (
            "A page of any site could have sent this. Add the header Content-Type:"
            " application/json to a query by GET, or send it by POST."
        )


async def test_foreign_pages_do_not_use_up_the_rate_limit() -> None:
    async with client_of(made_app({"rate": 1})) as client:
        foreign = headers_of(None, "cross-site")
        for _ in range(3):
            for headers in (foreign, {"apollo-require-preflight": ""}):
                refused = await client.get("/graphql", params={"query": QUERY}, headers=headers)
                assert "ratelimit" not in refused.headers
        assert (await client.get("/graphql", params={"query": QUERY})).json() == DATA


async def test_other_sites_may_link_to_the_explorer() -> None:
    async with client_of(made_app()) as client:
        headers = {"accept": "text/html", "sec-fetch-site": "cross-site"}
        assert (await client.get("/graphql", headers=headers)).status_code == 200


# CORS


def preflight(origin: str = APP, method: str = "POST", names: str = "content-type") -> Any:
    return {
        "origin": origin,
        "access-control-request-method": method,
        "access-control-request-headers": names,
    }


async def test_no_page_is_allowed_by_default() -> None:
    async with client_of(made_app()) as client:
        answer = await client.options("/graphql", headers=preflight())
        assert sentence(answer, 405) == (
            "A page of another origin asks for permission, and there are no cors_origins here."
        )
        answers = [answer, await client.get("/graphql", params={"query": QUERY})]
    for answer in answers:
        assert not any(name.startswith("access-control") for name in answer.headers)


async def test_configured_page_is_allowed() -> None:
    async with client_of(made_app(cors_origins=[APP])) as client:
        for method, names in [
            ("GET", "if-none-match, cache-control"),
            ("POST", "content-type"),
            ("POST", "authorization,content-type,x-api-key,x-request-id,x-request-timeout"),
            ("POST", "content-type,traceparent,tracestate,apollographql-client-name"),
        ]:
            answer = await client.options("/graphql", headers=preflight(APP, method, names))
            assert answer.status_code == 200
            assert answer.headers["access-control-allow-origin"] == APP
            assert answer.headers["access-control-allow-methods"] == "GET, POST"
            # Browsers must never add cookies or certificates.
            assert "access-control-allow-credentials" not in answer.headers
        asked, page = {"query": QUERY}, headers_of(APP, "cross-site")
        good = await client.get("/graphql", params=asked, headers=page)
        wrong = await client.get("/graphql", headers=page)
        known = {"if-none-match": good.headers["etag"]}
        kept = await client.get("/graphql", params=asked, headers={**page, **known})
        plain = await client.get("/graphql", params={"query": QUERY})
    assert [answer.status_code for answer in (good, wrong, kept)] == [200, 400, 304]
    for answer in (good, wrong, kept):
        assert answer.headers["access-control-allow-origin"] == APP
        assert answer.headers["access-control-expose-headers"] == (
            "Cache-Status, ETag, RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate,"
            " X-Request-Id"
        )
        assert "Origin" in answer.headers["vary"]
    assert plain.headers["vary"] == "Accept, Authorization, X-API-Key, Origin"
    assert "access-control-allow-origin" not in plain.headers


ORIGIN_REFUSED = "cors_origins does not name the page's origin."
METHOD_REFUSED = "the request would have another method than GET and POST."
HEADER_REFUSED = "the request would have a header that no page may send."


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        (preflight(EVIL), ORIGIN_REFUSED),
        (preflight("null"), "the page has no origin, as a file or a sandboxed frame. Serve it from"
         " a site that cors_origins names, or send the request from outside of the page."),
        (preflight("file://"), ORIGIN_REFUSED),
        (preflight("capacitor://localhost"), ORIGIN_REFUSED),
        (preflight(f"{APP}.evil.example"), ORIGIN_REFUSED),
        (preflight(APP.upper()), ORIGIN_REFUSED),
        (preflight(method="DELETE"), METHOD_REFUSED),
        (preflight(names="content-type, cookie"), HEADER_REFUSED),
        (preflight(names="X-Forwarded-For"), HEADER_REFUSED),
        (preflight(names="forwarded,content-type"), HEADER_REFUSED),
        (preflight(names="x-real-ip"), HEADER_REFUSED),
        (preflight(names="sec-fetch-site"), HEADER_REFUSED),
        (preflight(names="x y"), HEADER_REFUSED),
    ],
)  # fmt: skip
async def test_refused_preflight_names_the_reason(headers: dict[str, str], reason: str) -> None:
    async with client_of(made_app(cors_origins=[APP])) as client:
        answer = await client.options("/graphql", headers={**headers, "x-request-id": "mine"})
    assert sentence(answer, 400) == f"No permission by CORS: {reason}"
    assert answer.headers["x-request-id"] == "mine"
    assert ("access-control-allow-origin" in answer.headers) == (headers["origin"] == APP)
    assert "access-control-allow-headers" not in answer.headers
    assert answer.headers["vary"].startswith("Origin, ")


@pytest.mark.parametrize(
    "names",
    [
        "baggage, sentry-trace",  # Sentry
        "traceparent,tracestate,b3,x-b3-traceid,x-b3-spanid,x-b3-sampled,uber-trace-id",
        "x-datadog-origin,x-datadog-parent-id,x-datadog-sampling-priority,x-datadog-trace-id",
        "newrelic,elastic-apm-traceparent,request-id,request-context,x-amzn-trace-id",
        "apollographql-client-name,apollographql-client-version,x-apollo-operation-name",
        "apollo-federation-include-trace,graphql-client-name,x-apollo-cache-key",
        "x-requested-with, x-csrf-token, dnt, pragma, priority, accept-encoding, user-agent",
        "content-type,X-Firebase-Appcheck,ngrok-skip-browser-warning",
        "",
        "content-type,,",
    ],
)
async def test_configured_page_may_send_any_ordinary_header(names: str) -> None:
    """Tracing and client libraries add headers; a page must not need a setting for each."""
    async with client_of(made_app(cors_origins=[APP])) as client:
        answer = await client.options("/graphql", headers=preflight(names=names))
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-headers"] == names


async def test_preflight_without_headers() -> None:
    async with client_of(made_app(cors_origins=[APP])) as client:
        asked = preflight()
        del asked["access-control-request-headers"]
        assert (await client.options("/graphql", headers=asked)).status_code == 200


@pytest.mark.parametrize("origin", [APP, EVIL])
async def test_private_network_is_open_to_configured_pages_only(origin: str) -> None:
    """Chromium sends such a preflight before a public page calls a private address."""
    asked = preflight(origin) | {"access-control-request-private-network": "true"}
    async with client_of(made_app(cors_origins=[APP])) as client:
        answer = await client.options("/graphql", headers=asked)
    assert answer.status_code == (200 if origin == APP else 400)
    permission = answer.headers.get("access-control-allow-private-network")
    assert permission == ("true" if origin == APP else None)


@pytest.mark.parametrize(
    "origin",
    [
        "capacitor://localhost",
        "ionic://localhost",
        "tauri://localhost",
        "http://tauri.localhost",
        "https://localhost",
        "app://.",
        "app://obsidian.md",
        "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
        "moz-extension://5f2d9a3e-7c41-4b0e-9a86-0c5de0c1f2a7",
        "vscode-webview://0a1b2c3d",
        "http://app.example.com:8080",
    ],
)
async def test_app_inside_a_browser_engine_can_be_configured(origin: str) -> None:
    """Desktop and mobile apps and extensions have origins with schemes of their own."""
    async with client_of(made_app(cors_origins=[origin])) as client:
        allowed = await client.options("/graphql", headers=preflight(origin))
        assert allowed.headers["access-control-allow-origin"] == origin
        answer = await client.post(
            "/graphql", json={"query": QUERY}, headers=headers_of(origin, "cross-site")
        )
        assert answer.json() == DATA
        assert answer.headers["access-control-allow-origin"] == origin
        other = await client.options("/graphql", headers=preflight(f"{origin}x"))
        assert other.status_code == 400


async def test_configured_page_may_send_a_vendor_credential() -> None:
    source = {
        "name": "tracker",
        "provider": "yandex-tracker",
        "org_id": "7",
        "queues": ["DEV"],
        "auth": {"type": "pass-through", "header": "X-Tracker-Token"},
    }
    settings = {"server": {"cors_origins": [APP]}, "sources": [source]}
    async with client_of(create_app(Settings.model_validate(settings))) as client:
        headers = preflight(names="content-type, x-tracker-token")
        assert (await client.options("/graphql", headers=headers)).status_code == 200


async def test_cors_covers_the_endpoint_only() -> None:
    async with client_of(made_app(cors_origins=[APP])) as client:
        answer = await client.get("/readyz", headers={"origin": APP})
    assert "access-control-allow-origin" not in answer.headers


async def test_configured_page_can_read_early_refusals() -> None:
    """Otherwise developers see only a failed fetch. A malformed head is the one exception."""
    app = made_app(cors_origins=[APP])
    asked = {"query": QUERY}

    async def broken(_: Any) -> None:
        raise RuntimeError

    view: Any = next(route for route in app.routes if getattr(route, "path", "") == "/graphql")
    view.app.respond = broken
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=LOCAL) as client:
        for headers, status, code in (
            ({"host": "evil.example"}, 421, "BAD_REQUEST"),
            ({"x": "x" * 70_000}, 431, "LIMIT_EXCEEDED"),
            ({}, 500, "INTERNAL_ERROR"),
        ):
            for origin, told in ((APP, APP), (EVIL, None)):
                answer = await client.post(
                    "/graphql", json=asked, headers={**headers, "origin": origin}
                )
                assert sentence(answer, status, code)
                assert answer.headers.get("access-control-allow-origin") == told
                assert "X-Request-Id" in answer.headers["access-control-expose-headers"]
