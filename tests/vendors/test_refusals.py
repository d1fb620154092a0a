"""Vendors' error messages are found in every documented form."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from gateway.errors import ErrorCode, UpstreamError
from gateway.upstream.operation import Operation
from gateway.vendors import VENDORS
from gateway.vendors.pages import Criteria, Stream, Window
from tests.vendors.vendors import PROVIDERS, Vendor, answer, make, sample, token

STREAMS = {
    "codearts": Stream(key="-", place=("groups", "1", "1")),
    "yandex-tracker": Stream(key="-", place=("DEV", "41")),
    "language-weaver": Stream(key="audit"),
    "elastic-path": Stream(key="-", place=("a",)),
}
Words = tuple[str | None, str | None]
EXPIRED = "Authentication information expired."
FORMS: list[tuple[str, int, Any, Words]] = [
    ("codearts", 401, sample("codearts/seed-error-401"), ("DEV.00000003", EXPIRED)),
    (
        "codearts",
        403,
        sample("codearts/seed-error-403"),
        (
            "CH.004403",
            "Insufficient permissions. Apply for the required permissions and try again.",
        ),
    ),
    ("codearts", 429, {"errorCode": "APIG.0308", "errorMsg": "Slow."}, ("APIG.0308", "Slow.")),
    ("codearts", 500, {"code": "CH.000001", "message": "Odd."}, ("CH.000001", "Odd.")),
    (
        "codearts",
        404,
        {"error": {"code": "DEV.CH.10001", "message": "Gone."}, "status": "failed"},
        ("DEV.CH.10001", "Gone."),
    ),
    ("codearts", 500, {"error_msg": "Only words."}, (None, "Only words.")),
    (
        "yandex-tracker",
        404,
        sample("yandex-tracker/error"),
        ("404", "Queue not found. limit: is too large"),
    ),
    ("yandex-tracker", 403, {"errors": {}, "errorMessages": ["No."]}, (None, "No.")),
    (
        "language-weaver",
        403,
        sample("language-weaver/error"),
        ("403", "insufficient privileges: admin or super admin"),
    ),
    ("language-weaver", 400, {"error": {"message": "bad"}}, (None, "bad")),
    (
        "elastic-path",
        404,
        sample("elastic-path/seed-error-404"),
        ("404", "Not Found: The resource could not be found"),
    ),
    (
        "elastic-path",
        404,
        sample("elastic-path/seed-error-404-of-schema"),
        ("500", "Internal server error: An internal error has occurred."),
    ),
    (
        "elastic-path",
        500,
        sample("elastic-path/seed-error-500"),
        ("500", "Internal Server Error"),
    ),
    ("elastic-path", 401, {"errors": [{"status": "401", "title": "No."}]}, ("401", "No.")),
    *((provider, 500, {"surprise": 1}, (None, None)) for provider in PROVIDERS),
    *((provider, 500, ["surprise"], (None, None)) for provider in PROVIDERS),
]


@pytest.mark.parametrize(("provider", "status", "body", "words"), FORMS)
async def test_vendors_message_is_found(
    provider: str, status: int, body: Any, words: Words
) -> None:
    vendor = Vendor(lambda request: token(request) or answer(body, status, X_Request_Id="c0ffee-1"))
    source = make(provider, vendor)
    with pytest.raises(UpstreamError) as failure:
        await source.vendor.read_page(STREAMS[provider], Window(limit=5), Criteria(), Operation(5))
    error = failure.value
    assert (error.vendor_code, error.vendor_message) == words
    assert (error.status, error.vendor_request_id, error.source) == (status, "c0ffee-1", "it")
    said = f" and said: {words[1].rstrip('.')}." if words[1] else "."
    assert said in str(error)


async def test_request_id_in_the_body_comes_first() -> None:
    body = {"errors": [{"status": 500, "title": "Odd", "request_id": "5a7e"}]}
    vendor = Vendor(lambda request: token(request) or answer(body, 500, X_Request_Id="c0ffee-1"))
    with pytest.raises(UpstreamError) as failure:
        await make("elastic-path", vendor).hooks(Operation(5))
    assert failure.value.vendor_request_id == "5a7e"


TOKENS: list[tuple[str, dict[str, Any], Any, Words]] = [
    (
        "codearts",
        {"type": "iam", "domain": "d", "user": "u", "password": SecretStr("p"), "project": "c"},
        {"error": {"code": 401, "message": "Wrong password.", "title": "Unauthorized"}},
        ("401", "Wrong password."),
    ),
    (
        "yandex-tracker",
        {"type": "iam", "passport_token": SecretStr("p")},
        {"code": 16, "message": "OAuth token is invalid", "details": []},
        ("16", "OAuth token is invalid"),
    ),
    (
        "language-weaver",
        {"type": "login", "username": "u", "password": SecretStr("p")},
        {"error": {"code": 401, "message": "invalid username or password"}},
        ("401", "invalid username or password"),
    ),
    (
        "elastic-path",
        {
            "type": "client-credentials",
            "client_id": SecretStr("i"),
            "client_secret": SecretStr("s"),
        },
        {"errors": [{"status": "401", "title": "Unable to validate client credentials"}]},
        ("401", "Unable to validate client credentials"),
    ),
]


@pytest.mark.parametrize(("provider", "auth", "body", "words"), TOKENS)
async def test_message_of_the_token_endpoint_is_found(
    provider: str, auth: dict[str, Any], body: Any, words: Words
) -> None:
    changes: dict[str, Any] = {"auth": auth}
    if provider in {"codearts", "yandex-tracker"}:
        changes["auth"] = {**auth, "url": "https://iam.example"}
    if provider == "yandex-tracker":
        changes |= {"org_id": None, "cloud_org_id": "bpf"}
    source = make(provider, Vendor(lambda _: answer(body, 401)), **changes)
    with pytest.raises(UpstreamError) as failure:
        await source.hooks(Operation(5))
    assert failure.value.code is ErrorCode.UPSTREAM_UNAUTHORIZED
    assert (failure.value.vendor_code, failure.value.vendor_message) == words
    assert str(failure.value).startswith("Source it got no token: its token endpoint answered 401")
    assert str(failure.value).endswith("Check the source's credential under auth.")


ERROR_KEYS = ["error", "errors", "error_code", "code", "message", "errorMessages", "title", "0"]


@pytest.mark.slow
@given(
    body=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(ERROR_KEYS), inner, max_size=4)
        ),
    )
)
def test_read_error_accepts_any_body(body: Any) -> None:
    for kit in VENDORS.values():
        said = kit.read_error(body)
        assert said.message is None or isinstance(said.message, str)
