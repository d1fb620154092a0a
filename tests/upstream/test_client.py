from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import httpx
import pytest

from gateway import __version__
from gateway.errors import ErrorCode, UpstreamError
from gateway.upstream.exchange import network_transport as real_network
from gateway.upstream.operation import Operation
from tests.upstream.network import NOW, Body, Network, call, client_of, document


async def test_slow_answer_times_out_with_the_operation() -> None:
    never = asyncio.Event()

    async def respond(_: httpx.Request) -> httpx.Response:
        await never.wait()
        raise AssertionError

    for timeout, seconds in ((0.02, 30.0), (30.0, 0.02)):
        client = client_of(respond, timeout=timeout)
        with pytest.raises(UpstreamError) as failure:
            await call(client, seconds=seconds)
        assert failure.value.code is ErrorCode.UPSTREAM_TIMEOUT
        assert "did not answer within 0.02 seconds. Try again, or raise" in str(failure.value)


async def test_slow_body_times_out_with_the_operation() -> None:
    class Dripping(Body):
        async def __aiter__(self) -> Any:
            while True:
                yield b" "
                await asyncio.sleep(0.001)

    body = Dripping(())
    with pytest.raises(UpstreamError) as failure:
        await call(client_of(lambda _: httpx.Response(200, stream=body)), seconds=0.02)
    assert failure.value.code is ErrorCode.UPSTREAM_TIMEOUT
    assert body.closed


async def test_nothing_is_sent_after_the_deadline() -> None:
    network = Network(lambda _: document({}))
    client = client_of(network, concurrency=1)
    operation = Operation(-1)
    for busy in (client._slots, contextlib.nullcontext()):
        async with busy:
            with pytest.raises(UpstreamError) as failure:
                await client.json("/logs", operation=operation)
        assert "was not asked, since the operation's time was up. Try again" in str(failure.value)
        assert not failure.value.sent
    assert (network.requests, operation.calls) == ([], {})


async def test_cookies_are_not_sent_back_and_redirects_not_followed() -> None:
    network = Network(
        lambda request: (
            document({}, Set_Cookie="session=1; Path=/")
            if request.url.path == "/logs"
            else document({}, 302, Location="/logs", Set_Cookie="session=2; Path=/")
        )
    )
    client = client_of(network)
    await call(client)
    await call(client)
    with pytest.raises(UpstreamError):
        await call(client, "/moved")
    assert len(network.requests) == 3
    assert not any("cookie" in request.headers for request in network.requests)
    assert {request.headers["user-agent"] for request in network.requests} == {
        f"webhook-log-gateway/{__version__}"
    }


class Busy:
    """Holds every request until ``answers`` is set."""

    def __init__(self) -> None:
        self.answers = asyncio.Event()
        self.simultaneous = self.most = 0

    async def __call__(self, _: httpx.Request) -> httpx.Response:
        self.simultaneous += 1
        self.most = max(self.most, self.simultaneous)
        try:
            await self.answers.wait()
        finally:
            self.simultaneous -= 1
        return document({})


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_simultaneous_calls_are_bounded() -> None:
    vendor = Busy()
    client = client_of(vendor, concurrency=3)
    calls = [asyncio.create_task(call(client)) for _ in range(20)]
    await settle()
    assert vendor.simultaneous == 3
    vendor.answers.set()
    await asyncio.gather(*calls)
    assert vendor.most == 3


async def test_cancelled_call_frees_its_slot() -> None:
    vendor = Busy()
    client = client_of(vendor, concurrency=2)
    calls = [asyncio.create_task(call(client)) for _ in range(5)]
    await settle()
    for given_up in (calls[0], calls[1], calls[4]):
        given_up.cancel()
    await settle()
    assert vendor.simultaneous == 2
    vendor.answers.set()
    assert await asyncio.gather(*calls[2:4]) == [{}, {}]
    assert await call(client) == {}


async def test_health_shows_the_last_success_and_failure() -> None:
    now = NOW
    answers = iter(
        [document({}), document({}, 500), httpx.Response(200, text="<html>"), document({})]
    )
    client = client_of(lambda _: next(answers), clock=lambda: now)
    for expected in ((NOW, None), (NOW, NOW + 1), (NOW, NOW + 2), (NOW + 3, NOW + 2)):
        result = await asyncio.gather(call(client), return_exceptions=True)
        if isinstance(result[0], UpstreamError):
            last = client.health.last_error
            assert last is not None
            assert (str(last), vars(last)) == (str(result[0]), vars(result[0]))
            # A traceback would keep whole responses alive, including data that is redacted
            # elsewhere.
            assert last.__traceback__ is None
            assert last.__context__ is None
        assert (client.health.last_success_at, client.health.last_failure_at) == expected
        now += 1


async def test_close_ends_the_connections() -> None:
    network = Network(lambda _: document({}))
    client = client_of(network)
    await client.close()
    assert network.closed


async def test_cancelled_calls_return_their_connections() -> None:
    """Lost connections would exhaust the pool, so this test uses real ones."""
    answers = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (await reader.readline()).strip():
            pass
        await answers.wait()
        # Without "close", the client might send its next request on the connection as it ends.
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        now = 0.0
        client = client_of(
            real_network(None, 2),
            timeout=60,  # only reached if connections are lost
            concurrency=2,
            base_url=f"http://127.0.0.1:{port}",
            monotonic=lambda: now,
        )
        for _ in range(5):
            now += 60  # so that the breaker forgets the failures
            calls = [asyncio.create_task(call(client, seconds=0.02)) for _ in range(4)]
            results = await asyncio.gather(*calls, return_exceptions=True)
            assert {type(result) for result in results} == {UpstreamError}
        answers.set()
        later = [call(client, seconds=60) for _ in range(6)]
        assert await asyncio.gather(*later) == [{}] * 6
        await client.close()
