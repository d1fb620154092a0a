"""Sources as the gateway creates them, over the sandbox or a fake vendor."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import httpx
from pydantic import TypeAdapter

from gateway.cache import Cache
from gateway.cache.memory import MemoryStore
from gateway.sandbox import Sandbox
from gateway.settings import SourceSettings
from gateway.sources import Source, make_source
from tests.support.clock import Clock
from tests.support.vendor import FakeVendor as Vendor
from tests.vendors.case import BASE, sample
from tests.vendors.cases import CASES
from tests.vendors.codearts.case import PROJECT
from tests.vendors.elastic_path.case import INTEGRATION, JOB

__all__ = [
    "BASE",
    "INTEGRATION",
    "JOB",
    "PROJECT",
    "PROVIDERS",
    "START",
    "WITH_TOKENS",
    "Clock",
    "Vendor",
    "always",
    "answer",
    "make",
    "make_on_sandbox",
    "sample",
    "token",
]

START = 1_772_615_411_250_000_000
"""2026-03-04T09:10:11.250Z."""

PROVIDERS = tuple(CASES)
WITH_TOKENS = tuple(provider for provider, case in CASES.items() if case.token_request)
"""Vendors that issue tokens."""


def always(document: Any, status: int = 200, **headers: str) -> Vendor:
    """Create a vendor that returns one document for every request, and issues tokens."""
    return Vendor(lambda request: token(request) or answer(document, status, **headers))


def answer(document: Any, status: int = 200, **headers: str) -> httpx.Response:
    """Return a JSON response; the names of headers have _ in place of -."""
    return httpx.Response(
        status,
        content=json.dumps(document),
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )


def token(request: httpx.Request) -> httpx.Response | None:
    """Respond to a token request of any vendor."""
    if request.method != "POST":
        return None
    document = {"access_token": "t0", "token": "t0", "iamToken": "t0", "expires_in": 3600}
    return answer(document, 201, X_Subject_Token="t0")


def make(
    provider: str,
    transport: httpx.AsyncBaseTransport,
    clock: Callable[[], int] = lambda: START,
    monotonic: Callable[[], float] = time.monotonic,
    **changes: Any,
) -> Source:
    """Create a source named "it" with a vendor at ``BASE``."""
    values = {
        "name": "it",
        "provider": provider,
        "base_url": BASE,
        **(CASES[provider].settings if provider in CASES else {}),
        **changes,
    }
    return make_source(
        _ADAPTER.validate_python(values),
        Cache(MemoryStore(max_entries=1000, max_bytes=2**24, clock=clock), clock),
        transport,
        clock,
        monotonic,
    )


def make_on_sandbox(provider: str, sandbox: Sandbox, clock: Clock[int], **changes: Any) -> Source:
    """Create a source that covers everything at a vendor of the sandbox."""
    values = CASES[provider].on_sandbox(sandbox) | changes
    return make(provider, httpx.ASGITransport(sandbox.app), clock, **values)


_ADAPTER: TypeAdapter[SourceSettings] = TypeAdapter(SourceSettings)
