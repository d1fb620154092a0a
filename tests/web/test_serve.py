"""``gateway serve``: an option on the command line has the same effect as its setting."""

from __future__ import annotations

import contextlib
import errno
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import typer

from gateway.cli import listening, server
from gateway.settings import load
from tests.support.processes import started

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import ASGIApp

    from gateway.settings import Settings

WILDCARD = "0.0.0.0"  # noqa: S104 - the subject of these tests


def write(folder: Path, **settings: Any) -> Path:
    """Write a configuration with these settings of ``[server]``."""
    (folder / "key").write_text("planted")
    lines = "\n".join(
        f'{name} = "{value}"' if isinstance(value, str) else f"{name} = {value}"
        for name, value in settings.items()
    )
    file = folder / "gateway.toml"
    file.write_text(f"""
        [server]
        {lines}

        [journal]
        url = "sqlite:///journal.sqlite3"

        [[sources]]
        name = "translations"
        provider = "language-weaver"
        base_url = "http://127.0.0.1:1"
        auth = {{ type = "api-key", key = {{ file = "key" }} }}
    """)
    return file


@contextlib.contextmanager
def running(file: Path, host: str | None = None, port: int | None = None) -> Iterator[int]:
    """Run ``gateway serve`` with options in a thread, and yield its port."""
    served = []

    def keep(app: ASGIApp, listener: socket.socket, *_: object) -> None:
        # run() closes the listener when this returns.
        served.append((app, listener.dup()))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server, "serve", keep)
        server.run(lambda: load(file, {}), server.Options(host, port, insecure=True))
    [(app, listener)] = served
    listener.listen()
    with listener, listening.serving(app, listener, 1.0):
        yield listener.getsockname()[1]


def status(port: int, host: str, address: str = "127.0.0.1", path: str = "/healthz") -> int:
    literal = f"[{address}]" if ":" in address else address
    with httpx.Client(base_url=f"http://{literal}:{port}", headers={"host": host}) as client:
        return client.get(path).status_code


@pytest.mark.sampled(5)
@pytest.mark.parametrize(
    ("setting", "option"), [(WILDCARD, None), ("127.0.0.1", WILDCARD), (None, WILDCARD)]
)
def test_any_host_is_answered_when_listening_beyond_loopback(
    tmp_path: Path, setting: str | None, option: str | None
) -> None:
    """Kubernetes probes a pod by its address, which no one can configure beforehand."""
    settings = {"host": setting} if setting else {}
    with running(write(tmp_path, port=0, **settings), option) as port:
        for path in ("/healthz", "/readyz"):
            assert status(port, "10.244.0.5:8000", path=path) == 200


@pytest.mark.sampled(5)
@pytest.mark.parametrize(
    ("setting", "option"), [("127.0.0.1", None), (WILDCARD, "127.0.0.1"), (None, "localhost")]
)
def test_only_loopback_hosts_are_answered_when_listening_on_loopback(
    tmp_path: Path, setting: str | None, option: str | None
) -> None:
    """The option must bring the protection against DNS rebinding that the setting has."""
    settings = {"host": setting} if setting else {}
    with running(write(tmp_path, port=0, **settings), option) as port:
        address = "localhost" if option == "localhost" else "127.0.0.1"
        assert status(port, "evil.example", address) == 421
        assert status(port, "localhost", address) == 200


@pytest.mark.sampled(7)
@pytest.mark.parametrize("as_option", [True, False])
@pytest.mark.parametrize("host", ["::", "[::]"])
def test_ipv6_wildcard_accepts_ipv4(tmp_path: Path, host: str, as_option: bool) -> None:
    """``--host ::`` is what dual-stack clusters use."""
    if not socket.has_dualstack_ipv6():
        pytest.skip("this system has no dual-stack sockets")
    settings = {} if as_option else {"host": host}
    with running(write(tmp_path, port=0, **settings), host if as_option else None) as port:
        for address in ("127.0.0.1", "::1"):
            assert status(port, "10.244.0.5:8000", address) == 200


@pytest.mark.sampled(7)
@pytest.mark.parametrize("host", ["LOCALHOST", "::ffff:127.0.0.1", " 127.0.0.1", "localhost."])
def test_loopback_is_known_in_every_form(tmp_path: Path, host: str) -> None:
    with running(write(tmp_path, port=0), host) as port:
        assert status(port, "evil.example") == 421
        assert status(port, "localhost") == 200


