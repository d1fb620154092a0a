"""``tests.benchmarks.soak`` in its short form, and what it judges by."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Callable
from typing import NoReturn

import pytest

from tests.benchmarks.soak.__main__ import check_actions, soak
from tests.benchmarks.soak.client import Response, WrongError
from tests.benchmarks.soak.load import Load
from tests.benchmarks.soak.plan import KILLED, RECOVERY, Phase, Plan, Span
from tests.benchmarks.soak.requests import Kind, Requests, Row
from tests.benchmarks.soak.site import MissingError, started
from tests.benchmarks.soak.watch import MEASURES, Point, Series


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_cycle_costs_no_request_that_the_plan_does_not_cost(
    absent: Callable[[str], NoReturn],
) -> None:
    try:
        with started(replicas=2, workers=2) as site:
            outcome, text = asyncio.run(soak(site, minutes=0, rate=15, seed=7, seconds=0.5, rest=0))
    except MissingError as error:
        absent(str(error))
    assert outcome.is_good, text
    kinds = {one.kind for one in outcome.measured}
    assert {"hot", "warm", "details", "retry", "mistake", "GET"} <= kinds
    measures = {series.measure for series in outcome.series}
    assert {*MEASURES, "Redis MiB", "keys", "connections"} <= measures


@pytest.mark.parametrize(
    ("measure", "values", "flat"),
    [
        ("tasks", [9, 9, 9, 9, 9], True),
        ("tasks", [9, 10, 11, 12, 13], False),
        ("tasks", [9, 9, 40, 9, 9], True),
        ("RSS MiB", [100, 100.4, 100.2, 100.5, 100.4], True),
        ("RSS MiB", [100, 101, 102, 103, 104], False),
        ("RSS MiB", [100, 110, 120], True),
        ("heap MiB", [50, 50.4, 50.2, 50.5, 50.4], True),
        ("heap MiB", [50, 51, 52, 53, 54], False),
        ("PSS MiB", [100, 101, 102, 103, 104], True),
        ("RSS MiB", [190] * 40 + [230] * 17, False),
        ("RSS MiB", [190] * 41 + [190 + 3 * late for late in range(16)], False),
        ("tasks", [3] * 41 + [3 + late for late in range(16)], False),
        ("descriptors", [30, 33, 31, 30, 32, 31, 33, 30, 32] * 4, True),
        ("kiloblocks", [800, 825, 805, 840, 810, 830], True),
        ("kiloblocks", [800, 804, 809, 811, 817, 820], False),
        ("kiloblocks", [800, 830, 805, 835, 850, 845, 870, 865], False),
    ],
)
def test_growth_of_each_cycle_is_found_and_one_odd_value_is_not(
    measure: str, values: list[float], flat: bool
) -> None:
    points = [Point(75.0 * index, value) for index, value in enumerate(values)]
    assert Series("a worker", 1, measure, points).is_flat is flat


async def _nothing() -> None:
    """Do nothing."""


@pytest.mark.parametrize(
    ("what", "since", "cause"),
    [
        ("shop: UPSTREAM_ERROR", 5, "vendor"),
        ("shop: UPSTREAM_CIRCUIT_OPEN", 10 + RECOVERY - 1, "vendor"),
        ("shop: UPSTREAM_ERROR", 10 + RECOVERY + 1, None),
        ("tracker: UPSTREAM_ERROR", 5, None),
        ("shop: UPSTREAM_ERROR; tracker: UPSTREAM_ERROR", 5, None),
        ("shop: not complete", 5, "vendor"),
        ("wrong rows", 5, None),
        ("shop: INTERNAL_ERROR", 5, None),
        ("status: 502", 5, None),
        ("status: 502", 31, "kill"),
        ("shop: UPSTREAM_ERROR; tracker: UPSTREAM_TIMEOUT", 45, None),
        ("shop: UPSTREAM_ERROR; tracker: UPSTREAM_TIMEOUT", 15, "next"),
        ("shop+tracker: UPSTREAM_ERROR", 15, "next"),
        ("shop+tracker: UPSTREAM_ERROR", 5, None),
        ("shop: OVERLOADED", 5, None),
    ],
)
def test_failure_counts_unless_a_phase_may_cause_it(
    what: str, since: float, cause: str | None
) -> None:
    plan = Plan.__new__(Plan)
    plan.spans = [
        Span(
            Phase("vendor", _nothing, ("shop: UPSTREAM_*", "shop: not complete"), RECOVERY),
            1,
            0,
            10,
        ),
        Span(Phase("next", _nothing, ("tracker: UPSTREAM_*",), RECOVERY), 1, 10, 20),
        Span(Phase("kill", _nothing, KILLED), 1, 30, 40),
    ]
    assert plan.causes(what, since, since + 1) == cause


@pytest.mark.parametrize(
    ("outcomes", "done", "good"),
    [
        ({"a": "SUCCEEDED", "b": "FAILED"}, 1, True),
        ({"a": "SUCCEEDED", "b": "UNKNOWN"}, 2, True),
        ({"a": "SUCCEEDED", "b": "FAILED"}, 2, False),
        ({"a": "SUCCEEDED", "b": "SUCCEEDED"}, 1, False),
        ({"a": "SUCCEEDED", "nobody's": "FAILED"}, 1, False),
        ({"a": "UNKNOWN", "b": "SUCCEEDED"}, 2, False),
        ({"b": "SUCCEEDED"}, 1, False),
    ],
)
def test_retry_that_is_lost_or_done_twice_breaks_a_promise(
    outcomes: dict[str, str], done: int, good: bool
) -> None:
    """The caller of a was told that it succeeded."""
    assert (not check_actions({"a": "1", "b": "2"}, {"a"}, outcomes, done)) is good


@pytest.mark.parametrize(
    ("source", "changed", "what"),
    [
        ("shop", {}, None),
        ("shop", {"status": "FAILED"}, "wrong row"),
        ("shop", {"triggeredAt": None}, "wrong row"),
        ("shop", {"event": "other"}, "wrong row"),
        ("shop", {"event": None}, "shop: no event"),
        ("translations", {"status": "FAILED", "attempt": 2}, None),
        ("translations", {"triggeredAt": None}, "wrong row"),
    ],
)
def test_values_of_rows_are_compared(source: str, changed: Row, what: str | None) -> None:
    row: Row = {"id": "1", "upstreamId": "1", "source": {"name": source}, "event": "push"}
    row |= {"status": "SUCCEEDED", "triggeredAt": "2026-01-01T00:00:00Z", "attempt": 1}
    requests = Requests.__new__(Requests)
    requests.known = [row]
    data = {"webhookLogs": {"nodes": [row | changed], "sourceReports": []}}
    answer = Response("hot", "1", 200, "", document={"data": data})
    found = None
    try:
        requests._check(answer, "admin", [row])
    except WrongError as error:
        found = error.what
    assert (found or "").startswith(what or "")
    assert (found is None) is (what is None)


async def test_response_of_another_form_is_a_failure() -> None:
    async def ask(_: object) -> None:
        await asyncio.sleep(0)
        raise TypeError("'NoneType' object is not subscriptable")

    plan = Plan.__new__(Plan)
    plan.spans = []
    load = Load(Requests.__new__(Requests), plan, random.Random(7), rate=1.0)
    await load._ask(Kind(1, ask))
    (failed,) = load.failed
    assert failed.what.startswith("wrong form: TypeError")
