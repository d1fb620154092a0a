"""Detecting that a process has ended."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.journal import owner

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


def test_current_process_is_alive() -> None:
    assert not owner.has_ended(owner.current_process())


def test_reused_process_number_is_another_process() -> None:
    assert owner.has_ended(f"{owner.current_process()}0")


def test_zombie_is_gone() -> None:
    """A process that was killed stays a zombie until its parent, such as a shell, waits for it."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        machine, _, _ = owner.current_process().rsplit(":", 2)
        name = f"{machine}:{process.pid}:{owner._started(process.pid)}"
        assert int(owner._started(process.pid)) > int(owner._started(os.getpid()))
        assert not owner.has_ended(name)
        process.send_signal(signal.SIGKILL)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # leaves it a zombie
        assert owner.has_ended(name)
    assert owner.has_ended(name)


@pytest.mark.parametrize("name", ["elsewhere:1:1", "else:where:1:1"])
def test_process_of_another_host_may_be_alive(name: str) -> None:
    assert not owner.has_ended(name)


@pytest.mark.parametrize("namespace", ["pid:[1]", ""])
def test_process_of_another_container_may_be_alive(
    monkeypatch: pytest.MonkeyPatch, namespace: str
) -> None:
    """Containers with the host's network share its name, and each has a process 1.

    The second one to start must not give up the actions of the first.
    """
    own = owner.current_process()
    assert own.startswith(f"{socket.gethostname()}/")
    monkeypatch.setattr(Path, "readlink", lambda _: Path(namespace))
    assert not owner.has_ended(f"{own}0")
    assert not owner.has_ended(f"{socket.gethostname()}:1:1")


def test_process_may_be_alive_without_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    machine, pid, _ = owner.current_process().rsplit(":", 2)
    assert not owner.has_ended(f"{machine}:{pid}:")

    def fail(_: Path) -> Path:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "readlink", fail)
    assert owner.current_process().startswith(f"{socket.gethostname()}:")
