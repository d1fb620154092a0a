"""Retry and delete: what is asked of a vendor once, and never again on the gateway's own account.

An action is written into the journal before it is sent and completed after. When its answer is
lost, nobody can tell whether the vendor acted, and that is what the caller is told.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from gateway import ids
from gateway.actions.outcomes import (
    Answer,
    encode,
    in_short,
    message_of,
    not_found,
    of_failure,
    stored,
    unfinished,
    unknown,
)
from gateway.actions.problems import (
    ActionNotSupported,
    AnyProblem,
    IdempotencyKeyReused,
    InvalidInput,
    NotAuthorized,
    OutcomeUnknown,
)
from gateway.callers import Role
from gateway.errors import ErrorCode, JournalError, RequestError, UpstreamError, defect
from gateway.journal import Action, ActionFilter, ActionKind, ActionPage, Journal, Outcome
from gateway.model import Capability, WebhookLog

if TYPE_CHECKING:
    from gateway.callers import Caller
    from gateway.sources import Source
    from gateway.upstream.operation import Operation

log = logging.getLogger(__name__)

MAX_KEY = 255
"""Characters of an idempotency key."""
LONGEST = 900.0
"""Seconds that an action may take where no deadline is enforced: all that it may wait for ends in
less."""
MARGIN = 5.0
"""Seconds past the operation's deadline in which an outcome may be recorded."""
NEEDS = {ActionKind.RETRY: Role.OPERATOR, ActionKind.DELETE: Role.ADMIN}
CAPABILITIES = {ActionKind.RETRY: Capability.RETRY, ActionKind.DELETE: Capability.DELETE}
VERBS = {ActionKind.RETRY: "retry", ActionKind.DELETE: "delete"}


def hindrance(
    kind: ActionKind, source: Source, caller: Caller, able: Sequence[str]
) -> AnyProblem | None:
    """Tell why a caller can't do an action on any log of a source, before any call.

    ``able`` are the names of the sources whose vendors can, as far as the caller sees them.
    """
    verb = VERBS[kind]
    if CAPABILITIES[kind] not in source.capabilities:
        others = f" Sources that can: {', '.join(able)}." if able else ""
        return ActionNotSupported(
            message=f"The vendor of source {source.name} can't {verb} webhook logs.{others}",
            path=("id",),
            action=kind,
            sources=tuple(able),
        )
    if not caller.may(NEEDS[kind], source.name):
        role = NEEDS[kind]
        return NotAuthorized(
            message=f"To {verb} logs of source {source.name} you need the role"
            f" {role.name.lower()}.",
            path=("id",),
            required_role=role,
        )
    return None


def able(kind: ActionKind, sources: Mapping[str, Source]) -> list[str]:
    """Name the sources whose vendors can do an action."""
    return [name for name, it in sources.items() if CAPABILITIES[kind] in it.capabilities]


