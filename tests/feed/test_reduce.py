"""Cursors stay short however many lists there are, and lose no log.

Proxies and servers cut long URLs and headers, and clients store cursors. What a short cursor can't
hold may cost calls, but whoever walks a list gets each log once.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ErrorCode, UpstreamError
from gateway.feed import cursor, filters, positions, reduce
from gateway.feed.feed import Feed, Slice
from gateway.model import Timestamp
from gateway.upstream.operation import Operation
from tests.support.examples import examples
from tests.support.fake_source import FakeSource, log

if TYPE_CHECKING:
    from collections.abc import Sequence

NOW = Timestamp(10**18)
SECOND = 10**9
MOST = 2000
"""Characters of a cursor."""
MANY = [140, *(pytest.param(count, marks=pytest.mark.slow) for count in (500, 2000))]
KINDS = ["window", "moment", "offset", "page", "token"]


def down(name: str) -> UpstreamError:
    return UpstreamError(ErrorCode.UPSTREAM_ERROR, f"Source {name} is down.", source=name)


def feed(sources: Sequence[FakeSource]) -> Feed:
    ready = filters.prepare(None, NOW, [source.name for source in sources])
    return Feed(sources, ready, Operation(60), scan_limit=10_000, now=NOW)  # type: ignore[arg-type]


async def walk(
    sources: Sequence[FakeSource], first: int, pages: int = 10**6
) -> tuple[list[str], list[str]]:
    """Read forward to the end; return the ids in their order, and the cursors of the pages."""
    ready = filters.prepare(None, NOW, [source.name for source in sources])
    given: list[str] = []
    texts: list[str] = []
    page: Slice | None = None
    while (page is None or page.has_next) and len(texts) < pages:
        after = cursor.decode(texts[-1], ready) if texts else None
        page = await feed(sources).forward(first, after)
        given += [entry.record.id for entry in page.entries]
        texts.append(cursor.encode(page.end))
        assert len(texts) < 3000, "walks for ever"
    return given, texts


def ids_of(sources: Sequence[FakeSource]) -> list[str]:
    return [row.id for source in sources for logs in source.logs for row in logs]


def make_odd(source: FakeSource, stream: int, chance: random.Random) -> None:
    """Let some logs of a list have no time, or one of another day."""
    logs = source.logs[stream]
    for index in range(len(logs)):
        if chance.random() < 0.08:
            time = chance.choice([None, 5 * SECOND, NOW + 3600 * SECOND])
            logs[index] = log(source.name, int(logs[index].upstream_id), time)


@examples(150)
@given(
    kinds=st.lists(
        st.lists(st.sampled_from(KINDS), min_size=1, max_size=4), min_size=1, max_size=3
    ),
    seed=st.integers(0, 2**32),
    first=st.sampled_from([1, 3, 10, 25]),
    spread=st.sampled_from([1, 2, 40, 5000]),
    most=st.sampled_from([60, 100, 160, 300]),
    is_odd=st.booleans(),
)
async def test_walk_with_reduced_cursors_gives_each_log_once(
    kinds: list[list[str]], seed: int, first: int, spread: int, most: int, is_odd: bool
) -> None:
    chance = random.Random(seed)
    sources = [
        FakeSource(f"s{number}", streams, page_size=12) for number, streams in enumerate(kinds)
    ]
    for source in sources:
        for stream, kind in enumerate(source.kinds):
            for _ in range(chance.randrange(30)):
                time = 10**15 - chance.randrange(spread) * SECOND
                ties = sum(row.triggered_at == time for row in source.logs[stream])
                if kind != "moment" or ties < 9:
                    source.add(stream, time)
            if is_odd and kind in {"offset", "page", "token"}:
                make_odd(source, stream, chance)
    with pytest.MonkeyPatch.context() as patch:
        for module in (reduce, positions):
            patch.setattr(module, "MAX_BYTES", most)
        patch.setattr(reduce, "FEW", 1)
        patch.setattr(reduce, "MAX_RETURNED", 3)
        patch.setattr(positions, "FIXED_BYTES", 10**6)
        seen, _ = await walk(sources, first)
    assert len(seen) == len(set(seen))
    assert set(seen) == set(ids_of(sources))


def many(count: int, kind: str, *, ties: bool, odd: bool = False) -> list[FakeSource]:
    """So many lists of ten sources, each with twelve logs, all at the same times with ``ties``."""
    chance = random.Random(count)
    sources = [
        FakeSource(f"s{number}", [kind] * (count // 10), page_size=50) for number in range(10)
    ]
    for number, source in enumerate(sources):
        source.now = NOW
        for stream in range(count // 10):
            for index in range(12):
                shift = 0 if ties else number * 7 + stream
                source.add(stream, NOW - index * 60 * SECOND - shift * 1000 - SECOND)
            if odd:
                make_odd(source, stream, chance)
    return sources


@pytest.mark.parametrize("ties", [True, False])
@pytest.mark.parametrize("kind", ["window", "offset", "token"])
@pytest.mark.parametrize("count", MANY)
async def test_cursor_is_short_with_many_lists(count: int, kind: str, ties: bool) -> None:
    sources = many(count, kind, ties=ties, odd=kind != "window")
    seen, texts = await walk(sources, 100, 6)
    assert max(map(len, texts)) < MOST
    assert len(seen) == len(set(seen)) == 600
    page = await feed(sources).forward(25, None)
    for place in (page.start, *(entry.cursor() for entry in page.entries)):
        assert len(cursor.encode(place)) < MOST


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["window", "offset", "token"])
async def test_walk_to_the_end_of_many_lists_gives_each_log_once(kind: str) -> None:
    sources = many(500, kind, ties=True, odd=kind != "window")
    seen, texts = await walk(sources, 100)
    assert max(map(len, texts)) < MOST
    assert len(seen) == len(set(seen))
    assert set(seen) == set(ids_of(sources))


@pytest.mark.parametrize("count", MANY)
async def test_pollers_cursor_is_short_with_many_lists_and_outages(count: int) -> None:
    """It remembers more than the others, and most where sources fail."""
    sources = many(count, "window", ties=False)
    ready = filters.prepare(None, NOW, [source.name for source in sources])
    page = await feed(sources).forward(25, None)
    assert len(cursor.encode(page.start)) < MOST
    for source in sources[:3]:
        source.errors["find"] = down(source.name)
    for source in sources[3:8]:
        source.errors = dict.fromkeys(map(str, range(50)), down(source.name))
    polled: list[str] = []
    new: list[str] = []
    for number in range(4):
        new.append(sources[9].add(0, NOW - SECOND + number).id)
        for _ in range(3):
            before = cursor.decode(cursor.encode(page.start), ready)
            page = await feed(sources).backward(100, before)
            assert len(cursor.encode(page.start)) < MOST
            polled += [entry.record.id for entry in page.entries]
            if not page.entries:
                break
    for source in sources:
        source.errors.clear()
    new.append(sources[4].add(1, NOW - SECOND + 9).id)
    before = cursor.decode(cursor.encode(page.start), ready)
    page = await feed(sources).backward(100, before)
    polled += [entry.record.id for entry in page.entries]
    assert sorted(polled) == sorted(new)
