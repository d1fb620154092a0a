"""Several workers on one port, in processes of their own."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from gateway.cli.shares import usable_cores
from gateway.cli.worker import Link, Worker
from gateway.config import LogSettings
from gateway.telemetry.log_output import set_up
from tests.support.actions import ACTIONS, RETRY, Controller
from tests.support.processes import started

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="needs /proc"),
]

PATIENCE = 60.0
"""Seconds until a test fails."""
LIST = """
query($event: String) {
  webhookLogs(first: 1, filter: {source: {eq: "translations"}, event: {eq: $event}}) {
    nodes { id }
  }
}
"""
SOURCES = "{ sources { name } }"
FORGET = 'mutation { invalidateCache(tags: ["source:translations"]) { entries } }'


class Vendor:
    """A Language Weaver controller that responds once it is told to."""

    def __init__(self) -> None:
        self.told = threading.Event()
        self.told.set()
        self.latency = 0.0
        self.calls: Counter[str] = Counter()
        self.in_flight = 0
        self.most_in_flight = 0
        self.app = Starlette(routes=[Route("/{path:path}", self._answer, methods=["GET", "PUT"])])

    async def _answer(self, request: Request) -> Response:
        self.calls[request.method] += 1
        self.in_flight += 1
        self.most_in_flight = max(self.in_flight, self.most_in_flight)
        try:
            await asyncio.to_thread(self.told.wait, PATIENCE)
            await asyncio.sleep(self.latency)
        finally:
            self.in_flight -= 1
        entry = Controller.entry(42, 0)
        if request.method == "PUT":
            return JSONResponse(entry)
        envelope = {"page": 1, "perPage": 25, "totalPages": 1, "totalItems": 1}
        return JSONResponse({"entries": [entry], **envelope})


class Server:
    """A gateway with workers, in other processes."""

    def __init__(
        self, process: subprocess.Popen[str], output: IO[str], complaints: IO[str], file: Path
    ) -> None:
        self.process = process
        self.output = output
        self.complaints = complaints
        self.file = file
        self.line = output.readline()
        assert self.line, complaints.read()
        self.url = self.line.split()[1].rstrip(".,")
        parts = httpx.URL(self.url)
        assert parts.port
        self.address = parts.host, parts.port

    def workers(self) -> list[int]:
        """Return the numbers of the worker processes that live."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [int(child) for child in children if is_worker(int(child))]

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    @contextlib.contextmanager
    def caller(self, worker: int) -> Iterator[Caller]:
        """Connect to one of the workers, by suspending the others meanwhile."""
        connection = http.client.HTTPConnection(*self.address, timeout=PATIENCE)
        caller = Caller(connection)
        with contextlib.closing(connection), contextlib.ExitStack() as stack:
            for other in self.workers():
                if other != worker:
                    stack.enter_context(suspended(other))
            caller.data(SOURCES)
            stack.close()
            yield caller

    async def data(self, document: str, **variables: Any) -> Any:
        """Execute an operation by a connection of its own."""
        async with httpx.AsyncClient(timeout=PATIENCE) as client:
            body = {"query": document, "variables": variables}
            answer = (await client.post(self.url, json=body)).json()
        assert "errors" not in answer, answer
        return answer["data"]


class Caller:
    """A connection to one worker."""

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self._connection = connection

    def data(self, document: str, **variables: Any) -> Any:
        body = json.dumps({"query": document, "variables": variables})
        headers = {"Content-Type": "application/json"}
        self._connection.request("POST", "/graphql", body, headers)
        answer = json.loads(self._connection.getresponse().read())
        assert "errors" not in answer, answer
        return answer["data"]


def is_worker(pid: int) -> bool:
    """Return whether a process is a worker; multiprocessing has another child for its own needs."""
    try:
        return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


