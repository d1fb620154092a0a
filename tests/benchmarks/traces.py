"""What traces cost: run ``python -m tests.benchmarks.traces``. Linux only.

Servers that record no operation, a share of them or all take turns, each in its own process over
HTTP on loopback, and a collector takes the spans. What is compared is the processor time of a
server's process, its thread with the collector included, for the same requests: that says what its
throughput loses, and depends little on what else the machine does. Prints a Markdown table with
medians of ratios, each within one turn, and their quartiles.

- ``hot``: the answer is sent again.
- ``warm``: the answer is made of cached pages.
- ``cold``: a vendor is called.

``--stop-above PERCENT`` ends with status 1 if the default share costs more on any of them.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import itertools
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

from gateway.cli.demo_configuration import write_configuration
from gateway.config import TracesSettings
from gateway.sandbox import Sandbox
from tests.benchmarks.vendors import vendors

DEFAULT = TracesSettings().sample
LIST = """query List($cache: CacheDemand) {
  webhookLogs(first: 25, filter: { source: { eq: "translations" } }, cache: $cache) {
    nodes { id event status triggeredAt failure { category } }
  }
}"""
WORKLOADS = {"hot": 1500, "warm": 500, "cold": 200}
"""Requests of a turn."""


class Server:
    """A gateway in a process of its own, and a connection to it."""

    def __init__(self, folder: Path, url: str, collector: str, sample: float | None) -> None:
        folder.mkdir()
        file = write_configuration(folder, Sandbox(logs=100), url, port=0)
        text = re.sub(r"\nrate_limit = .*", "", file.read_text(encoding="utf-8"))
        text = text.replace("[[sources]]", "[[sources]]\nrate_limit = 1e5")
        text += '\n[limits]\nrate = "off"\n[cache]\nfirst_page = 3600\npage = 3600\n'
        if sample is not None:
            text += f'[traces]\nendpoint = "{collector}"\nsample = {sample}\n'
        file.write_text(text, encoding="utf-8")
        self._process = subprocess.Popen(  # noqa: S603 - no user input
            [sys.executable, "-m", "gateway", "serve", "--config", str(file)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        found = re.search(r"http://([^:]+):(\d+)/", self._process.stdout.readline())
        assert found
        self._connection = http.client.HTTPConnection(found[1], int(found[2]), timeout=60)
        self._numbers = itertools.count()
        self._taken = 0.0

    def stop(self) -> None:
        """End the process."""
        self._connection.close()
        self._process.terminate()
        self._process.wait()

    def seconds(self) -> float:
        """Return the processor time that all threads have taken."""
        files = Path(f"/proc/{self._process.pid}/task").glob("*/schedstat")
        return sum(int(file.read_text().split()[0]) for file in files) / 1e9

    def turn(self, workload: str) -> float:
        """Send the requests of a workload; return the processor time since the last turn.

        Spans may be sent while another server has its turn.
        """
        for _ in range(WORKLOADS[workload]):
            variables: dict[str, object] = {}
            if workload == "cold":
                variables["cache"] = {"maxAge": 0}
            if workload == "warm":
                # It is not declared, and makes the body another one.
                variables["number"] = next(self._numbers)
            body = json.dumps({"query": LIST, "variables": variables})
            self._connection.request("POST", "/graphql", body, {"Content-Type": "application/json"})
            answer = json.loads(self._connection.getresponse().read())
            assert len(answer["data"]["webhookLogs"]["nodes"]) == 25, answer
        before, self._taken = self._taken, self.seconds()
        return self._taken - before


class Collector(BaseHTTPRequestHandler):
    """Takes whatever is sent."""

    protocol_version = "HTTP/1.1"
    taken = 0

    def do_POST(self) -> None:
        """Take spans."""
        Collector.taken += len(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextlib.contextmanager
def collector() -> Iterator[str]:
    """Start a collector, and return its URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


class Cost(NamedTuple):
    """Percent that a share costs."""

    median: float
    lower: float
    upper: float

    def __str__(self) -> str:
        return f"{self.median:+.1f} % ({self.lower:+.1f} to {self.upper:+.1f})"


def cost(taken: list[float], without: list[float]) -> Cost:
    """Return what traces cost by the times of turns with and without them."""
    ratios = [(own / other - 1) * 100 for own, other in zip(taken, without, strict=True)]
    lower, median, upper = statistics.quantiles(ratios, n=4)
    return Cost(median, lower, upper)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--turns", type=int, default=20)
    parser.add_argument("--only", nargs="+", choices=WORKLOADS, default=list(WORKLOADS))
    parser.add_argument("--samples", nargs="+", type=float, default=[DEFAULT, 1.0])
    parser.add_argument("--stop-above", type=float)
    options = parser.parse_args()
    shares: list[float | None] = [None, None, *options.samples]
    with contextlib.ExitStack() as stack:
        url, target = stack.enter_context(vendors()), stack.enter_context(collector())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        servers = [
            Server(folder / str(index), url, target, share) for index, share in enumerate(shares)
        ]
        for server in servers:
            stack.callback(server.stop)
        print("| Workload | µs without | Without, again |", end="")
        print("".join(f" {share:.0%} of operations |" for share in options.samples))
        print("|---" * (len(shares) + 1) + "|")
        highest = 0.0
        for workload in options.only:
            for server in servers:
                server.turn(workload)
            taken: list[list[float]] = [[] for _ in servers]
            for number in range(options.turns):
                # Each is first as often as the others.
                for index in range(len(servers)):
                    chosen = (index + number) % len(servers)
                    taken[chosen].append(servers[chosen].turn(workload))
            costs = [cost(each, taken[0]) for each in taken[1:]]
            own = statistics.median(taken[0]) / WORKLOADS[workload] * 1e6
            print(f"| {workload} | {own:.0f} | " + " | ".join(map(str, costs)) + " |", flush=True)
            highest = max(highest, costs[1].median)
    print(f"\nThe collector got {Collector.taken / 2**20:.1f} MiB; {os.cpu_count()} cores.")
    if options.stop_above is not None and highest > options.stop_above:
        sys.exit(1)


if __name__ == "__main__":
    main()
