"""Retries, their waits, and the circuit breaker, as the client uses them."""

from __future__ import annotations

import asyncio
import logging
import math
from collections import Counter
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from typing import Any

import httpx
import pytest

from gateway.errors import ErrorCode, UpstreamError
from gateway.upstream import retry
from gateway.upstream.auth import FixedCredential, PassedCredential
from gateway.upstream.breaker import BreakerState
from gateway.upstream.client import NotModified, UpstreamClient
from gateway.upstream.operation import Operation
from tests.support.virtual_time import VIRTUAL_TIME, Backend, now
from tests.upstream.network import NOW, Network, call, client_of, document

REFUSED = httpx.ConnectError("refused")
RESET = httpx.ReadError("")

Step = httpx.Response | Exception | float | Callable[[], httpx.Response]
"""A response, a broken connection, or the seconds before a successful response."""


@pytest.fixture(scope="module")
def anyio_backend() -> Backend:
    return VIRTUAL_TIME


@pytest.fixture(autouse=True)
def real_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "sleep", asyncio.sleep)


class Vendor(Network):
    """Answers each request with the next step (the last one repeats), and records the times."""

    def __init__(self, *steps: Step) -> None:
        super().__init__(self._step)
        self.steps = list(steps)
        self.times: list[float] = []
        self.pause = 0.0
        """Seconds before every answer."""

    async def _step(self, _: httpx.Request) -> httpx.Response:
        self.times.append(now())
        await asyncio.sleep(self.pause)
        step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        if isinstance(step, Exception):
            raise step
        if isinstance(step, float):
            await asyncio.sleep(step)
            return document({})
        if isinstance(step, httpx.Response):
            # A response can be read only once.
            return httpx.Response(step.status_code, headers=step.headers, content=step.content)
        return step()

    @property
    def waits(self) -> list[float]:
        return [later - sooner for sooner, later in zip(self.times, self.times[1:], strict=False)]


def made(vendor: Vendor, **changes: Any) -> UpstreamClient:
    return client_of(vendor, **{"monotonic": now, **changes})


async def failure_of(work: Awaitable[Any]) -> UpstreamError:
    with pytest.raises(UpstreamError) as failure:
        await work
    return failure.value


def answered(status: int, **headers: str) -> httpx.Response:
    return document({}, status, **headers)


@pytest.mark.parametrize("fault", [REFUSED, RESET, *map(answered, (429, 502, 503, 504))], ids=repr)
async def test_temporary_failure_is_retried(fault: Step) -> None:
    vendor = Vendor(fault, fault, document({"good": True}))
    client, operation = made(vendor), Operation(10)
    read, _ = await client.json("/logs", operation=operation)
    assert read == {"good": True}
    assert operation.calls == {"shop": 3}
    first, second = vendor.waits
    assert 0.1 <= first <= 0.4
    assert 0.2 <= second <= 0.5
    # A read that succeeds in the end does not count as a failure of the source.
    assert (client.health.last_success_at, client.health.last_failure_at) == (NOW, None)


async def test_list_by_post_is_retried_with_the_same_body() -> None:
    vendor = Vendor(RESET, answered(503), document({"good": True}))
    read, _ = await made(vendor).json("/query", operation=Operation(10), body={"status": "failed"})
    assert read == {"good": True}
    assert [(request.method, request.content) for request in vendor.requests] == [
        ("POST", b'{"status":"failed"}')
    ] * 3


async def test_read_is_attempted_three_times_at_most() -> None:
    vendor = Vendor(answered(503))
    error = await failure_of(call(made(vendor)))
    assert (error.status, len(vendor.requests)) == (503, 3)


@pytest.mark.parametrize(
    "fault",
    [*map(answered, (302, 400, 401, 403, 404, 500, 501)), httpx.Response(200, text="<html>")],
    ids=repr,
)
async def test_permanent_failure_is_not_retried(fault: Step) -> None:
    vendor = Vendor(fault)
    await failure_of(call(made(vendor)))
    assert len(vendor.requests) == 1


