"""2xx responses that are not a list: an error of the vendor, or an empty list.

With "not a list, check base_url" an operator would look for a wrong address while the token has
expired.
"""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from gateway.errors import ErrorCode, UpstreamError
from gateway.upstream.breaker import BreakerState
from gateway.upstream.operation import Operation
from gateway.vendors.pages import Criteria, Window
from tests.support.virtual_time import VIRTUAL_TIME, Backend
from tests.vendors.documents import STREAMS
from tests.vendors.vendors import PROVIDERS, Vendor, always, answer, make, token

UNAUTHORIZED = ErrorCode.UPSTREAM_UNAUTHORIZED
FORBIDDEN = ErrorCode.UPSTREAM_FORBIDDEN
NOT_FOUND = ErrorCode.UPSTREAM_NOT_FOUND
RATE_LIMITED = ErrorCode.UPSTREAM_RATE_LIMITED
REJECTED = ErrorCode.UPSTREAM_REJECTED
FAILED = ErrorCode.UPSTREAM_ERROR


@pytest.fixture(scope="module")
def anyio_backend() -> Backend:
    return VIRTUAL_TIME


ENVELOPES: list[tuple[Any, ErrorCode, str | None, str]] = [
    (
        {"error": {"code": "DEV.CH.10001", "message": "Token expired"}, "status": "failed"},
        UNAUTHORIZED,
        "DEV.CH.10001",
        "Token expired",
    ),
    (
        {"error_code": "APIG.0301", "error_msg": "Incorrect IAM authentication information"},
        UNAUTHORIZED,
        "APIG.0301",
        "Incorrect IAM authentication information",
    ),
    (
        {"errorCode": "APIG.0308", "errorMsg": "The throttling threshold has been reached"},
        RATE_LIMITED,
        "APIG.0308",
        "The throttling threshold has been reached",
    ),
    (
        {"errors": {}, "errorMessages": ["Queue does not exist."], "statusCode": 404},
        NOT_FOUND,
        "404",
        "Queue does not exist.",
    ),
    (
        {"error": {"code": 403, "message": "insufficient privileges"}},
        FORBIDDEN,
        "403",
        "insufficient privileges",
    ),
    (
        {"errors": [{"status": "401", "title": "Unauthorized"}]},
        UNAUTHORIZED,
        "401",
        "Unauthorized",
    ),
    ({"errors": [{"status": 503, "title": "Odd"}]}, FAILED, "503", "Odd"),
    ({"success": False, "message": "It is locked."}, REJECTED, None, "It is locked."),
    ({"code": 40101, "msg": "Session expired", "data": None}, UNAUTHORIZED, "40101", "Session"),
    (
        {"error": "invalid_token", "error_description": "The access token is invalid"},
        UNAUTHORIZED,
        "invalid_token",
        "The access token is invalid",
    ),
    ({"error": "Not logged in"}, UNAUTHORIZED, None, "Not logged in"),
    (
        {"fault": {"faultstring": "Rate limit exceeded", "detail": {"errorcode": "x"}}},
        RATE_LIMITED,
        None,
        "Rate limit exceeded",
    ),
    ({"message": "Internal server error"}, FAILED, None, "Internal server error"),
    ({"detail": "Authentication credentials were not provided."}, UNAUTHORIZED, None, "Authentic"),
    ({"title": "Forbidden", "status": 403, "type": "about:blank"}, FORBIDDEN, "403", "Forbidden"),
    ({"status": {"code": 404, "message": "gone"}}, NOT_FOUND, "404", "gone"),
    ({"data": [], "errors": [{"title": "Partly down", "status": "500"}]}, FAILED, "500", "Partly"),
    ({"entries": [], "error": {"message": "Index is unavailable"}}, FAILED, None, "Index is"),
    ([{"message": "Session expired", "errorCode": "X1"}], UNAUTHORIZED, "X1", "Session expired"),
    ([{"error": {"code": 500, "message": "Odd"}}], FAILED, "500", "Odd"),
    ("Token expired", UNAUTHORIZED, None, "Token expired"),
    ({"Error": {"Code": "E1", "Message": "Token expired"}}, UNAUTHORIZED, "E1", "Token expired"),
    ({"Message": "Access Denied"}, FORBIDDEN, None, "Access Denied"),
    ({"__type": "Throttling", "message": "Odd"}, RATE_LIMITED, "Throttling", "Odd"),
    ({"data": {"error": {"code": 401, "message": "Odd"}}}, UNAUTHORIZED, "401", "Odd"),
    ({"meta": {"status": 401, "message": "Odd"}, "data": []}, UNAUTHORIZED, "401", "Odd"),
    ({"header": {"resultCode": 429, "message": "Odd"}}, RATE_LIMITED, "429", "Odd"),
    ({"errors": {"page": ["is not valid"]}}, REJECTED, None, "page: "),
    ({"ok": False, "error": "invalid_auth"}, UNAUTHORIZED, None, "invalid_auth"),
    ({"errcode": 40001, "errmsg": "invalid credential"}, UNAUTHORIZED, "40001", "invalid"),
    ({"id": "r-1", "error": {"message": "Token expired"}}, UNAUTHORIZED, None, "Token expired"),
    ({"uuid": "r-1", "status": 401, "message": "Odd"}, UNAUTHORIZED, "401", "Odd"),
    (
        {"jsonrpc": "2.0", "id": 1, "error": {"code": 404, "message": "Odd"}},
        NOT_FOUND,
        "404",
        "Odd",
    ),
    ({"message": "no Route matched with those values"}, NOT_FOUND, None, "no Route"),
    ({"entries": [], "data": [], "success": False}, REJECTED, None, "It failed, without"),
    ({"status": "failed"}, REJECTED, None, "It failed, without a reason."),
]


