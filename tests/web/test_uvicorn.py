"""The facts about uvicorn's internals that gateway/cli/http_server.py relies on.

When one of these fails after an update, compare http_server.py with uvicorn's new source before the
pin in pyproject.toml is moved.
"""

from __future__ import annotations

import importlib.metadata
import inspect
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httptools
import pytest
import uvicorn
from uvicorn.protocols.http import httptools_impl

from gateway.cli import http_server
from gateway.cli.http_server import BoundedProtocol, GracefulServer
from gateway.cli.listening import config_of

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

ROOT = Path(__file__).parents[2]
Base = httptools_impl.HttpToolsProtocol
Cycle = httptools_impl.RequestResponseCycle


async def app(scope: Scope, receive: Receive, send: Send) -> None: ...


def source_of(function: Any) -> str:
    """Return the source of a function in one line."""
    return " ".join(inspect.getsource(function).split())


def test_minor_version_is_pinned_to_the_installed_one() -> None:
    """Internals change in minor versions, and without notice."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    [pin] = [one for one in project["dependencies"] if re.match(r"uvicorn\b", one)]
    minor = ".".join(importlib.metadata.version("uvicorn").split(".")[:2])
    assert pin == f"uvicorn=={minor}.*"


def test_only_one_file_uses_the_internals() -> None:
    """Otherwise the impact of an update would be unknown."""
    users = [
        path.relative_to(ROOT).as_posix()
        for path in sorted((ROOT / "gateway").rglob("*.py"))
        if re.search(r"uvicorn\.\w+\.|from uvicorn|httptools", path.read_text("utf-8"))
    ]
    assert users == [Path(http_server.__file__).relative_to(ROOT).as_posix()]


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("__init__", ["self", "config", "server_state", "app_state", "_loop"]),
        ("connection_made", ["self", "transport"]),
        ("connection_lost", ["self", "exc"]),
        ("data_received", ["self", "data"]),
        ("on_message_begin", ["self"]),
        ("on_header", ["self", "name", "value"]),
        ("on_headers_complete", ["self"]),
        ("on_body", ["self", "body"]),
        ("on_message_complete", ["self"]),
        ("on_response_complete", ["self"]),
        ("pause_writing", ["self"]),
        ("resume_writing", ["self"]),
        ("_unset_keepalive_if_required", ["self"]),
    ],
)
def test_protocol_has_the_methods_that_are_overridden_or_called(
    name: str, parameters: list[str]
) -> None:
    assert list(inspect.signature(getattr(Base, name)).parameters) == parameters


def test_protocol_has_no_unknown_callbacks() -> None:
    """A new callback of httptools, for chunks perhaps, could let bytes pass uncounted."""
    callbacks = {name for name in dir(Base) if name.startswith("on_")}
    assert callbacks == {
        "on_body",
        "on_header",
        "on_headers_complete",
        "on_message_begin",
        "on_message_complete",
        "on_response_complete",
        "on_url",
    }


@pytest.mark.parametrize(
    ("function", "fact"),
    [
        # connection_lost() marks only the last request; http_server.py marks the one in progress.
        (Base.connection_lost, "self.cycle.disconnected = True"),
        (Base.connection_lost, "self.cycle.message_event.set()"),
        # Pipelined requests wait, the next one at the right end.
        (Base.on_headers_complete, "self.pipeline.appendleft((self.cycle, app))"),
        (Base.on_response_complete, "cycle, app = self.pipeline.pop()"),
        (Base.on_response_complete, "self.timeout_keep_alive_task = self.loop.call_later("),
        # The list of headers is the scope's, with names in lower case.
        (Base.on_message_begin, '"headers": self.headers'),
        (Base.on_header, "name = name.lower()"),
        # An offer to upgrade is dropped where there is no WebSocket; http_server.py parses again.
        (Base._should_upgrade, "self._should_upgrade_to_ws()"),
        (Base._should_upgrade_to_ws, "if self.ws_protocol_class is None: return False"),
        (Base.__init__, "self.parser.set_dangerous_leniencies(lenient_data_after_close=True)"),
        (Base.data_received, "self.parser.feed_data(data) except httptools.HttpParserError:"),
        (Cycle.__init__, "self.response_started = False self.response_complete = False"),
        (Cycle.__init__, "self.disconnected = False"),
        # The steps that GracefulServer.shutdown() takes before uvicorn's own, and those left to it.
        (uvicorn.Server.startup, "server = await loop.create_server(create_protocol, sock=sock"),
        (uvicorn.Server.startup, "self.servers.append(server)"),
        (
            uvicorn.Server.startup,
            "config.http_protocol_class( # type: ignore[call-arg] config=config,"
            " server_state=self.server_state, app_state=self.lifespan.state, _loop=_loop, )",
        ),
        (uvicorn.Server.shutdown, "for server in self.servers: server.close()"),
        (uvicorn.Server.shutdown, "for sock in sockets or []: sock.close()"),
        (uvicorn.Server.shutdown, "connection.shutdown()"),
        (uvicorn.Server.shutdown, "timeout=self.config.timeout_graceful_shutdown"),
        # The ticks go on while GracefulServer drains.
        (uvicorn.Server.main_loop, "should_exit = await self.on_tick(counter)"),
        (uvicorn.Server.on_tick, "if self.should_exit: return True"),
        (uvicorn.Server.handle_exit, "self._captured_signals.append(sig)"),
        (Base.on_message_begin, '"state": self.app_state.copy()'),
        (uvicorn.Server._serve, "await self.startup(sockets=sockets) if not self.should_exit"),
        (uvicorn.Server._serve, "if self.started: await self.shutdown(sockets=sockets)"),
    ],
)
def test_source_matches_the_assumptions_of_protocol_py(function: Any, fact: str) -> None:
    assert fact in source_of(function)


@pytest.mark.parametrize("name", ["startup", "shutdown"])
def test_server_has_the_methods_that_are_overridden(name: str) -> None:
    method = getattr(uvicorn.Server, name)
    assert inspect.iscoroutinefunction(method)
    assert list(inspect.signature(method).parameters) == ["self", "sockets"]


def test_overridden_methods_take_the_same_arguments() -> None:
    for own in (BoundedProtocol, GracefulServer):
        for name, method in vars(own).items():
            inherited = getattr(own.__mro__[1], name, None)
            if inspect.isfunction(method) and inherited and name != "__init__":
                theirs = list(inspect.signature(inherited).parameters)
                assert list(inspect.signature(method).parameters) == theirs, name


def test_status_lines_are_complete() -> None:
    for status in (400, 408, 431):
        assert httptools_impl.STATUS_LINE[status].startswith(b"HTTP/1.1 %d " % status)
        assert httptools_impl.STATUS_LINE[status].endswith(b"\r\n")


def test_configuration_is_accepted() -> None:
    """uvicorn wraps the application that GracefulServer substitutes."""
    config = config_of(app, 1.0)
    server = GracefulServer(config, lambda: None)
    assert config.app == server._app
    config.load()
    assert config.http_protocol_class is BoundedProtocol
    assert config.ws_protocol_class is None
    assert config.backlog > 0


def test_httptools_reports_an_upgrade_with_the_end_of_the_head() -> None:
    """http_server.py feeds the data after it to a new parser."""

    class Callbacks:
        pass

    parser = httptools.HttpRequestParser(Callbacks())
    head = b"POST / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\n"
    with pytest.raises(httptools.HttpParserUpgrade) as offer:
        parser.feed_data(head + b"{}")
    assert offer.value.args == (len(head),)
    assert parser.should_upgrade()
