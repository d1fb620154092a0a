"""The servers that are compared: the gateway, others, and the floor under those in Python.

Tailcall is the executable ``tailcall``, or the one that the variable TAILCALL names. Hive Gateway
is in the ``node_modules`` of the folder that the variable HIVE names. Both are also found in
``~/.cache/webhook-log-peers``.
"""

from __future__ import annotations

import functools
import importlib.metadata
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import httpx

from gateway import __version__
from tests.benchmarks.answers import GATEWAY, PLAIN, Form
from tests.benchmarks.processes import Process
from tests.benchmarks.workloads import Workload, configuration

ROOT = Path(__file__).parents[2]
FILES = Path(__file__).parent / "peers"
CACHE = Path("~/.cache/webhook-log-peers").expanduser()
HIVE_PROGRAM = "node_modules/@graphql-hive/gateway/dist/bin.js"
HIVE_CACHES = {"hot": "response,http", "warm": "http", "large": "http"}
"""The response cache only makes operations slower that never come again."""
PATIENCE = 60.0
"""Seconds that a server has to start."""
TITLES = {
    "gateway": "This gateway",
    "tailcall": "Tailcall",
    "hive": "Hive Gateway",
    "strawberry": "Plain Strawberry",
    "bare": "Bare uvicorn",
}


class ServerError(Exception):
    """A server did not start, or ended."""


class Setting(NamedTuple):
    """What a server is started for; ``folder`` is its own."""

    workload: Workload
    rows: int
    workers: int
    upstream: str
    folder: Path
    port: int

    @property
    def base(self) -> str:
        """The address of the rows, before the path of the API."""
        return f"{self.upstream}/{self.workload.rows_from}"


Command = tuple[list[str], dict[str, str], Path]
"""A command, the variables that it needs, and the folder that it runs in."""


def gateway(setting: Setting) -> Command:
    """Write the configuration, and return the command."""
    file = setting.folder / "gateway.toml"
    file.write_text(
        configuration(setting.workload, setting.rows, setting.port, setting.upstream, file.parent)
    )
    words = ["-m", "gateway", "serve", "--config", str(file), "--workers", str(setting.workers)]
    return [sys.executable, *words], {"LW_KEY": "benchmark"}, ROOT


def strawberry(setting: Setting) -> Command:
    """Return the command; a page is kept for as long as the gateway keeps it."""
    return _uvicorn("plain_strawberry", setting)


def bare(setting: Setting) -> Command:
    """Return the command."""
    return _uvicorn("bare", setting)


def _uvicorn(module: str, setting: Setting) -> Command:
    environment = {
        "UPSTREAM_URL": setting.base,
        "CACHE_SECONDS": "5" if setting.workload.is_cached else "0",
        "ROWS": str(setting.rows),
    }
    words = ["-m", "uvicorn", f"tests.benchmarks.{module}:app", "--no-access-log"]
    words += ["--log-level", "warning", "--port", str(setting.port), "--lifespan", "off"]
    return [sys.executable, *words, "--workers", str(setting.workers)], environment, ROOT


def tailcall(setting: Setting) -> Command:
    """Write the schema, which is the configuration, and return the command."""
    schema = setting.folder / "tailcall.graphql"
    text = (FILES / "tailcall.graphql").read_text()
    for name, value in {
        "@PORT@": str(setting.port),
        "@WORKERS@": str(setting.workers),
        "@UPSTREAM@": setting.base,
        "@CACHE@": "@cache(maxAge: 3600000)" if setting.workload.is_cached else "",
    }.items():
        text = text.replace(name, value)
    schema.write_text(text)
    environment = {"TAILCALL_TRACKER": "false", "TAILCALL_LOG_LEVEL": "error"}
    return [str(_tailcall()), "start", str(schema)], environment, setting.folder


def hive(setting: Setting) -> Command:
    """Write the supergraph and the configuration, and return the command."""
    home = _hive()
    assert home is not None
    supergraph = setting.folder / "supergraph.graphql"
    text = (FILES / "hive.graphql").read_text()
    supergraph.write_text(text.replace("@UPSTREAM@", setting.base))
    shutil.copy(FILES / "hive.config.ts", setting.folder / "gateway.config.ts")
    (setting.folder / "node_modules").symlink_to(home / "node_modules")
    environment = {
        "NODE_ENV": "production",
        "PORT": str(setting.port),
        "HIVE_SUPERGRAPH": str(supergraph),
        "HIVE_WORKERS": str(setting.workers),
        "HIVE_CACHES": HIVE_CACHES.get(setting.workload.name, ""),
    }
    return ["node", str(home / HIVE_PROGRAM), "supergraph"], environment, setting.folder


