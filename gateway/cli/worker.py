"""A process that serves, as its supervisor sees it, and the supervisor, as that process does."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

log = logging.getLogger(__name__)

STARTUP_TIMEOUT = 120.0
"""Seconds that a worker may take until it serves, or has taken over another configuration."""

_spawn = multiprocessing.get_context("spawn")


class Worker:
    """A process that runs ``target(link, *arguments)``, with a ``Link`` to this one."""

    def __init__(self, target: Callable[..., None], *arguments: object) -> None:
        self._loop = asyncio.get_running_loop()
        self._heard = asyncio.Event()
        self._answer: asyncio.Future[bool] | None = None
        self._connection, theirs = _spawn.Pipe()
        self._process = _spawn.Process(target=_run, args=(target, theirs, *arguments), daemon=True)
        self.ended = asyncio.Event()
        self.started_at = self._loop.time()
        self.serves = False
        self.fate = ""
        with theirs:
            try:
                with _interrupts_ignored():
                    self._process.start()
            except OSError as error:
                self._end(f"can't be started: {os.strerror(error.errno or 0).lower()}")
                return
        self._loop.add_reader(self._connection.fileno(), self._hear)
        self._loop.add_reader(self._process.sentinel, self._reap)

    @property
    def pid(self) -> int | None:
        """The process number."""
        return self._process.pid

    async def is_up(self) -> bool:
        """Wait until it serves, and return True; return False if it ends, or is killed, before."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STARTUP_TIMEOUT):
                await self._heard.wait()
        if not self.serves and not self.ended.is_set():
            self.signal(signal.SIGKILL)
            await self.ended.wait()
        return self.serves

    async def take_over(self, message: object) -> bool:
        """Pass on a new configuration; return whether it is in force now."""
        if not await self.is_up() or self.ended.is_set():
            return False
        self._answer = self._loop.create_future()
        try:
            async with asyncio.timeout(STARTUP_TIMEOUT):
                # It may be more than the pipe holds.
                await asyncio.to_thread(self._connection.send, message)
                return await self._answer
        except (TimeoutError, OSError):
            return False
        finally:
            self._answer = None

    def signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if not self.ended.is_set() and self.pid is not None:
            os.kill(self.pid, number)

    def _hear(self) -> None:
        try:
            answer = self._connection.recv()
        except (EOFError, OSError):
            self._loop.remove_reader(self._connection.fileno())
            return
        if not self.serves:
            self.serves = True
            self._heard.set()
        else:
            self._answered(answer)

    def _answered(self, answer: bool) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(answer)

    def _reap(self) -> None:
        self._loop.remove_reader(self._process.sentinel)
        self._loop.remove_reader(self._connection.fileno())
        self._process.join()
        code = self._process.exitcode or 0
        self._end(
            f"was ended by {signal.Signals(-code).name}"
            if code < 0
            else f"ended with exit code {code}"
        )

    def _end(self, fate: str) -> None:
        self.fate = fate
        self._connection.close()
        self.ended.set()
        self._heard.set()
        self._answered(False)


class Link:
    """The way from a worker to its supervisor, in the worker's process."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def started(self) -> None:
        """Say that requests are answered."""
        self._connection.send(True)

    @contextlib.asynccontextmanager
    async def obeyed(self, take_over: Callable[[Any], Awaitable[None]]) -> AsyncIterator[None]:
        """Call ``take_over`` with each configuration that arrives, and say whether it succeeded."""
        loop = asyncio.get_running_loop()
        tasks: set[asyncio.Task[None]] = set()

        def hear() -> None:
            try:
                message = self._connection.recv()
            except (EOFError, OSError):
                loop.remove_reader(self._connection.fileno())
                return
            task = asyncio.create_task(self._obey(take_over, message))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        loop.add_reader(self._connection.fileno(), hear)
        try:
            yield
        finally:
            loop.remove_reader(self._connection.fileno())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _obey(self, take_over: Callable[[Any], Awaitable[None]], message: object) -> None:
        try:
            await take_over(message)
        except Exception:
            log.exception("The new configuration can't be taken over.")
            self._connection.send(False)
        else:
            self._connection.send(True)


def _run(target: Callable[..., None], connection: Connection, *arguments: object) -> None:
    """Run a worker's target, in its process."""
    # Ctrl-C and the end of a terminal are for the supervisor, which then tells its workers.
    os.setpgid(0, 0)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        target(Link(connection), *arguments)
    except KeyboardInterrupt:
        pass
    except Exception:
        # What Python writes of it has not the form of the log.
        log.exception("This worker has a defect, or can't be made with its settings.")
        sys.exit(1)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None  # noqa: S101 - it is a child
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


@contextlib.contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Let a process that is started now ignore Ctrl-C until it has a handler."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
