"""The speed of the gateway beside other GraphQL servers: run ``python -m tests.benchmarks.speed``.

All servers have the same work: to list the rows of a Language Weaver audit list with nine fields.
The baseline is plain Strawberry; Tailcall and Hive Gateway take part where they are installed
(``tests.benchmarks.servers`` says where they are looked for). Linux only.

- The servers take turns, round by round, and each figure is the median of its rounds.
- Answers are checked for the right rows and fields before the rounds and after each, and upstream
  calls are counted. A wrong answer, or a call too few or too many, ends the run with status 1.
- In ``isolated``, every single answer is checked to hold only what its caller may see.

Prints two Markdown tables: all figures, and one for the README.
"""

from __future__ import annotations

import argparse
import datetime as dt
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from tests.benchmarks import audit_list
from tests.benchmarks.answers import GATEWAY, NUMBER, PLAIN, WrongAnswerError, check
from tests.benchmarks.audit_list import TENANTS
from tests.benchmarks.figures import Cell, Figures, Run
from tests.benchmarks.load import STEP, Expected, Load, Request, Result, run
from tests.benchmarks.processes import Others, Process, free_port
from tests.benchmarks.servers import (
    TITLES,
    Server,
    ServerError,
    Setting,
    calls,
    environment,
    start,
    start_upstream,
    versions,
)
from tests.benchmarks.workloads import JSON, WORKLOADS, Workload, body, isolated, row_counts

PROBES = 10
"""Requests of a check."""
FILLING = 5
"""Checks within which the caches of all processes of a server are full."""
NUMBERS = 200_000
"""Numbers set aside for each second of load."""


def say(text: str) -> None:
    """Report progress, apart from the tables."""
    print(text, file=sys.stderr, flush=True)