@pytest.mark.parametrize(
    ("host", "advice"),
    [
        ("*", "give 0.0.0.0 for all addresses of IPv4, or ::"),
        ("http://127.0.0.1", "Give a name or an address alone"),
        ("/run/gateway.sock", "Give a name or an address alone"),
        ("127.0.0.1:8000", "Give that with --port"),
        ("localhost:8000", "Give that with --port"),
    ],
)
def test_host_in_a_wrong_form_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], host: str, advice: str
) -> None:
    """The complaint about a missing credential would send its reader the wrong way."""
    with pytest.raises(typer.Exit):
        server.run(lambda: settings_of(tmp_path), server.Options(host))
    message = " ".join(capsys.readouterr().err.split())
    assert message.startswith(f"Can't listen on {host}:")
    assert advice in message


@pytest.mark.slow
def test_options_of_the_command_line_win_over_settings(tmp_path: Path) -> None:
    """In a process of its own, from the words on the command line."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        file = write(tmp_path, port=taken.getsockname()[1])
        words = ("serve", "--config", str(file), "--port", "0", "--host", WILDCARD, "--insecure")
        with started(*words) as (_, output, complaints):
            line = output.readline()
            assert line, complaints.read()
            port = httpx.URL(line.split()[1].rstrip(".")).port
            assert port
            assert status(port, "10.244.0.5:8000") == 200


def settings_of(folder: Path, **settings: Any) -> Settings:
    return load(write(folder, **settings), {})


def test_empty_host_option_is_ignored(tmp_path: Path) -> None:
    """``--host "$HOST"`` without the variable must not listen on every interface."""
    settings = settings_of(tmp_path, host="127.0.0.2", port=1)
    merged = server.with_options(settings, server.Options(""))
    assert (merged.server.host, merged.server.port) == ("127.0.0.2", 1)


def test_options_become_settings(tmp_path: Path) -> None:
    """Nothing that reads the settings later may see another address than the socket has."""
    settings = settings_of(tmp_path, host="127.0.0.2", port=1, workers=2)
    merged = server.with_options(settings, server.Options(WILDCARD, 0, "auto"))
    assert (merged.server.host, merged.server.port) == (WILDCARD, 0)
    assert merged.server.workers == "auto"
    assert merged.sources[0].name == "translations"


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(errno.EADDRINUSE, "x"), "it is in use. Give another with --port, or stop"),
        (OSError(errno.EACCES, "x"), "this account may not use it."),
        (OSError(errno.EADDRNOTAVAIL, "x"), "this machine has no such address."),
        (OSError(errno.EAFNOSUPPORT, "x"), "this machine has IPv6 switched off."),
        (socket.gaierror(socket.EAI_NONAME, "x"), "the name of the host has no address."),
        (OSError(errno.EMFILE, "x"), "too many open files."),
    ],
)
def test_listening_fails_with_the_actual_reason(
    error: OSError,
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A single message for all errors misled operators about the cause."""

    def fail(*_: object, **__: object) -> None:
        raise error

    if isinstance(error, socket.gaierror):
        monkeypatch.setattr(socket, "getaddrinfo", fail)
    else:
        monkeypatch.setattr(socket.socket, "bind", fail)
    with pytest.raises(typer.Exit):
        listening.listen("127.0.0.1", 8000)
    message = " ".join(capsys.readouterr().err.split())
    assert message.startswith(f"Can't listen on port 8000 of 127.0.0.1: {sentence}")


@pytest.mark.skipif(sys.platform == "win32", reason="has no such limit")
@pytest.mark.parametrize(
    ("soft", "hard", "raised"),
    [
        (1024, 524_288, [(listening.MAX_FILES, 524_288)]),
        (1024, 4096, [(4096, 4096)]),
        (1024, -1, [(listening.MAX_FILES, -1)]),
        (100_000, 524_288, []),
        (-1, -1, []),
        (4096, 4096, []),
    ],
)
def test_server_may_have_more_than_a_thousand_connections(
    soft: int, hard: int, raised: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the soft limit, health checks would not be accepted either."""
    import resource  # noqa: PLC0415 - not for Windows

    given: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: given.append(limits))
    listening.allow_connections()
    assert given == raised
