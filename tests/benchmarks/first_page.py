"""Latency that the gateway adds to its vendors: run ``python -m tests.benchmarks.first_page``.

Uses simulated vendors with a latency of 20 to 60 ms over HTTP on loopback, without the cache.
Prints the milliseconds from the last vendor's response to the finished GraphQL response, and the
memory that deep paging takes.
"""

from __future__ import annotations

import resource
import statistics
import tempfile
import time
from pathlib import Path

import httpx
import uvloop

from gateway.cli.demo_configuration import write_configuration
from gateway.sandbox import Sandbox
from gateway.schema import build_schema
from gateway.schema.context import Context
from gateway.service import Gateway
from gateway.settings import Settings, load
from gateway.upstream.exchange import network_transport
from tests.benchmarks.vendors import vendors

RUNS = 40
LIST = """
query List($first: Int!, $after: String, $cache: CacheDemand) {
  webhookLogs(first: $first, after: $after, cache: $cache) {
    edges { cursor node {
      id upstreamId event status triggeredAt durationMs attempt source { name }
      failure { category message } request { url } response { statusCode } warnings } }
    pageInfo { hasNextPage endCursor }
    sourceReports { source { name } outcome upstreamCalls }
  }
}
"""


class Timed(httpx.AsyncBaseTransport):
    """Records when the last response was read completely."""

    def __init__(self) -> None:
        self.answered = 0.0
        self._inner = network_transport(None, 20)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._inner.handle_async_request(request)
        content = await response.aread()
        self.answered = time.perf_counter()
        return httpx.Response(response.status_code, headers=response.headers, content=content)

    async def aclose(self) -> None:
        await self._inner.aclose()


async def main() -> None:
    with vendors(0.02, 0.06) as url, tempfile.TemporaryDirectory() as folder:
        await measure(load(write_configuration(Path(folder), Sandbox(logs=100), url, port=0), {}))


async def measure(settings: Settings) -> None:
    transport = Timed()
    schema = build_schema()
    async with Gateway(settings, transport=transport) as gateway:

        async def page(first: int, after: str | None = None) -> tuple[float, str | None]:
            result = await schema.execute(
                LIST,
                variable_values={"first": first, "after": after, "cache": {"maxAge": 0}},
                context_value=Context(gateway, gateway.operation()),
            )
            added = (time.perf_counter() - transport.answered) * 1000
            assert result.errors is None, result.errors
            assert result.data is not None
            end: str | None = result.data["webhookLogs"]["pageInfo"]["endCursor"]
            return added, end

        for first in (25, 100):
            await page(first)
            added = sorted([(await page(first))[0] for _ in range(RUNS)])
            print(
                f"first {first:3}: added ms: median {statistics.median(added):.1f},"
                f" p95 {added[int(RUNS * 0.95)]:.1f}, max {added[-1]:.1f}"
            )
        after = None
        for number in range(1, 201):
            _, after = await page(100, after)
            if number in {1, 10, 50, 100, 200}:
                peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
                print(f"page {number:3}: peak memory {peak:.0f} MiB, cursor {len(after or '')} B")


if __name__ == "__main__":
    uvloop.run(main())
