from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise

import pytest

from gateway.sandbox.deliveries import MILLISECOND, SECOND, Archive, Delivery, Traffic
from gateway.sandbox.outcomes import FAILURES
from gateway.sandbox.streams import Stream
from tests.support.clock import Clock

from .conftest import START

HOUR = 3600 * SECOND


def make(
    seed: int = 7, *, rate: float = 0.0, clock: Clock[float] | None = None
) -> tuple[Traffic, tuple[Archive, Archive]]:
    """Create two vendors, one like CodeArts and one like Elastic Path."""
    plain = Archive(
        [
            Stream(id="a", url="https://a.test", share=6000),
            Stream(id="b", url="https://b.test", share=2000, active=False),
        ],
        precision=MILLISECOND,
    )
    resending = Archive([Stream(id="c", url="https://c.test", share=2000)], resends=True)
    both = (plain, resending)
    traffic = Traffic(
        both, seed=seed, clock=clock or Clock(START), arrivals_per_second=rate, logs=20_000
    )
    return traffic, both


def facts(archives: tuple[Archive, Archive]) -> list[tuple[str, int, int | None, int, int]]:
    return [
        (log.stream.id, log.time, log.outcome.status, log.duration_ms, log.job)
        for archive in archives
        for log in archive.deliveries
    ]


@pytest.fixture(scope="module")
def history() -> tuple[Archive, Archive]:
    return make()[1]


@pytest.fixture(scope="module")
def logs(history: tuple[Archive, Archive]) -> list[Delivery]:
    return [log for archive in history for log in archive.deliveries]


def test_same_seed_makes_the_same_history(history: tuple[Archive, Archive]) -> None:
    assert facts(make()[1]) == facts(history)
    assert facts(make(seed=8)[1]) != facts(history)


def test_history_is_two_weeks_in_order(history: tuple[Archive, Archive]) -> None:
    now = int(START * 1e6) * 1000
    for archive in history:
        times = [log.time for log in archive.deliveries]
        assert times == sorted(times)
        assert now - 14 * 24 * HOUR <= times[0]
        assert times[-1] < now
        assert [log.number for log in archive.deliveries] == list(range(len(times)))
    assert {name: len(rows) for name, rows in history[0].by_stream.items()} == {
        "a": 6000,
        "b": 2000,
    }


def test_about_every_seventh_delivery_fails_and_failures_vary(logs: list[Delivery]) -> None:
    failed = [log for log in logs if not log.outcome.accepted]
    assert 0.12 < len(failed) / len(logs) < 0.18
    assert {log.outcome for log in logs} >= FAILURES.keys()


def test_receivers_are_down_for_an_hour(history: tuple[Archive, Archive]) -> None:
    hours = defaultdict(list)
    for log in history[0].by_stream["a"]:
        hours[log.time // (HOUR // 2)].append(log.outcome)
    busy = [outcomes for outcomes in hours.values() if len(outcomes) > 5]
    down = [
        outcomes
        for outcomes in busy
        if Counter(outcomes).most_common(1)[0][1] > 0.8 * len(outcomes)
        and not Counter(outcomes).most_common(1)[0][0].accepted
    ]
    assert 3 < len(down) < len(busy) / 8


def test_logs_share_a_millisecond(history: tuple[Archive, Archive]) -> None:
    plain, resending = history
    sizes = Counter(Counter(log.time for log in plain.by_stream["a"]).values())
    assert sizes[2] > 20
    assert sizes[8] > 3
    elsewhere = {log.time for log in resending.deliveries}
    assert len({log.time for log in plain.deliveries} & elsewhere) >= 5


def test_failed_jobs_are_sent_again_up_to_four_times(history: tuple[Archive, Archive]) -> None:
    jobs = defaultdict(list)
    for log in history[1].deliveries:
        jobs[log.job].append(log)
    assert {len(attempts) for attempts in jobs.values()} == {1, 2, 3, 4}
    for attempts in jobs.values():
        assert [log.attempt for log in attempts] == list(range(1, len(attempts) + 1))
        assert all(earlier.time < later.time for earlier, later in pairwise(attempts))
        assert not any(log.outcome.accepted for log in attempts[:-1])


def test_arrivals_are_spread_over_the_time_since_the_last_read() -> None:
    clock = Clock(START)
    traffic, archives = make(rate=4, clock=clock)
    before = len(facts(archives))
    clock.now += 100
    traffic.catch_up()
    arrived = sorted(
        (log for archive in archives for log in archive.deliveries if log.time >= traffic.start),
        key=lambda log: log.time,
    )
    assert len(arrived) == len(facts(archives)) - before == 400
    assert arrived[-1].time == traffic.start + 100 * SECOND
    assert {
        round((later.time - earlier.time) / MILLISECOND) for earlier, later in pairwise(arrived)
    } == {250}
    traffic.catch_up()
    assert len(facts(archives)) == before + 400


def test_arrivals_are_newest_and_from_active_streams() -> None:
    clock = Clock(START)
    traffic, archives = make(rate=3.7, clock=clock)
    for _ in range(50):
        clock.now += 0.613
        traffic.arrive(3)
    for archive in archives:
        times = [log.time for log in archive.deliveries]
        assert times == sorted(times)
    assert archives[0].by_stream["b"][-1].time < traffic.start
    assert archives[0].by_stream["a"][-1].time > traffic.start


def test_removed_delivery_leaves_its_number_unused() -> None:
    traffic, (_, archive) = make()
    removed = archive.deliveries[5]
    archive.remove(removed)
    assert removed not in archive.by_stream["c"]
    numbers = {log.number for log in archive.deliveries}
    arrived = [log for log in traffic.arrive(20) if log.stream.id == "c"]
    assert arrived
    assert numbers.isdisjoint(log.number for log in arrived)
