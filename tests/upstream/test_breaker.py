from __future__ import annotations

import contextlib

import pytest

from gateway.errors import ErrorCode, UpstreamError
from gateway.events import BreakerChanged, Events
from gateway.upstream.breaker import MIN_CALLS, PROBE_INTERVAL, WINDOW, Breaker, BreakerState
from gateway.upstream.guard import UpstreamGuard

CLOSED, OPEN, HALF_OPEN = BreakerState


class Tried:
    """A breaker with a clock that the test controls."""

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
        for _ in range(MIN_CALLS):
            self.call(failed=True)
        assert self.state is OPEN


@pytest.fixture
def tried() -> Tried:
    return Tried()


def test_five_failures_of_ten_calls_open_the_breaker(tried: Tried) -> None:
    for failed in (False, True) * 4 + (False,):
        tried.call(failed=failed)
    assert tried.state is CLOSED
    tried.call(failed=True)
    assert tried.state is OPEN
    assert tried.breaker.begin() is None
    assert tried.breaker.seconds == PROBE_INTERVAL


def test_fewer_failures_than_half_keep_the_breaker_closed(tried: Tried) -> None:
    for _ in range(100):
        for failed in (False, True, False):
            tried.call(failed=failed)
    assert tried.state is CLOSED


def test_nine_calls_are_too_few_to_open_the_breaker(tried: Tried) -> None:
    for _ in range(9):
        tried.call(failed=True)
    assert tried.state is CLOSED


def test_success_does_not_open_the_breaker(tried: Tried) -> None:
    for failed in (True,) * 9 + (False,):
        tried.call(failed=failed)
    assert tried.state is CLOSED
    tried.call(failed=True)
    assert tried.state is OPEN


def test_calls_before_the_window_are_forgotten(tried: Tried) -> None:
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


def test_cancelled_calls_do_not_count(tried: Tried) -> None:
    for _ in range(50):
        tried.call(failed=None)
    for _ in range(9):
        tried.call(failed=True)
    assert tried.state is CLOSED


def test_successful_probe_closes_the_breaker(tried: Tried) -> None:
    tried.open()
    tried.now += PROBE_INTERVAL
    assert tried.state is HALF_OPEN
    probe = tried.begin()
    assert [tried.breaker.begin() for _ in range(3)] == [None] * 3
    assert tried.state is HALF_OPEN
    tried.breaker.end(probe, failed=False)
    assert tried.state is CLOSED
    # The count of failures starts again at zero.
    for _ in range(9):
        tried.call(failed=True)
    assert tried.state is CLOSED


def test_failed_probe_opens_the_breaker_again(tried: Tried) -> None:
    tried.open()
    for _ in range(3):
        tried.now += tried.breaker.seconds
        tried.call(failed=True)
        assert tried.state is OPEN
        assert tried.breaker.seconds == PROBE_INTERVAL
    tried.now += PROBE_INTERVAL
    tried.call(failed=False)
    assert tried.state is CLOSED


def test_cancelled_probe_lets_another_one_through(tried: Tried) -> None:
    tried.open()
    tried.now += PROBE_INTERVAL
    for _ in range(3):
        tried.call(failed=None)
        assert tried.state is HALF_OPEN
    tried.call(failed=False)
    assert tried.state is CLOSED


def test_late_result_changes_nothing(tried: Tried) -> None:
    """A call from before the breaker opened counts neither as a probe nor as a later failure."""
    late = [tried.begin() for _ in range(4)]
    tried.open()
    tried.breaker.end(late[0], failed=False)
    assert tried.state is OPEN
    tried.now += PROBE_INTERVAL
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


def test_waiting_call_is_refused_once_the_breaker_opens(tried: Tried) -> None:
    waiting = tried.begin()
    assert tried.breaker.allows(waiting)
    tried.open()
    assert not tried.breaker.allows(waiting)
    tried.now += PROBE_INTERVAL
    probe = tried.begin()
    assert tried.breaker.allows(probe)
    assert not tried.breaker.allows(waiting)
    tried.breaker.end(probe, failed=False)
    assert tried.breaker.allows(waiting)


async def test_changes_say_which_failure_opened_it() -> None:
    """Callers may get stale pages meanwhile, so no other entry of the log has the reason."""
    now = 0.0
    told: list[BreakerChanged] = []
    events = Events()
    events.subscribe(BreakerChanged, told.append)
    guard = UpstreamGuard("shop", 1000.0, lambda: now, events=events)

    def call(code: ErrorCode | None) -> None:
        with contextlib.suppress(UpstreamError), guard.tracked(60.0) as start:
            start()
            if code is not None:
                raise UpstreamError(code, "It failed.", source="shop")

    for _ in range(10):
        call(ErrorCode.UPSTREAM_UNREACHABLE)
    now += PROBE_INTERVAL
    call(ErrorCode.UPSTREAM_ERROR)
    now += PROBE_INTERVAL
    call(None)
    assert [(event.after, event.code) for event in told] == [
        ("OPEN", "UPSTREAM_UNREACHABLE"),
        ("HALF_OPEN", None),
        ("OPEN", "UPSTREAM_ERROR"),
        ("HALF_OPEN", None),
        ("CLOSED", None),
    ]
