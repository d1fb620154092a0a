"""An event loop whose time passes only where something waits for it, and then at once.

A module that sleeps, or has deadlines, runs its tests on it by a fixture of its own::

    @pytest.fixture(scope="module")
    def anyio_backend() -> Backend:
        return VIRTUAL_TIME

That loop is the module's; what has to begin anew is given to ``run`` by a test of its own.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

Backend = tuple[str, dict[str, object]]
T = TypeVar("T")


class _Selector(selectors.DefaultSelector):
    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(None if timeout is None else 0)
        if not events and timeout:
            self.now += timeout
        return events


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._timer = _Selector()
        super().__init__(self._timer)

    def time(self) -> float:
        return self._timer.now


VIRTUAL_TIME: Backend = ("asyncio", {"loop_factory": _Loop})


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run something on a loop of its own, whose time begins at 0."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(main)


def now() -> float:
    """Give the running loop's time, in seconds."""
    return asyncio.get_running_loop().time()