COMMANDS: dict[str, Callable[[Setting], Command]] = {
    "gateway": gateway,
    "tailcall": tailcall,
    "hive": hive,
    "strawberry": strawberry,
    "bare": bare,
}


class Server(NamedTuple):
    """A running server."""

    name: str
    process: Process
    url: str
    form: Form


def start(name: str, setting: Setting, body: str, headers: dict[str, str]) -> Server:
    """Start a server, and wait until it answers a request."""
    command, variables, folder = COMMANDS[name](setting)
    kept = {key: it for key, it in os.environ.items() if not key.startswith("GATEWAY_")}
    process = Process(command, setting.folder / "log", kept | variables, folder)
    form = GATEWAY if name == "gateway" else PLAIN
    server = Server(name, process, f"http://127.0.0.1:{setting.port}/{_path(name)}", form)
    end = time.monotonic() + PATIENCE
    while True:
        try:
            response = httpx.post(server.url, content=body, headers=headers, timeout=10)
        except httpx.TransportError as error:
            said = str(error)
        else:
            if response.status_code == 200:
                return server
            said = response.text[:400]
        if process.has_ended or time.monotonic() > end:
            process.stop()
            raise ServerError(f"{TITLES[name]} does not start: {said}\n{process.last_words}")
        time.sleep(0.1)


def _path(name: str) -> str:
    return "" if name in {"strawberry", "bare"} else "graphql"


def _tailcall() -> Path | None:
    named = os.environ.get("TAILCALL") or shutil.which("tailcall")
    return _existing(Path(named) if named else CACHE / "tailcall/tailcall")


def _hive() -> Path | None:
    home = Path(os.environ.get("HIVE") or CACHE / "hive")
    return home if shutil.which("node") and _existing(home / HIVE_PROGRAM) else None


def _existing(file: Path) -> Path | None:
    return file if file.exists() else None


@functools.cache
def versions() -> dict[str, str]:
    """Return the versions of the servers that are installed."""
    found = {"gateway": __version__}
    if (program := _tailcall()) is not None:
        found["tailcall"] = _output([str(program), "--version"])
    if (home := _hive()) is not None:
        package = home / "node_modules/@graphql-hive/gateway/package.json"
        found["hive"] = json.loads(package.read_text())["version"]
    found["strawberry"] = importlib.metadata.version("strawberry-graphql")
    found["bare"] = importlib.metadata.version("uvicorn")
    return found


def environment() -> str:
    """Describe the machine and the programs beside the servers."""
    model = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    parts = [
        f"{os.cpu_count()} cores ({model[1] if model else platform.machine()})",
        f"Python {platform.python_version()}",
        "nginx" if shutil.which("nginx") else "no nginx",
        "wrk" if shutil.which("wrk") else "no wrk",
    ]
    if shutil.which("node"):
        parts.append(f"Node.js {_output(['node', '--version'])}")
    return ", ".join(parts)


def _output(command: list[str]) -> str:
    done = subprocess.run(  # noqa: S603 - one of the programs above
        command, capture_output=True, text=True, check=False
    )
    found = re.search(r"\d+\.\d+\.\d+", done.stdout + done.stderr)
    return found[0] if found else "?"


def start_upstream(command: list[str], port: int, folder: Path) -> Process:
    """Start the server of the audit list."""
    process = Process(command, folder / "upstream.log", os.environ, ROOT)
    end = time.monotonic() + PATIENCE
    while True:
        try:
            calls(f"http://127.0.0.1:{port}")
        except httpx.TransportError:
            if process.has_ended or time.monotonic() > end:
                process.stop()
                raise ServerError(f"no upstream: {process.last_words}") from None
            time.sleep(0.05)
        else:
            return process


def calls(upstream: str) -> int:
    """Return how many requests the audit list has answered, with this one."""
    return int(httpx.get(f"{upstream}/requests", timeout=10).text.split()[9])
