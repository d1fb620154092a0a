"""Retry and delete. Each action is sent to its vendor at most once.

An action is recorded in the journal before it is sent and completed afterwards. The gateway never
repeats one: when the response is lost, the outcome is reported as unknown.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from gateway import ids
from gateway.actions.outcomes import (
    ActionResult,
    decode,
    encode,
    failure_result,
    message_of,
    not_found,
    outcome_only,
    still_in_progress,
    unknown_outcome,
)
from gateway.actions.permissions import any_supported, denial, supporting_sources
from gateway.actions.problems import (
    AnyProblem,
    IdempotencyKeyReused,
    InvalidInput,
    OutcomeUnknown,
    Problem,
)
from gateway.actions.recorder import OutcomeRecorder
from gateway.errors import (
    ErrorCode,
    JournalError,
    RequestError,
    UpstreamError,
    internal_error,
    without_frames,
)
from gateway.events import ActionRecorded, Events
from gateway.journal import Action, ActionFilter, ActionKind, ActionPage, Journal, Outcome
from gateway.sources.retries import Retry
from gateway.vendors.retried import RetryKind

if TYPE_CHECKING:
    from gateway.callers import Caller
    from gateway.sources import Source
    from gateway.upstream.operation import Operation

Evict = Callable[[Sequence[str]], Awaitable[object]]
"""Evicts cached entries by tag."""

log = logging.getLogger(__name__)

MAX_KEY = 255
"""Maximum length of an idempotency key in characters."""
MAX_SECONDS = 900.0
"""Seconds that an action may take if no deadline is enforced; every wait within it is shorter."""
MARGIN = 5.0
"""Seconds after the operation's deadline in which the outcome can still be recorded."""
TIME_TO_RECORD = 0.5
"""Seconds before a caller's deadline at which a retry stops waiting for the log that it makes."""


class _Target(NamedTuple):
    """A log that the caller may act on."""

    source: Source
    place: tuple[str, ...]

    async def act(
        self, kind: ActionKind, operation: Operation, evict: Evict, deadline: float
    ) -> ActionResult:
        """Send an action, and wait for the log that it makes, but not until the deadline."""
        tags = self.source.affected_tags(self.place)
        try:
            if kind is ActionKind.DELETE:
                return ActionResult(log=await self.source.delete(self.place, operation))
            retry = Retry(self.source, self.place, operation)
            retried = await retry.send()
            if retried.kind is RetryKind.NEW_LOG:
                # Nobody has to wait for the new log to be found.
                await evict(tags)
            # It was sent, whatever happens now.
            with contextlib.suppress(asyncio.CancelledError):
                await retry.read(retried, deadline - TIME_TO_RECORD)
            return ActionResult(kind=retried.kind, log=retry.log, replacement=retry.replacement)
        finally:
            await evict(tags)


def _find(
    kind: ActionKind, log_id: str, key: str | None, sources: Mapping[str, Source], caller: Caller
) -> _Target | AnyProblem:
    try:
        reference = ids.decode(log_id, ids.Kind.LOG)
    except RequestError as error:
        return InvalidInput(message=str(error), path=("id",))
    if key is not None and not (0 < len(key) <= MAX_KEY and key.isprintable()):
        return InvalidInput(
            message=f"idempotencyKey must have 1 to {MAX_KEY} printable characters.",
            path=("idempotencyKey",),
        )
    source = sources.get(reference.source)
    if source is None or not source.grants(reference.place):
        return not_found()
    problem = denial(kind, source, caller, supporting_sources(kind, sources))
    return problem or _Target(source, reference.place)


