from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from gateway.errors import ErrorCode, UpstreamError
from gateway.upstream.auth import FixedCredential, TokenCredential, TokenEndpoint, basic
from gateway.upstream.client import UpstreamClient
from gateway.upstream.exchange import MAX_BYTES, http_client
from gateway.upstream.operation import Operation
from gateway.vendors.elastic_path.parsing import read_error
from tests.upstream.network import NOW, Network, call, client_of, document

HOUR = 3600


class Vendor:
    """Issues numbered tokens, and accepts only the newest.

    Clear ``issues`` to hold token requests back; ``refuses`` is the status with which they fail.
    """

    def __init__(self) -> None:
        self.now = NOW
        self.issued = 0
        self.refuses: int | None = None
        self.seconds: Any = HOUR
        self.until: str | None = None
        self.issues = asyncio.Event()
        self.issues.set()
        self.network = Network(self)
        http = http_client(self.network)
        endpoint = TokenEndpoint(
            "shop",
            "https://shop.example/oauth",
            http=http,
            read_error=read_error,
            timeout=5.0,
            clock=lambda: self.now,
        )

        async def fetch() -> Any:
            got, _ = await endpoint.post(form={"secret": "s3cr3t"})
            return endpoint.token(got.get("access_token"), self.seconds, self.until)

        credential = endpoint.credential(fetch, lambda token: {"Authorization": f"Bearer {token}"})
        self.credential: TokenCredential = credential
        self.client: UpstreamClient = client_of(
            self.network, credential=credential, clock=lambda: self.now
        )

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            good = request.headers["authorization"] == f"Bearer t{self.issued}"
            return document({}, 200 if good else 401)
        await self.issues.wait()
        if self.refuses:
            return document({"errors": [{"status": "x", "title": "No."}]}, self.refuses)
        self.issued += 1
        return document({"access_token": f"t{self.issued}"})

    def forget(self) -> None:
        """Refuse every token issued so far."""
        self.issued += 1

    @property
    def calls(self) -> tuple[int, int]:
        """Return the numbers of token and document requests since the last call."""
        methods = [request.method for request in self.network.requests]
        self.network.requests.clear()
        return methods.count("POST"), methods.count("GET")


async def settle() -> None:
    for _ in range(30):
        await asyncio.sleep(0)


async def many(client: UpstreamClient, count: int = 50) -> list[Any]:
    return await asyncio.gather(*(call(client) for _ in range(count)), return_exceptions=True)


@pytest.mark.parametrize(
    ("seconds", "until", "life"),
    [
        (HOUR, None, HOUR - 60),
        (24 * HOUR, "2026-03-04T10:10:11.500000Z", HOUR - 59.5),
        (24 * HOUR, "2026-03-04 10:10:11+0000", HOUR - 60),
        (HOUR, "in a while", HOUR - 60),
        (HOUR, "2026-03-04T09:10:10Z", HOUR - 60),
        (40, None, 20),
        (10**9, None, 30 * 24 * HOUR - 60),
    ],
)
async def test_token_is_refreshed_before_it_expires(
    seconds: float, until: str | None, life: float
) -> None:
    """A minute before expiry, or halfway through a short life; a past expiry is ignored."""
    vendor = Vendor()
    vendor.seconds, vendor.until = seconds, until
    await call(vendor.client)
    vendor.now += int(life * 1e9) - 1
    await call(vendor.client)
    assert vendor.calls == (1, 2)
    vendor.now += 1
    await call(vendor.client)
    assert vendor.calls == (1, 1)


async def test_refused_token_is_refreshed_once() -> None:
    vendor = Vendor()
    await call(vendor.client)
    vendor.forget()
    assert vendor.calls == (1, 1)
    assert await call(vendor.client) == {}
    assert vendor.calls == (1, 2)


async def test_second_refusal_is_reported() -> None:
    vendor = Vendor()
    network = Network(
        lambda request: document({"access_token": "t"}, 200 if request.method == "POST" else 401)
    )
    vendor.client._http = http_client(network)
    with pytest.raises(UpstreamError) as failure:
        await call(vendor.client)
    assert failure.value.code is ErrorCode.UPSTREAM_UNAUTHORIZED
    assert [request.method for request in network.requests] == ["GET", "GET"]


async def test_refused_fixed_credential_is_not_retried() -> None:
    network = Network(lambda _: document({}, 401))
    with pytest.raises(UpstreamError, match="401 Unauthorized"):
        await call(client_of(network, credential=FixedCredential(basic("user", ""))))
    assert [request.headers["authorization"] for request in network.requests] == ["Basic dXNlcjo="]


async def test_simultaneous_calls_share_one_refresh() -> None:
    vendor = Vendor()
    assert await many(vendor.client) == [{}] * 50
    assert vendor.calls == (1, 50)
    vendor.forget()
    assert await many(vendor.client) == [{}] * 50
    tokens, documents = vendor.calls
    assert tokens == 1
    # Only the calls in flight with the old token had to be repeated.
    assert documents <= 50 + 10


async def test_late_refusal_does_not_drop_the_new_token() -> None:
    vendor = Vendor()
    await call(vendor.client)
    old = await vendor.credential.headers()
    vendor.forget()
    await call(vendor.client)
    assert vendor.credential.forget(old)
    assert await vendor.credential.headers() != old
    assert vendor.calls == (2, 3)


