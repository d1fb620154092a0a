"""Waits are parsed in whichever unit the vendor uses, and bounded."""

from __future__ import annotations

from email.utils import formatdate
from typing import Any

import httpx
import pytest

from gateway.errors import ErrorCode, UpstreamError
from gateway.upstream import waits
from tests.upstream.network import NOW, call, client_of, document

SECONDS = NOW // 10**9
DATE = formatdate(SECONDS + 30, usegmt=True)


def headers(pairs: dict[str, str]) -> httpx.Headers:
    return httpx.Headers([(name.encode(), value.encode()) for name, value in pairs.items()])


RETRY_AFTER: list[tuple[str, float | None]] = [
    ("7", 7.0),
    (" 7 ", 7.0),
    ('"7"', 7.0),
    ("0", 0.0),
    ("0.5", 0.5),
    ("120, 60", 120.0),
    ("60;w=3600", 60.0),
    ("1; w=60", 1.0),
    ("30s", 30.0),
    ("30 seconds", 30.0),
    ("1500ms", 1.5),
    ("1500 ms", 1.5),
    ("2m", 120.0),
    ("2 minutes", 120.0),
    ("6m0s", 360.0),
    ("1m30.5s", 90.5),
    ("1h", 3600.0),
    ("PT30S", 30.0),
    ("PT1M30S", 90.0),
    ("P1DT1H", 90000.0),
    (DATE, 30.0),
    (formatdate(SECONDS - 30, usegmt=True), 0.0),
    ("Wednesday, 04-Mar-26 09:10:41 GMT", 30.0),
    ("Wed Mar  4 09:10:41 2026 +0000", 30.0),
    ("2026-03-04T09:10:41Z", 30.0),
    ("2026-03-04T10:10:41.000+01:00", 30.0),
    ("2026-03-04 09:10:41", 30.0),
    (str(SECONDS + 30), 30.0),
    (f"{SECONDS + 30}.5", 30.5),
    (str((SECONDS + 30) * 1000), 30.0),
    (str((SECONDS + 30) * 10**6), 30.0),
    (str((SECONDS + 30) * 10**9), 30.0),
    (str(SECONDS - 30), 0.0),
    ("86400", 86400.0),
    ("+7", 7.0),
    ("00:01:30", 90.0),
    ("1:30", 90.0),
    (f"{DATE}, 7", 30.0),
    (f"7, {DATE}", 30.0),
    (f"{DATE}, {DATE}", 30.0),
    # None of these is a valid wait.
    ("", None),
    ("-3", None),
    ("-1", None),
    ("soon", None),
    ("never", None),
    ("NaN", None),
    ("inf", None),
    ("1e9", 0.0),
    ("0x10", None),
    ("9" * 400, None),
    ("1, soon", None),
    ("٣", None),
    ("Wed, 99 Foo 2026 99:99:99 GMT", None),
    (f"Wed, {'9' * 30} Jan 2026 24:00:00 GMT", None),
]


@pytest.mark.parametrize(("text", "expected"), RETRY_AFTER)
def test_retry_after_is_read_in_every_form(text: str, expected: float | None) -> None:
    found = waits.retry_after(headers({"Retry-After": text}), NOW)
    assert found == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ({"Retry-After-Ms": "1500"}, 1.5),
        ({"x-ms-retry-after-ms": "1500"}, 1.5),
        ({"X-Retry-After": "9"}, 9.0),
        ({"X-RateLimit-Retry-After": "9"}, 9.0),
        ({"X-Rate-Limit-Retry-After-Seconds": "9"}, 9.0),
        ({"X-Rate-Limit-Retry-After-Milliseconds": "1500"}, 1.5),
        ({"X-RateLimit-Retry-After": "9", "Retry-After": "7"}, 7.0),
        ({"Retry-After-Ms": "250", "Retry-After": "1"}, 0.25),
        ({"Retry-After-Ms": "soon", "Retry-After": "1"}, 1.0),
        ({}, None),
    ],
)
def test_retry_after_has_other_names(pairs: dict[str, str], expected: float | None) -> None:
    assert waits.retry_after(headers(pairs), NOW) == expected


def x(remaining: str, reset: str) -> dict[str, str]:
    return {"X-RateLimit-Remaining": remaining, "X-RateLimit-Reset": reset}


