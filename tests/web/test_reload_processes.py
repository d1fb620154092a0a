"""Reloads of the server's processes, by a signal and by changes of files."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.types import ASGIApp

if sys.platform != "linux":
    pytest.skip("needs /proc", allow_module_level=True)

from tests.telemetry.test_workers import Scraped
from tests.web.reloaded import LIST, SOURCES, Vendor, configured
from tests.web.test_workers import PATIENCE, Server, serving, until

pytestmark = pytest.mark.slow

RELOADS = "webhook_gateway_config_reloads_total"
MORE = '[metrics]\nport = 0\n[limits]\nrate = "off"'
LAST = "webhook_gateway_config_last_reload_success_timestamp_seconds"


@pytest.fixture
def vendor(serve: Callable[[ASGIApp], str]) -> Vendor:
    made = Vendor()
    made.url = serve(made.app)
    return made


def names(data: Any) -> list[str]:
    return [source["name"] for source in data["sources"]]


def read(server: Server, source: str) -> None:
    """Read the logs of a source, at each worker."""
    for worker in server.workers() or [0]:
        with server.caller(worker) as caller:
            assert caller.data(LIST, sources=[source])["webhookLogs"]["nodes"]


@contextlib.asynccontextmanager
async def loaded(server: Server) -> AsyncIterator[None]:
    """Send requests without a pause, which must all succeed."""
    over, answered = asyncio.Event(), 0

    async def ask() -> None:
        nonlocal answered
        while not over.is_set():
            assert (await server.data(LIST, sources=["one"]))["webhookLogs"]["nodes"]
            answered += 1

    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as callers:
        for _ in range(4):
            callers.create_task(ask())
        await asyncio.to_thread(until, lambda: answered)
        yield
        over.set()


@pytest.mark.parametrize("workers", [1, 2])
async def test_reload_under_load(tmp_path: Path, vendor: Vendor, workers: int) -> None:
    """No request fails, and no cache is emptied but that of the source that changed."""
    file = configured(tmp_path, vendor, "one", "two", more=MORE)
    good = file.read_text()
    by = "" if workers == 1 else " by 2 workers"
    with serving(file, "--workers", str(workers)) as server:
        metrics = Scraped(server)
        before = server.workers()
        for source in ("one", "two"):
            await asyncio.to_thread(read, server, source)
        assert (
            sorted(vendor.taken())
            == [("one", "key-of-one")] * workers + [("two", "key-of-two")] * workers
        )
        async with loaded(server):
            for number in range(3):
                (tmp_path / "two.key").write_text(f"another-{number}")
                server.signal(signal.SIGHUP)
                line = await asyncio.to_thread(server.output.readline)
                assert line == f"The configuration was taken over{by}.\n"
        assert vendor.taken() == []
        await asyncio.to_thread(read, server, "two")
        assert vendor.taken() == [("two", "another-2")] * workers
        assert server.workers() == before
        taken_at = metrics.value(LAST)

        configured(tmp_path, vendor, "one", more="[sever]")
        server.signal(signal.SIGHUP)
        entry = json.loads(await asyncio.to_thread(server.complaints.readline))
        assert (entry["level"], entry["outcome"]) == ("error", "REFUSED")
        assert "sever" in entry["problems"][0]
        assert "another" not in str(entry)
        assert names(await server.data(SOURCES)) == ["one", "two"]
        assert metrics.value(f'{RELOADS}{{outcome="TAKEN"}}') == 3
        assert metrics.value(f'{RELOADS}{{outcome="REFUSED"}}') == 1
        assert metrics.value(LAST) == taken_at > 0

        file.write_text(good)
        server.signal(signal.SIGHUP)
        line = await asyncio.to_thread(server.output.readline)
        if workers == 1:
            assert line == "The configuration has not changed, so there is nothing to do.\n"
        else:
            assert line == "Restarted with 2 workers.\n"
            assert not set(server.workers()) & set(before)
        assert metrics.value(f'{RELOADS}{{outcome="UNCHANGED"}}') == 1
        assert vendor.taken() == []
        server.signal(signal.SIGTERM)
        assert await asyncio.to_thread(server.process.wait, PATIENCE) == 0
        assert server.complaints.read() == ""


def mounted(folder: Path, number: int, key: str) -> None:
    """Put a key where Kubernetes would: behind a link that is swapped."""
    (folder / f"..{number}").mkdir(parents=True)
    (folder / f"..{number}" / "two.key").write_text(key)
    (folder / "..new").symlink_to(f"..{number}")
    (folder / "..new").rename(folder / "..data")
    if number == 1:
        (folder / "two.key").symlink_to("..data/two.key")


@pytest.mark.parametrize("workers", [1, 2])
async def test_files_are_watched(tmp_path: Path, vendor: Vendor, workers: int) -> None:
    secrets = tmp_path / "secrets"
    mounted(secrets, 1, "first")

    def write(*sources: str) -> None:
        """Replace the file as an editor does."""
        text = configured(tmp_path, vendor, *sources, more=MORE).read_text()
        new = tmp_path / "new.toml"
        new.write_text(text.replace('"two.key"', '"secrets/two.key"'))
        new.rename(file)

    file = tmp_path / "served.toml"
    write("one", "two")
    with serving(file, "--watch", "--workers", str(workers)) as server:

        async def taken() -> None:
            line = await asyncio.to_thread(server.output.readline)
            assert line.startswith("The configuration was taken over")

        await asyncio.to_thread(read, server, "two")
        assert vendor.taken() == [("two", "first")] * workers
        mounted(secrets, 2, "second")
        await taken()
        await asyncio.to_thread(read, server, "two")
        assert vendor.taken() == [("two", "second")] * workers
        write("one", "two", "three")
        await taken()
        assert names(await server.data(SOURCES)) == ["one", "three", "two"]
        (tmp_path / "three.key").unlink()
        entry = json.loads(await asyncio.to_thread(server.complaints.readline))
        assert entry["outcome"] == "REFUSED"
        assert "names a file that does not exist" in entry["problems"][0]
        (tmp_path / "three.key").write_text("newer")
        await taken()
        await asyncio.to_thread(read, server, "three")
        assert vendor.taken() == [("three", "newer")] * workers
