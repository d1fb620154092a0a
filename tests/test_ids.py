"""Ids: opaque, unique for each object, and refused if anything about them is wrong."""

from __future__ import annotations

import base64

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import ids
from gateway.errors import ErrorCode, RequestError
from gateway.ids import Kind, Reference
from tests.support.examples import examples

ID = ids.encode(Kind.LOG, "repo-cn", "projects", "a642c851d4dc4853b595e5c8a5e56df7", "990085", "7")
REFUSED = (
    "That id was not made by this gateway. Use the id of a webhook log, hook or source as a query"
    " gave it."
)


def refusal(text: str, kind: Kind | None = None) -> str:
    with pytest.raises(RequestError) as caught:
        ids.decode(text, kind)
    assert caught.value.code is ErrorCode.INVALID_ID
    return str(caught.value)


@given(
    kind=st.sampled_from(Kind),
    source=st.text(max_size=63),
    place=st.lists(st.text(max_size=40), max_size=5),
)
def test_encoded_id_is_decoded(kind: Kind, source: str, place: list[str]) -> None:
    text = ids.encode(kind, source, *place)
    assert ids.decode(text) == ids.decode(text, kind) == Reference(kind, source, tuple(place))
    assert text.replace("-", "").replace("_", "").isalnum()


def test_empty_id_is_named_as_such() -> None:
    assert refusal("") == (
        "That id is empty. Give the id of a webhook log, hook or source as a query gave it."
    )


def test_encoding_is_stable() -> None:
    assert ids.encode(Kind.HOOK, "shop", "2f2f") == "k6FopHNob3CRpDJmMmY"


@pytest.mark.parametrize(
    "text",
    [
        " ",
        ID + " ",
        ID + "\n",
        ID + "=",
        ID + "A",
        ID[:-1],
        ID[1:],
        f"{ID[:8]} {ID[8:]}",
        f"{ID[:8]}é{ID[8:]}",
        f"{ID[:8]}\x00{ID[8:]}",
        "gid://shop/WebhookLog/1",
        "990085",
        "💥",
        "\ud800",
    ],
)
def test_other_text_is_refused(text: str) -> None:
    assert refusal(text) == REFUSED


def test_standard_base64_alphabet_is_refused() -> None:
    text = ids.encode(Kind.LOG, "shop", "~~~???>>>")
    standard = text.replace("-", "+").replace("_", "/")
    assert text != standard
    assert refusal(standard) == REFUSED


def test_spare_bits_are_refused() -> None:
    text = ids.encode(Kind.SOURCE, "ab")
    other = text[:-1] + chr(ord(text[-1]) + 1)
    assert base64.urlsafe_b64decode(other + "==") == base64.urlsafe_b64decode(text + "==")
    assert refusal(other) == REFUSED


@pytest.mark.parametrize(
    "data",
    [
        msgspec.msgpack.encode(("l", "shop", ("1",), "more")),
        msgspec.msgpack.encode(("l", "shop")),
        msgspec.msgpack.encode(("x", "shop", ("1",))),
        msgspec.msgpack.encode(("l", 5, ("1",))),
        msgspec.msgpack.encode(("l", "shop", (1,))),
        msgspec.msgpack.encode(["l", "shop", {"1": "2"}]),
        msgspec.msgpack.encode({"kind": "l", "source": "shop", "place": ["1"]}),
        msgspec.msgpack.encode(("l", "shop", ("1",))) + b"\xc0",
        b"\x93\xa1l\xa1\xff\x90",
        b"\x93\xd9\x01l\xa4shop\x91\xa11",
        b"\x93\xa1l\xa4shop\xdc\x00\x01\xa11",
        b"\x93\xa1l\xa4shop\xdd\xff\xff\xff\xff",
        b"\x94\xa1l\xa4shop\x90" + b"\x91" * 700 + b"\x90",
        b"\x91" * 700,
    ],
)
def test_packed_data_that_is_not_an_id_is_refused(data: bytes) -> None:
    assert refusal(ids.pack(data)) == REFUSED


def outcome(text: str) -> Reference | str:
    try:
        return ids.decode(text)
    except RequestError as error:
        return str(error)


def is_the_id_of(text: str, outcome: Reference | str) -> bool:
    if isinstance(outcome, str):
        return False
    return ids.encode(outcome.kind, outcome.source, *outcome.place) == text


def test_flipped_bit_never_yields_the_same_object() -> None:
    data = ids.unpack(ID, len(ID))
    for bit in range(len(data) * 8):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        text = ids.pack(bytes(damaged))
        found = outcome(text)
        assert found != ids.decode(ID)
        assert found == REFUSED or is_the_id_of(text, found)


@pytest.mark.slow
@examples(300)
@given(text=st.text(max_size=60) | st.binary(max_size=60).map(ids.pack))
def test_text_is_the_only_id_of_its_object_or_refused(text: str) -> None:
    found = outcome(text)
    assert found == REFUSED or not text or is_the_id_of(text, found)


def test_long_text_is_refused() -> None:
    longest = ids.encode(Kind.LOG, "shop", "x" * 756)
    assert len(longest) == ids.MAX_LENGTH
    assert ids.decode(longest).place == ("x" * 756,)
    assert refusal(ids.encode(Kind.LOG, "shop", "x" * 757)) == REFUSED


@pytest.mark.parametrize(
    ("made", "wanted", "sentence"),
    [
        (Kind.LOG, Kind.HOOK, "That id belongs to a webhook log, not to a hook."),
        (Kind.HOOK, Kind.LOG, "That id belongs to a hook, not to a webhook log."),
        (Kind.SOURCE, Kind.LOG, "That id belongs to a source, not to a webhook log."),
        (Kind.LOG, Kind.GROUP, "That id belongs to a webhook log, not to a failure group."),
        (Kind.GROUP, Kind.HOOK, "That id belongs to a failure group, not to a hook."),
        (Kind.LOG, Kind.SOURCE, "That id belongs to a webhook log, not to a source."),
    ],
)
def test_id_of_another_kind_is_refused(made: Kind, wanted: Kind, sentence: str) -> None:
    assert refusal(ids.encode(made, "shop", "1"), wanted) == sentence


def test_marks_have_six_bytes_and_differ() -> None:
    marks = {ids.mark(str(number)) for number in range(1000)}
    assert len(marks) == 1000
    assert {len(mark) for mark in marks} == {6}