LIMITS: list[tuple[dict[str, str], list[float]]] = [
    (x("0", "7"), [7]),
    (x("0", "7.5"), [7.5]),
    (x("0", str(SECONDS + 30)), [30]),
    (x("0", str((SECONDS + 30) * 1000)), [30]),
    (x("0", str(SECONDS - 30)), [0]),
    (x("0", DATE), [30]),
    (x("0", "2026-03-04T09:10:41Z"), [30]),
    (x("0", "6m0s"), [360]),
    (x("0", "500ms"), [0.5]),
    (x("0;w=60", "7;w=60"), [7]),
    (x('"0"', '"7"'), [7]),
    (x("0, 900", "3, 60"), [3]),
    (x("5, 0", "3, 60"), [60]),
    (x("0, 0", "3, 60"), [3, 60]),
    (x("0, 5", "7"), [7]),
    (x("1", "7"), []),
    (x("0.5", "7"), [7]),
    (x("-1", "7"), []),
    (x("0", "-7"), []),
    (x("0", "soon"), []),
    (x("", "7"), []),
    (x("0", "9" * 400), []),
    ({"X-RateLimit-Remaining": "0"}, []),
    ({"X-Rate-Limit-Remaining": "0", "X-Rate-Limit-Reset": "7"}, [7]),
    ({"RateLimit-Remaining": "0", "RateLimit-Reset": "7"}, [7]),
    ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset-After": "1.25"}, [1.25]),
    ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset-Ms": "1250"}, [1.25]),
    ({"X-RateLimit-Remaining-Second": "0"}, [1]),
    ({"X-RateLimit-Remaining-Minute": "0", "X-RateLimit-Remaining-Hour": "9"}, [60]),
    ({"X-RateLimit-Remaining-Requests": "0", "X-RateLimit-Reset-Requests": "1s"}, [1]),
    ({"RateLimit": "limit=100, remaining=0, reset=50"}, [50]),
    ({"RateLimit": "limit=100;remaining=0;reset=50"}, [50]),
    ({"RateLimit": '"default";r=0;t=12'}, [12]),
    ({"RateLimit": '"second";r=5;t=1, "day";r=0;t=90'}, [90]),
    ({"RateLimit": '"default"; r=0; t=12'}, [12]),
    ({"RateLimit": '"default";r=0'}, []),
    ({"RateLimit": '"default";r=0', "RateLimit-Policy": '"x";q=1;w=9, "default";q=5;w=60'}, [60]),
    ({"RateLimit": '"r=0;t=9";r=5;t=30, "a,b";r=0;t=7'}, [7]),
    (
        {
            "Anthropic-RateLimit-Requests-Remaining": "0",
            "Anthropic-RateLimit-Requests-Reset": "2026-03-04T09:10:41Z",
        },
        [30],
    ),
    ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset-In": "7"}, [7]),
    ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset-At": str(SECONDS + 30)}, [30]),
    ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset-Milliseconds": "1250"}, [1.25]),
    ({"X-RateLimit-Limit": "0"}, []),
    ({"Content-Length": "0"}, []),
]


@pytest.mark.parametrize(("pairs", "expected"), LIMITS, ids=str)
def test_used_up_limits_are_found_in_every_form(
    pairs: dict[str, str], expected: list[float]
) -> None:
    assert list(waits.exhausted(headers(pairs), NOW)) == pytest.approx(expected)


@pytest.mark.parametrize(
    "text", ["90000", str(SECONDS * 2), "9" * 17, "P2D", "9999-01-01T00:00:00Z"]
)
async def test_absurd_wait_is_bounded_and_reported(text: str) -> None:
    """A caller told to come back in 30 years would never come back."""
    client = client_of(lambda _: document({}, 429, Retry_After=text))
    with pytest.raises(UpstreamError) as failure:
        await call(client)
    assert failure.value.retry_after == waits.MAX_PAUSE
    assert "seconds, which can't be right; it is called again after 300." in str(failure.value)


async def test_plausible_wait_is_reported_unchanged() -> None:
    client = client_of(lambda _: document({}, 503, Retry_After="3600"))
    with pytest.raises(UpstreamError) as failure:
        await call(client)
    assert failure.value.retry_after == 3600
    assert "can't be right" not in str(failure.value)


@pytest.mark.parametrize(("text", "seconds"), [("5", 5), ("3600", 30), ("0", 0), ("soon", 0)])
async def test_good_answer_may_ask_to_slow_down(text: str, seconds: float) -> None:
    """Azure DevOps does this. If it still responds, a wait of an hour is too long."""
    answers: list[Any] = [document({}, Retry_After=text)]
    client = client_of(lambda _: answers.pop(), monotonic=lambda: 0.0)
    await call(client)
    assert client._guard.limit.seconds == seconds


async def test_pause_in_another_unit_is_respected() -> None:
    client = client_of(
        lambda _: document({}, 429, Retry_After=str((SECONDS + 30) * 1000)), monotonic=lambda: 0.0
    )
    with pytest.raises(UpstreamError) as failure:
        await call(client)
    assert failure.value.code is ErrorCode.UPSTREAM_RATE_LIMITED
    assert failure.value.retry_after == 30
    assert client._guard.limit.seconds == 30