async def listed(provider: str, vendor: Vendor, seconds: float = 5) -> Any:
    source = make(provider, vendor)
    return await source.vendor.read_page(
        STREAMS[provider], Window(limit=5), Criteria(), Operation(seconds)
    )


@pytest.mark.sampled(3)
@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(("body", "code", "vendor_code", "words"), ENVELOPES, ids=str)
async def test_error_with_200_has_the_vendors_message_and_a_matching_code(
    provider: str, body: Any, code: ErrorCode, vendor_code: str | None, words: str
) -> None:
    with pytest.raises(UpstreamError) as failure:
        # Some of these are tried again until the time is up.
        await listed(provider, always(body), seconds=0.05)
    error = failure.value
    assert error.code is code
    assert (error.vendor_code or "").startswith(vendor_code or "")
    assert (error.vendor_message or "").startswith(words)
    assert (error.status, error.sent) == (200, True)
    assert "answered 200 OK with an error to /" in str(error)
    assert "base_url" not in str(error) or code is NOT_FOUND


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    "empty",
    [
        httpx.Response(200, content=b"null"),
        httpx.Response(200, content=b" null\n"),
        httpx.Response(204),
        httpx.Response(205),
        httpx.Response(204, headers={"Content-Type": "application/json"}),
    ],
    ids=["null", "null with spaces", "204", "205", "204 with a type"],
)
async def test_missing_document_is_an_empty_list(provider: str, empty: httpx.Response) -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        return token(request) or httpx.Response(
            empty.status_code, headers=empty.headers, content=empty.content
        )

    page = await listed(provider, Vendor(respond))
    assert (page.logs, page.more, page.read) == ([], False, 0)
    assert await make(provider, Vendor(respond)).hooks(Operation(5)) == []


@pytest.mark.parametrize("provider", ["language-weaver", "elastic-path"])
async def test_null_in_an_envelope_is_an_empty_list(provider: str) -> None:
    page = await listed(provider, always({"entries": None, "data": None}))
    assert (page.logs, page.more) == ([], False)


@pytest.mark.parametrize("provider", ["language-weaver", "elastic-path"])
@pytest.mark.parametrize(
    "beside",
    [
        {"status": "success", "message": "No entries found"},
        {"message": "Nothing to show"},
        {"title": "Logs", "description": "All of them"},
        {"success": True, "message": "The query was executed"},
        {"code": "SUCCESS", "message": "The operation succeeded"},
        {"code": 0, "msg": "success"},
        {"errors": {}, "warnings": ["It is an old version."]},
    ],
    ids=str,
)
async def test_message_beside_an_empty_list_is_no_error(
    provider: str, beside: dict[str, Any]
) -> None:
    page = await listed(provider, always({"entries": [], "data": [], **beside}))
    assert (page.logs, page.more) == ([], False)


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("body", [{}, {"surprise": 1}, 7, "x", {"code": 0, "message": "success"}])
async def test_other_documents_are_invalid(provider: str, body: Any) -> None:
    with pytest.raises(UpstreamError) as failure:
        await listed(provider, always(body))
    assert failure.value.code is ErrorCode.UPSTREAM_INVALID_RESPONSE


