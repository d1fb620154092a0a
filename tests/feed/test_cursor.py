"""Cursors are opaque, belong to one filter, and are harmless even if forged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import ids
from gateway.errors import ErrorCode, RequestError
from gateway.feed import cursor, filters
from gateway.feed.cursor import (
    LATEST,
    MAX_TOKEN,
    UNDATED,
    VERSION,
    Anchor,
    Cursor,
    Hint,
    Memory,
    Position,
    layout,
    pack_hint,
    unpack_hints,
)
from gateway.feed.feed import Feed, Slice
from gateway.model import Timestamp
from gateway.upstream.operation import Operation
from tests.support.examples import examples
from tests.support.fake_source import FakeSource

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = Timestamp(10**18)
FILTER = filters.prepare(None, NOW, ["one", "two"])
MARKS = [ids.mark(letter) for letter in "abc"]
CURSOR = Cursor(
    version=VERSION,
    filter=FILTER.fingerprint,
    time=Timestamp(10**15),
    returned=(MARKS[0], MARKS[1]),
    known=(MARKS[2],),
    horizon=UNDATED,
    positions={
        MARKS[0]: Position(),
        MARKS[1]: Position(until=Timestamp(5), anchor=Anchor(7, b"", 9, token="v1_5")),
        MARKS[2]: Position(unordered=True, anchor=Anchor(2**31 - 1, MARKS[0]), marks=(MARKS[1],)),
    },
    layout=MARKS[0],
    since=Timestamp(10**15 + 1),
    hints=b"\0\1\2\3",
    memory=Memory(
        Timestamp(7), MARKS[1] + MARKS[2], {MARKS[1]: Timestamp(5)}, MARKS[0], (), (MARKS[2],)
    ),
)
TEXT = cursor.encode(CURSOR)
REFUSED = (
    "That cursor was not made by this gateway. Use one as a page or an edge has it, or begin"
    " without one."
)


def refusal(text: str, code: ErrorCode = ErrorCode.INVALID_CURSOR) -> str:
    with pytest.raises(RequestError) as caught:
        cursor.decode(text, FILTER)
    assert caught.value.code is code
    return str(caught.value)


def test_round_trip() -> None:
    assert cursor.decode(TEXT, FILTER) == CURSOR
    assert cursor.encode(cursor.decode(TEXT, FILTER)) == TEXT


def test_cursor_of_another_filter_is_refused() -> None:
    other = filters.prepare({"event": {"eq": "push"}}, NOW, ["one"])
    text = cursor.encode(msgspec.structs.replace(CURSOR, filter=other.fingerprint))
    assert refusal(text, ErrorCode.CURSOR_FILTER_MISMATCH) == (
        "That cursor belongs to a list with another filter. Repeat the filter of the query that"
        " gave it, or begin without a cursor."
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "25",
        TEXT + "=",
        TEXT + "A",
        TEXT + " ",
        TEXT[:-1],
        TEXT[1:],
        TEXT.replace("-", "+").replace("_", "/") + "+",
        "YXJyYXljb25uZWN0aW9uOjI0",
        "ключ",
        "\ud800",
        ids.encode(ids.Kind.LOG, "shop", "1"),
        "A" * (cursor.MAX_LENGTH + 1),
    ],
)
def test_text_that_is_not_a_cursor_is_refused(text: str) -> None:
    assert refusal(text) == REFUSED


MARK = MARKS[0]
BUILTIN: list[Any] = msgspec.to_builtins(CURSOR, builtin_types=(bytes,))


def altered(index: int, value: Any) -> bytes:
    return msgspec.msgpack.encode([*BUILTIN[:index], value, *BUILTIN[index + 1 :]])


@pytest.mark.sampled(5)
@pytest.mark.parametrize(
    "data",
    [
        altered(0, VERSION + 1),
        altered(0, "1"),
        altered(1, b""),
        altered(1, b"1234567"),
        altered(2, -1),
        altered(2, UNDATED + 1),
        altered(2, LATEST + 1),
        altered(2, 2**64 - 1),
        altered(2, 1e15),
        altered(2, None),
        altered(3, []),
        altered(3, [MARK] * 1001),
        altered(3, [b""]),
        altered(3, [b"1234567"]),
        altered(3, ["abcdef"]),
        altered(4, [[MARK]]),
        altered(5, LATEST + 1),
        altered(5, 2**64 - 1),
        altered(6, {b"": []}),
        altered(6, {MARK: [None, LATEST + 1]}),
        altered(6, {MARK: [None, None, [b""]]}),
        altered(6, {MARK: [None, None, [], 1]}),
        altered(6, {MARK: [[-1, b""]]}),
        altered(6, {MARK: [[2**31, b""]]}),
        altered(6, {MARK: [[0, b"1234567"]]}),
        altered(6, {MARK: [[0, b"", -2]]}),
        altered(6, {MARK: [[0, b"", 2**31]]}),
        altered(6, {MARK: [[0, b"", 0, LATEST + 1]]}),
        altered(6, {MARK: [[0, b"", 0, None, 1]]}),
        altered(6, {MARK: [[0, b"", 0, None, "a" * (MAX_TOKEN + 1)]]}),
        altered(6, {MARK: [[0, b"", 0, None, None, None]]}),
        altered(6, {MARK: [None, None, [], False, None]}),
        altered(6, {MARK: [None, None, [], False, False, None]}),
        altered(7, b""),
        altered(8, LATEST + 1),
        altered(9, "text"),
        altered(10, [LATEST + 1]),
        altered(10, [0, bytes(6001)]),
        altered(10, [0, b"", {b"": 0}]),
        altered(10, [0, b"", {MARK: None}]),
        altered(10, [0, b"", {}, bytes(6001)]),
        altered(10, [0, b"", {}, b"", [b""]]),
        altered(10, [0, b"", {}, b"", [], [b""]]),
        altered(10, [0, b"", {}, b"", [], [], None]),
        msgspec.msgpack.encode([*BUILTIN, None]),
        msgspec.msgpack.encode(BUILTIN[:6]),
        msgspec.msgpack.encode(BUILTIN) + b"\x00",
        b"\x9c" + msgspec.msgpack.encode(BUILTIN)[1:] + b"\x91" * 90_000 + b"\x90",
        b"\x91" * 90_000,
        b"\x81" * 90_000,
        b"\xdd\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
    ],
)
def test_packed_data_that_is_not_a_cursor_is_refused(data: bytes) -> None:
    assert refusal(ids.pack(data)) == REFUSED


@pytest.mark.slow
@examples(300)
@given(st.text(max_size=80) | st.binary(max_size=80).map(ids.pack))
def test_arbitrary_text_is_refused(text: str) -> None:
    assert refusal(text) == REFUSED


def fakes() -> list[FakeSource]:
    """Return sources with lists of every kind. Logs share times in pairs; some have none."""
    sources = [
        FakeSource("one", ["window", "moment"], page_size=5),
        FakeSource("two", ["offset", "page"], page_size=5),
    ]
    for source in sources:
        for stream in range(len(source.kinds)):
            for number in range(12):
                source.add(stream, 10**15 - number // 2 * 10**6)
    for _ in range(3):
        sources[1].add(0, None)
    return sources


async def both_ways(text: str) -> list[Slice | RequestError]:
    """Read forward and backward from a cursor; RequestError is the only error allowed."""

    def feed() -> Feed:
        return Feed(fakes(), FILTER, Operation(5), scan_limit=30, now=NOW)  # type: ignore[arg-type]

    ways: list[Callable[[Cursor], Any]] = [
        lambda place: feed().forward(4, place),
        lambda place: feed().backward(4, place),
    ]
    results: list[Slice | RequestError] = []
    for way in ways:
        try:
            page: Slice = await way(cursor.decode(text, FILTER))
            assert sum(report.upstream_calls for report in page.reports) < 150
            results.append(page)
        except RequestError as error:
            results.append(error)
    return results


LOSS = "may have more logs than are listed"
KEYS = [ids.mark(key) for key in ("one/0", "one/1", "two/0", "two/1")]
LOGS = [ids.mark(log.id) for source in fakes() for logs in source.logs for log in logs]
TIMES = st.one_of(
    st.sampled_from([UNDATED, 0, 1, 10**15, 10**15 - 10**6, LATEST]),
    st.integers(10**15 - 10**7, 10**15),
    st.integers(0, LATEST),
)
SOME_MARKS = st.sampled_from(LOGS) | st.binary(min_size=6, max_size=6)
ANCHORS = st.builds(
    Anchor,
    offset=st.integers(0, 20) | st.integers(0, 2**31 - 1),
    mark=st.just(b"") | SOME_MARKS,
    total=st.integers(-1, 20) | st.integers(-1, 2**31 - 1),
    until=st.none() | TIMES,
)
POSITIONS = st.builds(
    Position,
    anchor=st.none() | ANCHORS,
    until=st.none() | TIMES | st.integers(UNDATED, LATEST),
    marks=st.lists(SOME_MARKS, max_size=5).map(tuple),
    unordered=st.booleans(),
    from_top=st.booleans(),
)
MEMORIES = st.builds(
    Memory,
    floor=TIMES | st.integers(UNDATED, LATEST),
    seen=st.lists(SOME_MARKS, max_size=9).map(b"".join) | st.binary(max_size=20),
    floors=st.dictionaries(st.sampled_from(KEYS), TIMES, max_size=2),
    held=st.lists(SOME_MARKS, max_size=9).map(b"".join),
    failing=st.lists(st.sampled_from(KEYS), max_size=2).map(tuple),
    undated=st.lists(st.sampled_from(KEYS), max_size=2).map(tuple),
)
CURSORS = st.builds(
    Cursor,
    version=st.just(VERSION),
    filter=st.just(FILTER.fingerprint),
    time=TIMES,
    returned=st.lists(SOME_MARKS, min_size=1, max_size=30).map(tuple),
    known=st.lists(SOME_MARKS, max_size=30).map(tuple),
    horizon=TIMES | st.integers(UNDATED, LATEST),
    positions=st.dictionaries(
        st.sampled_from(KEYS) | st.binary(min_size=6, max_size=6), POSITIONS, max_size=5
    ),
    layout=st.just(layout(KEYS)) | st.just(MARK),
    since=TIMES,
    hints=st.binary(max_size=10),
    memory=st.none() | MEMORIES,
)


@pytest.mark.slow
@examples(300)
@given(made=CURSORS)
async def test_any_well_formed_cursor_works_or_is_refused(
    made: Cursor,
) -> None:
    for result in await both_ways(cursor.encode(made)):
        if isinstance(result, Slice):
            # A position that no list has may end the reading; the report says so.
            errors = [str(report.error) for report in result.reports if report.error]
            assert all(LOSS in error for error in errors)
            ends = [entry.cursor() for entry in result.entries]
            for end in (*ends, result.start, result.end):
                assert cursor.decode(cursor.encode(end), FILTER) == end
        else:
            assert result.code is ErrorCode.CURSOR_TOO_OLD


@pytest.mark.slow
async def test_cursor_with_a_flipped_bit_works_or_is_refused() -> None:
    page = await Feed(fakes(), FILTER, Operation(5), scan_limit=30, now=NOW).forward(  # type: ignore[arg-type]
        4, None
    )
    assert page.end is not None
    data = ids.unpack(cursor.encode(page.end), cursor.MAX_LENGTH)
    outcomes: set[str] = set()
    for bit in range(len(data) * 8):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        for result in await both_ways(ids.pack(bytes(damaged))):
            outcomes.add("page" if isinstance(result, Slice) else result.code.name)
    assert {"page", "INVALID_CURSOR", "CURSOR_FILTER_MISMATCH"} <= outcomes
    assert outcomes <= {"page", "INVALID_CURSOR", "CURSOR_FILTER_MISMATCH", "CURSOR_TOO_OLD"}


def test_cursor_of_an_earlier_version_is_recognised() -> None:
    """After an upgrade, a client should be told to start over, not that its cursor is damaged."""
    old = [1, MARKS[0], 10**15, [MARKS[1]], [], UNDATED, {MARKS[2]: [5, False, [7, b"", 9]]}]
    text = ids.pack(msgspec.msgpack.encode(old))
    assert refusal(text) == (
        "That cursor was made by an earlier version of this gateway. Begin without one."
    )


@given(
    since=st.integers(0, LATEST),
    distances=st.lists(st.none() | st.integers(0, 2**62), max_size=5),
)
def test_hint_is_never_earlier_than_its_log(since: int, distances: list[int | None]) -> None:
    """A list that is read too late would return its logs out of order."""
    times = [None if each is None else Timestamp(since - each) for each in distances]
    keys = [ids.mark(str(index)) for index in range(len(times))]
    made = msgspec.structs.replace(
        CURSOR,
        layout=layout(keys),
        since=Timestamp(since),
        hints=b"".join(pack_hint(Hint(time), Timestamp(since)) for time in times),
    )
    for hint, time in zip(unpack_hints(made, keys), times, strict=True):
        assert (hint.next is None) == (time is None)
        if time is not None and hint.next is not None:
            assert time <= hint.next <= since
            assert hint.next - time <= (since - time) // 1000 + 1
    others = [*keys, ids.mark("new")]
    assert all(hint == Hint() for hint in unpack_hints(made, others))


def test_hints_of_ended_and_undated_lists_are_exact() -> None:
    keys = MARKS[:2]
    hints = [Hint(ended=True), Hint(UNDATED)]
    made = msgspec.structs.replace(
        CURSOR,
        layout=layout(keys),
        hints=b"".join(pack_hint(hint, CURSOR.since) for hint in hints),
    )
    assert list(unpack_hints(made, keys)) == hints