class Actions:
    """Performs actions, each once per idempotency key, across processes that share a journal.

    The journal is opened on first use, so that commands that only read need no database; a server
    opens it by ``start``.
    """

    def __init__(self, journal: Journal, events: Events | None = None) -> None:
        self._journal = journal
        self._events = events or Events()
        self._recorder = OutcomeRecorder()
        self._opening: asyncio.Task[Journal] | None = None
        # With start times in seconds of the event loop's clock.
        self._in_progress: dict[
            asyncio.Task[tuple[Action, ActionResult | None]], tuple[Source, float]
        ] = {}

    async def start(self, sources: Mapping[str, Source]) -> None:
        """Open the journal when a server starts; JournalError if an action could need it.

        Otherwise the failure is logged. The list of past actions then fails until the journal can
        be opened.
        """
        try:
            await self.journal()
        except JournalError as error:
            if any_supported(sources):
                raise
            log.warning(
                "%s No source can retry or delete, so the gateway starts without it.", error
            )

    async def journal(self) -> Journal:
        """Return the open journal; JournalError if it can't be opened."""
        if self._opening is None or _has_failed(self._opening):
            self._opening = asyncio.create_task(self._journal.__aenter__())
        return await asyncio.shield(self._opening)

    async def page(self, first: int, after: str | None, wanted: ActionFilter) -> ActionPage:
        """Return a page of the journal."""
        return await (await self.journal()).page(first, after, wanted)

    def may_have_changed(self) -> bool:
        """Return whether other processes may have completed actions since ``handle_completed``."""
        opening = self._opening
        opened = opening is not None and opening.done() and not _has_failed(opening)
        return opened and self._journal.may_have_changed()

    async def handle_completed(
        self, evict: Callable[[Sequence[Action]], Awaitable[object]]
    ) -> None:
        """Pass the actions that other processes completed in the same file to ``handle``."""
        await (await self.journal()).handle_completed(evict)

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
        evict: Evict,
    ) -> ActionResult:
        """Perform an action on a log of one of ``sources``, those visible to the caller.

        ``evict`` receives the cache tags that the action may have changed, whatever its outcome.
        JournalError if the action can't be recorded; it is not sent then.
        """
        target = _find(kind, log_id, key, sources, caller)
        if isinstance(target, Problem):
            return ActionResult(problem=target)
        journal = await self.journal()
        waiting, operation = operation, operation.with_longest_deadline(MAX_SECONDS)
        recorded = asyncio.Event()
        sent: Action | None = None

        async def run() -> tuple[Action, ActionResult | None]:
            nonlocal sent
            try:
                begun = await journal.begin(
                    kind=kind,
                    log_id=log_id,
                    source=target.source.name,
                    upstream_id=target.place[-1],
                    caller=f"{caller.method.value}:{caller.name}",
                    # No call takes longer than the operation.
                    lease=operation.deadline - asyncio.get_running_loop().time() + MARGIN,
                    idempotency_key=key,
                    request_id=request_id,
                )
                sent = begun.action if begun.new else None
            finally:
                recorded.set()
            if sent is None:
                return begun.action, None
            return sent, await self._send(sent, target, operation, evict, waiting.deadline)

        task = asyncio.create_task(run())
        self._in_progress[task] = target.source, asyncio.get_running_loop().time()
        task.add_done_callback(self._in_progress.pop)
        # The caller may disconnect or time out; the task continues regardless.
        until = waiting.deadline if waiting.deadline < operation.deadline else None
        try:
            async with asyncio.timeout_at(until):
                action, answer = await asyncio.shield(task)
        except TimeoutError:
            await recorded.wait()
            if sent is not None:
                return ActionResult(problem=still_in_progress(sent.id, key))
            action, answer = await asyncio.shield(task)
        if answer is None and (action.kind, action.log_id) != (kind, log_id):
            return ActionResult(problem=_key_reused(action, sources))
        return answer or await self._await_earlier(action, target, waiting)

    async def finish(self, sources: Collection[Source], seconds: float) -> None:
        """Wait for the actions in progress on some sources.

        An action that is not completed ``seconds`` after its start is cancelled, and its outcome
        recorded.
        """
        tasks = []
        for task, (source, began) in list(self._in_progress.items()):
            if source in sources:
                left = began + seconds - asyncio.get_running_loop().time()
                await asyncio.wait([task], timeout=max(0.0, left))
                task.cancel()
                tasks.append(task)
        await asyncio.gather(*tasks, return_exceptions=True)

    async def close(self, seconds: float) -> None:
        """Wait for all actions in progress as ``finish`` does, then close the journal."""
        while self._in_progress:
            await self.finish([source for source, _ in self._in_progress.values()], seconds)
        await self._recorder.close()
        if self._opening is None:
            return
        await asyncio.wait([self._opening])
        if not _has_failed(self._opening):
            await self._journal.__aexit__()

    async def _await_earlier(
        self, action: Action, target: _Target, operation: Operation
    ) -> ActionResult:
        """Wait for an action that an earlier request began, and return its result."""
        if action.outcome is Outcome.PENDING:
            try:
                action = await (await self.journal()).wait(action.id, operation.deadline)
            except JournalError as error:
                log.warning("The outcome of action %s can't be read: %s", action.id, error.reason)
                return ActionResult(
                    problem=OutcomeUnknown(
                        message="The action was begun, but the journal can't be read now. Ask again"
                        " with the same idempotencyKey.",
                        action_id=action.id,
                    )
                )
        if action.outcome is Outcome.PENDING:
            return ActionResult(problem=still_in_progress(action.id, action.idempotency_key))
        if target.source.personal:
            return await _private_result(action, target, operation)
        if action.answer is None:
            return ActionResult(problem=unknown_outcome(action.id))
        return decode(action.answer, action)

    async def _send(
        self,
        action: Action,
        target: _Target,
        operation: Operation,
        evict: Evict,
        deadline: float,
    ) -> ActionResult:
        """Send an action and record its outcome; the caller waits until the deadline."""
        error: UpstreamError | None = None
        answer = ActionResult()
        calls = operation.calls[action.source]
        began = time.perf_counter()
        try:
            answer = await target.act(action.kind, operation, evict, deadline)
        except UpstreamError as failure:
            error = without_frames(failure)
        except asyncio.CancelledError:
            error = UpstreamError(
                ErrorCode.UPSTREAM_TIMEOUT,
                f"The gateway was stopped before source {action.source} had answered.",
                source=action.source,
                sent=operation.calls[action.source] > calls,
            )
        except Exception:
            log.exception("Action %s met a defect.", action.id)
            error = internal_error(action.source, sent=operation.calls[action.source] > calls)
        outcome = Outcome.SUCCEEDED
        if error is not None:
            answer, outcome = failure_result(action, error)
        await self._recorder.record(
            await self.journal(),
            action.id,
            outcome,
            error_code=error.code.name if error else None,
            message=message_of(outcome, error) if error else None,
            # A vendor's response to a caller's own credential is private to that caller.
            answer=encode(answer, private=target.source.personal),
        )
        if self._events.wants(ActionRecorded):
            self._events.emit(
                ActionRecorded(
                    action_id=action.id,
                    kind=action.kind.name,
                    source=action.source,
                    log_id=action.log_id,
                    caller=action.caller,
                    outcome=outcome.name,
                    code=error.code.name if error else None,
                    seconds=time.perf_counter() - began,
                    request_id=action.request_id,
                )
            )
        if error is not None and error.code is ErrorCode.INTERNAL_ERROR:
            raise UpstreamError(error.code, message_of(outcome, error), source=action.source)
        return answer


def _key_reused(action: Action, sources: Mapping[str, Source]) -> IdempotencyKeyReused:
    return IdempotencyKeyReused(
        message="That idempotencyKey was used for another action. Choose a new one for each.",
        path=("idempotencyKey",),
        log_id=action.log_id if action.source in sources else None,
    )


async def _private_result(action: Action, target: _Target, operation: Operation) -> ActionResult:
    """Return the outcome of an action, with the log as the caller's own credential shows it now.

    The vendor's response was to another caller's credential, so the journal does not store it.
    """
    answer = outcome_only(action)
    if answer.problem:
        return answer
    if action.answer is not None:
        answer = ActionResult(kind=decode(action.answer, action).kind)
    try:
        kept = await target.source.log(target.place, operation)
    except UpstreamError:
        return answer
    return replace(answer, log=kept.value)


def _has_failed(task: asyncio.Task[Journal]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)
