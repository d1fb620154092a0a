"""The command as a process: signals, pipes and the server."""

from __future__ import annotations

import signal
import socket

import httpx
import pytest
import typer

from gateway.cli.listening import bind, taken_reported
from tests.cli.command import run
from tests.support.processes import started
from tests.support.sources import SOURCES

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("configuration")]


def test_closed_pipe_ends_the_list_quietly() -> None:
    with started("logs", "--json", "--first", "1000") as (_, output, complaints):
        assert output.readline().startswith('{"id": ')
        output.close()
        assert complaints.read() == ""


def test_ctrl_c_ends_the_list_quietly() -> None:
    with started("logs", "--json", "--first", "1000") as (process, output, complaints):
        output.readline()
        process.send_signal(signal.SIGINT)
        output.read()
        assert complaints.read() == ""
        assert process.wait() == 130


def test_serve_answers_until_a_signal() -> None:
    with started("serve") as (process, output, complaints):
        said = output.readline()
        assert said.startswith("Serving http://127.0.0.1:")
        answer = httpx.post(said.split()[1].rstrip("."), json={"query": "{ sources { name } }"})
        assert [source["name"] for source in answer.json()["data"]["sources"]] == [*SOURCES]
        assert "server" not in answer.headers
        assert "date" in answer.headers
        process.terminate()
        assert complaints.read() == ""
        assert process.wait() == 0


def test_serve_refuses_connections_until_it_can_answer() -> None:
    """A proxy then tries another gateway, instead of waiting for this one."""
    with bind("127.0.0.1", 0) as listener:
        address = listener.getsockname()
        with pytest.raises(ConnectionRefusedError), socket.create_connection(address):
            pass


def test_port_that_two_gateways_have_taken_is_reported_by_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with bind("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with bind("127.0.0.1", port) as second:
            first.listen()
            with pytest.raises(typer.Exit), taken_reported(second):
                second.listen()
    assert f"Can't listen on port {port} of 127.0.0.1: it is in use." in capsys.readouterr().err


def test_serve_reports_a_port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        told = run("serve", "--port", port)
    assert (told.code, told.output) == (1, "")
    assert told.complaints == (
        f"Can't listen on port {port} of 127.0.0.1: it is in use."
        " Give another with --port, or stop what uses it.\n"
    )
