"""Vendors' error messages are found in every documented form."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ErrorCode, UpstreamError
from gateway.upstream.operation import Operation
from gateway.vendors import VENDORS
from gateway.vendors.pages import Criteria, Window
from tests.vendors.case import Words
from tests.vendors.cases import CASES
from tests.vendors.documents import STREAMS
from tests.vendors.vendors import WITH_TOKENS, Vendor, answer, make, token

FORMS: list[tuple[str, int, Any, Words]] = [
    (provider, *form)
    for provider, case in CASES.items()
    for form in (
        *case.errors,
        (500, {"surprise": 1}, (None, None)),
        (500, ["surprise"], (None, None)),
    )
]


@pytest.mark.sampled(5)
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


@pytest.mark.parametrize("provider", WITH_TOKENS)
async def test_message_of_the_token_endpoint_is_found(provider: str) -> None:
    request = CASES[provider].token_request
    assert request
    settings, _, _, _, refusal, words = request
    source = make(provider, Vendor(lambda _: answer(refusal, 401)), **settings)
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
