"""A real Redis server of the tests' own."""

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
"""How many free ports may be taken by others before the server has bound one."""
_LOOKS = 600
_LOOK_SECONDS = 0.05


class Redis:
    """A Redis server on one port, which may die and come back empty."""

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
        """Make a client that tries everything once; the options are its library's own."""
        return redis.Redis(port=self._port, retry=Retry(NoBackoff(), 0), **options)

    def flush(self) -> None:
        """Forget everything, and take as much again as the machine has."""
        self.limit_memory(0)
        with self.client() as client:
            client.flushall()

    def limit_memory(self, bytes: int) -> None:
        """Refuse to take more than so many bytes; 0 lifts that. An empty server has about 1 MB."""
        with self.client() as client:
            client.config_set("maxmemory", bytes)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Let connections be made, but nothing be answered before the end of the context."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End the server at once."""
        self._process.kill()
        self._process.wait()

    def restart(self) -> None:
        """Start the server again on its port, empty."""
        self.kill()
        assert self._start(), self._output.read_text()

    def _start(self) -> bool:
        """Start the server; tell whether it serves, or has ended since its port is taken."""
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
            self._process = subprocess.Popen(  # noqa: S603 - nothing of it is anyone's input
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
        """Tell whether it is this server that answers on the port."""
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
    """Find Redis, or Valkey, which took its place in some distributions."""
    return shutil.which("redis-server") or shutil.which("valkey-server")
