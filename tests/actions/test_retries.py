"""What is read after a retry, for each kind of vendor."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.model import WebhookLog
from gateway.sources import Source
from gateway.sources.retries import LOOK_AHEAD, PAUSES, Retry
from gateway.upstream.operation import Operation
from gateway.vendors.pages import Stream
from gateway.vendors.retried import Retried, RetryKind
from tests.support.retrying_vendor import SOURCE, RetryingVendor, log_id, retrying_gateway
from tests.support.virtual_time import VIRTUAL_TIME, Backend, now

PLACE = ("1",)
ALL = sum(PAUSES)


@pytest.fixture(scope="module")
def anyio_backend() -> Backend:
    return VIRTUAL_TIME


class Side:
    """A source whose first log is to be sent again."""

    def __init__(self, folder: Path) -> None:
        gateway, self.vendor = retrying_gateway(folder)
        self.source: Source = gateway.sources[SOURCE]
        self.log = self.vendor.add(1)

    async def retry(self, seconds: float = 60) -> Retry:
        """Send the log again, and wait so long for the new one."""
        self.began = now()
        retry = Retry(self.source, PLACE, Operation(60))
        self.vendor.calls.clear()
        await retry.read(await retry.send(), self.began + seconds)
        return retry

    @property
    def seconds(self) -> float:
        return now() - self.began


@pytest.fixture
def side(tmp_path: Path) -> Side:
    return Side(tmp_path)


@pytest.fixture
def vendor(side: Side) -> RetryingVendor:
    return side.vendor


async def test_new_log_is_found_when_it_appears(side: Side, vendor: RetryingVendor) -> None:
    """Users want to see the new delivery, which the vendor's answer does not name."""
    vendor.after = 0.6
    retry = await side.retry()
    assert retry.log == side.log
    assert retry.replacement
    assert (retry.replacement.id, retry.replacement.redelivery_of) == (log_id(2), log_id(1))
    assert side.seconds == pytest.approx(0.75)
    assert vendor.calls == ["log 1", "list all", "retry 1", "list all", "list all"]


async def test_log_of_an_earlier_retry_is_not_the_new_one(
    side: Side, vendor: RetryingVendor
) -> None:
    """A second click must not show the delivery of the first one as its own."""
    first = await side.retry()
    vendor.after = 1.0
    second = await side.retry()
    assert [each.replacement and each.replacement.id for each in (first, second)] == [
        log_id(2),
        log_id(3),
    ]


@pytest.mark.parametrize(
    "other",
    [
        {"correlation_id": "another"},
        {"correlation_id": None},
        {"hook_id": "another"},
        {"is_redelivery": False},
        {"triggered_at": 0},
    ],
    ids=str,
)
async def test_other_logs_are_not_taken_for_the_new_one(
    side: Side, vendor: RetryingVendor, other: dict[str, object]
) -> None:
    """A frontend would follow a delivery to another receiver, or of another event."""
    vendor.appends_retries = False  # type: ignore[misc]
    vendor.after = 3600
    vendor.add(9, **other)  # type: ignore[arg-type]
    assert (await side.retry()).replacement is None


async def test_log_that_never_appears_is_waited_for_a_few_seconds(
    side: Side, vendor: RetryingVendor
) -> None:
    vendor.after = 3600
    retry = await side.retry()
    assert (retry.log, retry.replacement) == (side.log, None)
    assert side.seconds == pytest.approx(ALL)
    assert vendor.calls.count("list all") == 1 + len(PAUSES)


async def test_wait_ends_in_time_for_the_caller(side: Side, vendor: RetryingVendor) -> None:
    vendor.after = 3600
    assert (await side.retry(seconds=1)).replacement is None
    assert side.seconds == pytest.approx(1)


@pytest.mark.parametrize("after", [0, 1.0])
async def test_new_log_that_the_answer_names_is_read(
    side: Side, vendor: RetryingVendor, after: float
) -> None:
    """It is named before it can be read, where it is written behind the answer."""
    vendor.appends_retries = False  # type: ignore[misc]
    vendor.after, vendor.retried = after, Retried(RetryKind.NEW_LOG, place=("2",))
    retry = await side.retry()
    assert retry.replacement
    assert (retry.log, retry.replacement.id) == (side.log, log_id(2))
    assert "list all" not in vendor.calls
    assert side.seconds == (0 if after == 0 else 1.75)


@pytest.mark.parametrize("what", ["list", "log"])
async def test_failure_to_look_is_no_failure_of_the_retry(
    side: Side, vendor: RetryingVendor, what: str
) -> None:
    vendor.failing.add(what)
    assert (await side.retry()).replacement is None
    assert vendor.calls.count("retry 1") == 1


async def test_list_that_hangs_delays_a_retry_little(side: Side, vendor: RetryingVendor) -> None:
    vendor.hanging.add("list")
    assert (await side.retry(seconds=5)).replacement is None
    assert vendor.calls.index("retry 1") == 2
    assert side.seconds == pytest.approx(5)
    assert LOOK_AHEAD < 5


async def test_nothing_is_waited_for_without_a_correlation_id(
    side: Side, vendor: RetryingVendor
) -> None:
    vendor.rows.clear()
    vendor.add(1, correlation_id=None)
    assert (await side.retry()).replacement is None
    assert (side.seconds, vendor.calls) == (0, ["log 1", "retry 1"])


@pytest.mark.parametrize(
    ("streams", "hook_id", "looked"),
    [
        ([Stream(key="a"), Stream(key="b", place=("1",))], None, {"list b"}),
        ([Stream(key="a"), Stream(key="b", hook_id="h")], "h", {"list b"}),
        ([Stream(key="a", hook_id="g"), Stream(key="b", place=("2",))], "h", set()),
    ],
)
async def test_list_of_the_log_is_searched(
    side: Side,
    vendor: RetryingVendor,
    monkeypatch: pytest.MonkeyPatch,
    streams: list[Stream],
    hook_id: str | None,
    looked: set[str],
) -> None:
    monkeypatch.setattr(vendor, "hook_of", lambda _: hook_id)
    vendor.streams = streams
    retry = await side.retry()
    assert (retry.replacement is not None) == bool(looked)
    assert {call for call in vendor.calls if call.startswith("list")} == looked


@pytest.mark.parametrize("kind", [RetryKind.SAME_LOG, RetryKind.MANY_LOGS])
async def test_log_itself_is_read_past_the_cache(
    side: Side, vendor: RetryingVendor, kind: RetryKind
) -> None:
    vendor.appends_retries = False  # type: ignore[misc]
    vendor.retried = Retried(kind)
    await side.source.log(PLACE, Operation(60))
    retry = await side.retry()
    assert retry.log
    assert (retry.log.attempt, retry.replacement) == (2, None)
    assert vendor.calls == ["retry 1", "log 1"]


async def test_log_in_the_answer_is_not_read_again(side: Side, vendor: RetryingVendor) -> None:
    vendor.appends_retries = False  # type: ignore[misc]
    answered: WebhookLog = vendor.made(1, "event", attempt=7)
    vendor.retried = Retried(RetryKind.SAME_LOG, answered)
    assert (await side.retry()).log is answered
    assert vendor.calls == ["retry 1"]
