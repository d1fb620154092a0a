"""The journal: actions are begun, completed, waited for and listed."""

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
from gateway.journal.page import ActionFilter, ActionPage, place_of
from gateway.journal.table import ACTIONS
from gateway.model import Timestamp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.ext.asyncio import AsyncConnection

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0
"""Seconds between two looks at an action that another process completes."""

_SECOND = 10**9
_HOUR = 60 * 60 * _SECOND
_OVERLAP = int(2 * database.PATIENCE * _SECOND)
"""How long it may take at most until what is completed can be seen by others."""
_PENDING = ACTIONS.c.outcome == Outcome.PENDING


class Begun(NamedTuple):
    """An action, and whether this call recorded it: then, and only then, it is to be sent."""

    action: Action
    new: bool


class Journal:
    """The actions of the last ``retention_days``, in the database at ``url``.

    ``url`` is as ``JournalSettings`` has it, ``clock`` gives Unix time in nanoseconds. Use as an
    asynchronous context manager: entering it brings the tables up to date, and gives up the
    actions that a process of this host left PENDING when it died. Everything raises JournalError
    where the database fails.
    """

    def __init__(
        self, url: str, *, retention_days: int, clock: Callable[[], int] = time.time_ns
    ) -> None:
        self._url = url
        self._retention = retention_days * 24 * _HOUR
        self._clock = clock
        self._purge_at = 0
        # When it was last looked what was completed, what that was, and what the file was like.
        self._heard_at = 0
        self._heard: frozenset[str] = frozenset()
        self._changes: bytes | None = None
        self._completed: weakref.WeakValueDictionary[str, asyncio.Event] = (
            weakref.WeakValueDictionary()
        )

    async def __aenter__(self) -> Journal:
        async with contextlib.AsyncExitStack() as stack:
            with database.opening(self._url):
                self._engine = database.open_engine(self._url)
                stack.push_async_callback(self._engine.dispose)
                async with self._engine.begin() as connection:
                    await connection.run_sync(database.migrate)
                    await _give_up_abandoned(connection)
                await self._purge()
            self._owner = owner.own()
            self._heard_at = self._clock()
            self._changes = database.changes(self._url)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
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
    ) -> Begun:
        """Record an action that is about to be sent, to be completed within ``lease`` seconds.

        Where the caller has used the key before, whatever for, that action is given instead. The
        key is text of at most some hundred characters, without control characters.
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
        # An update that changes nothing, because a conflict with nothing to do returns no row, and
        # a row that is looked for in a second statement may be gone by then.
        statement = insert.on_conflict_do_update(
            index_elements=[ACTIONS.c.caller, ACTIONS.c.idempotency_key],
            set_={"caller": insert.excluded.caller},
        )
        (stored,) = await self._actions(statement.returning(*_columns(now)))
        return Begun(stored, new=stored.id == action.id)

    async def complete(
        self,
        id: str,
        outcome: Outcome,
        *,
        error_code: str | None = None,
        message: str | None = None,
        answer: bytes | None = None,
    ) -> Action:
        """Record what came of an action, and wake those who wait for it.

        That can be said once. It may be late: an action given up for UNKNOWN, by a lease that was
        too short or a process taken for dead, then gets its outcome after all. Who was told
        UNKNOWN was told that either may be true.
        """
        now = self._clock()
        statement = (
            sa.update(ACTIONS)
            .where(ACTIONS.c.id == id, ACTIONS.c.completed_at.is_(None))
            .values(
                completed_at=now,
                outcome=outcome,
                error_code=error_code,
                # A vendor's words may hold what PostgreSQL's text can't.
                message=message and message.replace("\0", "\N{REPLACEMENT CHARACTER}"),
                answer=answer,
            )
        )
        actions = await self._actions(statement.returning(*_columns(now)))
        if not actions:
            raise JournalError("The journal has no such action, or has it completed already.")
        if event := self._completed.get(id):
            event.set()
        return actions[0]

    async def get(self, id: str) -> Action | None:
        """Look one action up."""
        columns = _columns(self._clock())
        actions = await self._actions(sa.select(*columns).where(ACTIONS.c.id == id))
        return actions[0] if actions else None

    async def wait(self, id: str, deadline: float) -> Action:
        """Wait until an action is PENDING no more, and give it as it then is.

        The deadline is in seconds of the event loop's clock; past it, the action is given PENDING.
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
            pause = min(2 * pause, LONGEST_PAUSE)

    def has_news(self) -> bool:
        """Tell whether something was written since ``hear``; of SQLite alone that can be seen."""
        return database.changes(self._url) != self._changes

    async def hear(self, settle: Callable[[Sequence[Action]], Awaitable[object]]) -> None:
        """Have something done about the actions that were completed since it was done last.

        All of it is told again where it was not done.
        """
        changes, now = database.changes(self._url), self._clock()
        since = self._heard_at - _OVERLAP
        # No action that began longer ago is completed only now, and the index has the beginnings.
        recent = ACTIONS.c.requested_at > since - _HOUR
        statement = sa.select(*_columns(now)).where(recent, ACTIONS.c.completed_at > since)
        completed = {action.id: action for action in await self._actions(statement)}
        await settle([action for id, action in completed.items() if id not in self._heard])
        self._heard_at, self._heard, self._changes = now, frozenset(completed), changes

    async def page(self, first: int, after: str | None, wanted: ActionFilter) -> ActionPage:
        """List actions, newest first, behind the cursor ``after``; RequestError if it is none."""
        now = self._clock()
        statement = (
            sa.select(*_columns(now))
            .where(*_conditions(wanted, now))
            .order_by(ACTIONS.c.requested_at.desc(), ACTIONS.c.id.desc())
            .limit(first + 1)
        )
        if after is not None:
            place = sa.tuple_(ACTIONS.c.requested_at, ACTIONS.c.id)
            statement = statement.where(place < msgspec.structs.astuple(place_of(after)))
        actions = await self._actions(statement)
        return ActionPage(tuple(actions[:first]), has_next_page=len(actions) > first)

    async def _actions(self, statement: sa.Executable) -> list[Action]:
        """Execute a statement of ``_columns`` in a transaction of its own."""
        try:
            await self._purge()
            async with self._engine.begin() as connection:
                rows = await connection.execute(statement)
                return [Action(**row) for row in rows.mappings()]
        except database.DATABASE_ERRORS as error:
            raise JournalError("The journal of actions can't be read or written now.") from error

    async def _purge(self) -> None:
        """Delete what is older than the retention, once an hour."""
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
    """Give the outcome as it is to be read: PENDING only as long as the lease."""
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
        # What no caller's name has, PostgreSQL's text could not even hold.
        yield ACTIONS.c.caller == wanted.caller if wanted.caller.isprintable() else sa.false()


async def _give_up_abandoned(connection: AsyncConnection) -> None:
    """Turn to UNKNOWN what dead processes of this host left PENDING."""
    owners = await connection.scalars(sa.select(ACTIONS.c.owner).where(_PENDING).distinct())
    gone = [name for name in owners if owner.is_gone(name)]
    await connection.execute(
        sa.update(ACTIONS)
        .where(_PENDING, ACTIONS.c.owner.in_(gone))
        .values(outcome=Outcome.UNKNOWN)
    )
