"""Fixtures of several test modules: servers, databases and a browser."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib.util
import os
import shutil
import threading
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, NoReturn

import pytest
import uvicorn
from hypothesis import HealthCheck, settings

import gateway.settings
from gateway.upstream import retry
from gateway.web.assets import STATIC, missing
from tests.support.examples import USUAL
from tests.support.postgres import Postgres, find_programs, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser
    from starlette.types import ASGIApp

    from tests.support.redis import Redis

# The same examples in each run, without a time limit, so that no change fails by chance or on a
# busy machine. For random examples: pytest --hypothesis-profile default
settings.register_profile(
    "whole",
    derandomize=True,
    deadline=None,
    max_examples=USUAL,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("edit-loop", settings.get_profile("whole"), max_examples=USUAL // 10)
settings.load_profile("whole")

CHROMIUM_FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP gateway.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


PROGRAMS = {
    "axe": ("node", "slow"),
    "browser": ("browser", "slow"),
    "postgres": ("postgres", "slow"),
    "redis": ("redis", "slow"),
    "run": ("node", "slow"),
}
"""The marks of tests by the fixtures that they use."""


def pytest_configure(config: pytest.Config) -> None:
    """Try fewer examples in the edit loop, and collect no garbage before the first test."""
    gc.disable()
    if "not slow" in config.option.markexpr and not config.option.hypothesis_profile:
        settings.load_profile("edit-loop")


def pytest_xdist_auto_num_workers() -> int:
    """Run one process more than there are cores, since many tests wait for other processes."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that need a program beside Python, and the cases beyond a sample, as slow.

    Those run first: at the end, processes that have nothing left to do can then take many short
    tests from one another, instead of waiting for a long one.
    """
    cases: Counter[str] = Counter()
    for item in items:
        if sampled := item.get_closest_marker("sampled"):
            name = item.nodeid.partition("[")[0]
            if cases[name] % sampled.args[0]:
                item.add_marker("slow")
            cases[name] += 1
        for fixture in getattr(item, "fixturenames", ()):
            for mark in PROGRAMS.get(fixture, ()):
                item.add_marker(mark)
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_collection_finish() -> None:
    """Exempt what collection made from garbage collection, which would look at it in each test."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000)
    gc.enable()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what tests have recorded as ``shown``."""
    for report in terminalreporter.getreports("passed"):
        for name, text in report.user_properties:
            if name == "shown":
                terminalreporter.write_line(f"{report.nodeid.partition('[')[0]}: {text}")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run ``async def`` tests on asyncio only."""
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def no_waits() -> Iterator[None]:
    """Retry without waiting."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retry, "sleep", lambda _: asyncio.sleep(0))
        yield


@pytest.fixture(scope="session", autouse=True)
def schema_of_settings() -> Iterator[None]:
    """Generate the JSON schema of the settings once; every report of a mistake reads it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gateway.settings, "json_schema", cache(gateway.settings.json_schema))
        yield


@pytest.fixture(scope="session")
def absent() -> Callable[[str], NoReturn]:
    """Skip a test if its program is missing; fail it instead if all programs are required."""

    def stop(reason: str) -> NoReturn:
        if os.environ.get("GATEWAY_TESTS_REQUIRE_ALL") == "1":
            pytest.fail(reason)
        pytest.skip(reason)

    return stop


@pytest.fixture(scope="session")
def postgres(absent: Callable[[str], NoReturn]) -> Iterator[Postgres]:
    """Start PostgreSQL on a free port."""
    programs = find_programs()
    if programs is None:
        absent("PostgreSQL is not installed")
    if importlib.util.find_spec("asyncpg") is None:
        absent("asyncpg is not installed")
    with running(programs) as server:
        yield server


@pytest.fixture(scope="session")
def redis(absent: Callable[[str], NoReturn]) -> Iterator[Redis]:
    """Start Redis on a free port; it keeps its data between tests."""
    if importlib.util.find_spec("redis") is None:
        absent("redis is not installed")
    from tests.support.redis import find_program, running  # noqa: PLC0415 - its imports may be absent

    program = find_program()
    if program is None:
        absent("Redis is not installed")
    with running(program) as server:
        yield server


@pytest.fixture(scope="session")
def static(absent: Callable[[str], NoReturn]) -> Path:
    """Return the folder of third-party files, which the installation fetched with npm."""
    if missing(STATIC):
        absent("npm was not installed when the gateway was: the files of its pages are not here")
    return STATIC


@pytest.fixture(scope="module")
def serve() -> Iterator[Callable[[ASGIApp], str]]:
    """Return a function that serves an application on a free port and returns its URL.

    The servers stop at the end of the module.
    """
    with contextlib.ExitStack() as servers:
        yield lambda app: servers.enter_context(serving(app))


@contextlib.contextmanager
def serving(app: ASGIApp) -> Iterator[str]:
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, lifespan="on", log_config=None, log_level="warning"
    )
    server = uvicorn.Server(config)
    with config.bind_socket() as socket:
        socket.listen()  # early calls wait for the server
        thread = threading.Thread(target=server.run, args=([socket],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{socket.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="module")
def browser(absent: Callable[[str], NoReturn]) -> Iterator[Browser]:
    """Start headless Chromium; tests that use it must not be async.

    It resolves one host only, gateway.test, to this machine. To the browser, it is a host on an
    untrusted network.
    """
    try:
        from playwright.sync_api import sync_playwright  # noqa: PLC0415 - may be absent
    except ImportError:
        absent("Playwright is not installed")
    chromium = shutil.which("chromium")
    if chromium is None:
        absent("chromium is not installed")
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(
            executable_path=chromium, args=CHROMIUM_FLAGS, chromium_sandbox=False
        ) as launched,
    ):
        yield launched
