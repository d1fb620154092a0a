"""The contract between sources and the feed, checked for all vendors over the sandbox."""

from __future__ import annotations

import abc
import functools
from collections.abc import AsyncIterator
from itertools import combinations
from typing import Any

import httpx
import msgspec
import pytest

from gateway import ids
from gateway.feed import filter_fields
from gateway.model import Capability, Timestamp, WebhookLog, WebhookLogStatus
from gateway.normalise import timestamps
from gateway.sandbox import Sandbox
from gateway.sources.source import Source
from gateway.upstream.operation import Operation
from gateway.vendors.pages import MAX_STATUS_CODE, Criteria, Page, Stream, Window
from tests.support.demo import Sandboxed
from tests.vendors.case import ODD
from tests.vendors.cases import CASES, SIMULATED
from tests.vendors.document_vendor import DocumentVendor
from tests.vendors.vendors import PROVIDERS, START, Clock, make, make_on_sandbox

ADDED = ("complete", "request", "response", "raw", "details")
"""Attributes that a single log may have more of than a list."""


class OneVendor(abc.ABC):
    """One vendor, and a source of all that it has."""

    def __init__(self, provider: str) -> None:
        self.provider = provider
        self.case = CASES[provider]
        self.clock = Clock(START)
        self.operation = Operation(30)

    @abc.abstractmethod
    def make(self, **changes: Any) -> Source:
        """Return a source of all that the vendor has."""

    @functools.cached_property
    def source(self) -> Source:
        return self.make()

    @abc.abstractmethod
    async def paths(self) -> list[str]:
        """Return the paths read from the vendor since the last call of this method."""

    @abc.abstractmethod
    async def inventory(self) -> list[dict[str, Any]]:
        """Return the id, the stream and the time of each of the vendor's logs."""

    @abc.abstractmethod
    async def secrets(self) -> list[str]:
        """Return the secrets in the vendor's documents."""

    async def other_authentication(self) -> list[dict[str, Any]]:
        """Return further forms of authentication that the vendor accepts."""
        return []

    async def streams(self) -> list[Stream]:
        found = await self.source.find_streams(self.operation)
        assert not found.errors
        return list(found.streams)

    async def page(self, stream: Stream, wanted: Criteria | None = None, **window: Any) -> Page:
        page = await self.source.vendor.read_page(
            stream, Window(**{"limit": 50, **window}), wanted or Criteria(), self.operation
        )
        assert not page.unreadable
        assert len(page.logs) == page.read
        return page

    async def list_to_the_end(
        self, stream: Stream, wanted: Criteria | None = None
    ) -> list[WebhookLog]:
        """Read a whole stream as the feed does: by token, by time or by offset."""
        logs: dict[str, WebhookLog] = {}
        offset, until, token = 0, None, None
        while True:
            page = await self.page(stream, wanted, offset=offset, until=until, token=token)
            known = len(logs)
            logs |= {log.id: log for log in page.logs}
            if stream.by_token:
                if page.next_token is None:
                    return list(logs.values())
                token = page.next_token
                continue
            if not page.more:
                return list(logs.values())
            if stream.windowed:
                if len(logs) == known:
                    return list(logs.values())
                until = page.logs[-1].triggered_at
            else:
                assert page.offset == offset
                offset += page.read


class Simulated(OneVendor):
    """A vendor of the sandbox."""

    def __init__(self, provider: str) -> None:
        super().__init__(provider)
        self.sandboxed = Sandboxed(Sandbox(clock=self.clock.unix, logs=1500, vendors={provider}))

    def make(self, **changes: Any) -> Source:
        return make_on_sandbox(self.provider, self.sandboxed.sandbox, self.clock, **changes)

    async def paths(self) -> list[str]:
        calls = await self.sandboxed.calls()
        await self.sandboxed.forget_calls()
        return [call["path"] for call in calls if call["method"] == "GET"]

    async def inventory(self) -> list[dict[str, Any]]:
        return await self.sandboxed.inventory(self.provider)

    async def secrets(self) -> list[str]:
        found: list[str] = (await self.sandboxed.control.get("/secrets")).json()
        return found

    async def other_authentication(self) -> list[dict[str, Any]]:
        return await self.case.authentication(self.sandboxed.sandbox, self.sandboxed.control)


