from __future__ import annotations

import pytest

from gateway.upstream.breaker import FEWEST, REST, WINDOW, Breaker, BreakerState

CLOSED, OPEN, HALF_OPEN = BreakerState


class Tried:
    """A breaker, and the clock that it looks at."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.breaker = Breaker(lambda: self.now)

    @property
    def state(self) -> BreakerState:
        return self.breaker.state

    def call(self, *, failed: bool | None) -> None:
        self.breaker.end(self.begin(), failed=failed)

    def begin(self) -> int:
        call = self.breaker.begin()
        assert call is not None
        return call

    def open(self) -> None:
        for _ in range(FEWEST):
            self.call(failed=True)
        assert self.state is OPEN


@pytest.fixture
def tried() -> Tried:
    return Tried()


def test_half_of_ten_calls_open_it(tried: Tried) -> None:
    for failed in (False, True) * 4 + (False,):
        tried.call(failed=failed)
    assert tried.state is CLOSED
    tried.call(failed=True)
    assert tried.state is OPEN
    assert tried.breaker.begin() is None
    assert tried.breaker.seconds == REST


def test_less_than_half_does_not(tried: Tried) -> None:
    for _ in range(100):
        for failed in (False, True, False):
            tried.call(failed=failed)
    assert tried.state is CLOSED


def test_nine_failures_tell_nothing(tried: Tried) -> None:
    for _ in range(9):
        tried.call(failed=True)
    assert tried.state is CLOSED


def test_what_was_before_the_window_is_forgotten(tried: Tried) -> None:
    for _ in range(9):
        tried.call(failed=True)
    tried.now += WINDOW
    for failed in (True,) * 4 + (False,) * 6:
        tried.call(failed=failed)
    assert tried.state is CLOSED
    tried.now += WINDOW - 0.01
    for _ in range(2):
        assert tried.state is CLOSED
        tried.call(failed=True)
    assert tried.state is OPEN


def test_calls_that_tell_nothing_do_not_count(tried: Tried) -> None:
    for _ in range(50):
        tried.call(failed=None)
    for _ in range(9):
        tried.call(failed=True)
    assert tried.state is CLOSED


def test_one_probe_closes_it(tried: Tried) -> None:
    tried.open()
    tried.now += REST
    assert tried.state is HALF_OPEN
    probe = tried.begin()
    assert [tried.breaker.begin() for _ in range(3)] == [None] * 3
    assert tried.state is HALF_OPEN
    tried.breaker.end(probe, failed=False)
    assert tried.state is CLOSED
    # It begins with nothing held against the vendor.
    for _ in range(9):
        tried.call(failed=True)
    assert tried.state is CLOSED


def test_probes_that_fail_open_it_again(tried: Tried) -> None:
    tried.open()
    for _ in range(3):
        tried.now += tried.breaker.seconds
        tried.call(failed=True)
        assert tried.state is OPEN
        assert tried.breaker.seconds == REST
    tried.now += REST
    tried.call(failed=False)
    assert tried.state is CLOSED


def test_cancelled_probe_gives_its_place_back(tried: Tried) -> None:
    tried.open()
    tried.now += REST
    for _ in range(3):
        tried.call(failed=None)
        assert tried.state is HALF_OPEN
    tried.call(failed=False)
    assert tried.state is CLOSED


def test_what_ends_late_changes_nothing(tried: Tried) -> None:
    """A call that began before the breaker opened is no probe, and no failure of after."""
    late = [tried.begin() for _ in range(4)]
    tried.open()
    tried.breaker.end(late[0], failed=False)
    assert tried.state is OPEN
    tried.now += REST
    tried.breaker.end(late[1], failed=False)
    assert tried.state is HALF_OPEN
    probe = tried.begin()
    tried.breaker.end(late[2], failed=True)
    assert tried.breaker.begin() is None
    tried.breaker.end(probe, failed=False)
    assert tried.state is CLOSED
    for _ in range(9):
        tried.call(failed=True)
    tried.breaker.end(late[3], failed=True)
    assert tried.state is CLOSED


def test_call_that_waited_is_refused_when_it_opened_meanwhile(tried: Tried) -> None:
    waiting = tried.begin()
    assert tried.breaker.admits(waiting)
    tried.open()
    assert not tried.breaker.admits(waiting)
    tried.now += REST
    probe = tried.begin()
    assert tried.breaker.admits(probe)
    assert not tried.breaker.admits(waiting)
    tried.breaker.end(probe, failed=False)
    assert tried.breaker.admits(waiting)
