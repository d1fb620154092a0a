"""Reads the configuration anew while the gateway serves: on SIGHUP, and when its files change."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from gateway.cli.supervisor import WorkerError
from gateway.config.files import files_noted
from gateway.errors import ConfigurationError, JournalError
from gateway.events import REFUSED, TAKEN, UNCHANGED, ConfigurationReloaded, Events
from gateway.sources.identity import identity_of

if TYPE_CHECKING:
    from gateway.cli.watch import Files
    from gateway.settings import Settings

log = logging.getLogger(__name__)

T = TypeVar("T")

FIXED = ("server.host", "server.port", "server.drain", "metrics", "traces", "log")
"""Settings that a running server keeps."""
DEFECT = "Reading the configuration anew met a defect, which the log has."

_thread = ThreadPoolExecutor(1, "reload")


class Configuration:
    """The configuration in force, and how to read it anew.

    ``read`` reads it, and ``check`` raises ConfigurationError or JournalError if it can't be used;
    it gets the settings in force, too, if there are any.
    """

    def __init__(
        self,
        read: Callable[[], Settings],
        check: Callable[[Settings, Settings | None], None],
    ) -> None:
        self.files: Files = {}
        """What was read last, whether it can be used or not."""
        self.restart: tuple[str, ...] = ()
        """Settings that were changed in the file, and are fixed."""
        self.changed: tuple[str, ...] = ()
        """Tables and sources that are others than those in force."""
        self._read = read
        self._check = check
        self._fixed: tuple[str, ...] = FIXED
        self.settings = self._read_files()
        self._digests = self._digests_read = _digests(self.settings)
        check(self.settings, None)

    def read_anew(self) -> Settings | None:
        """Return the new settings; None if they are the same, with all files that they name."""
        settings = self._read_files()
        old = self.settings
        changed = [name for name in self._fixed if _get(settings, name) != _get(old, name)]
        for name in changed:
            settings = _with(settings, name, _get(old, name))
        self.restart = tuple(changed)
        # They are read now, since what changes from now on is the next change.
        self._digests_read = _digests(settings)
        self.changed = tuple(self._changed(settings))
        self._check(settings, old)
        if settings == old and self._digests_read == self._digests:
            return None
        return settings

    def fix(self, name: str) -> None:
        """Keep one more setting as it is."""
        self._fixed = (*self._fixed, name)

    def put_in_force(self, settings: Settings) -> None:
        """Note that the settings that were read last are in force now."""
        self.settings, self._digests = settings, self._digests_read

    def _changed(self, settings: Settings) -> Iterator[str]:
        old = self.settings
        for table in type(settings).model_fields:
            if table != "sources" and _get(settings, table) != _get(old, table):
                yield table
        there = _by_name(settings, self._digests_read)
        before = _by_name(old, self._digests)
        for name in sorted(there | before):
            if there.get(name) != before.get(name):
                yield f"sources.{name}"

    def _read_files(self) -> Settings:
        with files_noted() as files:
            try:
                return self._read()
            finally:
                self.files = files


class Reloads:
    """Puts the configuration in force anew, whenever that is wanted.

    ``take_over`` puts new settings in force. ``again`` is called if they are the same; both return
    a sentence for the terminal. What happens is told to ``events``.
    """

    def __init__(
        self,
        configuration: Configuration,
        events: Events,
        take_over: Callable[[Settings], Awaitable[str]],
        again: Callable[[], Awaitable[str]],
        *,
        watched: bool = False,
    ) -> None:
        self._configuration = configuration
        self._events = events
        self._take_over = take_over
        self._again = again
        self._watched = watched
        self._wanted = asyncio.Event()
        self._is_signalled = False

    @contextlib.asynccontextmanager
    async def heeded(self, stop: Callable[[], None]) -> AsyncIterator[None]:
        """Reload on SIGHUP, or on a change of a file if they are watched, until the context ends.

        ``stop`` is called instead if SIGHUP says that the terminal has been closed.
        """
        self._heed_signal(stop)
        tasks = [asyncio.create_task(self._run())]
        if self._watched:
            tasks.append(asyncio.create_task(self._watch()))
        try:
            yield
        finally:
            # The handler stays: without one, SIGHUP would end the process before its requests.
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _heed_signal(self, stop: Callable[[], None]) -> None:
        if sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
            return
        # Under nohup, the end of the terminal does not count.
        terminal = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN and has_terminal()

        def hang_up() -> None:
            if terminal and not has_terminal():
                stop()
            else:
                self._is_signalled = True
                self._wanted.set()

        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hang_up)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})

    async def _watch(self) -> None:
        from gateway.cli.watch import changes  # noqa: PLC0415 - a library that few need

        async for _ in changes(lambda: self._configuration.files):
            self._wanted.set()

    async def _run(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            signalled, self._is_signalled = self._is_signalled, False
            await self._reload(signalled=signalled)

    async def _reload(self, *, signalled: bool) -> None:
        configuration, began = self._configuration, time.perf_counter()
        outcome, said = TAKEN, ""
        problems: tuple[str, ...] = ()
        try:
            settings = await in_reload_thread(configuration.read_anew)
            if settings is not None:
                said = await self._take_over(settings)
                configuration.put_in_force(settings)
            else:
                outcome = UNCHANGED
                said = await self._again() if signalled else ""
        except Exception as error:  # noqa: BLE001 - whatever it is, the server goes on
            outcome, problems = REFUSED, _problems(error)
        if said:
            typer.echo(said)
        self._events.emit(
            ConfigurationReloaded(
                outcome=outcome,
                seconds=time.perf_counter() - began,
                changed=configuration.changed if outcome == TAKEN else (),
                problems=problems,
                restart=() if outcome == REFUSED else configuration.restart,
            )
        )


async def in_reload_thread(call: Callable[[], T]) -> T:
    """Return what ``call`` returns in the thread for reloads, the only one of the process.

    glibc keeps memory that was freed in a thread for that thread. In a pool, each thread would come
    to hold what a reload takes at its most.
    """
    return await asyncio.get_running_loop().run_in_executor(_thread, call)


def _problems(error: Exception) -> tuple[str, ...]:
    if isinstance(error, ConfigurationError):
        return tuple(error.problems)
    if isinstance(error, JournalError | WorkerError):
        return (str(error),)
    log.error("Reading the configuration anew met a defect.", exc_info=error)
    return (DEFECT,)


def _digests(settings: Settings) -> list[tuple[bytes, ...]]:
    return [identity_of(source, reuse_rows=True).files for source in settings.sources]


def _by_name(settings: Settings, digests: list[tuple[bytes, ...]]) -> dict[str, object]:
    """Return the sources by their names, with the digests of their files."""
    pairs = zip(settings.sources, digests, strict=True)
    return {source.name: (source, files) for source, files in pairs}


def _get(settings: Settings, name: str) -> Any:
    found: Any = settings
    for part in name.split("."):
        found = getattr(found, part)
    return found


def _with(settings: Settings, name: str, value: Any) -> Settings:
    table, _, key = name.rpartition(".")
    if table:
        value = getattr(settings, table).model_copy(update={key: value})
    return settings.model_copy(update={table or key: value})


@contextlib.contextmanager
def hang_ups_held() -> Iterator[None]:
    """Let a SIGHUP that arrives during the start wait until it is heeded.

    It would end the process, although whoever sends it has just changed the configuration.
    """
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def has_terminal() -> bool:
    """Return whether the process has a terminal that can end it."""
    if sys.platform == "win32":
        return False
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
