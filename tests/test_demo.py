"""The demo, as a process of its own."""

from __future__ import annotations

import re
import signal
import socket
from pathlib import Path

import httpx
import pytest

from gateway.cli.demo_configuration import write_configuration
from gateway.sandbox import Sandbox
from gateway.settings import load
from tests.support.processes import started

FREE = ("--port", "0", "--sandbox-port", "0")
QUERY = "{ sources { name logs(first: 1) { nodes { id } sourceReports { outcome } } } }"


def test_the_configuration_is_for_its_user_alone(tmp_path: Path) -> None:
    path = write_configuration(tmp_path, Sandbox(logs=1), "http://127.0.0.1:1", port=8000)
    assert load(path, {}).server.port == 8000
    modes = {each.name: oct(each.stat().st_mode & 0o777) for each in tmp_path.rglob("*")}
    assert modes.pop("secrets") == "0o700"
    assert len(modes) == 6
    assert set(modes.values()) == {"0o600"}


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_runs_until_it_is_told_to_stop(stop: signal.Signals) -> None:
    with started("demo", *FREE) as (process, output, complaints):
        banner = ""
        while "curl" not in banner:
            line = output.readline()
            assert line, complaints.read()
            banner += line
        (url,) = re.findall(r"GraphiQL +(\S+)", banner)
        (sandbox,) = re.findall(r"Sandbox +(\S+)", banner)
        (file,) = (Path(name) for name in re.findall(r"Configuration +(\S+)", banner))

        assert file.parent.stat().st_mode & 0o777 == 0o700
        assert {source.name for source in load(file, {}).sources} == {
            "repo-cn",
            "shop",
            "tracker",
            "translations",
        }
        assert len(httpx.get(sandbox).json()) >= 20_000
        answer = httpx.post(url, json={"query": QUERY}).json()
        for source in answer["data"]["sources"]:
            assert len(source["logs"]["nodes"]) == 1, source

        vendors = sandbox.removesuffix("/control/inventory")
        for kind in ("reset", "cut-body"):
            httpx.put(f"{vendors}/control/faults/elastic-path", json={"kind": kind})
            with pytest.raises(httpx.TransportError):
                httpx.get(f"{vendors}/elastic-path/v2/integrations/logs")

        process.send_signal(stop)
        assert complaints.read() == ""
        assert process.wait() == 0
        assert not file.parent.exists()


@pytest.mark.parametrize("option", ["--port", "--sandbox-port"])
def test_a_port_in_use_is_told_with_its_option(option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with started("demo", *FREE, option, port) as (process, output, complaints):
            assert f"port {port} of 127.0.0.1: it is in use" in (told := complaints.read())
            assert f"Give another with {option}," in told
            assert output.read() == ""
            assert process.wait() == 1
