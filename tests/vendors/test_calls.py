"""Helpers of the kits: links to other pages, and turns of actions."""

from __future__ import annotations

import asyncio

import pytest

from gateway.errors import ErrorCode, UpstreamError
from gateway.upstream.operation import Operation
from gateway.vendors.calls import Spacing, linked_parameter
from tests.support.virtual_time import VIRTUAL_TIME, Backend, now


@pytest.fixture(scope="module")
def anyio_backend() -> Backend:
    return VIRTUAL_TIME


@pytest.mark.parametrize(
    ("links", "found"),
    [
        ('<https://a.test/x?page=2&n=9>; rel="next"', "2"),
        ('<https://a.test/x?page=2>; rel="prev", <https://a.test/x?page=4>; rel="next"', "4"),
        ('<https://a.test/x?page=4>; rel="next", <https://a.test/x?page=2>; rel="prev"', "4"),
        ('<https://a.test/x?page=2>;title="a, b";rel="last next"', "2"),
        ("<?page=2>; REL=NEXT", "2"),
        ('<https://a.test/x?page=2>; rel="nextone"', None),
        ('<https://a.test/x?page=2>; title="rel=next"', None),
        ('<https://a.test/x?pages=2>; rel="next"', None),
        ('<https://a.test/x#page=2>; rel="next"', None),
        ("", None),
    ],
)
def test_parameter_is_read_from_the_link_of_a_relation(links: str, found: str | None) -> None:
    assert linked_parameter(links, "next", "page") == found


async def test_actions_start_some_seconds_apart() -> None:
    spacing, began, times = Spacing("shop", 1.0), now(), []

    async def act() -> None:
        await spacing.turn(Operation(10))
        times.append(now() - began)

    await asyncio.gather(act(), act(), act())
    assert times == pytest.approx([0, 1, 2])
    await asyncio.sleep(5)
    await act()
    assert times[-1] == pytest.approx(7)


async def test_action_whose_turn_comes_too_late_is_not_sent() -> None:
    spacing = Spacing("shop", 1.0)
    for _ in range(2):
        await spacing.turn(Operation(10))
    with pytest.raises(UpstreamError) as failure:
        await spacing.turn(Operation(0.5))
    assert failure.value.code is ErrorCode.UPSTREAM_RATE_LIMITED
    assert not failure.value.sent
    assert failure.value.retry_after == pytest.approx(1.0)
    # It has taken no turn from others.
    began = now()
    await spacing.turn(Operation(10))
    assert now() - began == pytest.approx(1.0)