@contextlib.contextmanager
def suspended(pid: int) -> Iterator[None]:
    """Stop a process for a while."""
    os.kill(pid, signal.SIGSTOP)
    try:
        until(lambda: Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T")
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def until(condition: Callable[[], object]) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def refused(server: Server) -> bool:
    """Return whether the server refuses connections."""
    with contextlib.suppress(ConnectionResetError):
        try:
            socket.create_connection(server.address, PATIENCE).close()
        except ConnectionRefusedError:
            return True
    return False


@pytest.fixture(scope="module")
def controller(serve: Callable[[ASGIApp], str]) -> Iterator[tuple[Vendor, str]]:
    made = Vendor()
    yield made, serve(made.app)
    made.told.set()


@pytest.fixture
def vendor(controller: tuple[Vendor, str]) -> Iterator[Vendor]:
    """A vendor that responds at the latest when the test ends."""
    made, _ = controller
    made.calls.clear()
    yield made
    made.told.set()
    made.latency = 0.0


def configured(folder: Path, controller: tuple[Vendor, str]) -> Path:
    (folder / "key").write_text("planted")
    file = folder / "gateway.toml"
    file.write_text(f"""
        [server]
        port = 0
        graphiql = false
        deadline = 60.0

        [limits]
        rate = "off"

        [cache]
        first_page = 600.0

        [journal]
        url = "sqlite:///journal.sqlite3"

        [[sources]]
        name = "translations"
        provider = "language-weaver"
        base_url = "{controller[1]}"
        timeout = 60.0
        concurrency = 2
        auth = {{ type = "api-key", key = {{ file = "key" }} }}
    """)
    return file


@pytest.fixture
def configuration(controller: tuple[Vendor, str], tmp_path: Path) -> Path:
    return configured(tmp_path, controller)


@contextlib.contextmanager
def serving(file: Path, *words: str, **environ: str) -> Iterator[Server]:
    words = ("serve", "--config", str(file), *words)
    with started(*words, **environ) as (process, output, complaints):
        server = Server(process, output, complaints, file)
        yield server
        server.signal(signal.SIGTERM)
        process.wait(PATIENCE)


@pytest.fixture(scope="module")
def lasting(
    controller: tuple[Vendor, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    file = configured(tmp_path_factory.mktemp("lasting"), controller)
    with serving(file, "--workers", "2") as made:
        yield made


@pytest.fixture
def server(lasting: Server, vendor: Vendor) -> Server:
    """Two workers with empty caches, which the tests of this module share."""
    with lasting.caller(lasting.workers()[0]) as caller:
        caller.data(FORGET)
    vendor.calls.clear()
    return lasting


@pytest.fixture
def ending(configuration: Path) -> Iterator[Server]:
    """Two workers that report everything that is not closed at the end."""
    warnings = "always::ResourceWarning"
    with serving(configuration, "--workers", "2", PYTHONWARNINGS=warnings) as made:
        yield made


def test_each_worker_answers(server: Server) -> None:
    assert server.line.endswith("/graphql with 2 workers. Ctrl-C stops.\n")
    workers = server.workers()
    assert len(workers) == 2
    for worker in workers:
        with server.caller(worker) as caller:
            assert caller.data(SOURCES) == {"sources": [{"name": "translations"}]}


def failing(_: Link) -> None:
    """Fail as a worker does that can't be made with its settings."""
    set_up(LogSettings(format="json"))
    raise RuntimeError("planted")


async def test_failure_of_a_worker_is_in_the_log(capfd: pytest.CaptureFixture[str]) -> None:
    """A traceback as it is would be many entries to whatever collects the log."""
    worker = Worker(failing)
    assert not await worker.is_up()
    assert worker.fate == "ended with exit code 1"
    (entry,) = map(json.loads, capfd.readouterr().err.splitlines())
    assert entry["level"] == "error"
    assert "RuntimeError: planted" in entry["exception"]


async def test_killed_worker_is_replaced(server: Server) -> None:
    first, second = server.workers()
    os.kill(first, signal.SIGKILL)
    assert await server.data(SOURCES)
    entry = json.loads(await asyncio.to_thread(server.complaints.readline))
    assert entry["level"] == "error"
    assert entry["event"] == f"Worker {first} was ended by SIGKILL. Another takes its place."
    await asyncio.to_thread(until, lambda: len(server.workers()) == 2)
    (new,) = set(server.workers()) - {second}
    with server.caller(new) as caller:
        assert caller.data(SOURCES)


async def test_restart_loses_no_request(server: Server) -> None:
    """SIGHUP without a change of the configuration gives new processes."""
    before = server.workers()
    answered = 0
    restarted = asyncio.Event()

    async def ask() -> None:
        nonlocal answered
        while not restarted.is_set():
            await server.data(SOURCES)
            answered += 1

    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as callers:
        for _ in range(4):
            callers.create_task(ask())
        await asyncio.to_thread(until, lambda: answered)
        server.signal(signal.SIGHUP)
        assert await asyncio.to_thread(server.output.readline) == "Restarted with 2 workers.\n"
        restarted.set()
    assert len(server.workers()) == 2
    assert not set(server.workers()) & set(before)


def test_number_of_workers_can_change(configuration: Path) -> None:
    text = configuration.read_text()
    configuration.write_text(text.replace("[server]", '[server]\nworkers = "auto"'))
    with serving(configuration) as server:
        for count, words in ((2, "2 workers"), (1, "1 worker")):
            configuration.write_text(text.replace("[server]", f"[server]\nworkers = {count}"))
            server.signal(signal.SIGHUP)
            assert server.output.readline() == f"The configuration was taken over by {words}.\n"
            assert len(server.workers()) == count
            for worker in server.workers():
                with server.caller(worker) as caller:
                    assert caller.data(SOURCES)


async def test_configuration_with_a_mistake_is_refused(server: Server) -> None:
    before = server.workers()
    text = server.file.read_text()
    for old, new, said in (
        ("[server]", "[sever]", "sever"),
        ("concurrency = 2", "concurrency = 1", "can't share the concurrency"),
        ("sqlite:///journal", "sqlite:////proc/nowhere/journal", "The journal of actions at"),
    ):
        server.file.write_text(text.replace(old, new))
        server.signal(signal.SIGHUP)
        entry = json.loads(await asyncio.to_thread(server.complaints.readline))
        assert (entry["level"], entry["event"]) == ("error", "configuration")
        assert entry["outcome"] == "REFUSED"
        assert said in entry["problems"][0]
    assert server.workers() == before
    # A worker that takes another's place has the configuration of the others.
    os.kill(before[0], signal.SIGKILL)
    await asyncio.to_thread(until, lambda: len(set(server.workers()) | set(before)) == 3)
    server.file.write_text(text)
    (new_one,) = set(server.workers()) - set(before)
    with server.caller(new_one) as caller:
        assert caller.data(SOURCES)
    assert "was ended by SIGKILL" in await asyncio.to_thread(server.complaints.readline)


async def test_stop_answers_requests_in_flight_at_all_workers(
    ending: Server, vendor: Vendor
) -> None:
    vendor.told.clear()
    workers = ending.workers()
    with ending.caller(workers[0]) as one, ending.caller(workers[1]) as other:
        asked = [
            asyncio.create_task(asyncio.to_thread(caller.data, LIST)) for caller in (one, other)
        ]
        await asyncio.to_thread(until, lambda: vendor.calls["GET"] == 2)
        ending.signal(signal.SIGTERM)
        await asyncio.to_thread(until, lambda: refused(ending))
        assert not any(task.done() for task in asked)
        vendor.told.set()
        answers = await asyncio.gather(*asked)
    assert [len(answer["webhookLogs"]["nodes"]) for answer in answers] == [1, 1]
    assert ending.process.wait(PATIENCE) == 0
    assert ending.complaints.read() == ""
    assert {path.name for path in ending.file.parent.iterdir()} == {
        "gateway.toml",
        "key",
        "journal.sqlite3",
    }


async def test_second_ctrl_c_stops_at_once(ending: Server, vendor: Vendor) -> None:
    vendor.told.clear()
    asked = asyncio.create_task(ending.data(LIST))
    await asyncio.to_thread(until, lambda: vendor.calls["GET"])
    ending.signal(signal.SIGINT)
    await asyncio.to_thread(until, lambda: refused(ending))
    ending.signal(signal.SIGINT)
    assert await asyncio.to_thread(ending.process.wait, PATIENCE) == 0
    assert not vendor.told.is_set()
    with contextlib.suppress(httpx.TransportError, ValueError, AssertionError):
        await asked


def test_stop_during_a_restart_does_not_wait_for_it(ending: Server) -> None:
    ending.signal(signal.SIGHUP)
    until(lambda: len(ending.workers()) == 3)
    ending.signal(signal.SIGTERM)
    assert ending.process.wait(PATIENCE) == 0
    assert ending.output.read() == ""
    assert ending.complaints.read() == ""


def test_workers_end_with_their_supervisor(ending: Server) -> None:
    """Otherwise they would go on to hold the port, and nobody would know of them."""
    workers = ending.workers()
    ending.signal(signal.SIGKILL)
    until(lambda: not any(is_worker(worker) for worker in workers))
    assert refused(ending)


def test_retry_at_all_workers_is_sent_once(server: Server, vendor: Vendor) -> None:
    workers = server.workers()
    with server.caller(workers[0]) as one, server.caller(workers[1]) as other:
        id = one.data(LIST)["webhookLogs"]["nodes"][0]["id"]
        vendor.told.clear()
        answers: list[Any] = []
        threads = [
            threading.Thread(
                target=lambda caller=caller: answers.append(caller.data(RETRY, id=id, key="key"))
            )
            for caller in (one, other)
        ]
        for thread in threads:
            thread.start()
        until(lambda: vendor.calls["PUT"])
        vendor.told.set()
        for thread in threads:
            thread.join(PATIENCE)
        assert len(answers) == 2
        assert answers[0] == answers[1]
        assert answers[0]["retryWebhookLog"]["userErrors"] == []
        assert vendor.calls["PUT"] == 1
        for caller in (one, other):
            entry, *_ = caller.data(ACTIONS)["actions"]["nodes"]
            assert entry["outcome"] == "SUCCEEDED"


@pytest.mark.parametrize("killed", ["owner", "other"])
def test_only_actions_of_an_ended_worker_are_given_up(
    server: Server, vendor: Vendor, killed: str
) -> None:
    """A worker that takes another's place opens the journal while its siblings use it."""
    owner, other = server.workers()
    with server.caller(owner) as caller:
        id = caller.data(LIST)["webhookLogs"]["nodes"][0]["id"]
        vendor.told.clear()

        def retry() -> None:
            with contextlib.suppress(http.client.HTTPException, OSError):
                caller.data(RETRY, id=id, key=killed)

        thread = threading.Thread(target=retry)
        thread.start()
        until(lambda: vendor.calls["PUT"])
        os.kill(owner if killed == "owner" else other, signal.SIGKILL)
        until(lambda: len(set(server.workers()) - {owner, other}) == 1)
        (new,) = set(server.workers()) - {owner, other}
        with server.caller(new) as asked:
            entry, *_ = asked.data(ACTIONS)["actions"]["nodes"]
            assert entry["outcome"] == ("UNKNOWN" if killed == "owner" else "PENDING")
            vendor.told.set()
            thread.join(PATIENCE)
            entry, *_ = asked.data(ACTIONS)["actions"]["nodes"]
            assert entry["outcome"] == ("UNKNOWN" if killed == "owner" else "SUCCEEDED")
    assert vendor.calls["PUT"] == 1


def test_invalidation_reaches_all_workers(server: Server, vendor: Vendor) -> None:
    """Without Redis, each worker has a cache of its own."""
    workers = server.workers()
    with server.caller(workers[0]) as one, server.caller(workers[1]) as other:
        for caller in (one, other):
            caller.data(LIST)
        calls = vendor.calls.total()
        for caller in (one, other):
            caller.data(LIST)
        assert vendor.calls.total() == calls
        assert one.data(FORGET)["invalidateCache"]["entries"] > 0
        for caller in (other, one):
            caller.data(LIST)
            assert vendor.calls.total() > calls
            calls = vendor.calls.total()


async def test_concurrency_of_a_source_holds_for_all_workers(
    server: Server, vendor: Vendor
) -> None:
    """A vendor's limit is on the machine, not on a process."""
    until(lambda: not vendor.in_flight)
    vendor.most_in_flight = 0
    with contextlib.ExitStack() as stack:
        callers = [stack.enter_context(server.caller(worker)) for worker in 2 * server.workers()]
        vendor.latency = 0.3
        await asyncio.gather(
            *(
                asyncio.to_thread(caller.data, LIST, event=f"event {number}")
                for number, caller in enumerate(callers)
            )
        )
    assert vendor.most_in_flight <= 2


def test_auto_is_a_worker_for_each_core(configuration: Path) -> None:
    """The start says so, too, where several of them count a caller's requests apart."""
    configuration.write_text(configuration.read_text().replace('rate = "off"', "rate = 100"))
    count = min(usable_cores(), 2)
    with serving(configuration, "--workers", "auto") as server:
        assert len(server.workers()) == count
        assert f" with {count} worker" in server.line
        server.signal(signal.SIGTERM)
        said = server.complaints.read()
        assert ("a caller may send up to 2 times as many" in said) is (count > 1)


def test_one_worker_is_one_process(configuration: Path) -> None:
    with serving(configuration, "--workers", "1") as server:
        assert server.line == f"Serving {server.url}. Ctrl-C stops.\n"
        assert server.workers() == []


@pytest.mark.parametrize(
    ("old", "new", "code", "said"),
    [
        ("port = 0", "port = {taken}", 1, "Can't listen on port "),
        ("port = 0", "port = 0\nworkers = 0", 2, 'must be a whole number from 1 to 100, or "auto"'),
        ("concurrency = 2", "concurrency = 1", 2, "1 workers at most, or raise that concurrency"),
        ("sqlite:///journal", "sqlite:////proc/nowhere/journal", 1, "The journal of actions at "),
    ],
)
def test_mistake_is_told_once_and_nothing_is_started(
    configuration: Path, old: str, new: str, code: int, said: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        configuration.write_text(configuration.read_text().replace(old, new.format(taken=port)))
        words = ("serve", "--config", str(configuration), "--workers", "2")
        with started(*words) as (process, output, complaints):
            assert process.wait(PATIENCE) == code
            assert output.read() == ""
            (line,) = complaints.read().splitlines()
            assert said in line


def test_end_of_the_terminal_stops_all_workers(configuration: Path) -> None:
    """SIGHUP from a terminal that is closed must not be taken for a restart."""
    command = [sys.executable, "-m", "gateway", "serve", "--config", str(configuration)]
    pid, terminal = os.forkpty()
    if pid == 0:  # pragma: no cover - in another process
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        os.execv(sys.executable, [*command, "--workers", "2"])  # noqa: S606
    said = b""
    while b"Ctrl-C stops." not in said:
        said += os.read(terminal, 1000)
    os.close(terminal)
    until(lambda: os.waitpid(pid, os.WNOHANG)[0] == pid)
