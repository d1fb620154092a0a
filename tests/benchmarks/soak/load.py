"""The load: requests of all kinds at a fixed rate, whatever becomes of those before."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
import time
import traceback
from collections.abc import AsyncIterator
from typing import NamedTuple

from tests.benchmarks.soak.client import TIMEOUT, WrongError
from tests.benchmarks.soak.plan import Plan
from tests.benchmarks.soak.requests import KINDS, Kind, Requests

PATIENCE = 5 * TIMEOUT
"""Seconds until what is in flight must have ended when the load rests: up to four requests."""

MOST = 600
"""Characters of a response that are shown."""


class Failed(NamedTuple):
    """A request that failed; ``cause`` is the phase that may cause it, if there is one."""

    at: float
    phase: str
    cause: str | None
    kind: str
    id: str
    what: str
    response: str


class Load:
    """Starts ``rate`` requests a second; those of which ``failed`` are listed."""

    def __init__(self, requests: Requests, plan: Plan, chance: random.Random, rate: float) -> None:
        self.failed: list[Failed] = []
        self.started = 0
        self.lag = 0.0
        """The longest time by which a request was started late, in seconds."""
        self._requests = requests
        self._plan = plan
        self._chance = chance
        self._rate = rate
        self._running: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def running(self, factor: float = 1.0) -> AsyncIterator[None]:
        """Send requests within the context, and wait at its end until all are answered.

        ``factor`` multiplies the rate.
        """
        sender = asyncio.create_task(self._send(self._rate * factor))
        try:
            yield
        finally:
            sender.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sender
            async with asyncio.timeout(PATIENCE):
                await asyncio.gather(*self._running)

    async def _send(self, rate: float) -> None:
        weights = [kind.weight for kind in KINDS]
        planned = time.monotonic()
        while True:
            planned += self._chance.expovariate(rate)
            await asyncio.sleep(planned - time.monotonic())
            self.lag = max(self.lag, time.monotonic() - planned)
            [kind] = self._chance.choices(KINDS, weights)
            task = asyncio.create_task(self._ask(kind))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
            self.started += 1

    async def _ask(self, kind: Kind) -> None:
        at = time.monotonic()
        try:
            await kind.ask(self._requests)
        except WrongError as error:
            answer = error.answer
            self._fail(
                at, answer.kind, answer.id, error.what, f"{answer.status} {answer.text[:MOST]}"
            )
        except Exception as error:  # noqa: BLE001 - a response of another form than was expected
            self._fail(
                at, kind.ask.__name__, "", f"wrong form: {error!r}", traceback.format_exc()[-MOST:]
            )

    def _fail(self, at: float, kind: str, id: str, what: str, text: str) -> None:
        now = time.monotonic()
        cause, phase = self._plan.causes(what, at, now), self._plan.at(now)
        self.failed.append(Failed(at, phase, cause, kind, id, what, text))
        if cause is None:
            print(f"{phase}: {kind} {id}: {what}", file=sys.stderr)
