"""A made-up fifth vendor, added to a copy of the package by a kit and a line in the registry."""

from __future__ import annotations

import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import gateway

pytestmark = pytest.mark.slow

KIT = '''
"""A made-up vendor: one list, newest first, with offsets."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta

from gateway.config.secret import HeaderSecret
from gateway.config.source import SourceTable
from gateway.config.values import Table
from gateway.model import Capability, Details, WebhookLog, WebhookLogStatus
from gateway.upstream.auth import FixedCredential
from gateway.upstream.errors import VendorError
from gateway.vendors.base import Vendor, parse_rows
from gateway.vendors.pages import Found, Page, Stream


class AcmeKey(Table, title="Acme Hooks: an API key"):
    """An API key."""

    type: Literal["key"]
    """The form of authentication."""
    key: HeaderSecret
    """The API key."""


class AcmeSettings(SourceTable, title="Acme Hooks"):
    """Webhook logs of Acme Hooks."""

    provider: Literal["acme-hooks"]
    """The vendor, which determines the other keys."""
    auth: AcmeKey
    """How to authenticate."""


class AcmeDetails(Details, frozen=True, kw_only=True, tag="acme"):
    """Fields that only Acme Hooks has."""

    anvil: Annotated[str | None, Meta(description="The anvil that fell.")] = None


class Acme(Vendor[AcmeSettings]):
    provider: ClassVar = "acme-hooks"
    title: ClassVar = "Acme Hooks"
    settings: ClassVar = AcmeSettings
    details: ClassVar = AcmeDetails
    capabilities: ClassVar = frozenset({Capability.LIST})

    @staticmethod
    def read_error(body: Any) -> VendorError:
        return VendorError()

    @staticmethod
    def credential(settings, endpoint):
        return FixedCredential({"X-Key": settings.auth.key.get_secret_value()})

    async def find_streams(self, operation):
        return Found([Stream(key="all")])

    async def read_page(self, stream, window, wanted, operation):
        document, _ = await self.client.json(
            "/sent", [("skip", str(window.offset))], operation=operation
        )
        rows = self.checked_list(document)
        logs, unreadable = parse_rows(rows, lambda row: parse_log(row, self.ids))
        return Page(
            logs=logs,
            unreadable=unreadable,
            read=len(rows),
            offset=window.offset,
            more=bool(rows),
        )

    async def hooks(self, operation):
        return ()


def parse_log(row, ids):
    upstream_id = row.id()
    shown = row.redacted()
    return WebhookLog(
        id=ids.log(upstream_id),
        upstream_id=upstream_id,
        source=ids.source,
        provider="acme-hooks",
        status=WebhookLogStatus.SUCCEEDED,
        triggered_at=row.sort_time("at"),
        details=AcmeDetails(anvil=shown.text("anvil")),
        raw=shown.document,
        warnings=tuple(row.warnings),
    )


KIT = Acme
'''

USE = """
import asyncio
import httpx
from gateway.schema import build_schema
from gateway.settings import json_schema, load
from gateway.service import Gateway

assert "acme-hooks" in str(json_schema())
sdl = build_schema().as_str()
assert "ACME_HOOKS" in sdl and "type AcmeDetails" in sdl and "The anvil that fell." in sdl

def respond(request):
    rows = [{"id": 7, "at": "2026-03-04T09:10:11Z", "anvil": "the big one"}]
    return httpx.Response(200, json=rows if request.url.params["skip"] == "0" else [])

async def main():
    async with Gateway(load(None, ENVIRON), transport=httpx.MockTransport(respond)) as gateway:
        page = await gateway.logs(gateway.operation(), wanted={"provider": {"eq": "acme-hooks"}})
        (entry,) = page.slice.entries
        print(entry.log.provider, entry.log.upstream_id, entry.log.details.anvil)

asyncio.run(main())
"""


def test_kit_and_line_in_registry_add_a_vendor(tmp_path: Path) -> None:
    """Schema, configuration and lists know the vendor without a change in any other file."""
    package = tmp_path / "gateway"
    ignored = shutil.ignore_patterns("__pycache__", "static")
    shutil.copytree(Path(gateway.__file__).parent, package, ignore=ignored)
    (package / "vendors/acme.py").write_text(KIT)
    registry = package / "vendors/__init__.py"
    text = registry.read_text()
    registry.write_text(text.replace("_KITS = (\n", '_KITS = (\n    "acme",\n'))
    source = (
        '[{"name": "hooks", "provider": "acme-hooks", "base_url": "https://acme.example",'
        ' "auth": {"type": "key", "key": {"env": "ACME_KEY"}}}]'
    )
    environ = {"GATEWAY_SOURCES": source, "ACME_KEY": "k"}
    script = textwrap.dedent(USE).replace("ENVIRON", repr(environ))
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "acme-hooks 7 the big one\n"), done.stderr
