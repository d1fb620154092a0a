"""Rows of every vendor, whole and spoiled, and sources that answer with them."""

from __future__ import annotations

import copy
from typing import Any

import httpx

from gateway.sources.source import Source
from gateway.upstream.operation import Operation
from gateway.vendors.pages import Page, Stream, Wanted, Window
from tests.vendors.vendors import PROJECT, Vendor, always, answer, make, sample, token

STREAMS = {
    "codearts": Stream(key="-", place=("projects", PROJECT, "990412")),
    "yandex-tracker": Stream(key="-", place=("DEV", "41")),
    "language-weaver": Stream(key="audit"),
    "elastic-path": Stream(key="store"),
}

ENVELOPES = {"language-weaver": ("entries", "webhooks"), "elastic-path": ("data", "data")}

ROWS = {
    "codearts": [*sample("codearts/logs"), sample("codearts/log")],
    "yandex-tracker": sample("yandex-tracker/logs"),
    "language-weaver": sample("language-weaver/entries")["entries"],
    "elastic-path": sample("elastic-path/logs")["data"],
}

HOOKS = {
    "codearts": sample("codearts/hooks"),
    "yandex-tracker": sample("yandex-tracker/triggers"),
    "language-weaver": sample("language-weaver/webhooks")["webhooks"],
    "elastic-path": sample("elastic-path/integrations")["data"],
}

PLACES = {
    "codearts": ("projects", PROJECT, "1", "1"),
    "yandex-tracker": ("DEV", "41", "1772615411120000000", "a"),
    "language-weaver": ("1",),
    "elastic-path": ("a", "b", "c"),
}


def listing(provider: str, rows: Any, which: int = 0) -> Any:
    """Put rows into the vendor's envelope: of logs, or of hooks."""
    return {ENVELOPES[provider][which]: rows} if provider in ENVELOPES else rows


async def read(provider: str, rows: Any) -> Page:
    source = make(provider, always(listing(provider, rows)))
    return await source.vendor.read_page(
        STREAMS[provider], Window(limit=50), Wanted(), Operation(5)
    )


def changed(provider: str, **members: Any) -> dict[str, Any]:
    row: dict[str, Any] = copy.deepcopy(ROWS[provider][0])
    return row | members


def hook_source(provider: str, rows: Any) -> Source:
    """Make a source whose streams are found by its hooks."""

    def respond(request: httpx.Request) -> httpx.Response:
        if granted := token(request):
            return granted
        if provider == "elastic-path" and request.url.path.endswith("/logs"):
            return answer({}, 404)
        return answer(listing(provider, rows, which=1))

    return make(provider, Vendor(respond))
