"""The deliveries that the simulated vendors have recorded: some days of history, and new ones."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import deque
from functools import partial
from hashlib import blake2b
from operator import itemgetter
from random import Random
from typing import TYPE_CHECKING
from zlib import crc32

import msgspec

from gateway.sandbox.outcomes import FAILURES, INCIDENTS, OK, SUCCESSES, Outcome, WeightedChoice

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.sandbox.streams import Stream

SECOND = 1_000_000_000
MILLISECOND = 1_000_000
_HOUR = 3600 * SECOND
_DAYS = 14
_FULL_HISTORY = 20_000

_FAILURE_RATE = 0.11
_INCIDENT_FAILURE_RATE = 0.92
_HOURS_PER_INCIDENT = 20
_RESEND_RATE = 0.45
_SAME_FAILURE_RATE = 0.45
_MAX_ATTEMPTS = 4

_TIE_RATE = 0.012
_ROWS_PER_BURST = 500
_BURST = 8
_SHARED_MOMENTS = 24

_BUSY = tuple(0.2 + 0.8 * max(0.0, math.sin((hour - 4) / 16 * math.pi)) for hour in range(24))
"""Relative traffic of each hour of the day (UTC), up to 1."""


class Delivery(msgspec.Struct, eq=False, gc=False):
    """One recorded delivery; vendors derive all other data about it.

    ``number`` counts the vendor's deliveries from 0, oldest first. ``time`` is in nanoseconds
    since 1970. ``attempt`` and ``job`` are for vendors that record each attempt of an event.
    """

    stream: Stream
    number: int
    time: int
    outcome: Outcome
    duration_ms: int
    attempt: int
    job: int


class Archive:
    """The deliveries of one vendor, oldest first, in total and by stream.

    ``precision`` is that of the vendor's timestamps in nanoseconds. A vendor that ``resends``
    records each attempt of a job as a delivery of its own. ``days`` are those of the history;
    ``listed_days`` are those that the vendor lists, if it does not list all. ``count`` includes
    removed deliveries.
    """

    def __init__(
        self,
        streams: Sequence[Stream],
        *,
        precision: int = 1,
        resends: bool = False,
        days: int = _DAYS,
        listed_days: int | None = None,
    ) -> None:
        self.streams = tuple(streams)
        self.precision = precision
        self.resends = resends
        self.days = days
        self._listed_days = listed_days
        self._planned: list[tuple[int, Delivery]] = []
        self.deliveries: list[Delivery] = []
        self.by_stream: dict[str, list[Delivery]] = {stream.id: [] for stream in streams}
        self.count = 0

    def add(self, delivery: Delivery) -> None:
        """Add the newest delivery, and number it."""
        delivery.number = self.count
        self.deliveries.append(delivery)
        self.by_stream[delivery.stream.id].append(delivery)
        self.count += 1

    def remove(self, delivery: Delivery) -> None:
        """Remove a delivery; its number is not used again."""
        self.deliveries.remove(delivery)
        self.by_stream[delivery.stream.id].remove(delivery)

    def listed(self, now: int, stream: str | None = None) -> Sequence[Delivery]:
        """Return the deliveries that the vendor lists at this time, in total or of a stream."""
        deliveries = self.deliveries if stream is None else self.by_stream[stream]
        if self._listed_days is None:
            return deliveries
        oldest = now - self._listed_days * 24 * _HOUR
        return deliveries[bisect_left(deliveries, oldest, key=lambda delivery: delivery.time) :]

    def plan_resend(self, delivery: Delivery, time: int) -> Delivery:
        """Plan another attempt at a delivery, which is added when its time has come; return it."""
        again = Delivery(
            stream=delivery.stream,
            number=-1,
            time=time // self.precision * self.precision,
            outcome=OK if delivery.outcome.transient else delivery.outcome,
            duration_ms=delivery.duration_ms,
            attempt=delivery.attempt + 1,
            job=delivery.job,
        )
        self._planned.append((time, again))
        return again

    def due(self, now: int) -> list[tuple[int, Delivery]]:
        """Take the planned deliveries whose times have come, with these times."""
        due = [planned for planned in self._planned if planned[0] <= now]
        self._planned = [planned for planned in self._planned if planned[0] > now]
        return due


class Traffic:
    """Fills all archives: with the history at first, and later with arrivals."""

    def __init__(
        self,
        archives: Sequence[Archive],
        *,
        seed: int,
        clock: Callable[[], float],
        arrivals_per_second: float,
        logs: int,
    ) -> None:
        self._seed = seed
        self._clock = clock
        self._arrivals_per_second = arrivals_per_second
        self._random = seeded(seed, "traffic")
        self._success = WeightedChoice(SUCCESSES)
        self._failure = WeightedChoice(FAILURES)
        self._unsettled: dict[str, deque[Delivery]] = {}
        self._archives = archives
        self._archive_of = {
            stream.id: archive for archive in archives for stream in archive.streams
        }
        self._active = [
            stream for archive in archives for stream in archive.streams if stream.active
        ]
        self._shares = [stream.share for stream in self._active]
        self._arrived = 0
        self.start = self.now()
        moments = [
            self._moment() // step * step
            for step in (SECOND, MILLISECOND, MILLISECOND)
            for _ in range(_SHARED_MOMENTS // 3)
        ]
        for archive in archives:
            self._write_history(archive, logs / _FULL_HISTORY, moments)

    def catch_up(self) -> None:
        """Add, in order, what has arrived or been sent again since the last call."""
        now = self.now()
        added: list[tuple[int, Callable[[], object]]] = [
            (time, partial(archive.add, delivery))
            for archive in self._archives
            for time, delivery in archive.due(now)
        ]
        due = int((now - self.start) / SECOND * self._arrivals_per_second)
        for count in range(self._arrived + 1, due + 1):
            time = self.start + int(count / self._arrivals_per_second * SECOND)
            added.append((time, partial(self._arrive, time)))
        self._arrived = max(self._arrived, due)
        for _, add in sorted(added, key=itemgetter(0)):
            add()

    def arrive(self, count: int) -> list[Delivery]:
        """Add ``count`` deliveries of this moment, spread over all vendors and streams."""
        self.catch_up()
        now = self.now()
        return [self._arrive(now) for _ in range(count)]

    def now(self) -> int:
        """Return the time in nanoseconds since 1970."""
        return nanoseconds(self._clock())

    def _moment(self, days: int = _DAYS) -> int:
        """Return a random time in the days before the start, weighted by traffic."""
        while True:
            time = self.start - 1 - int(self._random.random() * days * 24 * _HOUR)
            if self._random.random() < _BUSY[time // _HOUR % 24]:
                return time

    def _write_history(self, archive: Archive, scale: float, moments: list[int]) -> None:
        start = self.start - archive.days * 24 * _HOUR
        shared = [moment for moment in moments if moment >= start]
        plan = [
            (time // archive.precision * archive.precision, stream)
            for stream in archive.streams
            for time in self._times(math.ceil(stream.share * scale), archive.days, shared)
        ]
        plan.sort(key=lambda planned: planned[0])
        for time, stream in plan:
            self._deliver(archive, stream, time)

    def _times(self, count: int, days: int, moments: list[int]) -> list[int]:
        """Return ordered times with bursts, and ties within the stream and with others."""
        random = self._random
        times = sorted(self._moment(days) for _ in range(count))
        for index in range(1, count):
            if random.random() < _TIE_RATE:
                times[index] = times[index - 1]
        for start in range(_ROWS_PER_BURST // 2, count - _BURST, _ROWS_PER_BURST):
            times[start : start + _BURST] = [times[start]] * _BURST
        shared = random.sample(moments, min(count, len(moments)) // 2)
        for index, moment in zip(random.sample(range(count), len(shared)), shared, strict=True):
            times[index] = moment
        return times

    def _arrive(self, time: int) -> Delivery:
        stream = self._random.choices(self._active, self._shares)[0]
        archive = self._archive_of[stream.id]
        return self._deliver(archive, stream, time // archive.precision * archive.precision)

    def _deliver(self, archive: Archive, stream: Stream, time: int) -> Delivery:
        earlier = self._to_resend(stream, time) if archive.resends else None
        outcome = self._outcome(stream, time, earlier)
        delivery = Delivery(
            stream=stream,
            number=archive.count,
            time=time,
            outcome=outcome,
            duration_ms=self._random.randint(*outcome.duration),
            attempt=earlier.attempt + 1 if earlier else 1,
            job=earlier.job if earlier else archive.count,
        )
        archive.add(delivery)
        if archive.resends and not outcome.accepted and delivery.attempt < _MAX_ATTEMPTS:
            self._unsettled.setdefault(stream.id, deque()).append(delivery)
        return delivery

    def _to_resend(self, stream: Stream, time: int) -> Delivery | None:
        """Return the failed delivery whose next attempt is due, if any."""
        waiting = self._unsettled.get(stream.id)
        if waiting and waiting[0].time + SECOND < time and self._random.random() < _RESEND_RATE:
            return waiting.popleft()
        return None

    def _outcome(self, stream: Stream, time: int, earlier: Delivery | None) -> Outcome:
        random = self._random
        if (incident := self._incident(stream, time)) and random.random() < _INCIDENT_FAILURE_RATE:
            return incident
        if earlier and not earlier.outcome.transient and random.random() < _SAME_FAILURE_RATE:
            return earlier.outcome
        return self._failure(random) if random.random() < _FAILURE_RATE else self._success(random)

    def _incident(self, stream: Stream, time: int) -> Outcome | None:
        """Return the outcome of the stream's incident in this hour, if there is one."""
        phase = crc32(stream.id.encode()) % 3600 * SECOND
        roll = crc32(f"{self._seed}/{stream.id}/{(time + phase) // _HOUR}".encode())
        if roll % _HOURS_PER_INCIDENT:
            return None
        return INCIDENTS[roll // _HOURS_PER_INCIDENT % len(INCIDENTS)]


def nanoseconds(seconds: float) -> int:
    """Return a clock's seconds in nanoseconds, to the microsecond, as a float is no more exact."""
    return int(seconds * 1e6) * 1000


def seeded(*parts: object) -> Random:
    """Return a random generator seeded by the parts."""
    return Random("/".join(map(str, parts)))


def digest(*parts: object) -> bytes:
    """Return sixteen bytes that depend on the parts alone; cheaper than ``seeded``."""
    return blake2b("/".join(map(str, parts)).encode(), digest_size=16).digest()