class Comparison:
    """Gives the servers their work, and gathers the figures."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.figures = Figures()
        self.others = Others()
        self._options = options
        self._folder = folder
        self._numbers = 0
        port = free_port()
        self._upstream_url = f"http://127.0.0.1:{port}"
        self._rows = audit_list.write(folder, options.rows, time.time())
        command = audit_list.command(folder, port)
        self._processes = [start_upstream(command, port, folder)]

    def run(self) -> None:
        """Do all the work."""
        for name in self._options.only:
            workload = WORKLOADS[name]
            for rows in row_counts(workload, self._options.rows):
                with self._started(workload, rows) as servers:
                    self._measure(workload, rows, servers)

    def stop(self) -> None:
        """End all processes."""
        for process in self._processes:
            process.stop()

    @contextmanager
    def _started(self, workload: Workload, rows: int) -> Iterator[list[Server]]:
        names = ["gateway"] if workload.is_own else self._options.servers
        with ExitStack() as stack:
            servers = []
            for name in names:
                folder = Path(tempfile.mkdtemp(prefix=f"{workload.name}-{name}-", dir=self._folder))
                upstream, workers = self._upstream_url, self._options.workers
                setting = Setting(workload, rows, workers, upstream, folder, free_port())
                [first, *_], _ = self._requests(workload, name, rows)
                text = first.body.replace(NUMBER, self._number())
                server = start(name, setting, text, first.headers)
                self._processes.append(server.process)
                stack.callback(self._end, server.process)
                servers.append(server)
            yield servers

    def _end(self, process: Process) -> None:
        process.stop()
        self._processes.remove(process)

    def _requests(
        self, workload: Workload, name: str, rows: int
    ) -> tuple[list[Request], list[Expected]]:
        if workload.name == "isolated":
            return isolated(workload, rows, {tenant: self._rows[tenant] for tenant in TENANTS})
        form = GATEWAY if name == "gateway" else PLAIN
        return [Request(JSON, body(workload, form, rows))], []

    def _number(self) -> str:
        self._numbers += 1
        return str(100_000_000 + self._numbers * STEP % 900_000_000)

    def _measure(self, workload: Workload, rows: int, servers: list[Server]) -> None:
        connections = [1] if workload.name == "large" else sorted(self._options.connections)
        sizes = {}
        for server in servers:
            where = f"{workload.name}, {rows} rows, {TITLES[server.name]}"
            say(f"{where}: checking and warming up")
            with explained(where, server):
                sizes[server.name] = self._check(workload, rows, server)
                self._load(workload, rows, server, connections[-1], self._options.warm_up)
                for _ in range(FILLING):
                    self._check(workload, rows, server)
        for count in connections:
            cell = Cell(workload.name, rows, count)
            for turn in range(self._options.rounds):
                first = turn % len(servers)
                for server in servers[first:] + servers[:first]:
                    where = f"{workload.name}, {rows} rows, {count} connections"
                    where += f", {TITLES[server.name]}"
                    with explained(where, server):
                        result = self._timed(cell, server, sizes[server.name])
                    say(f"{where}: p50 {result.p50:.2f} ms, {result.rate:,.0f}/s")

    def _check(self, workload: Workload, rows: int, server: Server) -> int:
        """Check some answers; return the size of one, in bytes."""
        requests, expected = self._requests(workload, server.name, rows)
        expected = expected or [Expected(server.form, self._rows[workload.rows_from][:rows])]
        size = 0
        with httpx.Client(timeout=30) as client:
            for request in requests[:: max(1, len(requests) // PROBES)]:
                text = request.body.replace(NUMBER, self._number())
                response = client.post(server.url, content=text, headers=request.headers)
                if response.status_code != 200:
                    raise WrongAnswerError(f"{response.status_code}: {response.text[:400]}")
                right = expected[request.expected]
                check(response.content, right.form, right.rows, bodies=right.bodies)
                size = len(response.content)
        return size

    def _load(
        self, workload: Workload, rows: int, server: Server, connections: int, seconds: int
    ) -> Result:
        requests, expected = self._requests(workload, server.name, rows)
        load = Load(server.url, connections, seconds, self._numbers, requests, expected)
        self._numbers += NUMBERS * seconds
        return run(load, self._folder)

    def _timed(self, cell: Cell, server: Server, size: int) -> Result:
        """Measure one turn, and check that the work was done."""
        workload = WORKLOADS[cell.workload]
        before = calls(self._upstream_url)
        with self.others.watched(self._processes):
            result = self._load(
                workload, cell.rows, server, cell.connections, self._options.seconds
            )
        called = calls(self._upstream_url) - before - 1
        memory = server.process.usage().largest
        check_calls(workload, result.requests, called, self._options.workers)
        begun = size * cell.connections / result.requests  # of responses that the end cut off
        if not workload.is_own and not size <= result.size <= size * 1.02 + 1000 + begun:
            raise WrongAnswerError(f"responses of {result.size:.0f} bytes instead of {size}")
        self._check(workload, cell.rows, server)
        run_of = Run(result.p50, result.p99, result.rate, memory)
        self.figures.add(cell, server.name, run_of)
        return result


def check_calls(workload: Workload, operations: int, called: int, workers: int) -> None:
    """Raise WrongAnswerError if upstream was called less or more often than the workload says.

    Where it is cached, each worker reads each list anew once or twice in a turn.
    """
    lists = len(TENANTS) if workload.name == "isolated" else 1
    if not workload.is_cached and called < 0.98 * operations:
        raise WrongAnswerError(f"{called} upstream calls for {operations} operations: cached")
    if workload.is_cached and called > 0.1 * operations + 2 * workers * lists:
        raise WrongAnswerError(f"{called} upstream calls for {operations} operations: not cached")


@contextmanager
def explained(where: str, server: Server) -> Iterator[None]:
    """Add to a failure where it happened, and what the server said."""
    try:
        yield
    except (WrongAnswerError, httpx.HTTPError) as error:
        raise WrongAnswerError(f"{where}: {error}\n{server.process.last_words}") from None


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    installed = list(versions())
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.speed", description=(__doc__ or "").split("\n\n")[0]
    )
    add = parser.add_argument
    add("--seconds", type=int, default=2, help="of one turn (%(default)s)")
    add("--warm-up", type=int, default=3, help="seconds of load before (%(default)s)")
    add("--rounds", type=int, default=3, help="turns of each server (%(default)s)")
    add("--rows", nargs="+", type=int, default=[25, 100], help="10 to 100 (25 100)")
    add("--connections", nargs="+", type=int, default=[1, 16], help="(1 16)")
    add("--workers", type=int, default=2, help="of each server (%(default)s)")
    add("--only", nargs="+", choices=WORKLOADS, default=list(WORKLOADS), help="workloads")
    add("--servers", nargs="+", choices=installed, default=installed, help="(those installed)")
    return parser.parse_args()


def main() -> int:
    """Compare the servers; return the exit status."""
    options = arguments()
    if missing := [title for name, title in TITLES.items() if name not in versions()]:
        say(f"not installed, so left out: {', '.join(missing)}")
    if not shutil.which("wrk"):
        say("wrk is not installed: the load comes from Python, and takes more of the machine")
    failure = None
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers are ended, too
    with tempfile.TemporaryDirectory(prefix="gateway-speed-") as folder:
        comparison = Comparison(options, Path(folder))
        try:
            comparison.run()
        except (WrongAnswerError, ServerError) as error:
            failure = error
        finally:
            comparison.stop()
    if failure is not None:
        say(f"\nVOID: {failure}")
        return 1
    print(comparison.figures.full(), comparison.figures.short(), sep="\n\n")
    print(f"\n{footnote(options, comparison)}")
    return 0


def footnote(options: argparse.Namespace, comparison: Comparison) -> str:
    """Describe the run in a sentence or two."""
    programs = [f"{TITLES[name]} {versions()[name]}" for name in TITLES if name in options.servers]
    return (
        f"{dt.datetime.now(dt.UTC):%Y-%m-%d}, {environment()}; {', '.join(programs)}; "
        f"{options.workers} workers each. Medians of {options.rounds} turns of "
        f"{options.seconds} s; other programs took up to {comparison.others.share:.0%} of the "
        f"machine. Command: `{' '.join(['python -m tests.benchmarks.speed', *sys.argv[1:]])}`"
    )


if __name__ == "__main__":
    sys.exit(main())
