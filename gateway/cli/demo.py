"""``gateway demo``: the sandbox and a gateway over it, in one process."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from rich.text import Text

from gateway.cli.demo_configuration import write_configuration
from gateway.cli.screen import output
from gateway.cli.server import grace, listen, serve, serving, url
from gateway.sandbox import Sandbox
from gateway.settings import load
from gateway.web.app import create_app

ARRIVALS_PER_SECOND = 0.5
LATENCY = (0.02, 0.06)
"""Seconds that a simulated vendor takes to answer, at least and at most."""
HOST = "127.0.0.1"
EXAMPLE = "{ webhookLogs(first: 3) { nodes { triggeredAt event status } } }"


def run_demo(port: int, sandbox_port: int, seed: int) -> None:
    """Serve both until a signal tells to stop."""
    with (
        listen(HOST, port, "--port") as listener,
        listen(HOST, sandbox_port, "--sandbox-port") as sandbox_listener,
        tempfile.TemporaryDirectory(prefix="webhook-log-gateway-demo-") as folder,
    ):
        sandbox = Sandbox(seed, arrivals_per_second=ARRIVALS_PER_SECOND, latency=LATENCY)
        with serving(sandbox.app, sandbox_listener, grace=1.0):
            address, sandbox_address = url(listener), url(sandbox_listener)
            file = write_configuration(
                Path(folder), sandbox, sandbox_address, port=listener.getsockname()[1]
            )
            settings = load(file, {})
            serve(
                create_app(settings),
                listener,
                grace(settings),
                lambda: _print_banner(address, sandbox_address, file),
            )


def _print_banner(address: str, sandbox: str, file: Path) -> None:
    request = json.dumps({"query": EXAMPLE})
    banner = Text(f"""\
Simulated vendors, and the gateway over them. Ctrl-C stops both.

  GraphiQL       {address}/graphql
  Sandbox        {sandbox}/control/inventory
  Configuration  {file}

Try in another terminal:

  export GATEWAY_CONFIG={file}
  gateway check
  gateway logs --status failed
  curl {address}/graphql -H 'Content-Type: application/json' -d '{request}'
""")
    banner.highlight_words([f"{address}/graphql\n"], "bold")
    # Broken by the terminal alone, the commands can be copied.
    output().print(banner, soft_wrap=True)
