"""Fuzzed vendor documents are read, or raise UpstreamError and nothing else."""

from __future__ import annotations

import contextlib
import copy
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import UpstreamError
from gateway.upstream.operation import Operation
from gateway.vendors.calls import result_or_error
from gateway.vendors.pages import Criteria, StreamsChanged, Window
from tests.vendors.cases import CASES
from tests.vendors.documents import HOOKS, PLACES, ROWS, STREAMS, hook_source, read
from tests.vendors.vendors import PROVIDERS, always, make

pytestmark = pytest.mark.slow

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(["", "200", "internal error", "2026-03-04T09:10:11Z", "../x", "\ufffd"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=8) | st.just("id"), inner, max_size=4)
    ),
    max_leaves=12,
)

KEYS = sorted({key for rows in (*ROWS.values(), *HOOKS.values()) for row in rows for key in row})


@st.composite
def spoiled(draw: st.DrawFn, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Replace some members of a document, at some depth, with arbitrary JSON."""
    row: dict[str, Any] = copy.deepcopy(draw(st.sampled_from(rows)))
    for _ in range(draw(st.integers(1, 3))):
        target = row
        name = draw(st.sampled_from([*row, *KEYS]))
        while isinstance(target.get(name), dict) and target[name] and draw(st.booleans()):
            target = target[name]
            name = draw(st.sampled_from(list(target)))
        target[name] = draw(JSON)
    return row


def cases(documents: dict[str, list[dict[str, Any]]]) -> st.SearchStrategy[tuple[str, list[Any]]]:
    """Draw a vendor and some of its rows: intact, spoiled, or arbitrary JSON."""

    def rows(provider: str) -> st.SearchStrategy[tuple[str, list[Any]]]:
        each = JSON | spoiled(documents[provider])
        return st.tuples(st.just(provider), st.lists(each, max_size=4))

    return st.sampled_from(sorted(documents)).flatmap(rows)


@given(case=cases(ROWS))
async def test_every_row_is_a_log_or_a_reason(case: tuple[str, list[Any]]) -> None:
    provider, rows = case
    page = await read(provider, [*rows, ROWS[provider][0]])
    assert len(page.logs) + len(page.unreadable) == page.read == len(rows) + 1
    for log in page.logs:
        msgspec.json.encode(log)
        assert len(log.id) <= 1024
    assert page.logs[-1].upstream_id == str(ROWS[provider][0][CASES[provider].log_id])


@given(case=cases({name: rows for name, rows in HOOKS.items() if rows}))
async def test_good_hooks_survive_odd_ones(case: tuple[str, list[Any]]) -> None:
    provider, rows = case
    source = hook_source(provider, [*rows, HOOKS[provider][0]])
    hooks = await source.hooks(Operation(5))
    known = str(HOOKS[provider][0][CASES[provider].hook_id])
    assert known in [hook.upstream_id for hook in hooks]
    msgspec.json.encode(hooks)


@given(
    provider=st.sampled_from(PROVIDERS),
    document=JSON,
    status=st.sampled_from([200, 200, 201, 302, 400, 403, 404, 422, 500]),
)
async def test_every_document_is_read_or_refused(provider: str, document: Any, status: int) -> None:
    source = make(provider, always(document, status))
    for work in (
        source.find_streams,
        source.hooks,
        lambda operation: source.vendor.read_page(
            STREAMS[provider], Window(limit=5), Criteria(), operation
        ),
        lambda operation: source.read_log(PLACES[provider], operation),
    ):
        with contextlib.suppress(StreamsChanged):
            result = await result_or_error(work, Operation(5))
            if isinstance(result, UpstreamError):
                assert str(result).startswith("Source it ")
