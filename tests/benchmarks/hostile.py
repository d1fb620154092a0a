"""Costs of attacks on the server: run ``python -m tests.benchmarks.hostile``, on Linux.

Sends each attack of tests/web/hostile.py several times to a server in a separate process. Prints
the median of its processor time in milliseconds, and the greatest growth of its memory.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path

import httpx
from graphql import get_introspection_query

from tests.web.hostile import ATTACKS, Attack
from tests.web.test_hostile import sent
from tests.web.test_view import QUERY, made_app

RUNS = 7
ORDINARY = [
    Attack("(a small query)", json.dumps({"query": QUERY}).encode(), 200, ""),
    Attack("(introspection)", json.dumps({"query": get_introspection_query()}).encode(), 200, ""),
]


class Process:
    """A process, as /proc shows it."""

    def __init__(self, number: int) -> None:
        self._folder = Path(f"/proc/{number}")

    def milliseconds(self) -> float:
        """Return the processor time of its main thread."""
        return int((self._folder / "schedstat").read_text().split()[0]) / 1e6

    def memory(self, kind: str) -> float:
        """Return VmRSS, or its peak VmHWM, in MiB."""
        lines = (self._folder / "status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(kind)) / 1024

    def forget_most(self) -> None:
        """Reset VmHWM."""
        (self._folder / "clear_refs").write_text("5")


def main() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.hostile", "serve"], stdout=subprocess.PIPE
    ) as server:
        assert server.stdout is not None
        try:
            measure(Process(server.pid), server.stdout.readline().decode().strip())
        finally:
            server.terminate()


def measure(process: Process, url: str) -> None:
    print(f"{'ms':>8} {'MiB':>6}")
    with httpx.Client(base_url=url, timeout=60) as client:
        for attack in ORDINARY:
            sent(client, attack)
        for attack in (*ORDINARY, *ATTACKS):
            times, growth = [], 0.0
            for _ in range(RUNS):
                process.forget_most()
                memory, before = process.memory("VmRSS"), process.milliseconds()
                assert sent(client, attack).status_code == attack.status
                times.append(process.milliseconds() - before)
                growth = max(growth, process.memory("VmHWM") - memory)
            print(f"{statistics.median(times):8.1f} {growth:6.1f}  {attack.name}")
    print(f"memory at the end: {process.memory('VmRSS'):.0f} MiB")


def serve() -> None:
    from gateway.cli.listening import listen, url  # noqa: PLC0415
    from gateway.cli.listening import serve as run  # noqa: PLC0415

    with listen("127.0.0.1", 0) as listener:
        run(made_app(), listener, lambda: 1.0, lambda: print(url(listener), flush=True))


if __name__ == "__main__":
    serve() if sys.argv[1:] == ["serve"] else main()
