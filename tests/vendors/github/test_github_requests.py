"""Requests have exactly the documented method, path, headers and parameters."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey
from pydantic import SecretStr

from gateway.errors import ErrorCode, RequestError, UpstreamError
from gateway.model import WebhookLogStatus
from gateway.sources.source import Source
from gateway.upstream.operation import Operation
from gateway.vendors.pages import MAX_STATUS_CODE, Criteria, Page, Window
from gateway.vendors.retried import Retried, RetryKind
from tests.vendors.case import sample
from tests.vendors.github.case import CASE, HOOK, REPOSITORY
from tests.vendors.requests import PLAIN, asked
from tests.vendors.vendors import START, Vendor, always, answer, make

SCOPES = [
    (("repos", REPOSITORY, str(HOOK)), f"/repos/{REPOSITORY}/hooks/{HOOK}/deliveries", {}),
    (
        ("orgs", "acme", "1"),
        "/orgs/acme/hooks/1/deliveries",
        {"repositories": [], "organizations": ["acme"]},
    ),
]
KEY = RSAKey.generate_key(2048)
APP: dict[str, Any] = {
    "repositories": [],
    "app": True,
    "auth": {
        "type": "app",
        "app_id": "1234",
        "private_key": SecretStr(KEY.as_pem(private=True).decode()),
    },
}
FAILED, SUCCEEDED, PENDING, UNKNOWN = (
    WebhookLogStatus[name] for name in ("FAILED", "SUCCEEDED", "PENDING", "UNKNOWN")
)


async def page_of(source: Source, criteria: Criteria | None = None, **window: Any) -> Page:
    return await source.vendor.read_page(
        CASE.stream, Window(**{"limit": 50, **window}), criteria or Criteria(), Operation(5)
    )


@pytest.mark.parametrize(("place", "path", "changes"), SCOPES)
async def test_hooks_logs_and_redelivery_of_a_scope(
    place: tuple[str, ...], path: str, changes: dict[str, Any]
) -> None:
    source, vendor = await asked("github", [], **changes)
    await source.hooks(Operation(5))
    stream = await make("github", always([]), **changes, hooks=[1]).find_streams(Operation(5))
    assert stream.streams[0].by_token
    vendor._handler = lambda request: answer(
        None if request.method == "POST" else {"id": 7}, 202 if request.method == "POST" else 200
    )
    log = await source.read_log((*place, "7"), Operation(5))
    assert log is not None
    assert log.complete
    retried = await source.retry((*place, "7"), Operation(5))
    assert retried == Retried(RetryKind.NEW_LOG)
    assert [(request.method, request.url.raw_path.decode()) for request in vendor.requests] == [
        ("GET", f"{path.rsplit('/', 2)[0]}?per_page=100&page=1"),
        ("GET", f"{path}/7"),
        ("POST", f"{path}/7/attempts"),
    ]
    assert all(
        dict(request.headers).items()
        >= {
            **PLAIN,
            "host": "vendor.example",
            "accept": "application/vnd.github+json",
            "x-github-api-version": "2022-11-28",
            "authorization": "Bearer ghp_Wq93ZtRb",
        }.items()
        for request in vendor.requests
    )


NEXT = 'rel="next"'


@pytest.mark.parametrize(
    ("link", "token"),
    [
        (f"<https://vendor.example/x?per_page=50&cursor=v1_12077215967>; {NEXT}", "v1_12077215967"),
        (f"<https://evil.example/other?cursor=v1_1&per_page=9>; {NEXT}", "v1_1"),
        (
            '<https://vendor.example/x?cursor=v1_9>; rel="prev",'
            f" <https://vendor.example/x?a=b,c&cursor=v1_1>; {NEXT}",
            "v1_1",
        ),
        (f"<https://vendor.example/x?cursor=a%26b%3D1>; {NEXT}", "a&b=1"),
        ("<https://vendor.example/x?cursor=v1_1>; rel=next", "v1_1"),
        ('<https://vendor.example/x?cursor=v1_1>; title="a"; rel="last NEXT"', "v1_1"),
        ("", None),
        ('<https://vendor.example/x?cursor=v1_9>; rel="prev"', None),
        (f"<https://vendor.example/x?per_page=50>; {NEXT}", None),
        (f"<https://vendor.example/x?cursor=>; {NEXT}", None),
        ("nonsense", None),
        (f"<https://[vendor/x?cursor=v1_1>; {NEXT}", None),
    ],
)
async def test_only_the_cursor_is_taken_from_the_link(link: str, token: str | None) -> None:
    """Its host may be another one, such as a proxy's, or not be meant for the credential."""
    rows = sample("github/deliveries")
    vendor = always(rows, Link=link)
    page = await page_of(make("github", vendor))
    assert (page.next_token, page.more, page.offset) == (token, token is not None, None)
    if token is not None:
        await page_of(make("github", vendor), token=token)
        (_, second) = vendor.requests
        assert second.url.host == "vendor.example"
        assert dict(second.url.params) == {"per_page": "50", "cursor": token}


async def test_page_has_at_most_a_hundred_rows() -> None:
    source, vendor = await asked("github", [])
    await page_of(source, limit=500)
    assert vendor.requests[0].url.params["per_page"] == "100"


