"""Hooks are read page by page, and a faulty one does not affect the others."""

from __future__ import annotations

import contextlib

import pytest

from gateway.errors import ErrorCode
from gateway.upstream.operation import Operation
from gateway.vendors.pages import Criteria, StreamsChanged, Window
from tests.vendors.cases import CASES
from tests.vendors.documents import HOOKS, STREAMS, hook_source
from tests.vendors.vendors import PROVIDERS


@pytest.mark.parametrize("provider", [name for name in PROVIDERS if CASES[name].streams_by_hook])
async def test_unreadable_hook_is_reported_and_the_others_are_served(provider: str) -> None:
    source = hook_source(provider, [{"name": "no id"}, "no hook", *HOOKS[provider]])
    with contextlib.suppress(StreamsChanged):
        await source.vendor.read_page(STREAMS[provider], Window(limit=1), Criteria(), Operation(5))
    found = await source.find_streams(Operation(5))
    assert len(found.streams) == 1
    (error,) = found.errors
    assert error.code is ErrorCode.UPSTREAM_INVALID_RESPONSE
    assert str(error).startswith("Source it has hooks that can't be read")
    assert len(await source.hooks(Operation(5))) == 1


@pytest.mark.sampled(3)
@pytest.mark.parametrize("provider", [name for name in PROVIDERS if HOOKS[name]])
async def test_reading_hooks_ends_where_paging_parameters_are_ignored(provider: str) -> None:
    """Even without a total, and although each page is full, so that another could follow."""
    id = CASES[provider].hook_id
    rows = [HOOKS[provider][0] | {id: 1000 + number} for number in range(100)]
    source = hook_source(provider, rows)
    assert len(await source.hooks(Operation(5))) == 100
