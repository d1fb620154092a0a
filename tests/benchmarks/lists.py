"""What one list costs once its pages are cached: run ``python -m tests.benchmarks.lists``.

Prints, by the number of streams and rows, the CPU time of the list itself (``Gateway.logs``), of a
whole GraphQL operation, and of the cursors behind it; the size of the cursors; and the longest time
that any of it kept the event loop from its other work. All is the least of many runs, except the
longest hold.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import functools
import itertools
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import uvloop

from gateway.feed import cursor
from gateway.schema import build_schema
from gateway.schema.context import Context
from gateway.service import Gateway
from gateway.settings import load

PROJECT = "a" * 32
NOW = dt.datetime.now(dt.UTC)
SHAPES = ((1, 25), (1, 100), (13, 25), (140, 25), (200, 100), (500, 25))
"""Numbers of streams, and of logs on a page."""
ROWS = 100
RUNS = 60
LISTS = {
    "nodes": "nodes { id }",
    "endCursor": "pageInfo { endCursor }",
    "startCursor": "pageInfo { startCursor }",
    "cursors": "edges { cursor }",
}
QUERY = (
    "query($first: Int!, $after: String) {{ webhookLogs(first: $first, after: $after) {{ {} }} }}"
)
CONFIGURATION = """
[cache]
url = "{cache}"
first_page = 3600
page = 3600
hooks = 3600
[journal]
url = "sqlite:///{folder}/journal.sqlite3"
[[sources]]
name = "repo"
provider = "codearts"
base_url = "https://vendor.test"
projects = ["{project}"]
rate_limit = 1000
auth = {{ type = "token", token = {{ env = "TOKEN" }} }}
"""


class Lists(httpx.AsyncBaseTransport):
    """A vendor with so many hooks, each with so many deliveries, ``step`` seconds apart."""

    def __init__(self, hooks: int, rows: int, step: float = 60.0) -> None:
        self._hooks = hooks
        self._rows = rows
        self._step = step

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        *_, hook, last = request.url.path.split("/")
        offset, limit = (int(request.url.params[name]) for name in ("offset", "limit"))
        if last == "hooks":
            found = [{"id": number + 1, "name": "n"} for number in range(self._hooks)]
            headers = {"X-Total": str(self._hooks)}
        else:
            before = request.url.params.get("created_before")
            found = [self._row(int(hook), number) for number in range(self._rows)]
            found = [row for row in found if before is None or str(row["created_at"]) <= before]
            headers = {} if before else {"X-Total": str(self._rows)}
        content = json.dumps(found[offset : offset + limit]).encode()
        return httpx.Response(200, headers=headers, content=content)

    def _row(self, hook: int, number: int) -> dict[str, object]:
        ago = self._step * (number + hook / (self._hooks + 1))
        moment = NOW - dt.timedelta(seconds=ago)
        return {
            "id": hook * 1000 + number,
            "url": "https://receiver.example/hook",
            "trigger": "push_hooks",
            "response_status": "200",
            "execution_duration": 0.25,
            "created_at": moment.strftime("%Y-%m-%dT%H:%M:%S.")
            + f"{moment.microsecond // 1000:03}Z",
        }


@contextlib.asynccontextmanager
async def opened(
    transport: httpx.AsyncBaseTransport, cache: str = "memory://"
) -> AsyncIterator[Gateway]:
    """Open a gateway over a vendor's lists, with its journal and the URL of its cache."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gateway.toml"
        path.write_text(CONFIGURATION.format(folder=folder, project=PROJECT, cache=cache))
        async with Gateway(load(path, {"TOKEN": "t"}), transport=transport) as gateway:
            await gateway.open_journal()
            yield gateway


class Watchdog:
    """Measures the longest time that the event loop was kept from a task that always wants it."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._task = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        last = time.perf_counter()
        while True:
            await asyncio.sleep(0)
            now = time.perf_counter()
            self.longest = max(self.longest, now - last)
            last = now

    async def close(self) -> float:
        """Return the longest hold in milliseconds."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        return self.longest * 1000


async def cost(work: Callable[[], Awaitable[object]], runs: int = RUNS) -> float:
    """Return the least CPU time of a run, in milliseconds."""
    least = 9.0
    for _ in range(runs):
        begin = time.process_time_ns()
        await work()
        least = min(least, (time.process_time_ns() - begin) / 1e9)
    return least * 1000


async def held(work: Callable[[], Awaitable[object]]) -> float:
    """Return the longest time that some runs held the event loop, in milliseconds."""
    holds = []
    for _ in range(5):
        dog = Watchdog()
        await asyncio.sleep(0)
        await work()
        await asyncio.sleep(0)
        holds.append(await dog.close())
    return min(holds)


async def measure(streams: int, first: int) -> None:
    schema = build_schema()
    async with opened(Lists(streams, ROWS)) as gateway:

        async def listed(after: str | None = None) -> object:
            return await gateway.logs(gateway.operation(seconds=120), first=first, after=after)

        async def execute(selection: str, after: str | None = None) -> str | None:
            result = await schema.execute(
                QUERY.format(selection),
                variable_values={"first": first, "after": after},
                context_value=Context(gateway, gateway.operation(seconds=120)),
            )
            assert result.errors is None, result.errors
            assert result.data is not None
            text: str | None = result.data["webhookLogs"].get("pageInfo", {}).get("endCursor")
            return text

        await listed()
        found = {"list": await cost(listed), "list held": await held(listed)}
        for name, selection in LISTS.items():
            found[name] = await cost(functools.partial(execute, selection))
        found["cursors held"] = await held(lambda: execute(LISTS["cursors"]))
        page = await gateway.logs(gateway.operation(seconds=120), first=first)
        start = cursor.encode(page.slice.start)
        after = cursor.encode(page.slice.end)
        sizes = [len(after)]
        for _ in itertools.repeat(None, 4):
            text = await execute(LISTS["endCursor"], after)
            assert text
            sizes.append(len(text))
        found["second page"] = await cost(lambda: listed(after))
        print(
            f"{streams:5} streams, first {first:3}: "
            + ", ".join(f"{name} {value:.3f}" for name, value in found.items())
            + f" ms; startCursor {len(start)} B, endCursor {max(sizes)} B",
            flush=True,
        )


async def main() -> None:
    """Measure the shapes named as arguments, such as ``140x25``, or all."""
    chosen = [tuple(map(int, shape.split("x"))) for shape in sys.argv[1:]] or SHAPES
    for streams, first in chosen:
        await measure(streams, first)


if __name__ == "__main__":
    uvloop.run(main())