class Documented(OneVendor):
    """A vendor without a simulator, made of its sample documents."""

    def __init__(self, provider: str) -> None:
        super().__init__(provider)
        self.vendor = DocumentVendor(provider, START)

    def make(self, **changes: Any) -> Source:
        return make(self.provider, httpx.MockTransport(self.vendor), self.clock, **changes)

    async def paths(self) -> list[str]:
        paths = [path for method, path in self.vendor.calls if method == "GET"]
        self.vendor.calls.clear()
        return paths

    async def inventory(self) -> list[dict[str, Any]]:
        return self.vendor.inventory

    async def secrets(self) -> list[str]:
        return list(self.case.secrets)


@pytest.fixture(params=PROVIDERS)
async def demo(request: pytest.FixtureRequest) -> AsyncIterator[OneVendor]:
    if request.param in SIMULATED:
        simulated = Simulated(request.param)
        async with simulated.sandboxed:
            yield simulated
            await simulated.source.close()
    else:
        documented = Documented(request.param)
        yield documented
        await documented.source.close()


async def some_logs(demo: OneVendor) -> list[WebhookLog]:
    """Return the first and the last logs of every stream."""
    logs = []
    for stream in await demo.streams():
        listed = await demo.list_to_the_end(stream)
        logs += [*listed[:3], *listed[-2:]]
    return logs


@pytest.mark.sampled(3)
async def test_streams_are_found_in_one_order(demo: OneVendor) -> None:
    streams = await demo.streams()
    assert len({stream.key for stream in streams}) == len(streams)
    assert await demo.streams() == streams
    await demo.paths()
    again = demo.make()
    assert [stream.key for stream in (await again.find_streams(demo.operation)).streams] == [
        stream.key for stream in streams
    ]


@pytest.mark.sampled(3)
async def test_hooks_are_remembered(demo: OneVendor) -> None:
    if not demo.case.hooks:
        pytest.skip("The vendor lists no hooks.")
    hooks = await demo.source.hooks(demo.operation)
    assert hooks
    assert await demo.paths()
    assert list(await demo.source.hooks(demo.operation)) == list(hooks)
    await demo.streams()
    assert await demo.paths() == []
    assert len({hook.id for hook in hooks}) == len(hooks)


@pytest.mark.sampled(3)
async def test_hooks_are_not_asked_for_when_the_configuration_names_them(demo: OneVendor) -> None:
    if not demo.case.names_hooks:
        pytest.skip("The configuration can't name hooks.")
    source = demo.make(**demo.case.named)
    found = await source.find_streams(demo.operation)
    assert found.streams
    assert await demo.paths() == []
    named = {stream.hook_id for stream in found.streams} - {None}
    if named:
        assert {hook.id for hook in await source.hooks(demo.operation)} == named


@pytest.mark.sampled(7)
async def test_list_to_the_end_is_the_inventory(demo: OneVendor) -> None:
    inventory = {row["id"]: row for row in await demo.inventory()}
    logs: list[WebhookLog] = []
    for stream in await demo.streams():
        listed = await demo.list_to_the_end(stream)
        times = [log.triggered_at for log in listed if log.triggered_at is not None]
        assert times == sorted(times, reverse=True)
        assert stream.hook_id in {None, *(log.hook_id for log in listed)}
        logs += listed
    assert len({log.id for log in logs}) == len(logs)
    absent = {
        field.attribute
        for field in filter_fields.FIELDS.values()
        if all(field.value(log) is None for log in logs)
    }
    assert absent == demo.source.lacks
    hooks = {hook.id for hook in await demo.source.hooks(demo.operation)}
    listed_as = {}
    for log in logs:
        assert log.hook_id in hooks or not demo.case.hooks
        stream_id = ids.decode(log.hook_id).place[-1] if log.hook_id else None
        listed_as[log.upstream_id] = (stream_id, log.triggered_at)
    assert listed_as == {
        id: (row["stream"], row["time"] and timestamps.parse(row["time"]))
        for id, row in inventory.items()
    }


