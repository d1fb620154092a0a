"""Two replicas with two workers each, behind nginx as .github/deploy/nginx.conf configures it."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from tests.docs.pages import ROOT
from tests.support.processes import started
from tests.web.test_workers import PATIENCE, is_worker, suspended, until

NGINX = ROOT / ".github" / "deploy" / "nginx.conf"
WORKERS = 2
RATE = 60
"""The limit rate of the replicas; except where it is tested, each request has its own address."""
SOURCE_RATE = 5
"""The rate_limit of the source "limited"."""
SOURCES = "{ sources { name } }"
LIST = """
query($source: String = "translations", $event: String) {
  webhookLogs(first: 2, filter: {source: {eq: $source}, event: {eq: $event}}) {
    nodes { id upstreamId attempt }
    sourceReports { outcome cache error { code message } }
  }
}
"""
STATE = "{ cache { available storeFailures } }"
FORGET = 'mutation { invalidateCache(tags: ["source:translations"]) { entries } }'
_WHOLE = """
daemon off;
error_log stderr;
pid {folder}/pid;
events {{ }}
http {{
    log_format upstreams '$status $upstream_addr';
    access_log {folder}/access.log upstreams;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {site};
}}
"""

_numbers = itertools.count(1)


def headers(address: str | None = None) -> dict[str, str]:
    """Return the headers of a request through a proxy, from an address that no other one has."""
    address = address or str(httpx.URL(f"http://10.{_dotted(next(_numbers))}").host)
    return {"Content-Type": "application/json", "X-Forwarded-For": address}


def _dotted(number: int) -> str:
    return ".".join(str(number >> shift & 255) for shift in (16, 8, 0))


def answer_of(status: int, text: str | bytes) -> Any:
    """Return the data of a response without errors."""
    assert status == 200, text
    answer = json.loads(text)
    assert "errors" not in answer, answer
    return answer["data"]


class Process:
    """A connection to one of the processes."""

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self._connection = connection

    def send(
        self, document: str, *, address: str | None = None, **variables: Any
    ) -> tuple[int, bytes]:
        """Return the status and the body of a response."""
        body = json.dumps({"query": document, "variables": variables})
        self._connection.request("POST", "/graphql", body, headers(address))
        response = self._connection.getresponse()
        return response.status, response.read()

    def data(self, document: str, **variables: Any) -> Any:
        return answer_of(*self.send(document, **variables))

    def logs(self, **variables: Any) -> dict[str, Any]:
        """Return the list of logs; a source that fails fails the test."""
        logs: dict[str, Any] = self.data(LIST, **variables)["webhookLogs"]
        assert all(report["outcome"] == "OK" for report in logs["sourceReports"]), logs
        return logs

    def attempts(self) -> list[int]:
        """Return the attempts of the logs in the list."""
        return [log["attempt"] for log in self.logs()["nodes"]]


class Replica:
    """A gateway with workers on a port that it keeps; ``log`` has what it says."""

    def __init__(
        self, file: Path, count: int = WORKERS, environment: Mapping[str, str] | None = None
    ) -> None:
        self._file = file
        self._count = count
        self._environment = environment or {}
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.log: list[str] = []
        self._stack = contextlib.ExitStack()

    def launch(self) -> None:
        """Start the processes; ``wait`` waits until they serve."""
        words = ("serve", "--config", str(self._file), "--port", str(self.port))
        self._process, self._output, errors = self._stack.enter_context(
            started(*words, "--workers", str(self._count), **self._environment)
        )
        # A pipe that nobody reads would stop them in the end.
        reader = threading.Thread(target=lambda: self.log.extend(errors), daemon=True)
        reader.start()
        self._stack.callback(reader.join, PATIENCE)
        self._stack.callback(self._process.kill)

    def wait(self) -> None:
        assert f"with {self._count} workers" in self._output.readline(), self.log

    def stop(self) -> None:
        """Stop the processes with SIGTERM, and wait until they have ended."""
        self._process.send_signal(signal.SIGTERM)
        assert self._process.wait(PATIENCE) == 0
        self._stack.close()

    def close(self) -> None:
        """Kill what still runs."""
        self._stack.close()

    @property
    def pid(self) -> int:
        """The number of the process that supervises the workers."""
        return self._process.pid

    def send_signal(self, number: int) -> None:
        self._process.send_signal(number)

    def workers(self) -> list[int]:
        """Return the numbers of its workers."""
        pid = self.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [int(child) for child in children if is_worker(int(child))]

    def hang_up(self) -> None:
        """Replace the workers by SIGHUP, and wait until all are new."""
        old = set(self.workers())
        self.send_signal(signal.SIGHUP)
        until(lambda: len(self.workers()) == self._count and not old & set(self.workers()))

    @contextlib.contextmanager
    def connected(self, worker: int) -> Iterator[Process]:
        """Connect to one of the workers, by suspending the others meanwhile."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        with contextlib.closing(connection), contextlib.ExitStack() as stack:
            for other in self.workers():
                if other != worker:
                    stack.enter_context(suspended(other))
            process = Process(connection)
            process.data(SOURCES)
            stack.close()
            yield process