async def test_timeout_is_not_retried() -> None:
    vendor = Vendor(60.0)
    began = now()
    error = await failure_of(call(made(vendor, timeout=2.0)))
    assert error.code is ErrorCode.UPSTREAM_TIMEOUT
    assert now() - began == pytest.approx(2.0)
    assert len(vendor.requests) == 1


@pytest.mark.parametrize("fault", [REFUSED, RESET, answered(429), answered(503)], ids=repr)
async def test_action_is_sent_once(fault: Step) -> None:
    vendor = Vendor(fault)
    operation = Operation(10)
    await failure_of(made(vendor).act("POST", "/retry", operation=operation))
    assert (len(vendor.requests), operation.calls) == (1, {"shop": 1})


@pytest.mark.parametrize(
    "header", ["3", formatdate(NOW / 1e9 + 3, usegmt=True)], ids=["seconds", "date"]
)
@pytest.mark.parametrize("status", [403, 429, 503])
async def test_retry_waits_as_long_as_the_vendor_asks(status: int, header: str) -> None:
    vendor = Vendor(answered(status, Retry_After=header), document({}))
    await call(made(vendor), seconds=10)
    (wait,) = vendor.waits
    assert 3.0 <= wait <= 3.3


@pytest.mark.parametrize("status", [403, 429, 503])
async def test_wait_beyond_the_deadline_fails_at_once(status: int) -> None:
    vendor = Vendor(answered(status, Retry_After="9"))
    began = now()
    error = await failure_of(call(made(vendor), seconds=9))
    assert (error.status, error.retry_after) == (status, 9.0)
    assert (now(), len(vendor.requests)) == (began, 1)


async def test_wait_is_bounded_without_a_deadline() -> None:
    vendor = Vendor(answered(503, Retry_After="300"), answered(503, Retry_After="301"))
    began = now()
    error = await failure_of(call(made(vendor), seconds=math.inf))
    assert (error.retry_after, len(vendor.requests)) == (301.0, 2)
    assert 300 <= now() - began < 301


async def test_all_attempts_share_the_deadline() -> None:
    """Each attempt has the whole timeout, as far as the deadline allows."""
    vendor = Vendor(lambda: answered(503), 60.0)
    began = now()
    error = await failure_of(call(made(vendor, timeout=4.0), seconds=3))
    assert error.code is ErrorCode.UPSTREAM_TIMEOUT
    assert now() - began == pytest.approx(3.0)


async def test_waiting_for_a_retry_holds_no_slot() -> None:
    vendor = Vendor(answered(503, Retry_After="5"), document({}))
    client = made(vendor, concurrency=1)
    failing = asyncio.create_task(call(client, seconds=10))
    await asyncio.sleep(1)
    await call(client)
    assert vendor.waits == [1.0]
    await failing
    assert len(vendor.requests) == 3


async def test_429_pauses_the_whole_source() -> None:
    vendor = Vendor(answered(429, Retry_After="4"), document({}))
    client = made(vendor)
    await failure_of(call(client, seconds=2))
    began = now()
    error = await failure_of(call(client, seconds=2))
    assert (error.code, error.sent, error.status) == (
        ErrorCode.UPSTREAM_RATE_LIMITED,
        False,
        None,
    )
    assert error.retry_after == pytest.approx(4)
    assert (now(), len(vendor.requests)) == (began, 1)
    # Calls that were not sent do not count as failures of the source.
    assert client.health.last_error is not None
    assert client.health.last_error.status == 429
    assert await call(client, seconds=10) == {}
    assert vendor.waits == [pytest.approx(4)]


async def test_rate_limit_headers_of_good_answers_pause_the_source() -> None:
    vendor = Vendor(document({}, RateLimit_Remaining="0", RateLimit_Reset="2"), document({}))
    client = made(vendor)
    for _ in range(3):
        await call(client)
    assert vendor.waits == [pytest.approx(2), 0]


