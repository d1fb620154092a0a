"""Tags of cache entries to evict."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway import ids
from gateway.actions.problems import InvalidInput
from gateway.service import Gateway
from tests.support.actions import Controller, answering, gateway_over


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    return gateway_over(tmp_path, Controller(answering(200)))


@pytest.mark.parametrize("tag", ["translations", "", "lists:translations", "SOURCE:translations"])
async def test_tag_of_another_form_is_refused_with_the_forms(gateway: Gateway, tag: str) -> None:
    """The cache has tags of its own, which callers can't name."""
    async with gateway:
        problem = await gateway.invalidate(["source:translations", tag])
    assert isinstance(problem, InvalidInput)
    assert problem.message == f"{tag!r} is not a tag. Use source:NAME, hook:ID or log:ID."


@pytest.mark.parametrize(
    ("tag", "message"),
    [
        (
            "source:shop",
            "There is no source named 'shop'. The sources are: translations.",
        ),
        (
            "log:" + ids.encode(ids.Kind.LOG, "shop", "1"),
            "There is no such webhook log. It may have expired.",
        ),
        (
            "hook:" + ids.encode(ids.Kind.HOOK, "shop", "1"),
            "There is no such hook. It may have expired.",
        ),
    ],
)
async def test_tag_of_unknown_source_is_refused(gateway: Gateway, tag: str, message: str) -> None:
    """Ids of a source that a caller does not see reveal nothing about other sources."""
    async with gateway:
        problem = await gateway.invalidate([tag])
    assert isinstance(problem, InvalidInput)
    assert problem.message == message


async def test_id_of_another_kind_is_refused(gateway: Gateway) -> None:
    async with gateway:
        problem = await gateway.invalidate(
            ["log:" + ids.encode(ids.Kind.HOOK, "translations", "1")]
        )
    assert isinstance(problem, InvalidInput)
