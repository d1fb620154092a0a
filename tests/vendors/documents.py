"""Sample rows of every vendor, and sources whose vendor returns given rows."""

from __future__ import annotations

import copy
from typing import Any

import httpx

from gateway.sources.source import Source
from gateway.upstream.operation import Operation
from gateway.vendors.pages import Criteria, Page, Window
from tests.vendors.cases import CASES
from tests.vendors.vendors import Vendor, always, answer, make, token

STREAMS = {provider: case.stream for provider, case in CASES.items()}
ROWS = {provider: case.rows for provider, case in CASES.items()}
HOOKS = {provider: case.hooks for provider, case in CASES.items()}
PLACES = {provider: case.place for provider, case in CASES.items()}
ENVELOPES = {provider: case.log_envelope for provider, case in CASES.items() if case.log_envelope}


def listing(provider: str, rows: Any, which: int = 0) -> Any:
    """Return the document of a page of logs, or of hooks if ``which`` is 1."""
    case = CASES[provider]
    return case.page_of_hooks(rows) if which else case.page_of_logs(rows)


async def read(provider: str, rows: Any) -> Page:
    source = make(provider, always(CASES[provider].page_of_logs(rows)))
    return await source.vendor.read_page(
        STREAMS[provider], Window(limit=50), Criteria(), Operation(5)
    )


def changed(provider: str, **members: Any) -> dict[str, Any]:
    """Return the first sample row with other fields; ``id`` is the one with the id."""
    row: dict[str, Any] = copy.deepcopy(ROWS[provider][0])
    if "id" in members:
        members[CASES[provider].log_id] = members.pop("id")
    return row | members


def hook_source(provider: str, rows: Any) -> Source:
    """Create a source with these hooks, and where possible with a list of logs for each."""
    case = CASES[provider]

    def respond(request: httpx.Request) -> httpx.Response:
        if granted := token(request):
            return granted
        if case.refuse_common_list(request):
            return answer({}, 404)
        document = case.page_of_hooks(rows)
        if case.hook_envelope and case.log_envelope != case.hook_envelope:
            document |= case.page_of_logs([])
        return answer(document)

    return make(provider, Vendor(respond))
