"""Fallbacks for CodeArts instances that support only the documented parameters."""

from __future__ import annotations

import pytest

from gateway.upstream.operation import Operation
from gateway.vendors.pages import Criteria
from tests.vendors.codearts.case import CASE
from tests.vendors.fallbacks import UNTIL, names, read, refusing
from tests.vendors.vendors import sample

NEWER = {"created_before", "created_after", "uuid"}


@pytest.mark.parametrize("status", [400, 422])
async def test_codearts_without_windows(status: int) -> None:
    source, vendor = refusing("codearts", NEWER, sample("codearts/logs"), status=status)
    page = await read(source, CASE.stream, until=UNTIL, offset=50)
    assert (page.offset, page.read, page.more) == (0, 2, True)
    assert names(vendor) == [["offset", "limit", "created_before"], ["offset", "limit"]]
    assert vendor.requests[1].url.params["offset"] == "0"
    page = await read(source, CASE.stream, until=UNTIL, offset=50)
    assert names(vendor)[2:] == [["offset", "limit"]]
    assert (await read(source, CASE.stream, offset=50)).offset == 50
    assert not (await source.find_streams(Operation(5))).streams[0].windowed


async def test_refusal_of_a_callers_bound_is_not_remembered() -> None:
    source, vendor = refusing("codearts", {"created_after"}, sample("codearts/logs"))
    await read(source, CASE.stream, Criteria(since=UNTIL))
    await read(source, CASE.stream, until=UNTIL)
    assert names(vendor)[2:] == [["offset", "limit", "created_before"]]
