"""A small description, and sources that are read by it or by a variant of it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import TypeAdapter

from gateway.cache import Cache
from gateway.cache.memory import MemoryStore
from gateway.config.secret import ReferenceContext
from gateway.errors import ConfigurationError
from gateway.settings import SourceSettings
from gateway.sources import Source, make_source
from gateway.vendors.described.description import load
from tests.vendors.vendors import Vendor

BASE = "https://acme.example"
ACME = """
title = "Acme Hooks"
docs = "https://acme.example/docs"

[auth.bearer]

[list]
path = "/events"
items = "events"

[log]
id = "id"
triggered_at = "at"

[log.status]
path = "state"
values = { done = "SUCCEEDED", failed = "FAILED" }
"""


def written(folder: Path, *tables: str, replace: Mapping[str, str] | None = None) -> Path:
    """Write the description with further tables, and with some of its lines replaced."""
    text = ACME
    for old, new in (replace or {}).items():
        assert old in text
        text = text.replace(old, new)
    file = folder / "acme.toml"
    file.write_text("\n".join([text, *tables]), encoding="utf-8")
    return file


def assert_told(file: Path, sentence: str) -> None:
    """Assert that one of the mistakes of a description is told in that sentence."""
    with pytest.raises(ConfigurationError) as caught:
        load(file)
    assert any(problem.startswith(f"{file}: {sentence}") for problem in caught.value.problems), (
        caught.value.problems
    )


def source_of(file: Path, vendor: Vendor, **keys: Any) -> Source:
    """Return a source that is read by a description."""
    values = {
        "name": "it",
        "provider": "described",
        "description": file.name,
        "base_url": BASE,
        "auth": {"type": "bearer", "token": {"env": "TOKEN"}},
        **keys,
    }
    adapter: TypeAdapter[SourceSettings] = TypeAdapter(SourceSettings)
    context = ReferenceContext({"TOKEN": "t-1"}, file.parent)
    settings = adapter.validate_python(values, context=context)
    cache = Cache(MemoryStore(max_entries=100, max_bytes=2**20, clock=time.time_ns), time.time_ns)
    return make_source(settings, cache, vendor)


def answer(document: Any, status: int = 200, **headers: str) -> httpx.Response:
    """Return a JSON response."""
    return httpx.Response(status, json=document, headers=headers)
