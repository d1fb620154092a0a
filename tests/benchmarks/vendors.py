"""The simulated vendors in a separate process, so that they take no time from the gateway.

``python -m tests.benchmarks.vendors FASTEST SLOWEST ARRIVALS`` serves on a free port until it is
killed, and prints the URL. Latencies are between FASTEST and SLOWEST seconds; ARRIVALS logs arrive
per second.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator

import uvicorn

from gateway.sandbox import Sandbox


@contextlib.contextmanager
def vendors(fastest: float = 0.0, slowest: float = 0.0, arrivals: float = 0.0) -> Iterator[str]:
    """Start the simulated vendors and return their URL."""
    with subprocess.Popen(  # noqa: S603 - no user input
        [
            sys.executable,
            "-m",
            "tests.benchmarks.vendors",
            *map(str, (fastest, slowest, arrivals)),
        ],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def serve(fastest: float, slowest: float, arrivals: float) -> None:
    """Serve the simulated vendors on a free port, and print the URL."""
    sandbox = Sandbox(latency=(fastest, slowest), arrivals_per_second=arrivals)
    config = uvicorn.Config(sandbox.app, port=0, log_level="critical")
    with config.bind_socket() as socket:
        print(f"http://127.0.0.1:{socket.getsockname()[1]}", flush=True)
        uvicorn.Server(config).run([socket])


if __name__ == "__main__":
    serve(*map(float, sys.argv[1:]))
