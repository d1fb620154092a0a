"""Sources with many lists: they are read while hooks are still listed, and no more than allowed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from gateway import ids
from gateway.errors import ErrorCode
from gateway.feed import cursor, filters
from gateway.feed.feed import Feed, Slice
from gateway.model import Hook, Timestamp
from gateway.upstream.operation import Operation
from gateway.vendors.pages import Found, Stream
from tests.support.fake_source import FakeSource

NOW = Timestamp(10**18)
SECOND = 10**9
PER_PAGE = 3
TURNS = 10
"""Turns that others have while a page of hooks is read."""


class ManyHooks(FakeSource):
    """A source of a list for each hook; its hooks are listed in pages of three.

    ``read_meanwhile`` are the lists that were read before the next page of hooks, for each page.
    """

    def __init__(self, count: int, *, max_streams: int, kind: str = "token") -> None:
        super().__init__("one", [kind] * count)
        self.max_streams = max_streams
        self.read_meanwhile: list[list[int]] = []
        self.order = list(range(count))
        for number in range(count):
            for index in range(3):
                row = self.add(number, (100 - index) * 100 * SECOND + number)
                logs = self.logs[number]
                logs[logs.index(row)] = replace(row, hook_id=self.hooks[number].id)

    @property
    def hooks(self) -> Sequence[Hook]:
        return [
            Hook(
                id=ids.encode(ids.Kind.HOOK, "one", str(number)),
                upstream_id=str(number),
                source="one",
            )
            for number in range(len(self.kinds))
        ]

    def stream_of(self, hook: Hook) -> Stream:
        kind = self.kinds[int(hook.upstream_id)]
        return Stream(
            key=hook.upstream_id,
            hook_id=hook.id,
            by_token=kind == "token",
            windowed=kind == "window",
        )

    async def find_streams(self, operation: Operation) -> Found:
        hooks = [self.hooks[number] for number in self.order]
        for index in range(0, len(hooks), PER_PAGE):
            operation.report_hooks(hooks[index : index + PER_PAGE])
            for _ in range(TURNS):
                await asyncio.sleep(0)
            self.read_meanwhile.append(self.read_lists)
        return Found([self.stream_of(hook) for hook in self.hooks])

    def peek_page(self, *_request: Any, **_options: Any) -> None:
        """Return None, as nothing is cached."""

    @property
    def read_lists(self) -> list[int]:
        return sorted({int(key) for key, _ in self.calls})


async def forward(
    source: ManyHooks, first: int = 10, after: str | None = None, hook: str | None = None
) -> Slice:
    ready = filters.prepare({"hook": {"eq": hook}} if hook else None, NOW, ["one"])
    feed = Feed([source], ready, Operation(5), scan_limit=10_000, now=NOW)  # type: ignore[list-item]
    return await feed.forward(first, None if after is None else cursor.decode(after, ready))


@pytest.mark.parametrize("max_streams", [200, 4])
async def test_logs_of_the_first_hooks_are_read_while_the_next_are_listed(max_streams: int) -> None:
    source = ManyHooks(9, max_streams=max_streams)
    page = await forward(source)
    lists = list(range(min(9, max_streams)))
    assert source.read_meanwhile == [lists[:3], lists[:6], lists]
    assert len(page.entries) == 10


@pytest.mark.parametrize("kind", ["token", "window", "offset"])
@pytest.mark.parametrize("order", [range(9), reversed(range(9))])
async def test_first_lists_are_read_whichever_hooks_are_known_first(
    order: Sequence[int], kind: str
) -> None:
    """Else a list could be in one page of the merged list, and not in the next."""
    source = ManyHooks(9, max_streams=4, kind=kind)
    source.order = list(order)
    given: list[str] = []
    after = None
    while True:
        page = await forward(source, 5, after)
        given += [entry.record.id for entry in page.entries]
        (report,) = page.reports
        assert report.notes == ["It has more than 4 lists of logs; only the first are read."]
        assert report.error is not None
        assert report.error.code is ErrorCode.TOO_MANY_STREAMS
        assert not report.failed
        if not page.has_next:
            break
        after = cursor.encode(page.end)
    assert sorted(given) == sorted(row.id for logs in source.logs[:4] for row in logs)


async def test_as_many_lists_as_allowed_are_no_cause_for_a_note() -> None:
    page = await forward(ManyHooks(4, max_streams=4))
    (report,) = page.reports
    assert (report.notes, report.error) == ([], None)


async def test_list_beyond_is_read_where_a_filter_asks_for_its_hook() -> None:
    source = ManyHooks(9, max_streams=4)
    page = await forward(source, hook=source.hooks[8].id)
    (report,) = page.reports
    assert (report.notes, report.error) == ([], None)
    assert len(page.entries) == 3
    assert source.read_lists == [8]


async def test_failure_of_a_list_is_told_before_the_lists_that_are_not_read() -> None:
    source = ManyHooks(9, max_streams=4)
    source.errors["1"] = OSError()
    page = await forward(source, 100)
    (report,) = page.reports
    assert report.error is not None
    assert report.error.code is ErrorCode.INTERNAL_ERROR
    assert len(page.entries) == 9
