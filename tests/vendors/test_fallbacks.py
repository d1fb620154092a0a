"""A refused parameter is left out of one request without affecting later ones."""

from __future__ import annotations

import pytest

from gateway.errors import ErrorCode, UpstreamError
from gateway.vendors.pages import Criteria
from tests.vendors.cases import CASES
from tests.vendors.fallbacks import UNTIL, names, read, refusing
from tests.vendors.vendors import Vendor, answer, make

FALLING_BACK = [provider for provider, case in CASES.items() if case.optional_parameters]


@pytest.mark.parametrize("provider", FALLING_BACK)
async def test_refused_value_of_one_caller_does_not_affect_later_requests(provider: str) -> None:
    case = CASES[provider]
    assert case.optional_parameters is not None
    refused, kept = case.optional_parameters
    source, vendor = refusing(provider, {refused}, case.page_of_logs(case.rows))
    await read(source, case.stream, Criteria(correlation_id="odd"), until=UNTIL)
    assert names(vendor) == [[*kept, refused], kept]
    await read(source, case.stream, until=UNTIL)
    assert names(vendor)[2:] == [kept]


@pytest.mark.parametrize("provider", FALLING_BACK)
async def test_parameters_are_kept_when_the_fallback_fails_too(provider: str) -> None:
    """A vendor that refuses everything for a while still supports its newer parameters."""
    down, case = True, CASES[provider]
    document = case.page_of_logs(case.rows)
    vendor = Vendor(lambda _: answer({}, 400) if down else answer(document))
    source = make(provider, vendor)
    with pytest.raises(UpstreamError) as failure:
        await read(source, case.stream, until=UNTIL)
    assert failure.value.code is ErrorCode.UPSTREAM_REJECTED
    down = False
    await read(source, case.stream, until=UNTIL)
    assert names(vendor)[-1] == names(vendor)[0]


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500])
@pytest.mark.parametrize("provider", FALLING_BACK)
async def test_other_statuses_do_not_remove_parameters(provider: str, status: int) -> None:
    vendor = Vendor(lambda _: answer({}, status))
    with pytest.raises(UpstreamError):
        await read(make(provider, vendor), CASES[provider].stream, until=UNTIL)
    assert len(set(vendor.asked)) == 1
