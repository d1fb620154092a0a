from __future__ import annotations

import asyncio
import email.utils
from typing import TYPE_CHECKING, Any

import pytest

from . import test_codearts, test_elastic_path, test_language_weaver, test_yandex_tracker

if TYPE_CHECKING:
    import httpx
    from starlette.types import Message

    from gateway.sandbox import Sandbox
    from tests.support.clock import Clock

CODEARTS = test_codearts.LOGS
TRACKER = test_yandex_tracker.LOG
WEAVER = test_language_weaver.ENTRIES
STORE = test_elastic_path.STORE
TOKEN = "/elastic-path/oauth/access_token"


@pytest.fixture
async def signed_in(client: httpx.AsyncClient) -> httpx.AsyncClient:
    """A client authorised for all four vendors, two of which use Authorization."""
    client.headers.update(test_codearts.TOKEN | test_yandex_tracker.ORG)
    return client


async def call(client: httpx.AsyncClient, path: str, **parameters: str) -> httpx.Response:
    if path.startswith("/tracker"):
        headers = test_yandex_tracker.OAUTH
    elif path.startswith("/elastic-path"):
        issued = await client.post(TOKEN, data=test_elastic_path.LOGIN)
        headers = {"Authorization": f"Bearer {issued.json()['access_token']}"}
    else:
        headers = {}
    auth = test_language_weaver.KEY if path.startswith("/language-weaver") else None
    return await client.get(path, params=parameters, headers=headers, auth=auth)


async def spoil(client: httpx.AsyncClient, vendor: str, kind: str, **members: Any) -> None:
    response = await client.put(f"/control/faults/{vendor}", json={"kind": kind, **members})
    assert response.status_code == 204, response.text


@pytest.mark.parametrize(
    ("vendor", "path", "words"),
    [
        ("codearts", CODEARTS, '{"error_code":"CH.000001","error_msg":'),
        ("yandex-tracker", TRACKER, '{"errors":{},"errorMessages":['),
        ("language-weaver", WEAVER, '{"error":{"code":503,"message":'),
        ("elastic-path", STORE, '{"errors":[{"status":503,"title":"Service Unavailable"'),
    ],
)
async def test_status_fault_has_the_vendors_error_form(
    signed_in: httpx.AsyncClient, vendor: str, path: str, words: str
) -> None:
    await spoil(signed_in, vendor, "status", status=503, headers={"Retry-After": "7"})
    response = await call(signed_in, path)
    assert response.status_code == 503
    assert response.text.startswith(words)
    assert response.headers["Retry-After"] == "7"
    assert response.headers["X-Request-Id"]
    await signed_in.delete(f"/control/faults/{vendor}")
    assert (await call(signed_in, path)).status_code == 200


async def test_status_fault_may_have_a_nonstandard_status(signed_in: httpx.AsyncClient) -> None:
    await spoil(signed_in, "elastic-path", "status", status=520)
    assert (await call(signed_in, STORE)).json() == {"errors": [{"status": 520, "title": "Error"}]}


async def test_fault_affects_one_vendor_only(signed_in: httpx.AsyncClient) -> None:
    await spoil(signed_in, "codearts", "status")
    assert (await call(signed_in, CODEARTS)).status_code == 503
    assert (await call(signed_in, TRACKER)).status_code == 200
    await signed_in.delete("/control/faults")
    assert (await call(signed_in, CODEARTS)).status_code == 200


async def test_fault_ends_after_its_times(signed_in: httpx.AsyncClient) -> None:
    await spoil(signed_in, "codearts", "status", status=500, times=2)
    statuses = [(await call(signed_in, CODEARTS)).status_code for _ in range(3)]
    assert statuses == [500, 500, 200]


@pytest.mark.slow
async def test_fault_may_hit_a_share_of_the_requests(signed_in: httpx.AsyncClient) -> None:
    """The choice is reproducible by seed, and only failed requests count towards the times."""
    await spoil(signed_in, "codearts", "status", share=0.3)
    statuses = [(await call(signed_in, CODEARTS)).status_code for _ in range(200)]
    assert 40 < statuses.count(503) < 80
    assert statuses.count(200) + statuses.count(503) == 200
    await spoil(signed_in, "codearts", "status", share=0)
    assert (await call(signed_in, CODEARTS)).status_code == 200
    await spoil(signed_in, "codearts", "status", share=0.3, times=5)
    statuses = [(await call(signed_in, CODEARTS)).status_code for _ in range(200)]
    assert statuses.count(503) == 5


async def test_fault_may_be_limited_to_a_path(signed_in: httpx.AsyncClient) -> None:
    await spoil(signed_in, "codearts", "status", paths="990413")
    assert (await call(signed_in, CODEARTS)).status_code == 200
    assert (await call(signed_in, CODEARTS.replace("990412", "990413"))).status_code == 503


