"""The requests that sources send, and what all of them have in common."""

from __future__ import annotations

from typing import Any

from gateway import __version__
from gateway.model import Timestamp
from gateway.sources.source import Source
from gateway.upstream.operation import Operation
from gateway.vendors.pages import Criteria, Stream, Window
from tests.vendors.vendors import Vendor, always, make

UNTIL = Timestamp(1_772_615_411_120_000_000)
SINCE = Timestamp(UNTIL - 3_600_000_000_000)
SINCE_Z, UNTIL_Z = "2026-03-04T08%3A10%3A10.120Z", "2026-03-04T09%3A10%3A12.000Z"
SINCE_0, UNTIL_0 = SINCE_Z.replace("Z", "%2B0000"), UNTIL_Z.replace("Z", "%2B0000")
PLAIN = {
    "accept": "application/json",
    "accept-encoding": "gzip",
    "connection": "keep-alive",
    "user-agent": f"webhook-log-gateway/{__version__}",
}


async def list_logs(
    source: Source, *place: str, wanted: Criteria | None = None, **window: Any
) -> None:
    await source.vendor.read_page(
        Stream(key="-", place=place),
        Window(**{"limit": 50, **window}),
        wanted or Criteria(),
        Operation(5),
    )


async def asked(provider: str, document: Any, **changes: Any) -> tuple[Source, Vendor]:
    vendor = always(document)
    return make(provider, vendor, **changes), vendor
