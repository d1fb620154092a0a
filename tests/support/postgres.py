"""Runs a real PostgreSQL server for the tests."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

PASSWORD = "pla1nted-password"
PATIENCE = 30.0
"""Seconds until the processes of a killed server are gone."""


class Postgres:
    """A running PostgreSQL server, which can be killed and started again with its data."""

    def __init__(
        self, programs: Path, port: int, pid_file: Path, start: Callable[[], object]
    ) -> None:
        self._programs = programs
        self._pid_file = pid_file
        self._start = start
        self.port = port

    def kill(self) -> None:
        """Kill all processes of the server, which Linux has to list."""
        first = int(self._pid_file.read_text().splitlines()[0])
        others = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        deadline = time.monotonic() + PATIENCE
        for pid in (first, *map(int, others)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            while _runs(pid):
                assert time.monotonic() < deadline
                time.sleep(0.01)
        # Where nobody waits for orphans, their numbers still look alive.
        self._pid_file.unlink()

    def restart(self) -> None:
        """Start the server again after ``kill``."""
        self._start()

    def make_database(self) -> str:
        """Create an empty database and return its address."""
        name = f"journal_{uuid.uuid4().hex}"
        subprocess.run(  # noqa: S603 - no user input
            [self._programs / "createdb", "--host=127.0.0.1", f"--port={self.port}", name],
            env={"PGUSER": "postgres", "PGPASSWORD": PASSWORD},
            check=True,
        )
        return f"postgresql://postgres:{PASSWORD}@127.0.0.1:{self.port}/{name}"


@contextlib.contextmanager
def running(programs: Path) -> Iterator[Postgres]:
    """Start PostgreSQL on a free port."""
    with tempfile.TemporaryDirectory(prefix="gateway-postgres-") as name:
        folder = Path(name)
        user: dict[str, Any] = {}
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            user = {"user": "nobody", "group": "nogroup", "extra_groups": []}
            shutil.chown(folder, "nobody", "nogroup")

        def run(program: str, *arguments: str) -> None:
            with (folder / "output").open("a") as output:  # the server would keep a pipe open
                done = subprocess.run(  # noqa: S603 - no user input
                    [programs / program, f"--pgdata={folder / 'data'}", *arguments],
                    cwd=folder,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    check=False,
                    **user,
                )
            assert done.returncode == 0, (folder / "output").read_text()

        (folder / "password").write_text(PASSWORD)
        run(
            "initdb",
            "--username=postgres",
            f"--pwfile={folder / 'password'}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--no-locale",
            "--no-sync",
        )
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]

        def start() -> None:
            run("pg_ctl", "start", "--wait", f"--options=-h 127.0.0.1 -p {port} -k '' -F")

        start()
        try:
            yield Postgres(programs, port, folder / "data" / "postmaster.pid", start)
        finally:
            run("pg_ctl", "stop", "--mode=immediate")


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def find_programs() -> Path | None:
    """Return the folder of PostgreSQL's programs, which on Debian is not in PATH."""
    if debian := sorted(Path("/usr/lib/postgresql").glob("*/bin")):
        return debian[-1]
    found = shutil.which("pg_ctl")
    return Path(found).resolve().parent if found else None
