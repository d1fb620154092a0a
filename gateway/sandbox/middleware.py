"""The outermost layer of the sandbox: it records calls, delays responses and applies faults."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict, deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from starlette.datastructures import MutableHeaders, QueryParams

from gateway.sandbox.deliveries import digest, seeded
from gateway.sandbox.faults import Call, Fault, apply_fault
from gateway.sandbox.vendor import vendor_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from gateway.sandbox.deliveries import Traffic
    from gateway.sandbox.vendor import Vendor

_MOST_CALLS = 10_000


class Record:
    """The requests that the vendors received.

    ``calls`` are the latest; ``counts`` are the numbers of all, by vendor and path. ``peaks`` are
    the largest numbers of simultaneous requests by vendor, without those for tokens. ``suffered``
    are the numbers of requests that a fault affected, by vendor.
    """

    def __init__(self) -> None:
        self.calls: deque[dict[str, Any]] = deque(maxlen=_MOST_CALLS)
        self.counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.peaks: Counter[str] = Counter()
        self.suffered: Counter[str] = Counter()
        self._running: Counter[str] = Counter()

    def clear(self) -> None:
        """Remove all records."""
        self.calls.clear()
        self.counts.clear()
        self.peaks.clear()
        self.suffered.clear()

    @contextmanager
    def of(self, scope: Scope, vendor: Vendor) -> Iterator[None]:
        """Record a request; it counts as running within the context."""
        query = dict(QueryParams(scope["query_string"]))
        call = {"vendor": vendor.name, "method": scope["method"], "path": scope["path"]}
        self.calls.append(call | {"query": query})
        self.counts[vendor.name][scope["path"]] += 1
        counted = not scope["path"].startswith(vendor.token_paths)
        self._running[vendor.name] += counted
        self.peaks[vendor.name] = max(self.peaks[vendor.name], self._running[vendor.name])
        try:
            yield
        finally:
            self._running[vendor.name] -= counted


class FaultMiddleware:
    """ASGI middleware that makes vendors slow and faulty.

    The server has to call it directly: faults that break a connection need the server's own
    ``send``. Without a connection, in process, they raise ``ConnectionResetError``.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        seed: int,
        vendors: Sequence[Vendor],
        traffic: Traffic,
        faults: dict[str, Fault],
        record: Record,
        latency: tuple[float, float],
        clock: Callable[[], float],
    ) -> None:
        self._app = app
        self._seed = seed
        self._vendors = vendors
        self._traffic = traffic
        self._faults = faults
        self._record = record
        self._latency = latency
        self._clock = clock
        self._random = seeded(seed, "latency")
        self._chance = seeded(seed, "faults")
        self._count = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        vendor = vendor_at(scope["path"], self._vendors) if scope["type"] == "http" else None
        if vendor is None:
            self._traffic.catch_up()
            await self._app(scope, receive, send)
            return
        with self._record.of(scope, vendor):
            await asyncio.sleep(self._random.uniform(*self._latency))
            self._traffic.catch_up()
            await self._answer(scope, receive, send, vendor)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, vendor: Vendor) -> None:
        self._count += 1
        request_id = digest(self._seed, "request", self._count).hex()

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
            await send(message)

        fault = self._take_fault(scope, vendor)
        if fault is None:
            await self._app(scope, receive, send_with_id)
            return
        self._record.suffered[vendor.name] += 1
        transport = getattr(getattr(send, "__self__", None), "transport", None)
        now = self._clock()
        await apply_fault(
            fault, Call(scope, receive, send_with_id, self._app, vendor, transport, now)
        )

    def _take_fault(self, scope: Scope, vendor: Vendor) -> Fault | None:
        fault = self._faults.get(vendor.name)
        if fault is None or not fault.hits(scope, vendor):
            return None
        if self._chance.random() >= fault.share:
            return None
        if fault.times is not None:
            fault.times -= 1
            if fault.times <= 0:
                del self._faults[vendor.name]
        return fault
