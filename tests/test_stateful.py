"""Two gateways that share a cache, in any order of reads, actions, failures and waits.

Each row carries the number of the vendor's response that it came from. So the account, the age and
the preceding events of every row are known.
"""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from unittest.mock import patch

import httpx
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from pydantic import SecretStr

from gateway import ids
from gateway.cache import Cache, Store
from gateway.cache.cache import POLL_INTERVAL, REFRESH_DELAY, RETRY_DELAY
from gateway.cache.memory import MemoryStore
from gateway.cache.scripts import ENTRY, LAST, ORDER, TAG, TAKEN
from gateway.config.cache import Lifetimes
from gateway.errors import AllSourcesFailedError, ErrorCode, RequestError, UpstreamError
from gateway.feed import cursor
from gateway.journal import ActionKind
from gateway.model import CacheStatus, WebhookLog, WebhookLogStatus
from gateway.service import Gateway
from gateway.settings import Settings
from gateway.sources import caching
from gateway.upstream.operation import Operation
from tests.support.changing_vendor import (
    ACCOUNTS,
    CREDENTIALS,
    EVENTS,
    MILLISECOND,
    Controller,
    Loop,
)
from tests.support.clock import SECOND, Clock
from tests.support.moment import MOMENT

if TYPE_CHECKING:
    from tests.support.redis import Redis

pytestmark = pytest.mark.slow

T = TypeVar("T")

LEASE = 2.0
"""Seconds after which another process takes over the load of a stopped one."""
LIFETIMES = Lifetimes()
BRIDGED = LIFETIMES.stale_if_error
BEHIND = LIFETIMES.stale_while_revalidate
FIRST = LIFETIMES.first_page
DEEP = LIFETIMES.page
MEMORY = "memory://"
PAGE_SIZE = 10
LOOKS = 100
"""Maximum number of polls for a load of another process."""
FALLBACK_CODES = (503, 429, 500, httpx.ConnectError, httpx.ReadTimeout)
REFUSED = (401, 403, 404)
FILTERS: tuple[dict[str, Any], ...] = (
    {},
    {"status": {"eq": WebhookLogStatus.FAILED}},
    {"event": {"eq": EVENTS[0]}},
)
METHODS = {ActionKind.RETRY: "PUT", ActionKind.DELETE: "DELETE"}
SOURCES = {"shared": "shared", "alice": "own", "bob": "own"}

some_account = st.sampled_from(ACCOUNTS)
some_replica = st.integers(0, 1)
some_age = st.sampled_from([None, None, None, 0.0, 3.0])
seldom = st.sampled_from([False, False, False, True])


@dataclasses.dataclass(kw_only=True)
class Reading:
    """A read in progress, and the state when it began."""

    task: asyncio.Task[Any]
    check: Callable[[Reading], None]
    account: str
    began: int
    calm: bool
    fault: object
    floor: int
    floors: dict[str, int]
    deleted: frozenset[int]
    known: dict[tuple[str, int], tuple[int, int]]
    max_age: float | None = None

    @property
    def undisturbed(self) -> bool:
        """Whether it was the only read, and the vendor neither stalled nor failed."""
        return self.calm and self.fault not in FALLBACK_CODES


@dataclasses.dataclass
class Run:
    """A walk through all pages; it must return the ``expected`` logs unless they are deleted."""

    account: str
    first: int
    after: str | None = None
    expected: frozenset[int] | None = None
    seen: list[int] = dataclasses.field(default_factory=list)
    times: list[int] = dataclasses.field(default_factory=list)
    reading: bool = False