async def test_call_repeated_with_a_new_token_counts_twice() -> None:
    class Renewed(FixedCredential):
        def forget(self, headers: Any) -> bool:
            return bool(headers)

    vendor = Vendor(answered(401), document({}))
    client = made(vendor, rate_limit=1, credential=Renewed({"Authorization": "old"}))
    for _ in range(2):
        await call(client)
    assert vendor.waits == [0, pytest.approx(2)]


@pytest.mark.parametrize(("status", "sent"), [(429, 1), (500, 10)])
async def test_callers_with_own_credentials_do_not_pause_each_other(status: int, sent: int) -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        bad = request.headers["authorization"] == "bad"
        return answered(status, Retry_After="60") if bad else document({})

    def operation(name: str) -> Operation:
        return Operation(5, {"x-own": name})

    network = Network(respond)
    client = client_of(
        network,
        credential=PassedCredential("shop", "X-Own", "Authorization"),
        private=True,
        monotonic=now,
    )
    for _ in range(20):
        await failure_of(client.json("/logs", operation=operation("bad")))
        await client.json("/logs", operation=operation("good"))
    assert len(network.requests) == sent + 20
    assert client.health.breaker is BreakerState.CLOSED
    assert client.health.last_error is None


def many(client: UpstreamClient, count: int, seconds: float = 5.0) -> Awaitable[list[Any]]:
    calls = (call(client, seconds=seconds) for _ in range(count))
    return asyncio.gather(*calls, return_exceptions=True)


async def test_breaker_opens_and_one_probe_closes_it() -> None:
    vendor = Vendor(answered(500))
    client = made(vendor)
    waits = []
    for _ in range(10):
        assert client.health.breaker is BreakerState.CLOSED
        waits.append((await failure_of(call(client))).retry_after)
    assert waits == [None] * 9 + [5]
    assert (client.health.breaker, client.health.retry_at) == (BreakerState.OPEN, NOW + 5 * 10**9)

    await asyncio.sleep(2)
    for work in (call(client), client.act("POST", "/retry", operation=Operation(5))):
        error = await failure_of(work)
        assert (error.code, error.sent) == (ErrorCode.UPSTREAM_CIRCUIT_OPEN, False)
        assert error.retry_after == pytest.approx(3)
        assert str(error) == (
            "Source shop failed so often that it is left alone for another 3 seconds. Try again"
            " after that. Its last failure: Source shop answered 500 Internal Server Error to"
            " /logs. The vendor has trouble; try again later."
        )
    assert len(vendor.requests) == 10
    assert client.health.last_error is not None
    assert client.health.last_error.status == 500

    await asyncio.sleep(3)
    assert (client.health.breaker, client.health.retry_at) == (BreakerState.HALF_OPEN, None)
    vendor.steps = [1.0]
    results = await many(client, 5)
    assert [isinstance(result, UpstreamError) for result in results] == [False] + [True] * 4
    assert len(vendor.requests) == 11
    assert client.health.breaker is BreakerState.CLOSED


async def due_for_a_probe() -> tuple[Vendor, UpstreamClient]:
    """Return a client whose breaker has opened at 0 s; it is 5 s, and its next call is a probe."""
    vendor = Vendor(answered(500))
    client = made(vendor)
    for _ in range(10):
        await failure_of(call(client))
    await asyncio.sleep(5)
    return vendor, client


@pytest.mark.parametrize("recovered", [True, False])
async def test_callers_wait_half_a_second_for_the_probe(recovered: bool) -> None:
    """Otherwise the first page after an outage would fail if it needs several calls."""
    vendor, client = await due_for_a_probe()
    vendor.steps = [lambda: document({}, 200 if recovered else 500)]
    vendor.pause = 0.4
    results = await many(client, 5)
    if recovered:
        assert results == [{}] * 5
        assert now() == pytest.approx(5.8)
    else:
        codes = [result.code for result in results]
        assert codes == [ErrorCode.UPSTREAM_ERROR] + [ErrorCode.UPSTREAM_CIRCUIT_OPEN] * 4
        assert len(vendor.requests) == 11
        assert now() == pytest.approx(5.4)


