"""``gateway demo``: simulated vendors and a gateway for them, in one process."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.text import Text

from gateway.cli.demo_configuration import write_configuration
from gateway.cli.listening import listen, serve, serving, url
from gateway.cli.screen import output, print_error
from gateway.cli.server import _try_journal, grace
from gateway.cli.telemetry import telemetry_of
from gateway.config import is_loopback
from gateway.sandbox import Sandbox
from gateway.settings import load
from gateway.web.app import create_app

if TYPE_CHECKING:
    from gateway.settings import Settings

ARRIVALS_PER_SECOND = 0.5
LATENCY = (0.02, 0.06)
"""The minimum and maximum latency of a simulated vendor, in seconds."""
HOST = "127.0.0.1"
EXAMPLE = "{ webhookLogs(first: 3) { nodes { triggeredAt event status } } }"


def run_demo(port: int, sandbox_port: int, seed: int) -> None:
    """Serve both until a signal.

    ``GATEWAY_...`` variables override the configuration, except for its ports and sources. Raises
    ConfigurationError or JournalError if the gateway can't be used with them.
    """
    with (
        listen(HOST, sandbox_port, "--sandbox-port") as sandbox_listener,
        tempfile.TemporaryDirectory(prefix="webhook-log-gateway-demo-") as folder,
    ):
        sandbox = Sandbox(seed, arrivals_per_second=ARRIVALS_PER_SECOND, latency=LATENCY)
        sandbox_address = url(sandbox_listener)
        file = write_configuration(Path(folder), sandbox, sandbox_address, port=port)
        settings = _load(file, port)
        asyncio.run(_try_journal(settings))
        with (
            listen(settings.server.host, port, "--port") as listener,
            serving(sandbox.app, sandbox_listener, grace=1.0),
            telemetry_of(settings) as telemetry,
        ):
            address = url(listener)
            serve(
                create_app(settings, events=telemetry.events),
                listener,
                lambda: grace(settings),
                lambda: _print_banner(address, sandbox_address, file),
            )


def _load(file: Path, port: int) -> Settings:
    environ = {name: value for name, value in os.environ.items() if not _is_own(name.upper())}
    settings = load(file, environ)
    host = settings.server.host
    if "none" in settings.auth.methods and not is_loopback(host):
        print_error(
            f"The demo does not listen on {host}: it asks for no credential, so other machines"
            " could read and delete its webhook logs. Unset GATEWAY_SERVER__HOST, or require keys"
            " with GATEWAY_AUTH__METHODS and GATEWAY_AUTH__KEYS."
        )
        raise typer.Exit(2)
    server = settings.server.model_copy(update={"port": port})
    return settings.model_copy(update={"server": server})


def _is_own(variable: str) -> bool:
    section = variable.removeprefix("GATEWAY_").partition("__")[0]
    return section == "SOURCES" or variable in ("GATEWAY_CONFIG", "GATEWAY_SERVER__PORT")


def _print_banner(address: str, sandbox: str, file: Path) -> None:
    request = json.dumps({"query": EXAMPLE})
    banner = Text(f"""\
Simulated vendors, and the gateway over them. Ctrl-C stops both.

  Console        {address}/
  GraphiQL       {address}/graphql
  Sandbox        {sandbox}/control/inventory
  Configuration  {file}

Try them in another terminal:

  export GATEWAY_CONFIG={file}
  gateway check
  gateway logs --status failed
  curl {address}/graphql -H 'Content-Type: application/json' -d '{request}'
""")
    banner.highlight_words([f"{address}/\n"], "bold")
    # Only the terminal wraps lines, so that commands can be copied.
    output().print(banner, soft_wrap=True)