async def test_rows_are_read_despite_a_message() -> None:
    """An object with rows is a list, whatever other fields it has."""
    rows = [{"id": "1"}]
    page = await listed("elastic-path", always({"data": rows, "message": "Use v3.", "errors": []}))
    assert [log.upstream_id for log in page.logs] == ["1"]


async def test_expired_token_reported_with_200_is_refreshed() -> None:
    issued = 0

    def respond(request: httpx.Request) -> httpx.Response:
        nonlocal issued
        if request.method == "POST":
            issued += 1
            return answer({"access_token": f"t{issued}"})
        if request.headers["authorization"] == "Bearer t1":
            return answer({"errors": [{"title": "Access token expired"}]})
        return answer({"data": []})

    assert await make("elastic-path", Vendor(respond)).hooks(Operation(5)) == []
    assert issued == 2


async def test_action_is_not_sent_again_for_an_error_with_200() -> None:
    """The error may be a result of the action: the receiver refused *its* token."""
    acts = 0

    def respond(request: httpx.Request) -> httpx.Response:
        nonlocal acts
        if request.method == "POST":
            return answer({"token": "t0"})
        acts += 1
        return answer({"error": {"message": "Access token expired"}})

    login = {"type": "login", "username": "u", "password": SecretStr("a password")}
    source = make("language-weaver", Vendor(respond), auth=login)
    with pytest.raises(UpstreamError) as failure:
        await source.retry(("42",), Operation(5))
    assert (failure.value.code, acts) == (UNAUTHORIZED, 1)


async def test_failures_reported_with_200_open_the_breaker() -> None:
    source = make("codearts", always({"error": {"code": "500", "message": "Odd"}}))
    for _ in range(10):
        with pytest.raises(UpstreamError):
            await source.hooks(Operation(5))
    assert source.client.health.breaker is BreakerState.OPEN


async def test_failure_of_the_token_endpoint_with_200_has_its_message() -> None:
    vendor = Vendor(lambda _: answer({"error": "invalid_client", "error_description": "Unknown."}))
    with pytest.raises(UpstreamError) as failure:
        await make("elastic-path", vendor).hooks(Operation(5))
    error = failure.value
    assert (error.code, error.vendor_code, error.vendor_message) == (
        UNAUTHORIZED,
        "invalid_client",
        "Unknown.",
    )
    assert "got no token: its token endpoint answered 200 OK with an error and said" in str(error)


async def test_plain_text_of_an_error_is_reported() -> None:
    """Go's http.Error and many proxies respond with a line of text, some of them with 200."""
    text = {"Content-Type": "text/plain; charset=utf-8"}
    vendor = Vendor(lambda _: httpx.Response(403, content=b"no access from here\n", headers=text))
    with pytest.raises(UpstreamError, match="and said: no access from here"):
        await make("codearts", vendor).hooks(Operation(5))
    vendor = Vendor(lambda _: httpx.Response(200, content=b"Token expired.\n", headers=text))
    with pytest.raises(UpstreamError, match=r"and said: Token expired\. Check the") as failure:
        await make("codearts", vendor).hooks(Operation(5))
    assert failure.value.code is UNAUTHORIZED
    vendor = Vendor(lambda _: httpx.Response(200, content=b"Something odd.\n", headers=text))
    with pytest.raises(UpstreamError, match=r"check base_url\. It said: Something odd\."):
        await make("codearts", vendor).hooks(Operation(5))


async def test_message_of_an_xml_error_is_reported() -> None:
    """Some API gateways write XML whatever was asked for; it is no web page."""
    document = b"<?xml version='1.0'?><error><code>7</code><message>Odd &amp; new</message></error>"
    kind = {"Content-Type": "application/xml"}
    vendor = Vendor(lambda _: httpx.Response(200, content=document, headers=kind))
    with pytest.raises(UpstreamError, match=r"answered with XML .* It said: Odd & new\."):
        await make("codearts", vendor).hooks(Operation(5))
    vendor = Vendor(lambda _: httpx.Response(403, content=document, headers=kind))
    with pytest.raises(UpstreamError, match="and said: Odd & new"):
        await make("codearts", vendor).hooks(Operation(5))