class Actions:
    """Does actions, once for an idempotency key, however often and wherever they are asked.

    The journal is opened when it is first needed, by a server at its start: who only reads on the
    command line needs no disk.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._opening: asyncio.Task[Journal] | None = None
        # When each began, in seconds of the event loop's clock.
        self._under_way: dict[asyncio.Task[tuple[Action, Answer | None]], float] = {}

    async def journal(self) -> Journal:
        """Give the open journal; JournalError when it can't be opened."""
        if self._opening is None or _failed_task(self._opening):
            self._opening = asyncio.create_task(self._journal.__aenter__())
        return await asyncio.shield(self._opening)

    async def page(self, first: int, after: str | None, wanted: ActionFilter) -> ActionPage:
        """Give a page of the journal."""
        return await (await self.journal()).page(first, after, wanted)

    def has_news(self) -> bool:
        """Tell whether other processes may have done something that ``hear`` would tell."""
        opening = self._opening
        return opening is not None and opening.done() and self._journal.has_news()

    async def hear(self, settle: Callable[[Sequence[Action]], Awaitable[object]]) -> None:
        """Have something done about what other processes did, by the same file of SQLite."""
        await (await self.journal()).hear(settle)

    async def perform(
        self,
        kind: ActionKind,
        log_id: str,
        *,
        sources: Mapping[str, Source],
        caller: Caller,
        operation: Operation,
        key: str | None = None,
        request_id: str | None = None,
        settle: Callable[[Sequence[str]], Awaitable[object]],
    ) -> Answer:
        """Do an action on a log of one of the sources that the caller sees.

        ``settle`` is given the tags of what the action may have changed, whatever came of it.
        """
        try:
            reference = ids.decode(log_id, ids.Kind.LOG)
        except RequestError as error:
            return Answer(problem=InvalidInput(message=str(error), path=("id",)))
        if key is not None and not (0 < len(key) <= MAX_KEY and key.isprintable()):
            return Answer(
                problem=InvalidInput(
                    message=f"idempotencyKey must have 1 to {MAX_KEY} printable characters.",
                    path=("idempotencyKey",),
                )
            )
        source = sources.get(reference.source)
        if source is None or not source.grants(reference.place):
            return Answer(problem=not_found())
        if problem := hindrance(kind, source, caller, able(kind, sources)):
            return Answer(problem=problem)
        journal = await self.journal()
        hasty, operation = operation, operation.unhurried(LONGEST)
        recorded = asyncio.Event()
        sent: Action | None = None

        async def once() -> tuple[Action, Answer | None]:
            nonlocal sent
            try:
                begun = await journal.begin(
                    kind=kind,
                    log_id=log_id,
                    source=source.name,
                    upstream_id=reference.place[-1],
                    caller=f"{caller.method.value}:{caller.name}",
                    # No call outlasts the operation.
                    lease=operation.deadline - asyncio.get_running_loop().time() + MARGIN,
                    idempotency_key=key,
                    request_id=request_id,
                )
                sent = begun.action if begun.new else None
            finally:
                recorded.set()
            if not begun.new:
                return begun.action, None
            act = source.retry if kind is ActionKind.RETRY else source.delete

            async def send() -> WebhookLog | None:
                try:
                    return await act(reference.place, operation)
                finally:
                    await settle(source.touched(reference.place))

            return begun.action, await self._send(
                begun.action, send, operation, told=not source.personal
            )

        task = asyncio.create_task(once())
        self._under_way[task] = asyncio.get_running_loop().time()
        task.add_done_callback(self._under_way.pop)
        # Whoever asked may go away, or have less time; what was begun is completed all the same.
        until = hasty.deadline if hasty.deadline < operation.deadline else None
        try:
            async with asyncio.timeout_at(until):
                action, answer = await asyncio.shield(task)
        except TimeoutError:
            await recorded.wait()
            if sent is not None:
                return Answer(problem=unfinished(sent.id, key))
            action, answer = await asyncio.shield(task)
        return answer or await self._repeated(action, kind, log_id, reference.place, sources, hasty)

    async def close(self, seconds: float) -> None:
        """Wait until everything that is under way is completed, and close the journal.

        What is not completed ``seconds`` after it began is ended, and recorded as that.
        """
        for task, began in list(self._under_way.items()):
            left = began + seconds - asyncio.get_running_loop().time()
            await asyncio.wait([task], timeout=max(0.0, left))
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        if self._opening is None:
            return
        await asyncio.wait([self._opening])
        if not _failed_task(self._opening):
            await self._journal.__aexit__()

    async def _repeated(
        self,
        action: Action,
        kind: ActionKind,
        log_id: str,
        place: tuple[str, ...],
        sources: Mapping[str, Source],
        operation: Operation,
    ) -> Answer:
        """Give the answer of an action that another call has begun."""
        if (action.kind, action.log_id) != (kind, log_id):
            return Answer(
                problem=IdempotencyKeyReused(
                    message="That idempotencyKey was used for another action. Choose a new one for"
                    " each action.",
                    path=("idempotencyKey",),
                    log_id=action.log_id if action.source in sources else None,
                )
            )
        if action.outcome is Outcome.PENDING:
            try:
                action = await (await self.journal()).wait(action.id, operation.deadline)
            except JournalError:
                log.exception("What came of action %s can't be read.", action.id)
                return Answer(
                    problem=OutcomeUnknown(
                        message="It was begun, and the journal can't tell now what came of it. Ask"
                        " again with the same idempotencyKey.",
                        action_id=action.id,
                    )
                )
        if action.outcome is Outcome.PENDING:
            return Answer(problem=unfinished(action.id, action.idempotency_key))
        if (source := sources[action.source]).personal:
            return await _retold(action, source, place, operation)
        if action.answer is None:
            return Answer(problem=unknown(action.id))
        return stored(action.answer, action)

    async def _send(
        self,
        action: Action,
        act: Callable[[], Awaitable[WebhookLog | None]],
        operation: Operation,
        *,
        told: bool,
    ) -> Answer:
        error: UpstreamError | None = None
        calls = operation.calls[action.source]
        try:
            answer, outcome = Answer(log=await act()), Outcome.SUCCEEDED
        except UpstreamError as failure:
            error = failure
            answer, outcome = of_failure(action, failure)
        except asyncio.CancelledError:
            error = UpstreamError(
                ErrorCode.UPSTREAM_TIMEOUT,
                f"The gateway was stopped before source {action.source} had answered.",
                source=action.source,
                sent=operation.calls[action.source] > calls,
            )
            answer, outcome = of_failure(action, error)
        except Exception:
            log.exception("Action %s met a defect.", action.id)
            error = defect(action.source, sent=operation.calls[action.source] > calls)
            answer, outcome = of_failure(action, error)
        try:
            await (await self.journal()).complete(
                action.id,
                outcome,
                error_code=error.code.name if error else None,
                message=message_of(outcome, error) if error else None,
                # What was said to a caller's own credential is for nobody else.
                answer=encode(answer) if told else None,
            )
        except JournalError:
            # The caller is told what is known; the journal will tell that it does not know.
            log.exception("The outcome of action %s can't be recorded.", action.id)
        if error is not None and error.code is ErrorCode.INTERNAL_ERROR:
            raise UpstreamError(error.code, message_of(outcome, error), source=action.source)
        return answer


async def _retold(
    action: Action, source: Source, place: tuple[str, ...], operation: Operation
) -> Answer:
    """Tell of an action without what the vendor said to whoever began it.

    That was said to one credential, and now may come another, or none: the journal does not have
    it. The log is read again.
    """
    answer = in_short(action)
    if answer.problem:
        return answer
    try:
        kept = await source.log(place, operation)
    except UpstreamError:
        return answer
    return Answer(log=kept.value)


def _failed_task(task: asyncio.Task[Journal]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)
