"""What is written without graphql-core is what graphql-core would give, to the byte.

graphql-core alone is the reference: random operations are executed both ways, by callers of
different roles, over records some of which are spoilt and sources some of which fail.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import random
import re
from typing import TYPE_CHECKING

import pytest

from gateway.callers import ANONYMOUS, Role
from gateway.feed import cursor
from gateway.limits import LimitError
from gateway.sandbox import Sandbox
from gateway.schema import build_schema, rows
from tests.schema.sides import Side, caller, opened
from tests.support.clock import SECOND, Clock
from tests.support.moment import MOMENT, stopped
from tests.support.operations import Operation, Operations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gateway.schema import Schema
    from gateway.settings import Settings

SPOILT = 0.02
"""Share of the records that are spoilt."""
FAILING = 0.02
"""Share of the operations for which a source fails."""

NO_DATA = b'{"data":null'
TURNS = re.compile(rb'"upstreamCalls[01]?":\d+|"HIT"|"MISS"')
"""What depends on how lists that are read together take turns: calls for the operation so far, and
which list was the first to ask for a page."""
TIMES = re.compile(
    rb'"last(?:Success|Failure)At[01]?":(?:null|"[^"]*")|"recentCalls[01]?":(?:null|{[^}]*})'
)
"""When a vendor answered last, and how fast, which depends on the turns of earlier operations."""


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    return Sandbox(clock=stopped, logs=300)


def valid(operations: Operations, schema: Schema) -> Operation:
    """Return the next operation that is valid, and within the limits."""
    while True:
        asked = operations.next()
        with contextlib.suppress(LimitError):
            if not schema.documents.get(asked.text).errors:
                return asked


@pytest.fixture
def collected_on_request() -> Iterator[None]:
    """Collect garbage only where the test does.

    What graphql-core left unstarted warns when it is collected, which must not be in a named
    tuple's constructor: that can't import the module warnings.
    """
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("collected_on_request")
@pytest.mark.parametrize(
    ("seed", "count"),
    [(1, 25), *(pytest.param(seed, 500, marks=pytest.mark.slow) for seed in range(2, 12))],
)
async def test_random_operations_have_the_results_of_graphql_core(
    sandbox: Sandbox,
    demo_settings: Settings,
    seed: int,
    count: int,
    record_property: Callable[[str, object], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No client can tell how its query was executed."""
    chance = random.Random(seed)
    names = [source.name for source in demo_settings.sources]
    callers = {
        ANONYMOUS: 9,
        caller((Role.VIEWER, None)): 1,
        caller((Role.READER, None)): 2,
        caller((Role.OPERATOR, None)): 1,
        caller((Role.ADMIN, None)): 4,
        caller((Role.READER, frozenset(names[:2])), (Role.ADMIN, frozenset(names[2:3]))): 1,
        caller((Role.VIEWER, None), (Role.OPERATOR, frozenset(names[1:2]))): 1,
        caller((Role.ADMIN, frozenset(names[3:]))): 1,
    }
    schema = build_schema(incremental=True)
    lifetimes = dict.fromkeys(("first_page", "page", "detail", "hooks"), 86_400.0)
    cache = demo_settings.cache.model_copy(update=lifetimes)
    settings = demo_settings.model_copy(update={"cache": cache})
    clock = Clock(MOMENT * SECOND)
    lists = written = without_errors = 0
    async with (
        opened(settings, sandbox, schema, writes=True, spoilt=SPOILT, clock=clock) as ours,
        opened(settings, sandbox, schema, writes=False, spoilt=SPOILT, clock=clock) as core,
    ):
        page = await ours.gateway.logs(ours.gateway.operation(), first=5)
        await core.gateway.logs(core.gateway.operation(), first=5)
        cursors = [cursor.encode(entry.cursor()) for entry in page.slice.entries]
        operations = Operations(schema._schema, chance, cursors)
        for number in range(count):
            asked = valid(operations, schema)
            # Each record in its turn, or all of them at once.
            monkeypatch.setattr(rows, "TURN", number % 2 * 3600)
            failing = {chance.choice(names)} if chance.random() < FAILING else set()
            if number % 5 == 0:
                clock.advance(1)
                for side in (ours, core):  # so that pages of one list have different ages
                    await side.gateway.invalidate([f"source:{names[number // 5 % len(names)]}"])
            # Some twice, so that what was kept for one caller is there when the other asks.
            times = 1 if number % 3 else 2
            for seen_by in chance.choices(list(callers), list(callers.values()), k=times):
                asked.flip()
                for side in (ours, core):
                    side.readings.begin(failing, era=number // 5)
                found, is_written = await ours.execute(asked, seen_by)
                expected, _ = await core.execute(asked, seen_by)
                assert comparable(asked, found) == comparable(asked, expected), (asked, seen_by)
                # Without data, no list was read: the operation was refused, or all of it failed.
                lists += 0 if found.startswith(NO_DATA) else asked.lists
                written += asked.lists * is_written
                is_same = ours.readings.counts == core.readings.counts
                if b'"errors":' not in found:
                    without_errors += asked.lists
                    assert is_same, asked
                else:
                    await settled()
                    gc.collect(1)
                    if asked.lists > 1 or not is_same:
                        # graphql-core cancels what it no longer needs, at some point.
                        await read_anew(ours, core)
    record_property(
        "shown",
        f"seed {seed}: {written} of {lists} lists were written ({written / lists:.1%}),"
        f" {written / without_errors:.1%} of those without errors",
    )
    assert written > 0.8 * lists
    assert written > 0.9 * without_errors


def comparable(asked: Operation, response: bytes) -> bytes:
    """Return what has to be the same in a response, whatever the turns of its lists."""
    response = TIMES.sub(b"?", response)
    if asked.lists == 1:
        return response
    # Without data, it depends on the turns which fields of the other lists failed before.
    return NO_DATA if response.startswith(NO_DATA) else TURNS.sub(b"?", response)


async def settled() -> None:
    """Let the work end that graphql-core leaves in the background."""
    for _ in range(50):
        await asyncio.sleep(0)


async def read_anew(*sides: Side) -> None:
    """Let both sides have read the same at the same time."""
    for side in sides:
        side.readings.begin(set(), era=side.readings.era)
        await side.gateway.invalidate([f"source:{name}" for name in side.gateway.sources])
        await side.gateway.logs(side.gateway.operation(), first=5)
