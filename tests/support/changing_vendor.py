"""A Language Weaver controller that a test can change, break and delay."""

from __future__ import annotations

import asyncio
import datetime as dt
import selectors
from collections.abc import Callable
from typing import Any, NamedTuple

import httpx
import msgspec

from gateway.upstream.auth import basic
from tests.support.clock import Clock

MILLISECOND = 10**6
ACCOUNTS = ("shared", "alice", "bob")
"""The owners of logs: one is read with the gateway's credential, the others with their own."""
CREDENTIALS = {
    "shared": basic("shared", "")["Authorization"],
    "alice": "Bearer alice",
    "bob": "Bearer bob",
}
EVENTS = ("created", "changed")


class Loop(asyncio.SelectorEventLoop):
    """An event loop with timers on a test's clock; ``busy`` says whether real I/O is pending."""

    def __init__(self, clock: Clock[int], busy: Callable[[], bool]) -> None:
        super().__init__(selectors.DefaultSelector())
        self._clock = clock
        self._busy = busy

    def time(self) -> float:
        return self._clock.now / 10**9

    async def settle(self) -> None:
        """Run every task until it has ended or waits for the test."""
        await asyncio.sleep(0)
        while self._ready or self._busy():  # type: ignore[attr-defined]  # noqa: ASYNC110
            await asyncio.sleep(0)


class Delivery(msgspec.Struct):
    """An entry of an account's audit log."""

    number: int
    time: int
    event: str
    failed: bool
    retries: int = 0


class Statement(msgspec.Struct):
    """The contents and time of one response; its rows carry the statement's number."""

    account: str
    numbers: frozenset[int]
    given_at: int = 0


class Gate(NamedTuple):
    """Holds back a finished response."""

    method: str
    opened: asyncio.Event


class Controller(httpx.AsyncBaseTransport):
    """The vendor of all accounts. Its ``logs`` are in list order, newest first.

    ``acts`` holds, for each account, the number of statements before the last action; ``acted``
    holds the method and log of each action. ``fault`` is a status or an error that replaces every
    response. If ``dawdles`` is set, the next response is built at once but sent only when its gate
    opens.
    """

    def __init__(self, clock: Clock[int]) -> None:
        self.logs: dict[str, list[Delivery]] = {account: [] for account in ACCOUNTS}
        self.statements: list[Statement] = []
        self.acts: dict[str, int] = {}
        self.acted: list[tuple[str, int]] = []
        self.fault: int | type[httpx.TransportError] | None = None
        self.dawdles = False
        self.gates: list[Gate] = []
        self._clock = clock
        self._accounts = {credential: name for name, credential in CREDENTIALS.items()}
        self._numbers = 0

    def arrive(self, account: str, failed: bool, event: str) -> None:
        self._numbers += 1
        self.logs[account].insert(0, Delivery(self._numbers, self._clock.now, event, failed))

    def open_gates(self) -> None:
        for gate in self.gates:
            gate.opened.set()
        self.gates.clear()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        # No two things happen in one nanosecond.
        self._clock.now += MILLISECOND
        answer, statement = self._answer(request)
        if self.dawdles:
            self.dawdles = False
            gate = Gate(request.method, asyncio.Event())
            self.gates.append(gate)
            await gate.opened.wait()
        self._clock.now += MILLISECOND
        if statement is not None:
            statement.given_at = self._clock.now
        return answer

    def _answer(self, request: httpx.Request) -> tuple[httpx.Response, Statement | None]:
        if isinstance(self.fault, int):
            return httpx.Response(self.fault), None
        if self.fault is not None:
            raise self.fault("", request=request)
        account = self._accounts[request.headers["Authorization"]]
        logs = self.logs[account]
        *_, collection, last = request.url.path.split("/")
        if request.method != "GET":
            number = int(collection if last == "retry" else last)
            found = [log for log in logs if log.number == number]
            if not found:
                return httpx.Response(404), None
            return self._act(request.method, account, found[0]), None
        self.statements.append(
            statement := Statement(account, frozenset(log.number for log in logs))
        )
        serial = len(self.statements) - 1
        if collection == "v2":
            hook = {"uuid": "u", "description": f"{serial}"}
            return _page(request, "webhooks", [hook]), statement
        values = request.url.params
        rows = [
            self._document(log, serial)
            for log in logs
            if values.get("failed", str(log.failed).lower()) == str(log.failed).lower()
            and log.event in values.get("event", log.event).split(",")
        ]
        return _page(request, "entries", rows), statement

    def _act(self, method: str, account: str, log: Delivery) -> httpx.Response:
        self.acts[account] = len(self.statements)
        self.acted.append((method, log.number))
        if method == "PUT":
            log.retries += 1
            log.failed = False
            return httpx.Response(200)
        self.logs[account].remove(log)
        return httpx.Response(200, json=self._document(log, len(self.statements)))

    @staticmethod
    def _document(log: Delivery, serial: int) -> dict[str, Any]:
        time = dt.datetime.fromtimestamp(log.time / 10**9, tz=dt.UTC)
        return {
            "id": log.number,
            "uuid": "u",
            "url": "https://hooks.example/a",
            "event": log.event,
            "timeTriggered": f"{time:%Y-%m-%d %H:%M:%S.%f}Z",
            "errorMessage": "no route to host" if log.failed else "",
            "retryAttempts": log.retries,
            "serial": serial,
        }


def _page(request: httpx.Request, name: str, rows: list[Any]) -> httpx.Response:
    number, size = (int(request.url.params[key]) for key in ("page", "perPage"))
    envelope = {"page": number, "perPage": size, "totalItems": len(rows)}
    return httpx.Response(200, json={name: rows[(number - 1) * size : number * size], **envelope})