async def test_token_endpoint_fails_only_if_it_is_named(client: httpx.AsyncClient) -> None:
    await spoil(client, "elastic-path", "status")
    assert (await client.post(TOKEN, data=test_elastic_path.LOGIN)).status_code == 200
    await spoil(client, "elastic-path", "status", paths="access_token")
    assert (await client.post(TOKEN, data=test_elastic_path.LOGIN)).status_code == 503


async def test_rate_limit_may_have_a_retry_after(
    signed_in: httpx.AsyncClient, clock: Clock[float]
) -> None:
    await spoil(signed_in, "codearts", "rate-limit", retry_after=3)
    response = await call(signed_in, CODEARTS)
    assert (response.status_code, response.headers["Retry-After"]) == (429, "3")
    assert response.json()["error_code"] == "APIG.0308"
    await spoil(signed_in, "codearts", "rate-limit", retry_after=None)
    assert "Retry-After" not in (await call(signed_in, CODEARTS)).headers
    await spoil(signed_in, "codearts", "rate-limit", retry_after="http-date", seconds=30)
    date = (await call(signed_in, CODEARTS)).headers["Retry-After"]
    assert email.utils.parsedate_to_datetime(date).timestamp() == int(clock.now + 30)


async def test_latency_only_delays_responses(signed_in: httpx.AsyncClient) -> None:
    await spoil(signed_in, "codearts", "latency", seconds=0.001)
    assert (await call(signed_in, CODEARTS)).status_code == 200