async def test_failed_refresh_is_shared_by_waiting_calls() -> None:
    vendor = Vendor()
    vendor.refuses = 401
    results = await many(vendor.client)
    (message,) = {str(result) for result in results}
    assert message == (
        "Source shop got no token: its token endpoint answered 401 Unauthorized and said: No."
        " Check the source's credential under auth."
    )
    assert vendor.calls == (1, 0)
    vendor.refuses = None
    assert await call(vendor.client) == {}


async def test_cancelled_call_does_not_cancel_the_shared_refresh() -> None:
    vendor = Vendor()
    vendor.issues.clear()
    first, second = (asyncio.create_task(call(vendor.client)) for _ in range(2))
    await settle()
    first.cancel()
    await settle()
    vendor.issues.set()
    assert await second == {}
    assert first.cancelled()
    assert vendor.calls == (1, 1)


async def test_close_cancels_a_refresh() -> None:
    vendor = Vendor()
    vendor.issues.clear()
    waiting = asyncio.create_task(call(vendor.client))
    await settle()
    await vendor.client.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert vendor.network.closed


REFUSALS = [
    (400, ErrorCode.UPSTREAM_UNAUTHORIZED, "credential under auth"),
    (403, ErrorCode.UPSTREAM_UNAUTHORIZED, "credential under auth"),
    (301, ErrorCode.UPSTREAM_REJECTED, "heck base_url"),
    (404, ErrorCode.UPSTREAM_REJECTED, "heck base_url"),
    (429, ErrorCode.UPSTREAM_RATE_LIMITED, "Ask again later"),
    (503, ErrorCode.UPSTREAM_ERROR, "try again later"),
]


@pytest.mark.parametrize(("status", "code", "way_out"), REFUSALS)
async def test_refused_token_request_has_advice(status: int, code: ErrorCode, way_out: str) -> None:
    vendor = Vendor()
    vendor.refuses = status
    with pytest.raises(UpstreamError) as failure:
        await call(vendor.client)
    assert (failure.value.code, failure.value.status) == (code, status)
    assert str(failure.value).startswith("Source shop got no token: its token endpoint answered")
    assert way_out in str(failure.value)
    assert "s3cr3t" not in str(failure.value)
    assert vendor.client.health.last_failure_at == NOW


NO_TOKENS: list[Callable[[], httpx.Response]] = [
    lambda: document({}),
    lambda: document(["token"]),
    lambda: document({"access_token": ""}),
    lambda: document({"access_token": "a\r\nX-Injected: b"}),
    lambda: document({"access_token": "ä"}),
    lambda: document({"access_token": 17}),
    lambda: document({"data": {"access_token": None}}),
    lambda: httpx.Response(200, text="<html>"),
    lambda: httpx.Response(204),
]


@pytest.mark.parametrize("respond", NO_TOKENS, ids=range(len(NO_TOKENS)))
async def test_answer_without_a_token_is_invalid(respond: Callable[[], httpx.Response]) -> None:
    vendor = Vendor()
    vendor.network._handler = lambda _: respond()
    with pytest.raises(UpstreamError, match="an answer without a token") as failure:
        await call(vendor.client)
    assert failure.value.code is ErrorCode.UPSTREAM_INVALID_RESPONSE


async def test_token_request_times_out() -> None:
    vendor = Vendor()
    vendor.issues.clear()
    endpoint = TokenEndpoint(
        "shop",
        "https://shop.example/oauth",
        http=http_client(vendor.network),
        read_error=read_error,
        timeout=0.01,
        clock=lambda: NOW,
    )
    with pytest.raises(UpstreamError, match="gave no token within") as failure:
        await endpoint.post(json={})
    assert failure.value.code is ErrorCode.UPSTREAM_TIMEOUT


async def test_token_requests_are_not_counted_as_calls() -> None:
    vendor = Vendor()
    operation = Operation(5)
    await vendor.client.json("/logs", operation=operation)
    assert operation.calls == {"shop": 1}


def endpoint_over(handler: Any, setting: str = "url under auth") -> TokenEndpoint:
    return TokenEndpoint(
        "shop",
        "https://iam.example/tokens",
        http=http_client(Network(handler)),
        read_error=read_error,
        timeout=5.0,
        clock=lambda: NOW,
        setting=setting,
    )


def broken(error: Exception) -> Any:
    def respond(_: httpx.Request) -> httpx.Response:
        raise error

    return respond


@pytest.mark.parametrize(
    ("handler", "told"),
    [
        (
            broken(httpx.ConnectError("x")),
            "The token endpoint of source shop could not be reached: nothing answers there; check"
            " url under auth and the network.",
        ),
        (
            lambda _: httpx.Response(302, headers={"Location": "https://login.example/"}),
            "Redirects are not followed; check url under auth: this one points to"
            " https://login.example.",
        ),
        (lambda _: document({}, 404), "answered 404 Not Found. Check url under auth."),
        (
            lambda _: httpx.Response(200, content=b"x" * (MAX_BYTES + 1)),
            "answered with more than 16 MiB. Check url under auth.",
        ),
    ],
)
async def test_failure_names_the_setting_of_the_token_endpoint(handler: Any, told: str) -> None:
    """Checking base_url would not reveal a fault of another host."""
    with pytest.raises(UpstreamError) as failure:
        await endpoint_over(handler).post(form={})
    assert told in str(failure.value)
