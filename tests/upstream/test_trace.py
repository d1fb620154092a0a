"""W3C trace context from callers and to vendors."""

from __future__ import annotations

import re

import pytest

from gateway.upstream.operation import Operation
from gateway.upstream.trace import Trace, read
from tests.upstream.network import Network, client_of, document

ID = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
PARENT = f"00-{ID}-{SPAN}-01"
STATE = "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("line", "flags"),
    [
        (PARENT, 1),
        (f"00-{ID}-{SPAN}-00", 0),
        (f"00-{ID}-{SPAN}-03", 3),
        (f"00-{ID}-{SPAN}-ff", 3),
        (f"01-{ID}-{SPAN}-01", 1),
        (f"cc-{ID}-{SPAN}-09-what the future brings", 1),
        (f"cc-{ID}-{SPAN}-00-", 0),
    ],
)
def test_valid_traceparent_is_read(line: str, flags: int) -> None:
    assert read([line], []) == Trace(ID, flags, parent=SPAN)


@pytest.mark.parametrize(
    "line",
    [
        "",
        ID,
        f"00-{ID}-{SPAN}",
        f"00-{ID}-{SPAN}-1",
        f"00-{ID}-{SPAN}-01-",
        f"00-{ID}-{SPAN}-01-more",
        f"01-{ID}-{SPAN}-01.more",
        f"01-{ID}-{SPAN}-011",
        f"ff-{ID}-{SPAN}-01",
        f"0-{ID}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{ID}-{'0' * 16}-01",
        f"00-{ID.upper()}-{SPAN}-01",
        f"00-{ID}-{SPAN.upper()}-01",
        f"00-{ID[1:]}-{SPAN}-01",
        f"00-{ID}-{SPAN}0-01",
        f"00-{ID}-{SPAN}-0x",
        f"00_{ID}_{SPAN}_01",
        f"{PARENT},{PARENT}",
        f"{PARENT}\n",
        f" {PARENT}",
    ],
)
def test_invalid_traceparent_is_ignored(line: str) -> None:
    assert read([line], [STATE]) is None


def test_traceparent_in_several_lines_is_ignored() -> None:
    assert read([], [STATE]) is None
    assert read([PARENT, PARENT], []) is None


@pytest.mark.parametrize(
    ("lines", "passed"),
    [
        ([], ""),
        ([""], ""),
        ([STATE], STATE),
        (STATE.split(","), STATE),
        ([" a=1 ,\t, b=2\t", ",", "c=3"], "a=1,b=2,c=3"),
        (["0a@b/c_d-e*=!~ x"], "0a@b/c_d-e*=!~ x"),
        ([f"a={'x' * 256}"], f"a={'x' * 256}"),
        ([",".join(f"a{n}=1" for n in range(32))], ",".join(f"a{n}=1" for n in range(32))),
        # None of these is a valid state.
        ([",".join(f"a{n}=1" for n in range(33))], ""),
        (["a=1,a=2"], ""),
        (["a=1", "a=1"], ""),
        (["a=1,A=2"], ""),
        (["a"], ""),
        (["a="], ""),
        (["=1"], ""),
        (["a=1=2"], ""),
        (["a =1"], ""),
        (["-a=1"], ""),
        (["a=é"], ""),
        (["a=\x7f"], ""),
        ([f"a={'x' * 257}"], ""),
        ([f"{'a' * 257}=1"], ""),
        ([f"a={'x' * 254},b={'x' * 253}"], f"a={'x' * 254},b={'x' * 253}"),
        ([f"a={'x' * 254},b={'x' * 254}"], ""),
    ],
)
def test_tracestate_is_passed_on_completely_or_not_at_all(lines: list[str], passed: str) -> None:
    assert read([PARENT], lines) == Trace(ID, 1, passed, SPAN)


async def test_each_call_is_a_span_of_its_own() -> None:
    answers = iter([document({}, 503), document({}), document({})])
    client = client_of(network := Network(lambda _: next(answers)))
    operation = Operation(5, trace=read([PARENT], [STATE]))
    await client.json("/logs", operation=operation)  # tried twice
    await client.act("POST", "/retry", operation=operation.detached({}, background=True))
    parents = [request.headers["traceparent"] for request in network.requests]
    assert len(parents) == len({*parents, PARENT}) - 1 == 3
    assert all(re.fullmatch(f"00-{ID}-[0-9a-f]{{16}}-01", parent) for parent in parents)
    assert [request.headers["tracestate"] for request in network.requests] == [STATE] * 3


async def test_no_trace_is_started() -> None:
    client = client_of(network := Network(lambda _: document({})))
    await client.json("/logs", operation=Operation(5))
    await client.json("/logs", operation=Operation(5, trace=read([PARENT], [])))
    assert ["traceparent" in request.headers for request in network.requests] == [False, True]
    assert not any("tracestate" in request.headers for request in network.requests)
