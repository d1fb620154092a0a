"""Deliveries of the simulated GitHub, as callers list and redeliver them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from pydantic import SecretStr

from gateway import ids
from gateway.feed import cursor, filters
from gateway.feed.feed import Feed
from gateway.model import Timestamp, WebhookLog, WebhookLogStatus
from gateway.sandbox import Sandbox
from gateway.sources import retries
from gateway.sources.source import Source
from gateway.upstream.operation import Operation
from gateway.vendors.retried import RetryKind
from tests.support.demo import Sandboxed
from tests.vendors.case import SANDBOX
from tests.vendors.vendors import START, Clock, make_on_sandbox

pytestmark = pytest.mark.slow


class Hub(Sandboxed):
    """The simulated vendor, as a source of all webhooks, and as one of the app.

    Each reading of its clock takes a ``tick`` in nanoseconds.
    """

    def __init__(self, tick: int = 0) -> None:
        self.clock = Clock(START, tick=tick)
        names = ("github", "github-app")
        super().__init__(Sandbox(clock=lambda: self.clock() / 1e9, logs=900, vendors=names))
        known = self.sandbox.credentials
        self.hooks = make_on_sandbox("github", self.sandbox, self.clock)
        self.app = make_on_sandbox(
            "github",
            self.sandbox,
            self.clock,
            base_url=f"{SANDBOX}/github-app",
            repositories=[],
            organizations=[],
            app=True,
            auth={
                "type": "app",
                "app_id": known.github_app_id,
                "private_key": SecretStr(known.github_app_key),
            },
        )


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    async with Hub() as made:
        yield made
        await made.hooks.close()
        await made.app.close()


async def listed(
    source: Source,
    document: Any = None,
    first: int = 100,
    between: Callable[[], Awaitable[None]] | None = None,
) -> list[WebhookLog]:
    """Page through a list to its end, and do something between the pages."""
    wanted = filters.prepare(document, Timestamp(START), ["it"])
    found: list[WebhookLog] = []
    after = None
    while True:
        feed = Feed([source], wanted, Operation(30), scan_limit=10_000, now=Timestamp(START))
        page = await feed.forward(first, after)
        assert [report.error for report in page.reports] == [None]
        found += [entry.log for entry in page.entries]
        if not page.has_next:
            return found
        after = cursor.decode(cursor.encode(page.end), wanted)
        if between is not None:
            await between()


async def inventory(hub: Hub, vendor: str) -> set[str]:
    return {row["id"] for row in await hub.inventory(vendor)}


@pytest.mark.parametrize("name", ["hooks", "app"])
async def test_list_has_every_delivery_once_newest_first(hub: Hub, name: str) -> None:
    found = await listed(getattr(hub, name), first=60)
    numbers = [log.upstream_id for log in found]
    assert len(numbers) == len(set(numbers))
    assert set(numbers) == await inventory(hub, "github" if name == "hooks" else "github-app")
    times = [log.triggered_at or 0 for log in found]
    assert times == sorted(times, reverse=True)


async def test_deliveries_that_arrive_meanwhile_hide_and_repeat_none(hub: Hub) -> None:
    before = await inventory(hub, "github")

    async def arrive() -> None:
        hub.clock.advance(1)
        await hub.arrive(9)

    found = [log.upstream_id for log in await listed(hub.hooks, first=25, between=arrive)]
    assert len(found) == len(set(found))
    assert before <= set(found)


@pytest.mark.parametrize(
    "document",
    [
        {"status": {"eq": WebhookLogStatus.SUCCEEDED}},
        {"status": {"eq": WebhookLogStatus.FAILED}},
        {"status": {"neq": WebhookLogStatus.FAILED}},
        {"httpStatus": {"gte": 500}},
        {"httpStatus": {"lt": 400}},
        {"not": {"httpStatus": {"gte": 200}}},
    ],
)
async def test_filtered_list_has_all_matches(hub: Hub, document: Any) -> None:
    """Of which GitHub lists a part by itself, and never too few."""
    test = filters.prepare(document, Timestamp(START), ["it"]).test
    every = await listed(hub.hooks)
    expected = [log.id for log in every if test(log)]
    assert 0 < len(expected) < len(every)
    assert [log.id for log in await listed(hub.hooks, document, first=40)] == expected


@pytest.mark.parametrize("name", ["hooks", "app"])
async def test_redelivery_is_found_by_its_guid(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """GitHub neither names it in the answer, nor makes it at once."""
    monkeypatch.setattr(retries, "PAUSES", (0.0,) * 30)
    async with Hub(tick=50_000_000) as hub:
        source: Source = getattr(hub, name)
        old = next(log for log in await listed(source) if log.status is WebhookLogStatus.FAILED)
        place = ids.decode(old.id).place
        retry = retries.Retry(source, place, Operation(30))
        retried = await retry.send()
        assert (retried.kind, retried.place) == (RetryKind.NEW_LOG, None)
        await retry.read(retried, asyncio.get_running_loop().time() + 30)
        new = retry.replacement
        assert new is not None
        assert new.id != old.id
        assert (new.correlation_id, new.hook_id) == (old.correlation_id, old.hook_id)
        assert new.is_redelivery
        assert int(new.upstream_id) > int(old.upstream_id)
        await hub.hooks.close()
        await hub.app.close()
