"""The product behind the documentation: vendors, schema, and a gateway over the sandbox.

The clock stands still, so that pages can show real responses.
"""

from __future__ import annotations

import contextlib
import functools
import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from graphql import EnumTypeDefinitionNode, parse
from rich.console import Console
from starlette.types import ASGIApp

import gateway.cli.demo
import gateway.cli.screen
import gateway.cli.server
import gateway.service
import gateway.web.app
from gateway.cli import app
from gateway.cli.demo_configuration import write_configuration
from gateway.sandbox import Credentials, Sandbox
from gateway.sandbox.faults import Fault
from gateway.schema import build_schema
from gateway.settings import Settings, json_schema, load
from gateway.vendors import VENDORS as _VENDORS
from gateway.vendors.base import Vendor
from gateway.vendors.described import OwnVendor
from gateway.vendors.described.vendor import DescribedVendor
from tests.support.moment import MOMENT, stopped

__all__ = [
    "ENUMS",
    "FAULTS",
    "KEPT",
    "SETTINGS",
    "SHIPPED",
    "TYPES",
    "VENDORS",
    "VENDOR_METHODS",
    "app",
    "demo",
    "settings",
    "terminal",
]

WIDTH = 99
"""Width of the terminal on the pages, in columns."""

SETTINGS = json_schema()
"""The JSON schema of the configuration."""
TYPES = {
    node.name.value: node
    for node in parse(build_schema().as_str()).definitions
    if hasattr(node, "name")
}
"""The definitions of the GraphQL schema, by name."""
ENUMS = {
    name: {
        value.name.value: value.description.value if value.description else ""
        for value in node.values or ()
    }
    for name, node in TYPES.items()
    if isinstance(node, EnumTypeDefinitionNode)
}
"""The values of the schema's enums with their descriptions."""

VENDORS = {
    provider: (kit.title, {capability.name for capability in kit.capabilities})
    for provider, kit in _VENDORS.items()
    if kit is not OwnVendor
}
"""The name and the capabilities of each vendor, by provider."""
KEPT = {provider: (kit.retention, kit.limits) for provider, kit in _VENDORS.items()}
"""How long each vendor keeps its logs, and how many calls it allows."""
SHIPPED = {
    name for name, kit in _VENDORS.items() if issubclass(kit, DescribedVendor)
} & VENDORS.keys()
"""The providers of the shipped descriptions, which say themselves what their keys are."""
VENDOR_METHODS = (
    *sorted(Vendor.__abstractmethods__),
    "read_log",
    "read_attempts",
    "scan_for",
    "retry",
    "delete",
)
"""The methods that a new vendor must or may implement."""
FAULTS: tuple[str, ...] = typing.get_args(typing.get_type_hints(Fault)["kind"])
"""The kinds of faults of a simulated vendor."""


class Client:
    """Sends requests to an application that runs in the portal's thread."""

    def __init__(self, portal: BlockingPortal, application: ASGIApp) -> None:
        self._portal = portal
        self._transport = httpx.ASGITransport(application)

    def request(self, method: str, url: httpx.URL | str, **options: Any) -> httpx.Response:
        """Send a request, and wait for the complete response."""
        response: httpx.Response = self._portal.call(self._request, method, url, options)
        return response

    async def _request(
        self, method: str, url: httpx.URL | str, options: dict[str, Any]
    ) -> httpx.Response:
        async with httpx.AsyncClient(transport=self._transport) as client:
            return await client.request(method, url, **options)

    def ask(self, query: str, variables: dict[str, str] | None = None) -> Any:
        """Send a GraphQL request; AssertionError for a response with errors."""
        body = {"query": query, "variables": variables or {}}
        answer = self.request("POST", "http://127.0.0.1:8000/graphql", json=body).json()
        assert "errors" not in answer, answer["errors"]
        return answer


@contextlib.contextmanager
def demo(folder: Path, tables: str = "") -> Iterator[tuple[Client, Client]]:
    """Serve the demo's configuration, with further tables before its sources.

    Yields clients of the gateway and of the sandbox. Commands run in this process use the same
    sandbox at the same moment; commands that start a server only read their configuration.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sandbox = Sandbox(clock=stopped)
    file = write_configuration(folder, sandbox, "http://127.0.0.1:1", port=8000)
    with_tables(file, tables)
    transport = httpx.ASGITransport(sandbox.app)
    made = functools.partial(gateway.service.Gateway, clock=lambda: MOMENT * 10**9)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gateway.service, "Gateway", functools.partial(made, transport=transport))
        patch.setattr(gateway.web.app, "Gateway", made)
        patch.setattr(gateway.cli.server, "run", _noted)
        patch.setattr(gateway.cli.demo, "run_demo", _noted)
        patch.setattr(gateway.cli.screen, "_console", terminal)
        patch.setenv("GATEWAY_CONFIG", str(file))
        application = gateway.web.app.create_app(load(file, {}), transport=transport)
        with start_blocking_portal() as portal:
            lifespan = application.router.lifespan_context(application)
            with portal.wrap_async_context_manager(lifespan):
                yield Client(portal, application), Client(portal, sandbox.app)


def with_tables(file: Path, tables: str) -> None:
    """Insert tables into a configuration file, replacing those of the same names."""
    text = file.read_text(encoding="utf-8")
    for name in re.findall(r"^\[(\w+)\]$", tables, re.MULTILINE):
        text = re.sub(rf"^\[{name}\]\n.*?(?=^\[)", "", text, flags=re.MULTILINE | re.DOTALL)
    file.write_text(f"{tables}\n{text}", encoding="utf-8")


def settings(file: Path, text: str) -> Settings:
    """Load a configuration with dummy secrets, and with the demo's sources if it has none."""
    folder = file.parent
    environ = dict.fromkeys(re.findall(r'env = "(\w+)"', text), "secret")
    if "JOURNAL_URL" in environ:
        environ["JOURNAL_URL"] = "postgresql://gateway:secret@db.example.com/gateway"
    for path in re.findall(r'file = "([^"]+)"', text):
        secret = folder / path.lstrip("/")
        secret.parent.mkdir(parents=True, exist_ok=True)
        content = Credentials().github_app_key if path.endswith(".pem") else "secret"
        secret.write_text(content, encoding="utf-8")
        text = text.replace(f'"{path}"', f'"{secret}"')
    for path in re.findall(r'trusted = \["([^"]+)"\]', text):
        manifest = folder / path
        manifest.parent.mkdir(parents=True, exist_ok=True)
        manifest.write_text('{"id": "{ sources { name } }"}', encoding="utf-8")
    if "[[sources]]" not in text:
        text = f"{text}\n{SOURCES}"
        environ["LW_KEY"] = "secret"
    file.write_text(text, encoding="utf-8")
    return load(file, environ)


SOURCES = """
[[sources]]
name = "translations"
provider = "language-weaver"
base_url = "https://controller-host:8001"
auth = { type = "api-key", key = { env = "LW_KEY" } }

[[sources]]
name = "shop"
provider = "language-weaver"
base_url = "https://controller-host:8001"
auth = { type = "api-key", key = { env = "LW_KEY" } }
"""
"""Sources to complete configurations without any, with the names that those configurations use."""


def _noted(*_: Any, **__: Any) -> None:
    """Replace a function that would serve until it is stopped."""


def terminal(*, stderr: bool) -> Console:
    """Return a console as wide as the pages."""
    return Console(
        stderr=stderr,
        width=WIDTH,
        force_terminal=not stderr,
        color_system=None,
        markup=False,
        emoji=False,
        highlight=False,
    )
