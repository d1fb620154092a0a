"""An event loop with virtual time: waits end at once, and only waits advance the clock.

A module whose tests sleep or have deadlines selects it with a fixture::

    @pytest.fixture(scope="module")
    def anyio_backend() -> Backend:
        return VIRTUAL_TIME

All tests of the module share that loop. A test that needs a new one passes its work to ``run``.
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
    """Run a coroutine on a new loop, starting at time 0."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(main)


def now() -> float:
    """Return the running loop's time, in seconds."""
    return asyncio.get_running_loop().time()