async def test_callers_do_not_wait_longer_for_a_probe_that_hangs() -> None:
    vendor, client = await due_for_a_probe()
    vendor.steps = [4.0]
    probe = asyncio.create_task(call(client))
    await asyncio.sleep(0.1)
    error = await failure_of(call(client))
    assert error.code is ErrorCode.UPSTREAM_CIRCUIT_OPEN
    assert now() == pytest.approx(5.6)
    error = await failure_of(call(client, seconds=0.3))
    assert error.code is ErrorCode.UPSTREAM_CIRCUIT_OPEN
    assert now() == pytest.approx(5.9)
    assert await probe == {}


@pytest.mark.parametrize("recovered", [True, False])
async def test_background_refresh_waits_for_the_probe(recovered: bool) -> None:
    vendor, client = await due_for_a_probe()

    async def renew() -> Any:
        return await client.json("/logs", operation=Operation(5).detached({}, background=True))

    vendor.steps = [lambda: document({}, 200 if recovered else 500)]
    vendor.pause = 1.0
    results: list[Any] = await asyncio.gather(*(renew() for _ in range(5)), return_exceptions=True)
    if recovered:
        assert [result[0] for result in results] == [{}] * 5
        assert vendor.times[10:] == [5.0, 6.0, 6.0, 6.0, 6.0]
    else:
        codes = [result.code for result in results]
        assert codes == [ErrorCode.UPSTREAM_ERROR] + [ErrorCode.UPSTREAM_CIRCUIT_OPEN] * 4
        assert len(vendor.requests) == 11


async def test_background_refresh_waits_for_the_probe_within_its_deadline() -> None:
    vendor, client = await due_for_a_probe()
    vendor.steps = [4.0]
    probe = asyncio.create_task(call(client))
    await asyncio.sleep(0.5)
    error = await failure_of(
        client.json("/logs", operation=Operation(1, longest=1).detached({}, background=True))
    )
    assert (error.code, error.sent, now()) == (ErrorCode.UPSTREAM_TIMEOUT, False, 6.5)
    assert await probe == {}


async def test_attempts_stop_when_the_breaker_opens() -> None:
    vendor = Vendor(answered(503))
    client = made(vendor)
    for _ in range(3):
        await failure_of(call(client))
    error = await failure_of(call(client))
    assert (error.status, len(vendor.requests)) == (503, 10)
    assert client.health.breaker is BreakerState.OPEN


@pytest.mark.sampled(3)
@pytest.mark.parametrize("status", [400, 401, 403, 404])
async def test_refusals_do_not_open_the_breaker(status: int) -> None:
    vendor = Vendor(answered(status))
    client = made(vendor)
    for _ in range(20):
        await failure_of(call(client))
    assert client.health.breaker is BreakerState.CLOSED


async def test_slow_answers_open_the_breaker() -> None:
    for seconds, state in ((2.9, BreakerState.CLOSED), (3.1, BreakerState.OPEN)):
        client = made(Vendor(seconds), timeout=4.0)
        assert await many(client, 10) == [{}] * 10
        assert client.health.breaker is state


async def test_timeouts_open_the_breaker() -> None:
    client = made(Vendor(60.0), timeout=4.0)
    failures = await many(client, 10)
    assert Counter(failure.retry_after for failure in failures) == {None: 9, 5: 1}
    assert client.health.breaker is BreakerState.OPEN
    error = await failure_of(call(client))
    assert "Source shop did not answer within 3 seconds." in str(error)


async def test_action_with_short_deadline_does_not_open_the_breaker() -> None:
    """The caller lowered the deadline, so a timeout says nothing about the vendor."""
    client = made(Vendor(3.0), timeout=4.0)
    for _ in range(20):
        work = client.act("POST", "/retry", operation=Operation(0.5))
        assert (await failure_of(work)).code is ErrorCode.UPSTREAM_TIMEOUT
    assert client.health.breaker is BreakerState.CLOSED


async def test_calls_that_got_no_slot_do_not_open_the_breaker() -> None:
    client = made(Vendor(2.5), timeout=4.0, concurrency=1)
    results = await many(client, 20, seconds=4)
    assert sum(isinstance(result, UpstreamError) for result in results) == 19
    assert client.health.breaker is BreakerState.CLOSED


