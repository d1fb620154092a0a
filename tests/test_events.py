"""Events reach those who have subscribed to their kind, and cost nothing without them."""

from __future__ import annotations

import logging
from typing import Any

import msgspec
import pytest

from gateway import events as module
from gateway.events import AnswerReused, CacheLookedUp, Event, Events, OperationEnded, Span

KINDS = sorted(
    (kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, Event)),
    key=lambda kind: kind.__name__,
)


def test_events_are_frozen_and_described() -> None:
    assert len(KINDS) > 10
    for kind in KINDS:
        assert kind.__struct_config__.frozen, kind
        assert kind.__doc__, kind


def test_only_the_kind_is_heard() -> None:
    events = Events()
    heard: list[Event] = []
    events.subscribe(OperationEnded, heard.append)
    ended: dict[str, Any] = dict.fromkeys(("name", "kind", "document", "caller", "role"), "")
    own, other = OperationEnded(**ended, seconds=1.0), AnswerReused(**ended, seconds=1.0)
    for event in (own, other, CacheLookedUp("shop", "HIT")):
        events.emit(event)
    assert heard == [own]
    assert events.wants(OperationEnded)
    assert not events.wants(AnswerReused)


def test_recorder_hears_only_of_what_has_a_span() -> None:
    events = Events()
    recorded: list[Event] = []
    events.record(CacheLookedUp, recorded.append)
    assert not events.wants(CacheLookedUp)
    with_span = CacheLookedUp("shop", "HIT", span=Span("a" * 32, "b" * 16, None))
    for event in (CacheLookedUp("shop", "HIT"), with_span):
        events.emit(event)
    assert recorded == [with_span]


def test_failing_listener_disturbs_nobody(caplog: pytest.LogCaptureFixture) -> None:
    events = Events()
    heard: list[Event] = []

    def fail(_: Event) -> None:
        raise ZeroDivisionError

    events.subscribe(CacheLookedUp, fail)
    events.subscribe(CacheLookedUp, heard.append)
    events.emit(CacheLookedUp("shop", "HIT"))
    assert len(heard) == 1
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "CacheLookedUp" in caplog.text


def test_events_hold_plain_values() -> None:
    """They can be encoded, so that no listener holds on to an operation or a request."""
    for kind in KINDS:
        for field in msgspec.structs.fields(kind):
            assert "gateway.upstream" not in str(field.type), (kind, field.name)
