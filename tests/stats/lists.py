"""Sources of random logs, and a count of all of them without the gateway."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st
from msgspec.structs import replace

from gateway import ids
from gateway.errors import ErrorCode, UpstreamError
from gateway.feed import filters
from gateway.model import Timestamp, WebhookLog
from gateway.stats import scan
from gateway.stats.reading import Reading
from gateway.upstream.operation import Operation
from tests.feed.test_filters import LOGS, NOW, SECOND, SHOP, SOURCES, TRACKER
from tests.feed.test_filters import log as minimal
from tests.support.fake_source import FakeSource

KINDS = ("window", "moment", "offset", "page", "token")
PROVIDERS = dict(zip(SOURCES, (SHOP, TRACKER), strict=True))
"""The providers of the sources."""


def log(**values: Any) -> WebhookLog:
    """Return a minimal log of the first source."""
    return replace(minimal(), **values)


def source(name: str, kinds: Sequence[str], page_size: int) -> FakeSource:
    """Return a source without logs."""
    made = FakeSource(name, kinds, page_size=page_size)
    made.provider = PROVIDERS[name]
    made.now = NOW
    return made


def fill(made: FakeSource, stream: int, logs: Sequence[WebhookLog], ages: Sequence[int]) -> None:
    """Add logs to a list, triggered so many seconds before now."""
    dated = [
        replace(
            each,
            id=ids.encode(ids.Kind.LOG, made.name, str(stream), str(number)),
            upstream_id=f"{stream}-{number}",
            source=made.name,
            provider=made.provider,
            hook_id=each.hook_id and ids.encode(ids.Kind.HOOK, made.name, "1"),
            duration_ms=float(age * 7 % 11) if age % 3 else None,
            triggered_at=Timestamp(NOW - age * SECOND),
        )
        for number, (each, age) in enumerate(zip(logs, ages, strict=True))
    ]
    made.logs[stream] = sorted(dated, key=lambda each: -(each.triggered_at or 0))


@st.composite
def sources(draw: st.DrawFn) -> list[FakeSource]:
    """Return one or two sources with one or two lists each."""
    found = []
    for name in SOURCES[: draw(st.integers(1, 2))]:
        kinds = draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=2))
        made = source(name, kinds, draw(st.sampled_from([3, 4, 10])))
        made.counts_statuses = draw(st.booleans())
        for stream in range(len(kinds)):
            ages = draw(st.lists(st.integers(-2, 40), max_size=30))
            samples = draw(st.lists(LOGS.map(lambda both: both[0]), min_size=1, max_size=5))
            logs = [samples[number % len(samples)] for number in range(len(ages))]
            fill(made, stream, logs, ages)
        found.append(made)
    return found


def fail(made: FakeSource, where: str, after: int) -> None:
    """Let the lists, or a list, of a source fail after so many calls."""
    error = UpstreamError(ErrorCode.UPSTREAM_ERROR, "It fails.", source=made.name)

    def before_call() -> None:
        if len(made.calls) >= after:
            made.errors[where] = error

    if where == "find" or after == 0:
        made.errors[where] = error
    made._before_call = before_call


async def read(
    made: Sequence[FakeSource], wanted: Any = None, *, scan_limit: int = 10_000
) -> Reading:
    """Read the matches of a filter."""
    return await scan.read(
        list(made),  # type: ignore[arg-type]
        filters.prepare(wanted, NOW, SOURCES),
        Operation(5),
        scan_limit=scan_limit,
        now=NOW,
    )


def all_logs(made: Sequence[FakeSource], wanted: Any = None) -> list[WebhookLog]:
    """Return all logs that match a filter, read or not."""
    test = filters.prepare(wanted, NOW, SOURCES).test
    return [each for one in made for logs in one.logs for each in logs if test(each) is True]
