"""A list by page tokens, and how it is read."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gateway.errors import ErrorCode, UpstreamError
from gateway.feed import cursor, filters
from gateway.feed.cursor import Cursor
from gateway.feed.feed import Feed, Slice
from gateway.model import Timestamp, WebhookLog
from gateway.upstream.operation import Operation
from gateway.vendors.pages import Page, Window
from tests.support.fake_source import FakeSource

NOW = Timestamp(10**18)
SECOND = 10**9
MOST_CALLS = 100

ReadPage = Callable[[Sequence[WebhookLog], Window], Page]


class Tokens(FakeSource):
    """One list by tokens, each page of which ``answer`` makes, if it is given."""

    def __init__(
        self, count: int = 0, *, page_size: int = 3, answer: ReadPage | None = None
    ) -> None:
        super().__init__("one", ["token"], page_size=page_size)
        self.answer = answer
        for number in range(count):
            self.add(0, number * SECOND + SECOND)

    @property
    def rows(self) -> list[WebhookLog]:
        return self.logs[0]

    def _page_of_token(self, logs: Sequence[WebhookLog], window: Window) -> Page:
        assert len(self.calls) < MOST_CALLS, "reads for ever"
        answer = self.answer or super()._page_of_token
        return answer(logs, window)


async def forward(source: FakeSource, first: int, after: Cursor | None = None) -> Slice:
    ready = filters.prepare(None, NOW, ["one"])
    if after is not None:
        after = cursor.decode(cursor.encode(after), ready)
    feed = Feed([source], ready, Operation(5), scan_limit=10_000, now=NOW)  # type: ignore[list-item]
    return await feed.forward(first, after)


def numbers(page: Slice) -> list[int]:
    return [int(entry.record.upstream_id) for entry in page.entries]


def usual(rows: Sequence[WebhookLog], window: Window) -> Page:
    return FakeSource("one", ["token"])._page_of_token(rows, window)


def error_with(status: int | None, code: ErrorCode = ErrorCode.UPSTREAM_REJECTED) -> UpstreamError:
    return UpstreamError(code, "It was refused.", source="one", status=status)