class Cluster:
    """The replicas, and the URL of nginx in front of them."""

    def __init__(self, replicas: Sequence[Replica], url: str, access_log: Path) -> None:
        self.replicas = replicas
        self.url = url
        self._access_log = access_log

    @contextlib.contextmanager
    def processes(self) -> Iterator[list[Process]]:
        """Connect to all workers, in turn to one of each replica."""
        with contextlib.ExitStack() as stack:
            each = [
                [stack.enter_context(replica.connected(pid)) for pid in replica.workers()]
                for replica in self.replicas
            ]
            yield [process for together in zip(*each, strict=True) for process in together]

    def passed_on(self) -> list[list[int]]:
        """Return the ports that nginx tried, for each request."""
        lines = self._access_log.read_text().splitlines()
        return [[int(port) for port in re.findall(r":(\d+)", line)] for line in lines]


def write_nginx(folder: Path, port: int, replicas: Sequence[Replica]) -> Path:
    """Write the configuration of the deployment, with these addresses and without TLS."""
    text = NGINX.read_text(encoding="utf-8")
    servers = [f"server 127.0.0.1:{replica.port}" for replica in replicas]
    text, count = re.subn(
        r"server 10\.\S+:8000( .*;)\n *server 10\.\S+:8000\1",
        lambda found: "\n".join(f"{server}{found[1]}" for server in servers),
        text,
    )
    assert count == 1
    text = re.sub(r"(?m)^ *ssl_certificate.*\n", "", text)
    site = folder / "site.conf"
    site.write_text(text.replace("listen 443 ssl;", f"listen 127.0.0.1:{port};"))
    whole = folder / "nginx.conf"
    whole.write_text(_WHOLE.format(folder=folder, site=site))
    return whole


@contextlib.contextmanager
def proxied(nginx: str, folder: Path, replicas: Sequence[Replica]) -> Iterator[str]:
    """Run nginx on a free port; yield its URL."""
    for _ in range(5):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        words = [nginx, "-e", "stderr", "-c", str(write_nginx(folder, port, replicas))]
        with (folder / "nginx.log").open("w") as errors:
            process = subprocess.Popen(words, stdout=errors, stderr=errors)  # noqa: S603
        try:
            until(lambda: process.poll() is not None or _listens(port))  # noqa: B023
            if process.poll() is None:
                yield f"http://127.0.0.1:{port}"
                return
        finally:
            process.terminate()
            process.wait(PATIENCE)
        said = (folder / "nginx.log").read_text()
        assert "Address already in use" in said, said
    raise AssertionError("no port is free")


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), PATIENCE).close()
    except ConnectionRefusedError:
        return False
    return True
