"""Runs a real Redis server for the tests."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

_ADDRESSES = 5
"""Attempts to bind a free port, which another process may take first."""
_LOOKS = 600
_LOOK_SECONDS = 0.05


class Redis:
    """A Redis server on a fixed port that can be killed and restarted, empty."""

    def __init__(self, program: str, folder: Path) -> None:
        self._program = program
        self._folder = folder
        self._output = folder / "output"
        for _ in range(_ADDRESSES):
            with socket.create_server(("127.0.0.1", 0)) as free:
                self._port = free.getsockname()[1]
            if self._start():
                break
        else:
            raise AssertionError(self._output.read_text())
        self.url = f"redis://127.0.0.1:{self._port}/0"

    def client(self, **options: Any) -> redis.Redis:
        """Return a client without retries; the options are those of redis-py."""
        return redis.Redis(port=self._port, retry=Retry(NoBackoff(), 0), **options)

    def flush(self) -> None:
        """Delete everything and lift the memory limit."""
        self.limit_memory(0)
        with self.client() as client:
            client.flushall()

    def limit_memory(self, bytes: int) -> None:
        """Set the memory limit in bytes; 0 lifts it. An empty server takes about 1 MB."""
        with self.client() as client:
            client.config_set("maxmemory", bytes)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Accept connections but send no responses until the end of the context."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill the server."""
        self._process.kill()
        self._process.wait()

    def restart(self) -> None:
        """Start the server again on its port, empty."""
        self.kill()
        assert self._start(), self._output.read_text()

    def _start(self) -> bool:
        """Start the server; return False if it ended because its port is taken."""
        settings = {
            "bind": "127.0.0.1",
            "port": str(self._port),
            "dir": str(self._folder),
            "save": "",
            "appendonly": "no",
            "maxmemory-policy": "noeviction",
        }
        words = [word for name, value in settings.items() for word in (f"--{name}", value)]
        with self._output.open("w") as output:
            self._process = subprocess.Popen(  # noqa: S603 - no user input
                [self._program, *words],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        for _ in range(_LOOKS):
            if self._serves():
                return True
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_LOOK_SECONDS)
                return False
        self.kill()
        raise AssertionError(self._output.read_text())

    def _serves(self) -> bool:
        """Return whether this server is the one that listens on the port."""
        with self.client() as client, contextlib.suppress(redis.RedisError):
            return bool(client.info("server")["process_id"] == self._process.pid)
        return False


@contextlib.contextmanager
def running(program: str) -> Iterator[Redis]:
    """Start Redis on a free port."""
    with tempfile.TemporaryDirectory(prefix="gateway-redis-") as folder:
        server = Redis(program, Path(folder))
        try:
            yield server
        finally:
            server.kill()


def find_program() -> str | None:
    """Return the program of Redis, or of Valkey, which replaces it in some distributions."""
    return shutil.which("redis-server") or shutil.which("valkey-server")
