"""Fields of any type affect only their own row, and can always be encoded."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model import Header
from gateway.normalise.fields import Fields, UnreadableError
from tests.support.examples import examples

NESTED: Any = []
for _ in range(90):
    NESTED = [NESTED]
ODD = [
    None, True, False, 0, -1, 2**31, 2**63, 10**30, 10**4000, -(10**4000), 1.5, 1e300, -0.0,
    float("nan"), float("inf"), "", " ", "x" * 5000, "9" * 5000, "\x00", "\ud800", "\ud83d\ude00",
    "\ufffd", "٢٠٠", "1_000", "nan", [], [[]], [None, 1, "a", {}], {}, {"a": {}}, {"\udfff": 1},
    NESTED,
]  # fmt: skip
anything = st.recursive(
    st.sampled_from(ODD) | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "name", "value", "headers"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@pytest.mark.slow
@given(value=anything)
@examples(300)
def test_any_value_is_read_or_reported(value: Any) -> None:
    """One bad row must never cost the rest of its page."""
    row = Fields({"a": value, "headers": value, "request": {"headers": value}})
    with contextlib.suppress(UnreadableError):
        assert row.id("a")
    shown = row.redacted()
    read: list[Any] = [
        reader("a")
        for fields in (row, shown)
        for reader in (
            fields.sort_time, fields.time, fields.text, fields.integer, fields.count, fields.status,
            fields.number, fields.boolean, fields.texts,
        )
    ]  # fmt: skip
    nested = shown.object("a")
    read += [shown.body("a"), shown.headers("headers"), nested and nested.document]
    read += [item.document for item in shown.objects("a")]
    msgspec.json.encode([read, shown.document, row.warnings])


@pytest.mark.parametrize(
    ("value", "text"),
    [(12, "12"), ("12", "12"), (12.0, "12"), (2**62, str(2**62)), ("a-b c", "a-b c")],
    ids=repr,
)
def test_id_is_text_or_an_integer(value: Any, text: str) -> None:
    assert Fields({"id": value}).id() == text


@pytest.mark.parametrize(
    "value",
    [None, "", True, 1.5, float("nan"), 10**4000, "x" * 101, "a\nb", "\ud800", [1], {"id": 1}],
)
def test_row_without_a_usable_id_is_unreadable(value: Any) -> None:
    with pytest.raises(UnreadableError, match="id is missing or is no id"):
        Fields({"id": value}).id()


@pytest.mark.parametrize("value", ["2200-01-01T00:00:00Z", "1950-01-01T00:00:00Z", True, [2026]])
def test_time_out_of_range_becomes_none_with_a_warning(value: Any) -> None:
    row = Fields({"at": value})
    assert row.sort_time("at") is None
    assert row.warnings == [
        "The vendor's at is not a time that can be read for certain,"
        " so the log has none and stands where the vendor listed it."
    ]


@pytest.mark.parametrize(
    "value",
    [None, "", 0, "0.0", "0001-01-01T00:00:00Z", -62135596800, "1970-01-01T00:00:00+08:00",
     "9999-12-31T23:59:59.999Z"],
)  # fmt: skip
def test_times_that_mean_never_become_none_without_a_warning(value: Any) -> None:
    row = Fields({"at": value})
    assert row.sort_time("at") is row.time("at") is None
    assert not row.warnings


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ("a\ud83d", "a\\ud83d"),
        ("\ud83d\ude00", "\U0001f600"),
        ("\x00\x1f", "\x00\x1f"),
        ({"a\udc00": ["\ud800"]}, '{"a\\\\udc00":["\\\\ud800"]}'),
        ("cG9uZw==", "cG9uZw=="),
        ("Ã¼", "Ã¼"),
    ],
)
def test_body_can_always_be_encoded_without_loss(body: Any, shown: str) -> None:
    row = Fields({"body": body})
    assert row.redacted().body("body") == shown
    assert json.loads(msgspec.json.encode(row.redacted().document))


def test_replacement_characters_and_lone_surrogates_are_reported() -> None:
    """A body that differs from what was sent must not look like the original."""
    row = Fields({"body": "a\ufffdb", "name": "\ud83d"})
    shown = row.redacted()
    shown.body("body")
    assert shown.text("name") == "\\ud83d"
    assert len(row.warnings) == 2
    assert any("U+FFFD" in warning for warning in row.warnings)
    assert any("lone surrogates" in warning for warning in row.warnings)


def test_items_of_another_type_are_omitted_with_a_warning() -> None:
    row = Fields({"events": ["a", 1, None], "actions": [{"id": 1}, "x"]})
    assert row.texts("events") == ("a",)
    assert [action.id() for action in row.objects("actions")] == ["1"]
    assert len(row.warnings) == 2


SHAPES = [
    ({"X-Auth": "S", "Via": "a"}, {"X-Auth": "***", "Via": "a"}),
    ([["X-Auth", "S"], ["Via", "a"]], [["X-Auth", "***"], ["Via", "a"]]),
    (
        [{"name": "X-Auth", "value": "S"}, {"name": "Via", "value": "a"}],
        [{"name": "X-Auth", "value": "***"}, {"name": "Via", "value": "a"}],
    ),
    (
        [{"Key": "X-Auth", "Value": "S"}, {"Via": "a"}],
        [{"Key": "X-Auth", "Value": "***"}, {"Via": "a"}],
    ),
    ([{"X-Auth": "S"}, {"Via": "a"}], [{"X-Auth": "***"}, {"Via": "a"}]),
    (["X-Auth: S", "Via: a"], ["X-Auth: ***", "Via: a"]),
    ("X-Auth: S\r\nVia: a\r\n", "X-Auth: ***\r\nVia: a"),
    ('{"X-Auth": "S", "Via": "a"}', '{"X-Auth":"***","Via":"a"}'),
    ('[["X-Auth", "S"], ["Via", "a"]]', '[["X-Auth","***"],["Via","a"]]'),
]  # fmt: skip


@pytest.mark.parametrize(("value", "raw"), SHAPES)
def test_headers_are_read_and_redacted_in_every_shape(value: Any, raw: Any) -> None:
    row = Fields({"headers": value}).redacted()
    assert row.headers("headers") == (Header("X-Auth", "***", True), Header("Via", "a", False))
    assert row.document["headers"] == raw
    assert not row.warnings


@pytest.mark.parametrize(
    "value", [1, True, [1], [["a"]], [{"a": 1, "b": 2}], "no header", "{", "[1]"]
)
def test_headers_of_another_shape_become_none_with_a_warning(value: Any) -> None:
    row = Fields({"headers": value}).redacted()
    assert row.headers("headers") is None
    assert row.warnings == ["The vendor's headers is not an object."]


def test_integer_with_too_many_digits_is_written_in_hexadecimal() -> None:
    row = Fields({"id": 10**5000, "size": 10**5000})
    with pytest.raises(UnreadableError, match="id is missing or is no id"):
        row.id()
    assert [row.text("size"), row.number("size"), row.sort_time("size")] == [None] * 3
    shown = row.redacted()
    assert shown.body("size") == hex(10**5000)
    assert msgspec.json.encode(shown.document)


@pytest.mark.parametrize("number", [2**31, -(2**31), 2**53, 1.5])
def test_number_that_is_no_int_of_graphql_is_none_with_a_warning(number: float) -> None:
    """GraphQL would fail the field of the row, and with it the page."""
    row = Fields({"size": number})
    assert row.integer("size") is None
    assert row.warnings == ["The vendor's size is not a whole number."]
    assert Fields({"size": 2**31 - 1}).integer("size") == 2**31 - 1
