"""Vendors that refuse parameters, for the tests of fallbacks."""

from __future__ import annotations

from typing import Any

import httpx

from gateway.model import Timestamp
from gateway.sources.source import Source
from gateway.upstream.operation import Operation
from gateway.vendors.pages import Criteria, Page, Stream, Window
from tests.vendors.vendors import Vendor, answer, make

UNTIL = Timestamp(1_772_615_411_120_000_000)


def refusing(
    provider: str, refused: set[str], document: Any, status: int = 400
) -> tuple[Source, Vendor]:
    """Create a source of a vendor that refuses some parameters."""

    def respond(request: httpx.Request) -> httpx.Response:
        if refused & set(request.url.params):
            return answer({"error_code": "CH.010001", "error_msg": "No such parameter."}, status)
        return answer(document)

    vendor = Vendor(respond)
    return make(provider, vendor), vendor


async def read(
    source: Source, stream: Stream, wanted: Criteria | None = None, **window: Any
) -> Page:
    return await source.vendor.read_page(
        stream, Window(**{"limit": 2, **window}), wanted or Criteria(), Operation(5)
    )


def names(vendor: Vendor) -> list[list[str]]:
    """Return the names of the parameters of each request."""
    return [list(request.url.params) for request in vendor.requests]
