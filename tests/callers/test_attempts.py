"""Throttling of addresses after failed attempts."""

from __future__ import annotations

import pytest

from gateway.callers.attempts import ADDRESSES, LIMIT, WINDOW, Attempts
from tests.callers.issuer import Clock

HERE, THERE = "192.0.2.1", "192.0.2.2"


@pytest.fixture
def clock() -> Clock:
    return Clock(0.0)


@pytest.fixture
def attempts(clock: Clock) -> Attempts:
    return Attempts(clock)


def fail(attempts: Attempts, address: str, times: int = LIMIT) -> None:
    for _ in range(times):
        attempts.failed(address)


def test_address_waits_after_too_many_failures(attempts: Attempts) -> None:
    fail(attempts, HERE, LIMIT - 1)
    assert attempts.check(HERE) == 0
    attempts.failed(HERE)
    assert attempts.check(HERE) == WINDOW
    assert attempts.check(THERE) == 0


def test_wait_is_in_whole_seconds_and_ends(attempts: Attempts, clock: Clock) -> None:
    fail(attempts, HERE)
    waits = []
    for now in (0.5, WINDOW - 1, WINDOW - 0.25, WINDOW, WINDOW + 1000):
        clock.now = now
        waits.append(attempts.check(HERE))
    assert waits == [60, 1, 1, 0, 0]


def test_window_slides(attempts: Attempts, clock: Clock) -> None:
    let_through = []
    for second in range(200):
        clock.now = float(second)
        if attempts.check(HERE) == 0:
            attempts.failed(HERE)
            let_through.append(second)
    assert let_through == [*range(10), *range(60, 70), *range(120, 130), *range(180, 190)]


def test_occasional_failures_are_allowed(attempts: Attempts, clock: Clock) -> None:
    for _ in range(100):
        attempts.failed(HERE)
        clock.now += WINDOW / (LIMIT - 1)
        assert attempts.check(HERE) == 0


def test_success_forgets_the_failures(attempts: Attempts) -> None:
    fail(attempts, HERE, LIMIT - 1)
    attempts.succeeded(HERE)
    attempts.succeeded(THERE)
    fail(attempts, HERE, LIMIT - 1)
    assert attempts.check(HERE) == 0


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", True),
        ("2001:db8:1:2::1", "2001:DB8:1:2::1%eth0", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("192.0.2.1", "192.0.2.2", False),
        ("testclient", "testclient", True),
        ("", "testclient", False),
    ],
)
def test_addresses_that_count_as_one(
    attempts: Attempts,
    one: str,
    other: str,
    same: bool,
) -> None:
    fail(attempts, one)
    assert (attempts.check(other) > 0) is same


def test_memory_is_bounded(attempts: Attempts) -> None:
    fail(attempts, HERE)
    fail(attempts, THERE)
    for index in range(ADDRESSES - 2):
        attempts.failed(f"host-{index}")
    attempts.failed(HERE)
    assert attempts.check(THERE) > 0
    attempts.failed("one-more")
    assert attempts.check(THERE) == 0
    assert attempts.check(HERE) > 0
    fail(attempts, HERE, 1000)
    assert len(attempts._failures) == ADDRESSES
    assert len(attempts._failures[HERE]) == LIMIT
