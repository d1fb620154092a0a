"""Lists that only the vendor's own page tokens continue, while logs arrive, recur and expire.

A token may be refused at any time, since the log that it names has expired. Whoever pages through
such a list gets each log that was there all the time once, newest first.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.feed import cursor, filters
from gateway.feed.feed import Feed, Slice
from gateway.model import Timestamp
from gateway.upstream.operation import Operation
from tests.support.examples import examples
from tests.support.fake_source import FakeSource

NOW = Timestamp(10**18)
SECOND = 10**9


async def forward(sources: list[FakeSource], first: int, after: str | None) -> Slice:
    ready = filters.prepare(None, NOW, [source.name for source in sources])
    feed = Feed(sources, ready, Operation(5), scan_limit=10_000, now=NOW)  # type: ignore[arg-type]
    return await feed.forward(first, None if after is None else cursor.decode(after, ready))


class Deliveries:
    """The lists of a vendor with tokens and of another that is read by time, and what happens."""

    def __init__(self, *, page_size: int, gives_empty_pages: bool, before_call: Any = None) -> None:
        self.by_token = FakeSource(
            "tokens", ["token"], page_size=page_size, before_call=before_call or (lambda: None)
        )
        self.by_token.gives_empty_pages = gives_empty_pages
        self.by_time = FakeSource("times", ["window"], page_size=12)
        self.now = 10**15

    @property
    def ids(self) -> list[str]:
        sources = (self.by_token, self.by_time)
        return [row.id for source in sources for logs in source.logs for row in logs]

    def arrive(self, later: int) -> None:
        self.now += later * SECOND
        self._add(self.by_token, f"event-{self.now}")

    def arrive_elsewhere(self, later: int) -> None:
        self.now += later * SECOND
        self._add(self.by_time, "")

    def redeliver(self, index: int) -> None:
        """Send a delivery again, which is another log with the same correlation id."""
        logs = self.by_token.logs[0]
        if logs:
            self.now += SECOND
            self._add(self.by_token, logs[index % len(logs)].correlation_id or "")

    def expire(self, count: int) -> None:
        """Remove the oldest logs of the vendor with tokens."""
        logs = self.by_token.logs[0]
        del logs[max(0, len(logs) - count) :]

    def delete(self, index: int) -> None:
        """Remove any log of the vendor with tokens."""
        logs = self.by_token.logs[0]
        if logs:
            del logs[index % len(logs)]

    def forget(self, _: int) -> None:
        """Let the vendor refuse all tokens so far, though their logs are still there."""
        self.by_token.token_version += 1

    def _add(self, source: FakeSource, correlation_id: str) -> None:
        row = source.add(0, self.now)
        logs = source.logs[0]
        logs[logs.index(row)] = replace(row, correlation_id=correlation_id)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("arrive"), st.integers(0, 2)),
        st.tuples(st.just("arrive_elsewhere"), st.integers(0, 2)),
        st.tuples(st.just("redeliver"), st.integers(0, 40)),
        st.tuples(st.just("expire"), st.integers(1, 9)),
        st.tuples(st.just("delete"), st.integers(0, 40)),
        st.tuples(st.just("forget"), st.just(0)),
    ),
    max_size=3,
)


@examples(400)
@given(
    begin=st.lists(st.tuples(st.booleans(), st.integers(0, 2)), max_size=50),
    between=st.lists(STEPS, max_size=12),
    during=st.lists(STEPS, max_size=12),
    first=st.integers(1, 7),
    page_size=st.integers(1, 30),
    gives_empty_pages=st.booleans(),
)
async def test_each_log_that_was_there_all_the_time_is_given_once_newest_first(
    begin: list[tuple[bool, int]],
    between: list[list[tuple[str, int]]],
    during: list[list[tuple[str, int]]],
    first: int,
    page_size: int,
    *,
    gives_empty_pages: bool,
) -> None:
    """``between`` happens between two pages, and ``during`` before the vendor's calls."""
    calls = iter(during)

    def happen(steps: list[tuple[str, int]]) -> None:
        for name, amount in steps:
            getattr(lists, name)(amount)
        constant.intersection_update(lists.ids)

    lists = Deliveries(
        page_size=page_size,
        gives_empty_pages=gives_empty_pages,
        before_call=lambda: happen(next(calls, [])),
    )
    for by_token, later in begin:
        (lists.arrive if by_token else lists.arrive_elsewhere)(later)
    constant = set(lists.ids)
    seen: list[str] = []
    times: list[int] = []
    after = None
    changes = iter(between)
    while True:
        page = await forward([lists.by_token, lists.by_time], first, after)
        assert not any(report.error for report in page.reports)
        seen += [entry.record.id for entry in page.entries]
        times += [entry.record.triggered_at or 0 for entry in page.entries]
        if not page.has_next:
            break
        after = cursor.encode(page.end)
        happen(next(changes, []))
    assert len(seen) == len(set(seen))
    assert constant <= set(seen)
    assert times == sorted(times, reverse=True)
