"""Fallbacks for Tracker instances that support only the documented parameters."""

from __future__ import annotations

from gateway.upstream.operation import Operation
from tests.vendors.fallbacks import UNTIL, names, read, refusing
from tests.vendors.vendors import Vendor, answer, make, sample
from tests.vendors.yandex_tracker.case import CASE


async def test_tracker_without_parameters() -> None:
    source, vendor = refusing("yandex-tracker", {"limit"}, sample("yandex-tracker/logs"))
    page = await read(source, CASE.stream)
    assert (page.offset, page.read, page.more) == (0, 2, False)
    await read(source, CASE.stream, until=UNTIL)
    assert names(vendor) == [["limit"], [], []]
    log = await source.read_log(("DEV", "41", str(UNTIL), "67c6c20b9a1e4d0c7b5f2a10"), Operation(5))
    assert log is not None
    assert names(vendor)[3:] == [[]]


async def test_tracker_that_ignores_its_parameters_returns_all_at_once() -> None:
    """A revision that ignores all of them would return the same page again."""
    rows = [{"id": number} for number in range(5)]
    source = make("yandex-tracker", Vendor(lambda _: answer(rows)))
    for until in (None, UNTIL):
        page = await read(source, CASE.stream, limit=3, until=until)
        assert (page.offset, page.read, page.more) == (0, 5, False)
    rows[2:] = rows[:2]
    page = await read(source, CASE.stream, limit=3)
    assert (page.offset, page.read, page.more) == (None, 4, True)


async def test_tracker_without_parameters_and_without_logs() -> None:
    source, _ = refusing("yandex-tracker", {"limit"}, [])
    page = await read(source, CASE.stream)
    assert (page.offset, page.read, page.more) == (0, 0, False)
