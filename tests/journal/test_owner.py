"""Whether a process is known to have ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from gateway.journal import owner

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only /proc tells")


def test_this_process_lives() -> None:
    assert not owner.is_gone(owner.own())


def test_another_process_of_the_same_number_is_another_process() -> None:
    assert owner.is_gone(f"{owner.own()}0")


def test_what_ended_is_gone_even_before_its_parent_has_looked() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        host, _, _ = owner.own().rsplit(":", 2)
        name = f"{host}:{process.pid}:{owner._started(process.pid)}"
        assert int(owner._started(process.pid)) > int(owner._started(os.getpid()))
        assert not owner.is_gone(name)
        process.send_signal(signal.SIGKILL)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # leaves it a zombie
        assert owner.is_gone(name)
    assert owner.is_gone(name)


@pytest.mark.parametrize("name", ["elsewhere:1:1", "else:where:1:1"])
def test_nothing_is_known_of_other_hosts(name: str) -> None:
    assert not owner.is_gone(name)


def test_nothing_is_known_where_proc_does_not_tell() -> None:
    host, pid, _ = owner.own().rsplit(":", 2)
    assert not owner.is_gone(f"{host}:{pid}:")