async def test_latency_ends_when_the_client_disconnects(
    signed_in: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    await spoil(signed_in, "codearts", "latency", seconds=3600)
    incoming = [{"type": "http.request"}, {"type": "http.disconnect"}]

    async def receive() -> Message:
        return incoming.pop(0)

    async def send(message: Message) -> None:
        raise AssertionError(message)

    scope = {"type": "http", "method": "GET", "path": CODEARTS, "query_string": b"", "headers": []}
    async with asyncio.timeout(30):
        await sandbox.app(scope, receive, send)


@pytest.mark.parametrize(
    ("vendor", "path", "newer"),
    [
        ("codearts", CODEARTS, {"created_after": "2026-03-01T00:00:00Z"}),
        ("codearts", CODEARTS, {"created_before": "2026-03-01T00:00:00Z"}),
        ("yandex-tracker", TRACKER, {"from": "2026-03-01T00:00:00Z"}),
        ("yandex-tracker", TRACKER, {"limit": "50"}),
    ],
)
async def test_older_revision_refuses_newer_parameters(
    signed_in: httpx.AsyncClient, vendor: str, path: str, newer: dict[str, str]
) -> None:
    assert (await call(signed_in, path, **newer)).status_code == 200
    await spoil(signed_in, vendor, "refuse-window")
    assert (await call(signed_in, path, **newer)).status_code == 400
    assert (await call(signed_in, path)).status_code == 200


async def test_store_without_version_serves_the_documented_paths(
    signed_in: httpx.AsyncClient,
) -> None:
    proper = (await call(signed_in, STORE)).json()
    await spoil(signed_in, "elastic-path", "no-v2")
    assert (await call(signed_in, STORE)).status_code == 404
    assert (await call(signed_in, STORE.replace("/v2", ""))).json() == proper


async def test_html_fault_and_empty_fault_replace_the_body(signed_in: httpx.AsyncClient) -> None:
    await spoil(signed_in, "language-weaver", "html")
    page = await call(signed_in, WEAVER)
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    await spoil(signed_in, "language-weaver", "empty")
    nothing = await call(signed_in, WEAVER)
    assert (nothing.status_code, nothing.content) == (200, b"")


async def test_truncated_json_fault_returns_half_the_document(signed_in: httpx.AsyncClient) -> None:
    proper = (await call(signed_in, CODEARTS)).content
    await spoil(signed_in, "codearts", "truncated-json")
    half = await call(signed_in, CODEARTS)
    assert half.content == proper[: len(proper) // 2]
    assert half.headers["Content-Length"] == str(len(half.content))
    assert half.headers["X-Total"]


async def test_huge_body_has_no_length(signed_in: httpx.AsyncClient) -> None:
    await spoil(signed_in, "codearts", "huge", megabytes=2)
    huge = await call(signed_in, CODEARTS)
    assert "Content-Length" not in huge.headers
    assert len(huge.content) > 1.9 * 2**20
    assert len(huge.json()) > 10_000


@pytest.mark.parametrize(
    ("vendor", "path"),
    [
        ("codearts", CODEARTS),
        ("yandex-tracker", TRACKER),
        ("language-weaver", WEAVER),
        ("elastic-path", STORE),
    ],
)
async def test_wrong_types_fault_returns_valid_json(
    signed_in: httpx.AsyncClient, vendor: str, path: str
) -> None:
    proper = (await call(signed_in, path)).json()
    await spoil(signed_in, vendor, "wrong-types")
    assert type((await call(signed_in, path)).json()) is not type(proper)
    await spoil(signed_in, vendor, "wrong-types", shape="rows")
    wrong = (await call(signed_in, path)).json()
    assert type(wrong) is type(proper)
    if isinstance(proper, dict):
        rows = "entries" if "entries" in proper else "data"
        proper, wrong = proper[rows], wrong[rows]
    assert wrong[1::2] == proper[1::2]
    for spoilt, good in zip(wrong[::2], proper[::2], strict=True):
        assert spoilt.keys() == good.keys()
        assert not any(type(spoilt[name]) is type(good[name]) for name in good)


@pytest.mark.parametrize(
    ("vendor", "path"),
    [
        ("codearts", CODEARTS),
        ("yandex-tracker", TRACKER),
        ("language-weaver", WEAVER),
        ("elastic-path", STORE),
    ],
)
async def test_duplicate_ids_fault_repeats_the_rows(
    signed_in: httpx.AsyncClient, vendor: str, path: str
) -> None:
    proper = (await call(signed_in, path)).json()
    await spoil(signed_in, vendor, "duplicate-ids")
    doubled = (await call(signed_in, path)).json()
    if isinstance(proper, dict):
        rows = "entries" if "entries" in proper else "data"
        assert doubled | {rows: proper[rows]} == proper
        proper, doubled = proper[rows], doubled[rows]
    assert doubled[::2] == doubled[1::2] == proper


async def test_duplicate_ids_fault_does_not_change_a_single_document(
    signed_in: httpx.AsyncClient,
) -> None:
    newest = (await call(signed_in, CODEARTS)).json()[0]
    proper = (await call(signed_in, f"{CODEARTS}/{newest['id']}")).json()
    await spoil(signed_in, "codearts", "duplicate-ids")
    assert (await call(signed_in, f"{CODEARTS}/{newest['id']}")).json() == proper


async def test_wrong_types_fault_changes_a_single_document(signed_in: httpx.AsyncClient) -> None:
    newest = (await call(signed_in, CODEARTS)).json()[0]
    await spoil(signed_in, "codearts", "wrong-types", shape="rows")
    detail = (await call(signed_in, f"{CODEARTS}/{newest['id']}")).json()
    assert isinstance(detail["id"], dict)


async def test_issued_token_expires_only_once(signed_in: httpx.AsyncClient) -> None:
    issued = await signed_in.post(TOKEN, data=test_elastic_path.LOGIN)
    headers = {"Authorization": f"Bearer {issued.json()['access_token']}"}
    assert (await signed_in.get(STORE, headers=headers)).status_code == 200
    await spoil(signed_in, "elastic-path", "expired-token")
    assert (await signed_in.get(STORE, headers=headers)).status_code == 401
    assert (await call(signed_in, STORE)).status_code == 200


@pytest.mark.parametrize(
    ("vendor", "path"),
    [("codearts", CODEARTS), ("yandex-tracker", TRACKER), ("language-weaver", WEAVER)],
)
async def test_fixed_token_is_refused_for_the_given_times(
    signed_in: httpx.AsyncClient, vendor: str, path: str
) -> None:
    await spoil(signed_in, vendor, "expired-token", times=1)
    assert (await call(signed_in, path)).status_code == 401
    assert (await call(signed_in, path)).status_code == 200


async def test_broken_connection_needs_a_connection(signed_in: httpx.AsyncClient) -> None:
    for kind in ("reset", "cut-body", "endless"):
        await spoil(signed_in, "codearts", kind)
        with pytest.raises(ConnectionResetError):
            await call(signed_in, CODEARTS)


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("vendor", "content", "status"),
    [
        ("codearts", "{}", 400),
        ("codearts", '{"kind":"flood"}', 400),
        ("codearts", '{"kind":"html","colour":"red"}', 400),
        ("codearts", '{"kind":"no-v2"}', 400),
        ("codearts", '{"kind":"html","share":1.1}', 400),
        ("elastic-path", '{"kind":"refuse-window"}', 400),
        ("gitea", '{"kind":"html"}', 404),
    ],
)
async def test_impossible_fault_is_refused(
    client: httpx.AsyncClient, vendor: str, content: str, status: int
) -> None:
    response = await client.put(f"/control/faults/{vendor}", content=content)
    assert response.status_code == status
    assert response.json()["error"]
