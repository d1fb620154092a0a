"""The outcome of an action, depending on the vendor's response."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.actions.outcomes import outcome_of
from gateway.errors import ErrorCode, UpstreamError
from gateway.journal import Outcome
from tests.support.actions import (
    LOG_ID,
    LOGIN,
    Controller,
    Schema,
    answering,
    gateway_over,
    raising,
)
from tests.upstream.network import Body


async def never(_: httpx.Request) -> httpx.Response:
    await asyncio.Event().wait()
    raise AssertionError


def cut(status: int) -> Callable[[httpx.Request], httpx.Response]:
    end = httpx.RemoteProtocolError("peer closed connection")
    return lambda _: httpx.Response(status, stream=Body([b'{"id": 4'], end))


def words(code: int) -> dict[str, Any]:
    return {"error": {"code": code, "message": "no", "details": "not while it runs"}}


UNKNOWN = ("UNKNOWN", {"__typename": "OutcomeUnknown", "code": "OUTCOME_UNKNOWN", "path": None})


UNAVAILABLE = (
    "FAILED",
    {
        "__typename": "UpstreamUnavailable",
        "code": "UPSTREAM_UNAVAILABLE",
        "path": None,
        "retryAfter": None,
    },
)


NOT_FOUND = ("REJECTED", {"__typename": "NotFound", "code": "NOT_FOUND", "path": ["id"]})


DONE = ("SUCCEEDED", None)


def told_to_wait(seconds: float) -> tuple[str, dict[str, Any]]:
    return "FAILED", UNAVAILABLE[1] | {"retryAfter": seconds}


def rejected(status: int, code: str | None = None) -> tuple[str, dict[str, Any]]:
    return (
        "REJECTED",
        {
            "__typename": "UpstreamRejected",
            "code": "UPSTREAM_REJECTED",
            "path": None,
            "httpStatus": status,
            "vendorCode": code,
            "vendorMessage": code and "no: not while it runs",
            "vendorRequestId": code and "r-1",
        },
    )


NAMED = {"X-Request-Id": "r-1"}

ANSWERS = {
    "no answer in time": (never, UNKNOWN),
    "no answer, says the network": (raising(httpx.ReadTimeout("")), UNKNOWN),
    "reset after sending": (raising(httpx.ReadError("")), UNKNOWN),
    "reset while sending": (raising(httpx.WriteError("")), UNKNOWN),
    "closed without an answer": (raising(httpx.RemoteProtocolError("")), UNKNOWN),
    "cut body": (cut(200), UNKNOWN),
    "cut refusal": (cut(400), UNKNOWN),
    "too large": (answering(200, content=b" " * (2**24 + 1)), UNKNOWN),
    "500": (answering(500, json=words(500)), UNKNOWN),
    "502": (answering(502), UNKNOWN),
    "504": (answering(504, html="<h1>Gateway Timeout</h1>"), UNKNOWN),
    "connection refused": (raising(httpx.ConnectError("")), UNAVAILABLE),
    "no connection in time": (raising(httpx.ConnectTimeout("")), UNAVAILABLE),
    "429": (answering(429, json=words(429)), UNAVAILABLE),
    "429 with a time": (answering(429, headers={"Retry-After": "7"}), told_to_wait(7.0)),
    "503": (answering(503), UNAVAILABLE),
    "503 with a time": (answering(503, headers={"Retry-After": "1.5"}), told_to_wait(1.5)),
    "302": (answering(302, headers={"Location": "/login"}), rejected(302)),
    "400": (
        answering(400, json=words(400), headers={"X-Request-Id": "r-1"}),
        rejected(400, "400"),
    ),
    "401": (answering(401), rejected(401)),
    "403": (
        answering(403, json=words(403), headers={"X-Request-Id": "r-1"}),
        rejected(403, "403"),
    ),
    "404": (answering(404, json=words(404)), NOT_FOUND),
    "409": (
        answering(409, json=words(409), headers={"X-Request-Id": "r-1"}),
        rejected(409, "409"),
    ),
    "empty": (answering(200), DONE),
    "no content": (answering(204), DONE),
    "JSON without words": (answering(202, json={}), DONE),
    "JSON with a message": (answering(200, json={"message": "Retry scheduled."}), DONE),
    "null": (answering(200, json=None, content=b"null"), DONE),
    # A response that can't come from this API leaves the outcome unknown.
    "HTML": (answering(200, html="<title>Sign in</title>"), UNKNOWN),
    "text": (answering(200, text="OK"), UNKNOWN),
    "half of JSON": (answering(200, content=b'{"id": 4'), UNKNOWN),
    "other packing": (answering(200, content=b"x", headers={"Content-Encoding": "br"}), UNKNOWN),
    "false": (answering(200, content=b"false"), UNKNOWN),
    "a number": (answering(200, content=b"0"), UNKNOWN),
    "text in JSON": (answering(200, json="The entry was removed."), UNKNOWN),
    "OK in JSON": (answering(200, json="OK"), DONE),
    "list of texts": (answering(200, json=["The entry was removed."]), UNKNOWN),
    "XML": (answering(200, content=b"<?xml version='1.0'?><error/>"), UNKNOWN),
    # An error counts as one, whatever the status.
    "list of errors": (answering(200, json=[words(409)], headers=NAMED), rejected(200, "409")),
    "error with an id": (
        answering(200, json={"id": 42} | words(409), headers=NAMED),
        rejected(200, "409"),
    ),
    "error in data": (
        answering(200, json={"data": {"error": {"code": 404, "message": "gone"}}}),
        NOT_FOUND,
    ),
    "failed delivery": (answering(200, json={"id": 42, "status": "failed"}), DONE),
    "200 with an error": (answering(200, json=words(409), headers=NAMED), rejected(200, "409")),
    "200 with an error of 500": (answering(200, json=words(500)), UNKNOWN),
    "200 with an error of 404": (answering(200, json=words(404)), NOT_FOUND),
    "200 with an error of 429": (answering(200, json=words(429)), UNAVAILABLE),
}
"""Responses to a retry, with the outcome in the journal and the caller's user error."""