@pytest.mark.parametrize(
    ("wanted", "sent"),
    [
        ({"statuses": {SUCCEEDED}}, "success"),
        ({"statuses": {SUCCEEDED, PENDING}}, "success"),
        ({"statuses": {SUCCEEDED, UNKNOWN}}, None),
        # Those without a code are in neither list.
        ({"statuses": {FAILED}}, None),
        ({"statuses": {FAILED, UNKNOWN}}, None),
        ({"status_codes": (500, MAX_STATUS_CODE)}, "failure"),
        ({"status_codes": (400, 499)}, "failure"),
        ({"status_codes": (404, 404), "statuses": {FAILED}}, "failure"),
        ({"status_codes": (200, 299)}, "success"),
        ({"status_codes": (302, 302)}, "success"),
        ({"status_codes": (0, 299)}, None),
        ({"status_codes": (300, 400)}, None),
        ({"status_codes": (399, MAX_STATUS_CODE)}, None),
        ({"events": ("push",)}, None),
    ],
)
async def test_status_is_sent_only_if_it_lists_all_matches(
    wanted: dict[str, Any], sent: str | None
) -> None:
    source, vendor = await asked("github", [])
    if "statuses" in wanted:
        wanted = wanted | {"statuses": frozenset(wanted["statuses"])}
    await page_of(source, Criteria(**wanted))
    assert vendor.requests[0].url.params.get("status") == sent


async def test_lists_that_are_asked_for_alike_share_their_pages() -> None:
    source = make("github", always([]))
    applied = {
        source.applicable(Criteria(**wanted))
        for wanted in (
            {"statuses": frozenset({SUCCEEDED})},
            {"statuses": frozenset({SUCCEEDED}), "events": ("push",)},
            {"status_codes": (200, 204)},
        )
    }
    assert applied == {Criteria(status_codes=(200, 399))}


async def test_app_signs_its_tokens() -> None:
    source, vendor = await asked("github", [], **APP)
    (stream,) = (await source.find_streams(Operation(5))).streams
    (hook,) = await source.hooks(Operation(5))
    assert (stream.hook_id, stream.by_token) == (hook.id, True)
    await source.vendor.read_page(stream, Window(limit=50), Criteria(), Operation(5))
    vendor._handler = lambda _: answer({"id": 7})
    await source.read_log(("app", "7"), Operation(5))
    await source.retry(("app", "7"), Operation(5))
    base = "/app/hook/deliveries"
    assert [(request.method, request.url.raw_path.decode()) for request in vendor.requests] == [
        ("GET", f"{base}?per_page=50"),
        ("GET", f"{base}/7"),
        ("POST", f"{base}/7/attempts"),
    ]
    for request in vendor.requests:
        token = request.headers["authorization"].removeprefix("Bearer ")
        claims = jwt.decode(token, KEY, algorithms=["RS256"]).claims
        assert claims["iss"] == "1234"
        assert claims["iat"] < START // 10**9 < claims["exp"]
        assert request.headers["x-github-api-version"] == "2022-11-28"


async def test_hooks_are_read_to_the_end() -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        number = int(request.url.params["page"])
        link = '<https://vendor.example/x?page=2>; rel="next"' if number == 1 else ""
        return answer([CASE.hooks[0] | {"id": number}], Link=link)

    vendor = Vendor(respond)
    hooks = await make("github", vendor).hooks(Operation(5))
    assert [hook.upstream_id for hook in hooks] == ["1", "2"]
    assert len(vendor.requests) == 2


async def test_only_chosen_hooks_are_read() -> None:
    hooks = [CASE.hooks[0] | {"id": number} for number in (1, 2, 3)]
    source = make("github", always(hooks), repositories=["acme/shop", "acme/site"], hooks=[2, 7])
    found = await source.find_streams(Operation(5))
    assert [stream.place for stream in found.streams] == [
        ("repos", "acme/shop", "2"),
        ("repos", "acme/site", "2"),
    ]
    (error,) = found.errors
    assert str(error).startswith("Source it has no hook 7 in any of its repositories")
    assert {hook.upstream_id for hook in await source.hooks(Operation(5))} == {"2"}
    assert source.grants(("repos", "acme/shop", "2", "9"))
    assert not source.grants(("repos", "acme/shop", "3", "9"))


async def test_failing_scope_does_not_hide_the_others() -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        return answer({}, 404) if "/orgs/" in request.url.path else answer(CASE.hooks)

    found = await make("github", Vendor(respond), organizations=["acme"]).find_streams(Operation(5))
    assert [stream.place[:2] for stream in found.streams] == [("repos", REPOSITORY)]
    assert [error.code for error in found.errors] == [ErrorCode.UPSTREAM_NOT_FOUND]


async def test_log_by_its_upstream_id_needs_a_single_hook() -> None:
    with pytest.raises(RequestError):
        make("github", always([])).log_id_of("7")
    one = make("github", always([]), hooks=[1])
    assert one.log_id_of("7") == one.log_id("repos", REPOSITORY, "1", "7")
    app = make("github", always([]), **APP)
    assert app.log_id_of("7") == app.log_id("app", "7")


async def test_secondary_limit_is_no_missing_permission() -> None:
    body = {"message": "You have exceeded a secondary rate limit."}
    with pytest.raises(UpstreamError) as failure:
        await make("github", always(body, 403, Retry_After="60")).hooks(Operation(5))
    assert failure.value.code is ErrorCode.UPSTREAM_RATE_LIMITED
    assert failure.value.retry_after == 60
