"""The journal: begin, complete, await and list actions."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
import weakref
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from gateway.errors import JournalError
from gateway.journal import database, owner
from gateway.journal.action import Action, ActionKind, Outcome
from gateway.journal.page import ActionFilter, ActionPage, position_of
from gateway.journal.table import ACTIONS
from gateway.model import Timestamp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.ext.asyncio import AsyncConnection

FIRST_PAUSE, MAX_PAUSE = 0.05, 1.0
"""Seconds between two queries for an action that another process completes."""

_SECOND = 10**9
_HOUR = 60 * 60 * _SECOND
_OVERLAP = int(2 * database.TIMEOUT * _SECOND)
"""Longest time between the completion of an action and the commit that makes it visible."""
_PENDING = ACTIONS.c.outcome == Outcome.PENDING


class BeginResult(NamedTuple):
    """An action. It may be sent only if it is ``new``, that is, recorded by this call."""

    action: Action
    new: bool


class Journal:
    """The actions of the last ``retention_days``, in the database at ``url``.

    ``url`` has the form of ``JournalSettings.url``; ``clock`` returns Unix time in nanoseconds. Use
    as an asynchronous context manager: entering it migrates the tables, and sets to UNKNOWN the
    PENDING actions of processes of this machine that have ended. All methods raise JournalError
    when the database fails.
    """

    def __init__(
        self, url: str, *, retention_days: int, clock: Callable[[], int] = time.time_ns
    ) -> None:
        self._url = url
        self._retention = retention_days * 24 * _HOUR
        self._clock = clock
        self._purge_at = 0
        self._executing: set[asyncio.Task[list[Action]]] = set()
        # The time of the last handle_completed, the actions completed by then, the file's counter.
        self._handled_at = 0
        self._handled: frozenset[str] = frozenset()
        self._change_counter: bytes | None = None
        self._completed: weakref.WeakValueDictionary[str, asyncio.Event] = (
            weakref.WeakValueDictionary()
        )

    async def __aenter__(self) -> Journal:
        async with contextlib.AsyncExitStack() as stack:
            with database.connection_errors(self._url):
                self._file = database.sqlite_file(self._url)
                self._engine = database.open_engine(self._url)
                stack.push_async_callback(self._engine.dispose)
                async with self._engine.begin() as connection:
                    await connection.run_sync(database.migrate)
                    await _close_abandoned(connection)
                await self._purge()
            self._owner = owner.current_process()
            self._handled_at = self._clock()
            self._change_counter = self._read_counter()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*self._executing, return_exceptions=True)
        await self._stack.aclose()

    async def begin(
        self,
        *,
        kind: ActionKind,
        log_id: str,
        source: str,
        upstream_id: str,
        caller: str,
        lease: float,
        idempotency_key: str | None = None,
        request_id: str | None = None,
    ) -> BeginResult:
        """Record an action before it is sent; it has ``lease`` seconds to be completed.

        If the caller has used the idempotency key before, for any action, that action is returned
        instead. A key has at most some hundred characters, none of them a control character.
        """
        now = self._clock()
        action = Action(
            id=uuid.uuid4().hex,
            kind=kind,
            log_id=log_id,
            source=source,
            upstream_id=upstream_id,
            caller=caller,
            idempotency_key=idempotency_key,
            request_id=request_id,
            requested_at=Timestamp(now),
            lease_until=Timestamp(now + int(lease * _SECOND)),
        )
        dialect = postgresql if self._engine.dialect.name == "postgresql" else sqlite
        insert = dialect.insert(ACTIONS).values(owner=self._owner, **msgspec.structs.asdict(action))
        # ON CONFLICT DO NOTHING would return no row, and by a second statement the row may have
        # been purged. So update the row without changing it.
        statement = insert.on_conflict_do_update(
            index_elements=[ACTIONS.c.caller, ACTIONS.c.idempotency_key],
            set_={"caller": insert.excluded.caller},
        )
        (stored,) = await self._actions(statement.returning(*_columns(now)))
        return BeginResult(stored, new=stored.id == action.id)

    async def complete(
        self,
        id: str,
        outcome: Outcome,
        *,
        error_code: str | None = None,
        message: str | None = None,
        answer: bytes | None = None,
    ) -> Action:
        """Record the outcome of an action, once, and wake the tasks that wait for it.

        A late outcome replaces UNKNOWN, whether from an expired lease or from a process that was
        presumed dead: UNKNOWN claims neither success nor failure.
        """
        now = self._clock()
        statement = (
            sa.update(ACTIONS)
            .where(ACTIONS.c.id == id, ACTIONS.c.completed_at.is_(None))
            .values(
                completed_at=now,
                outcome=outcome,
                error_code=error_code,
                # PostgreSQL's text can't hold NUL, and a vendor's message may.
                message=message and message.replace("\0", "\N{REPLACEMENT CHARACTER}"),
                answer=answer,
            )
        )
        actions = await self._actions(statement.returning(*_columns(now)))
        if not actions:
            raise JournalError("The journal has no such action, or has completed it already.")
        if event := self._completed.get(id):
            event.set()
        return actions[0]

    async def get(self, id: str) -> Action | None:
        """Return an action, or None."""
        columns = _columns(self._clock())
        actions = await self._actions(sa.select(*columns).where(ACTIONS.c.id == id))
        return actions[0] if actions else None

    async def wait(self, id: str, deadline: float) -> Action:
        """Wait until an action is completed or its lease ends, and return it.

        At the deadline, in seconds of the event loop's clock, return it PENDING.
        """
        loop = asyncio.get_running_loop()
        completed = self._completed.setdefault(id, asyncio.Event())
        pause = FIRST_PAUSE
        while True:
            action = await self.get(id)
            if action is None:
                raise JournalError("The journal has no such action.")
            left = deadline - loop.time()
            if action.outcome is not Outcome.PENDING or left <= 0:
                return action
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(pause, left)):
                    await completed.wait()
            pause = min(2 * pause, MAX_PAUSE)

    def may_have_changed(self) -> bool:
        """Return whether the file may have changed since ``handle_completed``.

        Always False with PostgreSQL, which can't show it without a query.
        """
        if self._file is None:
            return False
        counter = self._read_counter()
        return counter is None or counter != self._change_counter

    async def handle_completed(
        self, handle: Callable[[Sequence[Action]], Awaitable[object]]
    ) -> None:
        """Pass the actions completed since the last call to ``handle``.

        If ``handle`` fails, the next call passes them again.
        """
        counter, now = self._read_counter(), self._clock()
        since = self._handled_at - _OVERLAP
        # The index is on requested_at, and an action takes less than an hour.
        recent = ACTIONS.c.requested_at > since - _HOUR
        statement = sa.select(*_columns(now)).where(recent, ACTIONS.c.completed_at > since)
        completed = {action.id: action for action in await self._actions(statement)}
        await handle([action for id, action in completed.items() if id not in self._handled])
        self._handled_at, self._handled, self._change_counter = now, frozenset(completed), counter

    async def page(self, first: int, after: str | None, wanted: ActionFilter) -> ActionPage:
        """Return a page of actions, newest first; RequestError if the cursor is invalid."""
        now = self._clock()
        statement = (
            sa.select(*_columns(now))
            .where(*_conditions(wanted, now))
            .order_by(ACTIONS.c.requested_at.desc(), ACTIONS.c.id.desc())
            .limit(first + 1)
        )
        if after is not None:
            position = sa.tuple_(ACTIONS.c.requested_at, ACTIONS.c.id)
            statement = statement.where(position < msgspec.structs.astuple(position_of(after)))
        actions = await self._actions(statement)
        return ActionPage(tuple(actions[:first]), has_next_page=len(actions) > first)

    async def _actions(self, statement: sa.Executable) -> list[Action]:
        """Execute a statement that returns ``_columns``, in a transaction of its own.

        A caller that is cancelled does not cancel the statement: the driver can't stop one that
        waits for a lock, and would leave its connection and a task behind.
        """
        task = asyncio.create_task(self._execute(statement))
        self._executing.add(task)
        task.add_done_callback(self._executed)
        return await asyncio.shield(task)

    def _executed(self, task: asyncio.Task[list[Action]]) -> None:
        self._executing.discard(task)
        if not task.cancelled():
            task.exception()  # its caller may have been cancelled

    async def _execute(self, statement: sa.Executable) -> list[Action]:
        try:
            await self._purge()
            async with self._engine.begin() as connection:
                rows = await connection.execute(statement)
                return [Action(**row) for row in rows.mappings()]
        except database.DATABASE_ERRORS as error:
            raise JournalError(
                "The journal of actions can't be read or written now.",
                database.reason(error, self._url),
            ) from error

    def _read_counter(self) -> bytes | None:
        return None if self._file is None else self._file.change_counter()

    async def _purge(self) -> None:
        """Once an hour, delete actions older than the retention."""
        now = self._clock()
        if now < self._purge_at:
            return
        self._purge_at = now + _HOUR
        async with self._engine.begin() as connection:
            await connection.execute(
                sa.delete(ACTIONS).where(ACTIONS.c.requested_at < now - self._retention)
            )


def _columns(now: int) -> list[sa.ColumnElement[Any]]:
    columns = [ACTIONS.c[name] for name in Action.__struct_fields__ if name != "outcome"]
    return [*columns, _outcome(now).label("outcome")]


def _outcome(now: int) -> sa.ColumnElement[Outcome]:
    """Return the outcome as callers see it: PENDING turns to UNKNOWN when the lease ends."""
    unknown = sa.literal(Outcome.UNKNOWN, ACTIONS.c.outcome.type)
    return sa.case((_PENDING & (ACTIONS.c.lease_until <= now), unknown), else_=ACTIONS.c.outcome)


def _conditions(wanted: ActionFilter, now: int) -> Iterator[sa.ColumnElement[bool]]:
    if wanted.kind is not None:
        yield ACTIONS.c.kind == wanted.kind
    if wanted.outcome is not None:
        yield _outcome(now) == wanted.outcome
    if wanted.sources is not None:
        yield ACTIONS.c.source.in_(sorted(wanted.sources))
    if wanted.caller is not None:
        # No caller has an unprintable name, and PostgreSQL refuses some of those as text.
        yield ACTIONS.c.caller == wanted.caller if wanted.caller.isprintable() else sa.false()


async def _close_abandoned(connection: AsyncConnection) -> None:
    """Set to UNKNOWN the PENDING actions of processes of this machine that have ended."""
    owners = await connection.scalars(sa.select(ACTIONS.c.owner).where(_PENDING).distinct())
    ended = [name for name in owners if owner.has_ended(name)]
    await connection.execute(
        sa.update(ACTIONS)
        .where(_PENDING, ACTIONS.c.owner.in_(ended))
        .values(outcome=Outcome.UNKNOWN)
    )