@pytest.mark.slow
@pytest.mark.parametrize(("act", "expected"), ANSWERS.values(), ids=ANSWERS)
async def test_response_decides_the_outcome_and_nothing_is_sent_again(
    tmp_path: Path,
    act: Callable[[httpx.Request], Any],
    expected: tuple[str, dict[str, Any] | None],
) -> None:
    """The same key returns the same answer for every response, even after a restart."""
    outcome, error = expected
    vendor = Controller(act)
    timeout = 0.1 if act is never else 8.0
    async with gateway_over(tmp_path, vendor, timeout=timeout) as gateway:
        schema = Schema(gateway)
        payload = await schema.retry(LOG_ID, "key")
        (entry,) = await schema.journal()
        assert entry["outcome"] == outcome
        if error is None:
            assert payload["userErrors"] == []
            assert payload["webhookLog"]["attempt"] == 2
            assert entry["errorCode"] is None
        else:
            assert payload["webhookLog"] is None
            (told,) = payload["userErrors"]
            advice = told.pop("message")
            assert ("a new idempotencyKey" in advice) is (outcome == "FAILED")
            assert ("look at the log before" in entry["message"]) is (outcome == "UNKNOWN")
            if outcome == "UNKNOWN":
                assert told.pop("actionId") == entry["id"]
            assert told == error
            assert entry["errorCode"].startswith("UPSTREAM_")
        again = await schema.retry(LOG_ID, "key")
        assert [one["__typename"] for one in again["userErrors"]] == [
            one["__typename"] for one in payload["userErrors"]
        ]
        assert again == await schema.retry(LOG_ID, "key")
    async with gateway_over(tmp_path, vendor) as gateway:
        assert await Schema(gateway).retry(LOG_ID, "key") == again
        (kept,) = await Schema(gateway).journal()
        assert kept == entry
    assert [f"{one.method} {one.url.path}" for one in vendor.acts] == [
        "PUT /api/v2/audit/webhooks/42/retry"
    ]