@pytest.mark.sampled(5)
@pytest.mark.parametrize("limit", [1, 7, 60])
async def test_pages_obey_their_limit(demo: OneVendor, limit: int) -> None:
    stream = (await demo.streams())[0]
    page = await demo.page(stream, limit=limit)
    assert len(page.logs) == min(limit, demo.case.page_max)
    assert page.more or page.total == page.read
    assert demo.source.page_size == min(50, demo.case.page_max)


@pytest.mark.slow
async def test_one_log_is_the_listed_one_complete(demo: OneVendor) -> None:
    for listed in await some_logs(demo):
        await demo.paths()
        log = await demo.source.read_log(ids.decode(listed.id).place, demo.operation)
        calls = await demo.paths()
        assert log is not None
        assert log.complete
        if Capability.GET in demo.source.capabilities:
            assert len(calls) == demo.case.calls_per_log
        if listed.complete:
            assert log == listed
        else:
            same = msgspec.structs.asdict(log)
            for name, value in msgspec.structs.asdict(listed).items():
                if name not in {*ADDED, *demo.case.only_single}:
                    assert same[name] == value, name
            only_listed = dict.fromkeys(demo.case.only_listed)
            assert log.details == msgspec.structs.replace(listed.details, **only_listed)


@pytest.mark.sampled(7)
async def test_unknown_log_is_none(demo: OneVendor) -> None:
    place = ids.decode((await some_logs(demo))[0].id).place
    unknown = (*place[:-1], demo.case.unknown_id)
    assert await demo.source.read_log(unknown, demo.operation) is None


@pytest.mark.sampled(7)
async def test_place_outside_the_configuration_costs_no_call(demo: OneVendor) -> None:
    source = demo.make(**demo.case.named)
    good = ids.decode((await some_logs(demo))[0].id).place
    odd: list[tuple[str, ...]] = [(), good[:-1], (*good, "1"), *((text,) * 4 for text in ODD)]
    odd += [(*good[:at], text, *good[at + 1 :]) for at in range(len(good) - 1) for text in ODD]
    places = [place for place in odd if not demo.case.may_be_read(place)]
    places += demo.case.places_outside(good)
    await demo.paths()
    for place in places:
        assert await source.read_log(place, demo.operation) is None, place
    assert await demo.paths() == []


