"""The log has one entry for each operation, action, limit and change of a breaker."""

from __future__ import annotations

import io
import itertools
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from gateway.config import LogSettings
from gateway.errors import ErrorCode
from gateway.events import (
    ActionRecorded,
    AnswerReused,
    BreakerChanged,
    ConfigurationReloaded,
    Event,
    Events,
    LimitMet,
    OperationEnded,
    OperationFailed,
    UpstreamCallEnded,
)
from gateway.telemetry.log_output import set_up
from gateway.telemetry.logs import MAX_NAME, OUTAGES, Logs
from tests.telemetry.test_metrics import call, operation

Write = Callable[..., list[Any]]


class Terminal(io.StringIO):
    """A text that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def loggers() -> Iterator[None]:
    """Restore what ``set_up`` changes."""
    root, own = logging.getLogger(), logging.getLogger("gateway")
    before = root.handlers[:], root.level, own.level
    yield
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    own.setLevel(before[2])


def written(*told: Event, **settings: Any) -> str:
    """Return the log of events, in JSON unless the settings say otherwise."""
    stream, events = settings.pop("stream", io.StringIO()), Events()
    chosen = LogSettings(**{"format": "json", **settings})
    Logs(set_up(chosen, stream), chosen).subscribe(events)
    for event in itertools.chain.from_iterable((each, *failures(each)) for each in told):
        if events.wants(type(event)):
            events.emit(event)
    text: str = stream.getvalue()
    return text


def failures(event: Event) -> list[Event]:
    """Return what the execution tells of after an operation."""
    if type(event) is OperationEnded and (event.codes or event.lost):
        return [OperationFailed(**msgspec.structs.asdict(event))]
    return []


def entries(*told: Event, **settings: Any) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in written(*told, **settings).splitlines()]
    for entry in found:
        assert list(entry)[:3] == ["timestamp", "level", "event"]
        assert entry.pop("timestamp").endswith("Z")
    return found


def action(code: str | None) -> ActionRecorded:
    return ActionRecorded(
        action_id="1",
        kind="RETRY",
        source="shop",
        log_id="2",
        caller="api-keys:ops",
        outcome="FAILED" if code else "SUCCEEDED",
        code=code,
        seconds=0.0123456,
        request_id="r",
    )


def test_entry_of_an_operation() -> None:
    event = operation(
        calls=3,
        upstream_seconds=0.4567891,
        cache="MISS",
        scanned=50,
        returned=25,
        codes=["NOT_FOUND", "NOT_FOUND"],
        lost=["UPSTREAM_TIMEOUT"],
        request_id="r",
        trace_id="t",
    )
    assert entries(event) == [
        {
            "level": "warning",
            "event": "operation",
            "name": "A",
            "type": "query",
            "document": "d",
            "caller": "none:anonymous",
            "role": "admin",
            "duration_ms": 200.0,
            "upstream_calls": 3,
            "upstream_ms": 456.789,
            "cache": "MISS",
            "scanned": 50,
            "rows": 25,
            "errors": ["NOT_FOUND"],
            "lost": ["UPSTREAM_TIMEOUT"],
            "request_id": "r",
            "trace_id": "t",
        }
    ]


OF_CALLERS = (
    {code.name for code in ErrorCode if not code.name.startswith("UPSTREAM_")}
    - OUTAGES
    - {"INTERNAL_ERROR"}
)


def test_mistakes_of_callers_are_no_warnings() -> None:
    """Otherwise any caller could fill the log."""
    assert {"TOO_MANY_STREAMS", "BAD_REQUEST", "UNAUTHENTICATED", "LIMIT_EXCEEDED"} <= OF_CALLERS
    for code in ErrorCode:
        [entry] = entries(operation(codes=[code.name]), level="info")
        if code.name == "INTERNAL_ERROR":
            assert entry["level"] == "error"
        else:
            assert entry["level"] == ("info" if code.name in OF_CALLERS else "warning")


ALL = (
    operation(),
    operation(AnswerReused, cache="KEPT"),
    operation(codes=["UPSTREAM_TIMEOUT"]),
    operation(codes=["FORBIDDEN"]),
    action(None),
    action("UPSTREAM_REJECTED"),
    BreakerChanged("shop", "CLOSED", "OPEN"),
    BreakerChanged("shop", "OPEN", "HALF_OPEN"),
    BreakerChanged("shop", "HALF_OPEN", "OPEN"),
    BreakerChanged("shop", "HALF_OPEN", "CLOSED"),
    LimitMet("depth", 9, 8, "warn"),
    LimitMet("tokens", None, 8, "enforce"),
    call(),
)


@pytest.mark.parametrize(
    ("level", "kinds"),
    [
        ("error", []),
        ("warning", ["operation", "action", "breaker", "breaker", "limit"]),
        (
            "info",
            [*["operation"] * 4, *["action"] * 2, *["breaker"] * 4, *["limit"] * 2],
        ),
        (
            "debug",
            [*["operation"] * 4, *["action"] * 2, *["breaker"] * 4, *["limit"] * 2, "call"],
        ),
    ],
)
def test_level_decides_what_is_written(level: Any, kinds: list[str]) -> None:
    assert [entry["event"] for entry in entries(*ALL, level=level)] == kinds


@pytest.mark.parametrize(
    ("outcome", "problems", "restart", "level"),
    [
        ("TAKEN", [], [], "info"),
        ("UNCHANGED", [], [], "info"),
        ("TAKEN", [], ["server.port"], "warning"),
        ("REFUSED", ["sources is missing"], [], "error"),
    ],
)
def test_entry_of_a_reload(
    outcome: str, problems: list[str], restart: list[str], level: str
) -> None:
    (entry,) = entries(
        ConfigurationReloaded(outcome=outcome, seconds=0.25, problems=problems, restart=restart),
        level="info",
    )
    assert entry == {
        "level": level,
        "event": "configuration",
        "outcome": outcome,
        **({"problems": problems} if problems else {}),
        **({"restart": restart} if restart else {}),
        "duration_ms": 250.0,
    }


def test_entry_of_an_outage_has_its_cause() -> None:
    (entry,) = entries(BreakerChanged("shop", "CLOSED", "OPEN", code="UPSTREAM_TIMEOUT"))
    assert (entry["level"], entry["error"]) == ("warning", "UPSTREAM_TIMEOUT")


def test_operations_that_succeed_are_not_even_heard_of_above_info() -> None:
    """They are the most frequent, and events take time."""
    levels: tuple[tuple[Any, bool], ...] = (("warning", False), ("info", True))
    for level, wanted in levels:
        events, settings = Events(), LogSettings(level=level)
        Logs(set_up(settings, io.StringIO()), settings).subscribe(events)
        assert events.wants(AnswerReused) is wanted
        assert events.wants(OperationEnded) is wanted
        assert events.wants(OperationFailed) is not wanted
        assert not events.wants(UpstreamCallEnded)


def test_form_depends_on_the_terminal() -> None:
    event = operation(codes=["UPSTREAM_TIMEOUT"])
    assert written(event, format="auto").startswith("{")
    in_terminal = written(event, format="auto", stream=Terminal())
    assert "\x1b[" in in_terminal
    assert "operation" in in_terminal
    plain = written(event, format="console")
    assert plain.count("\n") == 1
    assert ("\x1b[" in plain, "caller=none:anonymous" in plain) == (False, True)


@pytest.mark.parametrize("form", ["json", "console"])
def test_texts_of_callers_forge_nothing(form: str) -> None:
    event = operation(caller="jwt:a\x1b[2J\x9b1m\u202e\nforged", codes=["UPSTREAM_TIMEOUT"])
    text = written(event, format=form)
    assert text.isascii()
    assert text.count("\n") == 1
    assert "\x1b" not in text


@pytest.mark.parametrize("form", ["json", "console"])
def test_texts_in_lists_and_exceptions_are_written_whatever_they_hold(form: Any) -> None:
    """Among them are bytes of a path that are no text, which no encoding has."""
    foreign = "\x1b[2J\u202e\udc80"
    reload = ConfigurationReloaded(outcome="REFUSED", seconds=0.1, problems=[foreign])
    stream = io.StringIO()
    written(reload, format=form, stream=stream)
    try:
        raise ValueError(foreign)
    except ValueError:
        logging.getLogger("gateway.actions").exception("It failed.")
    text = stream.getvalue()
    assert text.isascii()
    assert "\x1b" not in text
    assert text.count("udc80") == 2
    if form == "json":
        assert [json.loads(line)["level"] for line in text.splitlines()] == ["error", "error"]


def test_entry_of_a_limit_of_a_caller() -> None:
    met = LimitMet("rate", 61, 60, "enforce", "api-keys:shop")
    (entry,) = map(json.loads, written(met, level="info").splitlines())
    assert (entry["limit"], entry["caller"]) == ("rate", "api-keys:shop")


def test_name_of_an_operation_is_cut() -> None:
    """A caller could otherwise fill the log with names as long as a body may be."""
    (entry,) = map(json.loads, written(operation(name="A" * 200), level="info").splitlines())
    assert entry["name"] == "A" * MAX_NAME


@pytest.mark.parametrize("form", ["json", "console"])
def test_records_of_logging_take_the_same_form(form: Any) -> None:
    """Their tracebacks show no values of variables."""
    stream = io.StringIO()
    set_up(LogSettings(format=form), stream)
    hidden = str(6 * 7) * 5
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        logging.getLogger("gateway.actions").exception("It %s.", "failed")
    text = stream.getvalue()
    assert "ZeroDivisionError" in text
    assert hidden not in text
    if form == "json":
        entry = json.loads(text)
        assert (entry["level"], entry["event"]) == ("error", "It failed.")
        assert entry["logger"] == "gateway.actions"


def test_other_packages_are_not_heard_below_warning() -> None:
    """Some of them log the parameters of SQL, or whole URLs."""
    stream = io.StringIO()
    set_up(LogSettings(format="json", level="debug"), stream)
    for name in ("sqlalchemy.engine", "aiosqlite", "httpx", "asyncio"):
        logging.getLogger(name).info("SELECT ?")
        logging.getLogger(name).debug("SELECT ?")
    logging.getLogger("gateway.web").debug("own")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["own"]