@pytest.mark.parametrize(
    "document",
    [
        {"success": "false"},
        {"Success": False, "Message": "removed"},
        {"isSuccess": False},
        {"ok": 0},
        {"failed": True},
        {"retried": False},
        {"id": 42, "success": False},
        {"errors": {"id": ["removed"]}},
        {"error": 409},
        {"Error": {"Code": "409"}},
        {"exception": "IllegalStateException"},
        {"result": "NOK"},
    ],
    ids=str,
)
async def test_sign_of_failure_is_a_refusal(tmp_path: Path, document: Any) -> None:
    """A user who reads SUCCEEDED never looks at the log again."""
    async with gateway_over(tmp_path, Controller(answering(200, json=document))) as gateway:
        (error,) = (await Schema(gateway).retry(LOG_ID))["userErrors"]
        (entry,) = await Schema(gateway).journal()
    assert (error["__typename"], entry["outcome"]) == ("UpstreamRejected", "REJECTED")


async def test_journal_has_the_vendors_refusal(tmp_path: Path) -> None:
    """Operators read there why a retry was refused; no secret may be shown."""
    body = {"error": {"code": 409, "message": "It is under way, see https://a:b@vendor.example"}}
    vendor = Controller(lambda _: httpx.Response(409, json=body, headers={"X-Request-Id": "r-1"}))
    async with gateway_over(tmp_path, vendor) as gateway:
        await Schema(gateway).retry(LOG_ID)
        (entry,) = await Schema(gateway).journal()
    assert entry["answer"] == {
        "httpStatus": 409,
        "vendorCode": "409",
        "vendorMessage": "It is under way, see https://***@vendor.example",
        "vendorRequestId": "r-1",
    }


async def test_action_refused_for_an_expired_token_is_sent_with_a_new_one(tmp_path: Path) -> None:
    """A 401 means that nothing was done."""

    def act(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200 if request.headers["Authorization"] == "Bearer token-2" else 401)

    vendor = Controller(act)
    async with gateway_over(tmp_path, vendor, auth=LOGIN) as gateway:
        payload = await Schema(gateway).retry(LOG_ID, "key")
        assert payload["userErrors"] == []
        assert await Schema(gateway).retry(LOG_ID, "key") == payload
    assert (len(vendor.acts), vendor.tokens) == (2, 2)


async def test_new_token_that_is_refused_ends_the_action(tmp_path: Path) -> None:
    vendor = Controller(answering(401))
    async with gateway_over(tmp_path, vendor, auth=LOGIN) as gateway:
        (error,) = (await Schema(gateway).retry(LOG_ID))["userErrors"]
    assert (error["__typename"], error["httpStatus"]) == ("UpstreamRejected", 401)
    assert len(vendor.acts) == 2


def failed(code: str, status: int | None = None, **parts: Any) -> UpstreamError:
    return UpstreamError(
        ErrorCode[code], "It failed.", source="translations", status=status, **parts
    )