@pytest.mark.slow
async def test_declared_capabilities_are_true(demo: OneVendor) -> None:
    source, operation = demo.source, demo.operation
    streams = await demo.streams()
    listed = [log for stream in streams for log in await demo.list_to_the_end(stream)]
    assert Capability.LIST in source.capabilities
    shown = listed if all(log.complete for log in listed) else []
    for log in [] if shown else listed[::20]:
        complete = await source.read_log(ids.decode(log.id).place, operation)
        assert complete is not None
        shown.append(complete)

    totals = [(await demo.page(stream, limit=1)).total for stream in streams]
    middle = sorted(log.triggered_at or 0 for log in listed)[len(listed) // 2]
    for capability, fact in {
        Capability.COUNT: sum(total or 0 for total in totals) == len(listed)
        or (not demo.case.counts_all and any(total is not None for total in totals)),
        Capability.FILTER_TIME: all(stream.windowed for stream in streams),
        Capability.FILTER_STATUS: any(
            [
                await is_narrower(demo, listed, Criteria(statuses=frozenset({status})))
                for status in WebhookLogStatus
            ]
        ),
        Capability.FILTER_EVENT: await is_narrower(
            demo, listed, Criteria(events=tuple({log.event for log in listed[:1] if log.event}))
        ),
        Capability.REQUEST_BODY: any(log.request and log.request.body for log in shown),
        Capability.RESPONSE_BODY: any(log.response and log.response.body for log in shown),
    }.items():
        assert (capability in source.capabilities) == fact, capability
    if Capability.FILTER_TIME in source.capabilities:
        assert await is_narrower(demo, listed, Criteria(since=Timestamp(middle)))
        assert await is_narrower(demo, listed, Criteria(until=Timestamp(middle)))


async def is_narrower(demo: OneVendor, listed: list[WebhookLog], wanted: Criteria) -> bool:
    """Return whether the vendor applies the filter; it must not leave out matching logs."""
    found = [
        log for stream in await demo.streams() for log in await demo.list_to_the_end(stream, wanted)
    ]
    assert {log.id for log in listed if matches(log, wanted)} <= {log.id for log in found}
    return len(found) < len(listed)


def matches(log: WebhookLog, wanted: Criteria) -> bool:
    time = log.triggered_at or 0
    return (
        (wanted.since is None or time >= wanted.since)
        and (wanted.until is None or time <= wanted.until)
        and (wanted.statuses is None or log.status in wanted.statuses)
        and (wanted.events is None or log.event in wanted.events)
        and (wanted.status_codes is None or is_within(log, *wanted.status_codes))
    )


def is_within(log: WebhookLog, least: int, greatest: int) -> bool:
    code = log.response.status_code if log.response else None
    return code is not None and least <= code <= greatest


STATUSES = [
    frozenset(statuses) for size in (1, 2) for statuses in combinations(WebhookLogStatus, size)
]
CODES = [(0, MAX_STATUS_CODE), (0, 399), (200, 299), (400, MAX_STATUS_CODE), (502, 502)]


@pytest.mark.slow
async def test_no_status_is_a_reason_to_leave_matches_out(demo: OneVendor) -> None:
    """A vendor's "failed" may be narrower than the gateway's."""
    listed = [log for stream in await demo.streams() for log in await demo.list_to_the_end(stream)]
    asked = {Criteria(statuses=statuses) for statuses in STATUSES}
    asked |= {Criteria(status_codes=codes) for codes in CODES}
    for wanted in {
        criteria for criteria in asked if demo.source.applicable(criteria) != Criteria()
    }:
        await is_narrower(demo, listed, wanted)


@pytest.mark.sampled(3)
async def test_correlation_is_never_a_reason_to_leave_matches_out(demo: OneVendor) -> None:
    stream = (await demo.streams())[0]
    log = (await demo.page(stream, limit=1)).logs[0]
    wanted = Criteria(correlation_id=log.correlation_id)
    assert log.id in {found.id for found in await demo.list_to_the_end(stream, wanted)}


@pytest.mark.sampled(3)
async def test_calls_are_counted_for_their_operation(demo: OneVendor) -> None:
    stream = (await demo.streams())[0]
    await demo.paths()
    operation = Operation(30)
    await demo.source.hooks(operation)
    await demo.source.vendor.read_page(stream, Window(limit=5), Criteria(), operation)
    assert operation.calls == {"it": len(await demo.paths())}
    assert demo.source.client.health.last_success_at == demo.clock.now


@pytest.mark.slow
async def test_secrets_are_masked_in_all_output(demo: OneVendor) -> None:
    secrets = await demo.secrets()
    listed = [log for stream in await demo.streams() for log in await demo.list_to_the_end(stream)]
    shown: list[Any] = [*listed, *await demo.source.hooks(demo.operation)]
    shown += [
        await demo.source.read_log(ids.decode(log.id).place, demo.operation)
        for log in [log for log in listed if not log.complete][:200]
    ]
    text = repr([msgspec.to_builtins(each) for each in shown])
    assert [secret for secret in secrets if secret in text] == []


@pytest.mark.sampled(3)
async def test_every_form_of_authentication_opens_the_vendor(demo: OneVendor) -> None:
    for changes in [{}, *await demo.other_authentication()]:
        source = demo.make(**changes)
        assert await source.hooks(demo.operation) or not demo.case.hooks
        assert (await source.find_streams(demo.operation)).streams
        await source.close()
