"""``gateway demo`` as a process: the vendors, the gateway, its variables and its end."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

import httpx
import pytest

from gateway.callers.keys import create
from gateway.cli.demo_configuration import write_configuration
from gateway.sandbox import Sandbox
from gateway.settings import load
from tests.support.processes import started
from tests.support.sources import VENDORS

pytestmark = pytest.mark.slow

FREE = ("--port", "0", "--sandbox-port", "0")
QUERY = "{ sources { name logs(first: 1) { nodes { id } sourceReports { outcome } } } }"


class Demo(NamedTuple):
    url: str
    sandbox: str
    file: Path
    process: subprocess.Popen[str]
    complaints: IO[str]

    def ask(self, query: str, **headers: str) -> httpx.Response:
        return httpx.post(self.url, json={"query": query}, headers=headers)


@contextlib.contextmanager
def demo(**environ: str) -> Iterator[Demo]:
    """Run the demo, on free ports, until it has printed its banner."""
    with started("demo", *FREE, **environ) as (process, output, complaints):
        banner = ""
        while "curl" not in banner:
            line = output.readline()
            assert line, complaints.read()
            banner += line
        (url,) = re.findall(r"GraphiQL +(\S+)", banner)
        (sandbox,) = re.findall(r"Sandbox +(\S+)", banner)
        (file,) = (Path(name) for name in re.findall(r"Configuration +(\S+)", banner))
        yield Demo(url, sandbox, file, process, complaints)


def test_configuration_is_readable_by_its_user_only(tmp_path: Path) -> None:
    path = write_configuration(tmp_path, Sandbox(logs=1), "http://127.0.0.1:1", port=8000)
    assert load(path, {}).server.port == 8000
    modes = {each.name: oct(each.stat().st_mode & 0o777) for each in tmp_path.rglob("*")}
    assert modes.pop("secrets") == "0o700"
    assert len(modes) == 10
    assert set(modes.values()) == {"0o600"}


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_demo_serves_until_a_signal_and_leaves_nothing_behind(stop: signal.Signals) -> None:
    with demo() as running:
        assert running.file.parent.stat().st_mode & 0o777 == 0o700
        sources = load(running.file, {}).sources
        assert {source.provider for source in sources} == set(VENDORS.values())
        assert len(httpx.get(running.sandbox).json()) >= 20_000
        answer = running.ask(QUERY).json()
        assert len(answer["data"]["sources"]) == len(sources)
        for source in answer["data"]["sources"]:
            assert len(source["logs"]["nodes"]) == 1, source

        vendors = running.sandbox.removesuffix("/control/inventory")
        for kind in ("reset", "cut-body"):
            httpx.put(f"{vendors}/control/faults/elastic-path", json={"kind": kind})
            with pytest.raises(httpx.TransportError):
                httpx.get(f"{vendors}/elastic-path/v2/integrations/logs")

        running.process.send_signal(stop)
        assert running.complaints.read() == ""
        assert running.process.wait() == 0
        assert not running.file.parent.exists()


def test_variables_override_the_configuration_of_the_demo(tmp_path: Path) -> None:
    """The README says that variables win over any file, and the demo is no exception."""
    key, lines = create("ada", "reader")
    (hashed,) = re.findall(r'hash = "(.+)"', lines)
    keys = [{"name": "ada", "role": "reader", "hash": hashed}]
    journal = tmp_path / "journal.sqlite3"
    with demo(
        GATEWAY_AUTH__METHODS='["api-keys"]',
        GATEWAY_AUTH__KEYS=json.dumps(keys),
        GATEWAY_SERVER='{"batch_size": 2, "port": 1}',
        GATEWAY_LIMITS__DEPTH="3",
        GATEWAY_JOURNAL__URL=f"sqlite:///{journal}",
    ) as running:
        assert running.ask(QUERY).status_code == 401
        headers = {"Authorization": f"Bearer {key}"}
        one = {"query": "{ sources { name } }"}
        assert len(httpx.post(running.url, json=[one, one], headers=headers).json()) == 2
        refused = running.ask(QUERY, **headers).json()["errors"][0]
        assert "the limit depth is 3" in refused["message"]
        assert journal.exists()


def test_demo_keeps_its_own_ports_and_sources(tmp_path: Path) -> None:
    """Variables of a real gateway must not turn the demo into a gateway of real vendors."""
    (tmp_path / "other.toml").write_text("not TOML")
    with demo(
        GATEWAY_CONFIG=str(tmp_path / "other.toml"),
        GATEWAY_SERVER__HOST="127.0.0.2",
        GATEWAY_SERVER__PORT="1",
        GATEWAY_SOURCES="[]",
        gateway_sources__0__name="real",
    ) as running:
        assert httpx.URL(running.url).host == "127.0.0.2"
        names = {source["name"] for source in running.ask(QUERY).json()["data"]["sources"]}
        assert names == {source.name for source in load(running.file, {}).sources}


@pytest.mark.parametrize(
    ("environ", "code", "complaint"),
    [
        (
            {"GATEWAY_SERVER__PROT": "1"},
            2,
            "GATEWAY_SERVER__PROT: server.prot is unknown: did you mean port?",
        ),
        (
            {"GATEWAY_SERVER__HOST": "0.0.0.0"},  # noqa: S104
            2,
            "The demo does not listen on 0.0.0.0: it asks for no credential",
        ),
        (
            {"GATEWAY_JOURNAL__URL": "sqlite:////dev/null/journal"},
            1,
            "The journal of actions at /dev/null/journal can't be opened",
        ),
    ],
)
def test_demo_explains_unusable_variables(
    environ: dict[str, str], code: int, complaint: str
) -> None:
    with started("demo", *FREE, **environ) as (process, output, complaints):
        said = complaints.read()
        assert said.startswith(complaint)
        assert said.count("\n") == 1
        assert output.read() == ""
        assert process.wait() == code


@pytest.mark.parametrize("option", ["--port", "--sandbox-port"])
def test_port_in_use_is_reported_with_its_option(option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with started("demo", *FREE, option, port) as (process, output, complaints):
            assert f"port {port} of 127.0.0.1: it is in use" in (said := complaints.read())
            assert f"Give another with {option}," in said
            assert output.read() == ""
            assert process.wait() == 1