async def test_cancelled_calls_do_not_open_the_breaker_nor_block_a_probe() -> None:
    vendor = Vendor(60.0)
    client = made(vendor)

    async def cancelled() -> None:
        task = asyncio.create_task(call(client))
        await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    for _ in range(20):
        await cancelled()
    assert client.health.breaker is BreakerState.CLOSED
    vendor.steps = [answered(500)]
    for _ in range(10):
        await failure_of(call(client))
    await asyncio.sleep(10)
    vendor.steps = [60.0]
    await cancelled()
    vendor.steps = [document({})]
    assert await call(client) == {}
    assert client.health.breaker is BreakerState.CLOSED


async def test_call_waiting_for_a_slot_is_refused_once_the_breaker_opens() -> None:
    vendor = Vendor(60.0)
    client = made(vendor, timeout=2.0, concurrency=10)
    results = await many(client, 30, seconds=9)
    codes = [result.code for result in results if isinstance(result, UpstreamError)]
    assert codes.count(ErrorCode.UPSTREAM_TIMEOUT) == 10
    assert codes.count(ErrorCode.UPSTREAM_CIRCUIT_OPEN) == 20
    assert len(vendor.requests) == 10


async def test_known_etag_is_sent_and_304_is_not_modified() -> None:
    vendor = Vendor(document({"a": 1}, ETag='W/"one"'))
    client, operation = made(vendor), Operation(5)
    params = [("page[limit]", "5"), ("q", "ä b")]
    await client.json("/logs", params, operation=operation)
    assert operation.validators == {"/logs?page%5Blimit%5D=5&q=%C3%A4+b": 'W/"one"'}

    again = Operation(5)
    again.etags = operation.validators
    vendor.steps = [answered(503), httpx.Response(304)]
    with pytest.raises(NotModified):
        await client.json("/logs", params, operation=again)
    assert [request.headers.get("if-none-match") for request in vendor.requests] == [
        None,
        'W/"one"',
        'W/"one"',
    ]
    assert again.validators == {}
    assert client.health.last_failure_at is None
    # Another path has no ETag, and an action never has.
    vendor.steps = [document({})]
    again.etags = {"/logs": '"one"'}
    await client.json("/logs", params, operation=again)
    await client.act("DELETE", "/logs", operation=again)
    assert not any("if-none-match" in request.headers for request in vendor.requests[3:])


@pytest.mark.parametrize("etag", ["", "bare", '"a', '"a"b"', '"' + "x" * 600 + '"', '"ä"'])
async def test_invalid_etag_is_ignored(etag: str) -> None:
    vendor = Vendor(httpx.Response(200, content="{}", headers={b"ETag": etag.encode()}))
    operation = Operation(5)
    await made(vendor).json("/logs", operation=operation)
    assert operation.validators == {"/logs": ""}


async def test_304_without_a_condition_is_an_error() -> None:
    error = await failure_of(call(made(Vendor(httpx.Response(304)))))
    assert error.code is ErrorCode.UPSTREAM_REJECTED


async def test_retries_log_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    await failure_of(call(made(Vendor(answered(503)))))
    assert "s3cr3t" not in caplog.text
    assert not [record for record in caplog.records if record.name != "asyncio"]


async def test_call_queued_during_a_pause_reports_the_pause() -> None:
    """The call ahead of it has enough time to wait for the end of the pause."""
    answers = iter([answered(429, Retry_After="5"), answered(200), answered(200)])

    async def answer(_: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0.5)
        return next(answers)

    client = client_of(answer, concurrency=1, monotonic=now)
    first, patient = (asyncio.create_task(call(client, seconds=10)) for _ in range(2))
    await asyncio.sleep(0.25)
    error = await failure_of(call(client, seconds=3))
    assert error.code is ErrorCode.UPSTREAM_RATE_LIMITED
    assert error.retry_after == 2.25
    await asyncio.gather(first, patient)