FAILURES = [
    # A vendor may refuse in the body of a 200, with the contents of any of its errors.
    (failed("UPSTREAM_REJECTED", 200), "REJECTED"),
    (failed("UPSTREAM_REJECTED"), "REJECTED"),
    (failed("UPSTREAM_UNAUTHORIZED", 200), "REJECTED"),
    (failed("UPSTREAM_FORBIDDEN", 200), "REJECTED"),
    (failed("UPSTREAM_NOT_FOUND", 200), "REJECTED"),
    (failed("UPSTREAM_RATE_LIMITED", 200), "FAILED"),
    (failed("UPSTREAM_ERROR", 200), "UNKNOWN"),
    # A login page, or another body that can't come from the API.
    (failed("UPSTREAM_INVALID_RESPONSE", 200), "UNKNOWN"),
    (failed("UPSTREAM_INVALID_RESPONSE", 404), "UNKNOWN"),
    (failed("UPSTREAM_RESPONSE_TOO_LARGE", 200), "UNKNOWN"),
    (failed("UPSTREAM_TIMEOUT"), "UNKNOWN"),
    (failed("UPSTREAM_UNREACHABLE"), "UNKNOWN"),
    (failed("INTERNAL_ERROR"), "UNKNOWN"),
    # A 303 follows a completed action; with the other statuses a proxy may have timed out.
    *((failed("UPSTREAM_REJECTED", status), "UNKNOWN") for status in (303, 408, 460, 499)),
    *((failed("UPSTREAM_REJECTED", status), "REJECTED") for status in (301, 302, 307, 308, 409)),
    *((failed("UPSTREAM_ERROR", status), "UNKNOWN") for status in (500, 501, 502, 504, 520)),
    (failed("UPSTREAM_ERROR", 503), "FAILED"),
    # Not sent: there was no token, no time left, or the circuit breaker was open.
    (failed("UPSTREAM_UNAUTHORIZED", 401, sent=False), "FAILED"),
    (failed("UPSTREAM_ERROR", 500, sent=False), "FAILED"),
    (failed("UPSTREAM_INVALID_RESPONSE", 200, sent=False), "FAILED"),
    (failed("UPSTREAM_TIMEOUT", sent=False), "FAILED"),
    (failed("UPSTREAM_CIRCUIT_OPEN", sent=False), "FAILED"),
    (failed("UPSTREAM_RATE_LIMITED", sent=False), "FAILED"),
    (failed("UPSTREAM_NOT_FOUND", 404, sent=False), "FAILED"),
]


@pytest.mark.parametrize(
    ("error", "outcome"),
    FAILURES,
    ids=[f"{error.code.name} {error.status} {error.sent}" for error, _ in FAILURES],
)
def test_failure_decides_the_outcome(error: UpstreamError, outcome: str) -> None:
    """Users rely on SUCCEEDED and REJECTED, and check the log after UNKNOWN."""
    assert outcome_of(error) is Outcome[outcome]


async def fail(
    folder: Path, monkeypatch: pytest.MonkeyPatch, error: UpstreamError
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Retry a log at a vendor that fails; return the user error and the journal's entry."""

    async def act(*_: object) -> None:
        raise error

    async with gateway_over(folder, Controller(answering(200))) as gateway:
        monkeypatch.setattr(gateway.sources["translations"], "retry", act)
        (told,) = (await Schema(gateway).retry(LOG_ID, "key"))["userErrors"]
        (again,) = (await Schema(gateway).retry(LOG_ID, "key"))["userErrors"]
        (entry,) = await Schema(gateway).journal()
    assert again == told
    return told, entry


async def test_refusal_in_a_successful_response_is_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = {"vendor_code": "409", "vendor_message": "removed", "vendor_request_id": "r-1"}
    told, entry = await fail(tmp_path, monkeypatch, failed("UPSTREAM_REJECTED", 200, **said))
    parts = {
        "httpStatus": 200,
        "vendorCode": "409",
        "vendorMessage": "removed",
        "vendorRequestId": "r-1",
    }
    assert told == {
        "__typename": "UpstreamRejected",
        "code": "UPSTREAM_REJECTED",
        "message": "It failed.",
        "path": None,
        **parts,
    }
    assert (entry["outcome"], entry["errorCode"]) == ("REJECTED", "UPSTREAM_REJECTED")
    assert entry["answer"] == parts
    assert entry["message"] == "It failed."


async def test_inconclusive_response_leaves_the_outcome_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy's login page with status 200 is no sign that the delivery was sent again."""
    error = failed("UPSTREAM_INVALID_RESPONSE", 200, vendor_message="Please sign in.")
    told, entry = await fail(tmp_path, monkeypatch, error)
    assert told == {
        "__typename": "OutcomeUnknown",
        "code": "OUTCOME_UNKNOWN",
        "message": "Source translations gave no answer that tells the outcome: it may have"
        " happened. The vendor said: Please sign in. Look at the log before you repeat it.",
        "path": None,
        "actionId": entry["id"],
    }
    assert (entry["outcome"], entry["errorCode"]) == ("UNKNOWN", "UPSTREAM_INVALID_RESPONSE")
    assert entry["answer"] is None
    assert entry["message"] == (
        "It failed. It may have happened all the same: look at the log before you repeat it."
    )