class Replicas(RuleBasedStateMachine):
    """The rules, and the invariants of every response."""

    def __init__(self, folder: Path, redis: Redis | None = None) -> None:
        super().__init__()
        self.redis = redis
        if redis is not None:
            redis.flush()
        # Actions of an earlier run would look like those of another process.
        for file in folder.glob("journal.*"):
            file.unlink()
        self.clock = Clock(MOMENT * SECOND)
        self.vendor = Controller(self.clock)
        self.loop = Loop(self.clock, lambda: self.commands > 0)
        self.problems: list[Any] = []
        self.loop.set_exception_handler(lambda _, context: self.problems.append(context))
        self.commands = 0
        self.readings: list[Reading] = []
        self.runs: list[Run] = []
        self.gone: set[int] = set()
        """Logs that no longer exist, deleted through a gateway or not."""
        self.deleted: set[int] = set()
        """Logs whose deletion was confirmed to the caller."""
        self.floor = dict.fromkeys(ACCOUNTS, 0)
        """By account, the first statement that reflects the last confirmed action."""
        self.floors: dict[str, int] = {}
        """The same for single logs, by id."""
        self.last_fault = -1
        self.evicted = -1
        self.known: dict[tuple[str, int], tuple[int, int]] = {}
        """The number of rows on the first page of a list, and the time of the vendor's response."""
        self.renewed: dict[tuple[str, int], int] = {}
        """The oldest statement that the next read of a list may return."""
        self.refused: dict[tuple[str, int], int] = {}
        """Lists that were returned once after the vendor began to refuse them."""
        self.dropped = dict.fromkeys(ACCOUNTS, 0)
        """When an action last evicted the lists, by account."""
        self.gateways = self.run(self._open(folder, redis.url if redis else MEMORY))

    async def _open(self, folder: Path, url: str) -> list[Gateway]:
        own = {"type": "pass-through", "header": "X-Own"}
        common = {
            "provider": "language-weaver",
            "base_url": "https://vendor.example",
            "page_size": PAGE_SIZE,
        }
        key = {"type": "api-key", "key": SecretStr("shared")}
        configured = Settings.model_validate(
            {
                "journal": {"url": SecretStr(f"sqlite:///{folder}/journal.sqlite3")},
                "cache": {"url": url},
                "sources": [
                    {"name": "shared", "auth": key, **common},
                    {"name": "own", "auth": own, **common},
                ],
            }
        )
        store: Store | None = None
        if url == MEMORY:
            store = MemoryStore(max_entries=10_000, max_bytes=2**26, clock=self.clock)

        async def can_not_count(*_: object) -> None:
            """Redis counts calls by its own clock, by which they are not far apart."""

        # Both see the same entries of the store, as two gateways with one Redis do.
        with (
            patch.object(caching, "_numbers", itertools.repeat(1)),
            patch.object(Cache, "take", can_not_count),
        ):
            made = [
                Gateway(
                    configured,
                    transport=self.vendor,
                    store=store,
                    clock=self.clock,
                    # Calls are far apart, so that no breaker opens and no rate limit applies.
                    monotonic=itertools.count(step=100.0).__next__,
                )
                for _ in range(2)
            ]
        for gateway in made:
            await gateway.open_journal()
            for name in ("begin", "complete", "handle_completed"):
                self._watch(gateway._actions._journal, name)
            if store is None:
                self._watch(gateway._cache._store, "_call")
        return made

    def _watch(self, thing: Any, name: str) -> None:
        """Count pending calls that no timer of the loop represents."""
        ask = getattr(thing, name)

        async def counted(*words: Any, **options: Any) -> Any:
            self.commands += 1
            try:
                return await ask(*words, **options)
            finally:
                self.commands -= 1

        setattr(thing, name, counted)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def settle(self) -> None:
        """Run all tasks as far as possible, and check the completed reads."""
        self.run(self.loop.settle())
        # Background refreshes start after a delay.
        self.clock.now += round((REFRESH_DELAY + 0.001) * SECOND)
        self.run(self.loop.settle())
        if self.redis is not None:
            for look in range(2 if self.vendor.gates else 2 * LOOKS):
                if all(reading.task.done() for reading in self.readings):
                    break
                # A process polls for the load that another one is doing.
                self.clock.now += round(POLL_INTERVAL * SECOND)
                if look == LOOKS:
                    self._expire_leases(self.redis)
                self.run(self.loop.settle())
        if self.vendor.fault in FALLBACK_CODES:
            self.last_fault = self.clock.now
        for reading in [reading for reading in self.readings if reading.task.done()]:
            self.readings.remove(reading)
            reading.check(reading)
        assert self.vendor.gates or not self.readings, "nobody answers"
        assert self.problems == []

    @staticmethod
    def _expire_leases(redis: Redis) -> None:
        """Expire leases as Redis's own clock would."""
        with redis.client() as client:
            for key in client.scan_iter(TAKEN + "*"):
                client.delete(key)

    def operation(
        self, replica: int, account: str, max_age: float | None
    ) -> tuple[Gateway, Operation]:
        gateway = self.gateways[replica]
        headers = {"x-own": CREDENTIALS[account]}
        return gateway, gateway.operation(headers, max_age=max_age)

    def begin(
        self,
        ask: Callable[[Gateway, Operation], Coroutine[Any, Any, Any]],
        check: Callable[[Reading], None],
        replica: int,
        account: str,
        max_age: float | None = None,
        dawdles: bool = False,
    ) -> None:
        async def reading() -> Any:
            return await ask(*self.operation(replica, account, max_age))

        self.vendor.dawdles = dawdles
        self.readings.append(
            Reading(
                task=self.loop.create_task(reading()),
                check=check,
                account=account,
                began=self.clock.now,
                calm=not self.readings and not self.vendor.gates and not dawdles,
                fault=self.vendor.fault,
                floor=self.floor[account],
                floors=dict(self.floors),
                deleted=frozenset(self.deleted),
                known=dict(self.known),
                max_age=max_age,
            )
        )
        self.settle()
        self.vendor.dawdles = False

    @initialize(counts=st.tuples(*[st.integers(0, 35)] * 3))
    def fill(self, counts: Sequence[int]) -> None:
        for account, count in zip(ACCOUNTS, counts, strict=True):
            for number in range(count):
                self.clock.now += SECOND
                self.vendor.arrive(account, number % 3 == 0, EVENTS[number % 2])

    @rule(account=some_account, count=st.integers(1, 12), failed=st.booleans())
    def deliveries_arrive(self, account: str, count: int, failed: bool) -> None:
        for number in range(count):
            self.clock.now += MILLISECOND
            self.vendor.arrive(account, failed, EVENTS[number % 2])

    @rule(account=some_account, place=st.integers(0, 40))
    def others_delete(self, account: str, place: int) -> None:
        if place < len(logs := self.vendor.logs[account]):
            self.gone.add(logs.pop(place).number)

    @rule(account=some_account, place=st.integers(0, 40))
    def others_retry(self, account: str, place: int) -> None:
        if place < len(logs := self.vendor.logs[account]):
            logs[place].retries += 1
            logs[place].failed = False

    @rule(seconds=st.sampled_from([0.5, 2.5, 4.5, 6, 31, 45, 70, 400, 3700]))
    def time_passes(self, seconds: float) -> None:
        if self.vendor.gates:
            # A read that waited this long may have timed out, which counts as a failure of the
            # vendor.
            self.last_fault = self.clock.now + round(seconds * SECOND)
        self.clock.now += round(seconds * SECOND)
        if self.redis is not None and seconds > LEASE:
            self._expire_leases(self.redis)
        self.settle()

    @precondition(lambda self: self.redis is not None)
    @rule(patterns=st.sampled_from([(ENTRY + "*",), (TAG + "*",), (TAKEN + "*",), (ORDER, LAST)]))
    def redis_evicts(self, patterns: Sequence[str]) -> None:
        assert self.redis is not None
        with self.redis.client() as client:
            for key in [key for pattern in patterns for key in client.keys(pattern)]:
                client.delete(key)
        # Evicted entries can't replace failures any more.
        self.known.clear()
        self.evicted = self.clock.now

    @rule(fault=st.sampled_from([*FALLBACK_CODES, *REFUSED]))
    def vendor_fails(self, fault: int | type[httpx.TransportError]) -> None:
        self.vendor.fault = fault
        if fault in REFUSED:
            # A refusal expires the entries.
            self.known.clear()
        self.settle()

    @precondition(lambda self: self.vendor.fault is not None)
    @rule()
    def vendor_recovers(self) -> None:
        self.vendor.fault = None
        self.refused.clear()

    @precondition(lambda self: self.vendor.gates)
    @rule()
    def vendor_goes_on(self) -> None:
        self.vendor.open_gates()
        self.settle()

    @rule(
        replica=some_replica,
        account=some_account,
        wanted=st.integers(0, len(FILTERS) - 1),
        first=st.integers(1, 15),
        max_age=some_age,
        dawdles=seldom,
    )
    def read_list(
        self,
        replica: int,
        account: str,
        wanted: int,
        first: int,
        max_age: float | None,
        dawdles: bool,
    ) -> None:
        key = (account, wanted)

        async def ask(gateway: Gateway, operation: Operation) -> Any:
            document = {"source": {"eq": SOURCES[account]}, **FILTERS[wanted]}
            return (await gateway.logs(operation, first=first, wanted=document)).slice

        def check(reading: Reading) -> None:
            error, logs = _listed(reading.task)
            alone = len(logs) == first <= PAGE_SIZE
            fresh = FIRST if alone else DEEP
            for log in logs:
                self.check_log(reading, log, fresh, reading.floor)
                assert wanted != 1 or log.status is WebhookLogStatus.FAILED
                assert wanted != 2 or log.event == EVENTS[0]
            if error is not None:
                self.check_error(reading, error, key, first)
            elif alone:
                self.check_page(reading, logs, key)

        self.begin(ask, check, replica, account, max_age, dawdles)

    def check_log(self, reading: Reading, log: WebhookLog, fresh: float, floor: int) -> None:
        """Check the invariants of a returned log."""
        serial = _serial(log)
        statement = self.vendor.statements[serial]
        assert statement.account == reading.account, "another credential's data"
        assert int(log.upstream_id) not in reading.deleted, "a log that was deleted"
        assert serial >= floor, "a state of before an action"
        assert log.freshness is not None
        younger = log.freshness.fetched_at - statement.given_at
        assert younger < SECOND // 2, "said to be younger than it is"
        age = (reading.began - statement.given_at) / SECOND
        bridged = self.last_fault >= statement.given_at
        assert age < fresh + (BRIDGED if bridged else BEHIND), "too old"
        if log.freshness.status is CacheStatus.HIT:
            assert age < fresh, "fresh no longer"
        if reading.max_age is not None and reading.undisturbed:
            assert age <= reading.max_age, "older than the caller may have it"

    def check_page(
        self, reading: Reading, logs: Sequence[WebhookLog], key: tuple[str, int]
    ) -> None:
        """Check the invariants of a first page, which is one cache entry."""
        serials = {_serial(log) for log in logs}
        assert len(serials) == 1
        serial = serials.pop()
        statement = self.vendor.statements[serial]
        if reading.calm:
            assert serial >= self.renewed.get(key, 0), "older than what was given before"
        if reading.began < self.dropped[reading.account]:
            return
        age = (reading.began - statement.given_at) / SECOND
        calm = reading.calm and self.vendor.fault not in FALLBACK_CODES
        if calm and age >= FIRST + BEHIND and self.vendor.fault in REFUSED:
            assert key not in self.refused, "what the vendor refuses"
            if self.clock.now - self.last_fault > RETRY_DELAY * SECOND:
                self.refused[key] = serial
        if statement.given_at >= reading.began - SECOND or age < FIRST:
            self.renewed[key] = max(self.renewed.get(key, 0), serial)
        elif (
            calm
            and self.vendor.fault is None
            and self.clock.now - self.last_fault > RETRY_DELAY * SECOND
        ):
            # A background refresh has started.
            self.renewed[key] = serial + 1
        if self.vendor.fault not in REFUSED and reading.began >= self.evicted:
            self.known[key] = (len(logs), statement.given_at)

    def check_error(
        self, reading: Reading, error: UpstreamError, key: tuple[str, int], first: int
    ) -> None:
        """Check that neither the vendor nor the cache could have returned the list."""
        assert not reading.calm or self.vendor.fault is not None, error
        count, given_at = reading.known.get(key, (0, 0))
        age = (reading.began - given_at) / SECOND
        if first > count or key not in self.known:
            return
        if error.code in {ErrorCode.UPSTREAM_UNAUTHORIZED, ErrorCode.UPSTREAM_FORBIDDEN}:
            assert not reading.calm or reading.max_age is not None or age >= FIRST + BEHIND, error
        elif error.code is not ErrorCode.UPSTREAM_NOT_FOUND:
            assert age >= FIRST + BRIDGED, error

    def is_excused(self, reading: Reading) -> bool:
        """Return whether the vendor failed the read; it may only do so during a fault."""
        error = reading.task.exception()
        if not isinstance(error, UpstreamError):
            return False
        assert not reading.calm or self.vendor.fault is not None, error
        return True

    @rule(
        replica=some_replica,
        account=some_account,
        number=st.integers(1, 80),
        max_age=some_age,
        dawdles=seldom,
    )
    def read_log(
        self, replica: int, account: str, number: int, max_age: float | None, dawdles: bool
    ) -> None:
        id = _id(account, number)
        found = [log for log in self.vendor.logs[account] if log.number == number]

        async def ask(gateway: Gateway, operation: Operation) -> Any:
            return await gateway.log(operation, id)

        def check(reading: Reading) -> None:
            if self.is_excused(reading):
                return
            if isinstance(reading.task.exception(), RequestError):
                old = found and self.clock.now - found[0].time > 100 * SECOND
                assert not old or not reading.calm or self.last_fault > 0, "it is there"
                return
            log = reading.task.result()
            final = log.status is WebhookLogStatus.SUCCEEDED
            self.check_log(
                reading, log, LIFETIMES.detail if final else DEEP, reading.floors.get(id, 0)
            )

        self.begin(ask, check, replica, account, max_age, dawdles)

    @rule(replica=some_replica, account=some_account, max_age=some_age, dawdles=seldom)
    def read_hooks(self, replica: int, account: str, max_age: float | None, dawdles: bool) -> None:
        async def ask(gateway: Gateway, operation: Operation) -> Any:
            return await gateway.source(SOURCES[account]).hooks(operation)

        def check(reading: Reading) -> None:
            if self.is_excused(reading):
                return
            (hook,) = reading.task.result()
            statement = self.vendor.statements[int(hook.name)]
            assert statement.account == account
            age = (reading.began - statement.given_at) / SECOND
            bridged = self.last_fault >= statement.given_at
            assert age < LIFETIMES.hooks + (BRIDGED if bridged else BEHIND)
            if max_age is not None and reading.undisturbed:
                assert age <= max_age

        self.begin(ask, check, replica, account, max_age, dawdles)

    @rule(account=some_account, first=st.integers(3, 15))
    def run_begins(self, account: str, first: int) -> None:
        self.runs.append(Run(account, first))

    @precondition(lambda self: any(not run.reading for run in self.runs))
    @rule(data=st.data(), replica=some_replica, max_age=some_age, dawdles=seldom)
    def run_goes_on(
        self, data: st.DataObject, replica: int, max_age: float | None, dawdles: bool
    ) -> None:
        run = data.draw(st.sampled_from([run for run in self.runs if not run.reading]))
        run.reading = True

        async def ask(gateway: Gateway, operation: Operation) -> Any:
            document = {"source": {"eq": SOURCES[run.account]}}
            page = await gateway.logs(operation, first=run.first, after=run.after, wanted=document)
            return page.slice

        def check(reading: Reading) -> None:
            run.reading = False
            error, logs = _listed(reading.task)
            # A cursor from before an action must not return a log's state from before that action
            # either.
            for log in logs:
                self.check_log(reading, log, DEEP, reading.floor)
            if error is not None or not logs:
                self.runs.remove(run)
                return
            if run.expected is None:
                run.expected = min(
                    (self.vendor.statements[_serial(log)] for log in logs),
                    key=lambda statement: statement.given_at,
                ).numbers
            run.seen += [int(log.upstream_id) for log in logs]
            run.times += [log.triggered_at or 0 for log in logs]
            assert len(run.seen) == len(set(run.seen)), "a log that is repeated"
            assert run.times == sorted(run.times, reverse=True)
            page = reading.task.result()
            if page.has_next:
                run.after = cursor.encode(page.end)
            else:
                self.runs.remove(run)
                skipped = run.expected - self.gone - set(run.seen)
                assert not skipped, "logs that are skipped"

        self.begin(ask, check, replica, run.account, max_age, dawdles)

    @rule(
        replica=some_replica,
        account=some_account,
        place=st.integers(0, 40),
        kind=st.sampled_from(ActionKind),
        dawdles=seldom,
    )
    def act(self, replica: int, account: str, place: int, kind: ActionKind, dawdles: bool) -> None:
        if place >= len(logs := self.vendor.logs[account]):
            return
        log = logs[place]
        id = _id(account, log.number)
        retries, acted = log.retries, len(self.vendor.acted)

        async def ask(gateway: Gateway, operation: Operation) -> Any:
            return await gateway.act(operation, kind, id)

        def check(reading: Reading) -> None:
            answer = reading.task.result()
            # Whatever its outcome, the action may have happened.
            for other in ACCOUNTS:
                if SOURCES[other] == SOURCES[account]:
                    self._forget(other)
            if (METHODS[kind], log.number) in self.vendor.acted[acted:]:
                self.floor[account] = self.vendor.acts[account]
                self.floors[id] = self.vendor.acts[account]
                if kind is ActionKind.DELETE:
                    self.deleted.add(log.number)
            if answer.problem is None and kind is ActionKind.RETRY and answer.log is not None:
                assert (answer.log.attempt or 0) > retries + 1, "a state of before the action"

        self.begin(ask, check, replica, account, dawdles=dawdles)
        if log not in self.vendor.logs[account]:
            self.gone.add(log.number)

    @rule(
        replica=some_replica,
        account=some_account,
        other=some_account,
        wanted=st.integers(0, len(FILTERS) - 1),
        kind=st.sampled_from(ActionKind),
    )
    def read_is_overtaken(
        self, replica: int, account: str, other: str, wanted: int, kind: ActionKind
    ) -> None:
        """A rare sequence: a response from before an action arrives after it."""
        alone = not self.vendor.gates
        self.read_list(replica, account, wanted, 3, 0.0, True)
        self.act(1 - replica, other, 0, kind, False)
        self.read_list(replica, account, wanted, 3, None, False)
        acted = self.vendor.fault is None and self.vendor.logs[other]
        if alone and acted and SOURCES[account] == SOURCES[other]:
            assert len(self.readings) <= 1, "held up by a call from before an action"
        self.vendor_goes_on()
        self.read_list(1 - replica, account, wanted, 3, None, False)

    @rule(replica=some_replica, account=some_account)
    def deep_read_is_overtaken(self, replica: int, account: str) -> None:
        """A rare sequence: a page was requested before the page that it follows."""
        self.read_list(replica, account, 0, 3, None, False)
        self.read_list(replica, account, 0, 15, None, True)
        self.read_list(1 - replica, account, 0, 15, 0.0, False)
        self.vendor_goes_on()

    @rule(replica=some_replica, account=some_account, fault=st.sampled_from(REFUSED))
    def vendor_fails_and_then_refuses(self, replica: int, account: str, fault: int) -> None:
        """A rare sequence: a credential is revoked during an outage of the vendor."""
        self.read_list(replica, account, 0, 3, 0.0, False)
        self.vendor_fails(FALLBACK_CODES[0])
        self.time_passes(45)
        self.read_list(replica, account, 0, 3, None, False)
        self.vendor_fails(fault)
        self.time_passes(2.5)
        for _ in range(2):
            self.read_list(replica, account, 0, 3, None, False)
        self.vendor_recovers()

    def _forget(self, account: str) -> None:
        self.dropped[account] = self.clock.now
        for wanted in range(len(FILTERS)):
            for what in (self.known, self.renewed, self.refused):
                what.pop((account, wanted), None)

    def teardown(self) -> None:
        async def close() -> None:
            for gateway in self.gateways:
                await gateway.__aexit__()

        try:
            self.vendor.open_gates()
            self.settle()
        finally:
            self.run(close())
            # On a very busy machine, a read may still be in progress.
            for task in asyncio.all_tasks(self.loop):
                task.cancel()
            self.run(self.loop.settle())
            self.loop.close()


def _id(account: str, number: int) -> str:
    return ids.encode(ids.Kind.LOG, SOURCES[account], str(number))


def _serial(log: WebhookLog) -> int:
    serial: int = log.raw["serial"]
    return serial


def _listed(task: asyncio.Task[Any]) -> tuple[UpstreamError | None, list[WebhookLog]]:
    try:
        page = task.result()
    except AllSourcesFailedError as error:
        return error.errors[0], []
    (report,) = page.reports
    return report.error, [entry.log for entry in page.entries]


def check(examples: int, make: Callable[[], Replicas]) -> None:
    run_state_machine_as_test(
        make,  # type: ignore[arg-type]  # any factory will do
        settings=settings(
            max_examples=examples,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_two_replicas_with_one_memory(tmp_path: Path) -> None:
    check(60, lambda: Replicas(tmp_path))


def test_two_replicas_with_one_redis(tmp_path: Path, redis: Redis) -> None:
    check(15, lambda: Replicas(tmp_path, redis))
