"""Sample documents, parsed by a source of their vendor."""

from __future__ import annotations

from typing import Any

from gateway.model import Hook, WebhookLog
from gateway.upstream.operation import Operation
from gateway.vendors.pages import Criteria, Page, Window
from tests.vendors.cases import CASES
from tests.vendors.vendors import always, make


async def page_of(provider: str, document: Any, **headers: Any) -> Page:
    """Read a page of logs from a vendor that returns the document."""
    source = make(provider, always(document, **headers))
    return await source.vendor.read_page(
        CASES[provider].stream, Window(limit=25), Criteria(), Operation(5)
    )


async def log_of(provider: str, document: Any) -> WebhookLog:
    """Read the first log of a page, all of whose rows must be readable."""
    page = await page_of(provider, document)
    assert not page.unreadable
    return page.logs[0]


async def hooks_of(provider: str, document: Any) -> list[Hook]:
    """Read the hooks of a vendor that returns the document."""
    return list(await make(provider, always(document)).hooks(Operation(5)))
