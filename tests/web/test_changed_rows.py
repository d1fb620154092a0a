"""What changes at a vendor is seen at the next refresh, whatever was kept of the rows before."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from gateway.cache import cache
from gateway.cli.demo_configuration import write_configuration
from gateway.model import WebhookLogStatus
from gateway.sandbox import Sandbox
from gateway.settings import Settings, load
from gateway.vendors.language_weaver import parsing
from tests.support.moment import stopped
from tests.web.direct import KEY, NOWHERE, Direct, direct, watch_ways
from tests.web.protected import AUTH
from tests.web.visitors import OWN, PersonalVendor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from gateway.model import WebhookLog

pytestmark = pytest.mark.sampled(4)

SOURCE = f"""
[[sources]]
name = "mt"
provider = "language-weaver"
base_url = "{NOWHERE}/{OWN}"
auth = {{ type = "api-key", key = {{ env = "MT_KEY" }} }}
"""
WANTED = {"source": {"eq": "mt"}}
LIST = """{ webhookLogs(first: 3, filter: { source: { eq: "mt" } }MORE) {
  nodes { upstreamId status attempt request { bodyJson } } } }"""
QUERY = LIST.replace("MORE", "")
NO_MAX_AGE = LIST.replace("MORE", ", cache: { maxAge: 0 }")
NO_CACHE = "cache-control", "no-cache"

Rows = list[dict[str, Any]]
Node = dict[str, Any]


def succeed(rows: Rows) -> None:
    rows[1].update(errorMessage="")


def retry(rows: Rows) -> None:
    rows[1].update(errorMessage="", retryAttempts=1)


def delete(rows: Rows) -> None:
    del rows[1]


def pair(nodes: Sequence[Node]) -> list[tuple[str, str, int]]:
    return [(node["upstreamId"], node["status"], node["attempt"]) for node in nodes]


BEFORE = [("4", "SUCCEEDED", 1), ("3", "PENDING", 1), ("2", "SUCCEEDED", 1)]
CHANGES: dict[str, tuple[Callable[[Rows], None], list[tuple[str, str, int]]]] = {
    "status": (succeed, [BEFORE[0], ("3", "SUCCEEDED", 1), BEFORE[2]]),
    "retry": (retry, [BEFORE[0], ("3", "SUCCEEDED", 2), BEFORE[2]]),
    "deletion": (delete, [BEFORE[0], BEFORE[2], ("1", "SUCCEEDED", 1)]),
}
LAYERS: dict[str, tuple[dict[str, Any], str]] = {
    "row memo": ({"server": {"compiled": False}, "cache": {"reuse_answers": False}}, "door"),
    "written rows": ({"cache": {"reuse_answers": False}}, "door"),
    "kept answers": ({}, "kept"),
}
"""The settings with which a layer is the outermost one, and the way of a warm request."""


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    return Sandbox(clock=stopped, logs=20)


@pytest.fixture
def settings(tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A source with logs that may be pending, which no vendor's are."""
    read = parsing._status

    def status(message: str | None) -> WebhookLogStatus:
        return WebhookLogStatus.PENDING if message == "pending" else read(message)

    monkeypatch.setattr(parsing, "_status", status)
    file = write_configuration(tmp_path, sandbox, NOWHERE, port=0)
    file.write_text(file.read_text(encoding="utf-8") + AUTH + SOURCE, encoding="utf-8")
    return load(file, {"MT_KEY": "aK7tokenOfTheGateway"})


async def records(app: Direct) -> dict[str, WebhookLog]:
    page = await app.gateway.logs(app.gateway.operation(), first=3, wanted=WANTED)
    return {record.upstream_id: record for record in page.slice.entries.records}


async def nodes(app: Direct, query: str, *more: tuple[str, str]) -> list[Node]:
    reply = await app.post(query, *more, key=KEY)
    found: list[Node] = reply.data["webhookLogs"]["nodes"]
    return found


@pytest.mark.parametrize("passing", ["refresh", "background", "no-cache", "maxAge"])
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("layer", LAYERS)
async def test_changed_row_is_seen(
    tmp_path: Path,
    sandbox: Sandbox,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    layer: str,
    change: str,
    passing: str,
) -> None:
    watch_ways(monkeypatch)
    monkeypatch.setattr(cache, "REFRESH_DELAY", 0)
    tables, way = LAYERS[layer]
    apply, expected = CHANGES[change]
    async with direct(tmp_path, sandbox, monkeypatch, settings=settings, **tables) as app:
        vendor = PersonalVendor.install(app.vendors)
        for number in range(1, 5):
            vendor.arrive("", failed=False)
            vendor.rows[0].update(errorMessage="pending" if number == 3 else "")
        for _ in range(2):
            await nodes(app, NO_MAX_AGE)
            await nodes(app, QUERY, NO_CACHE)
        replies = [await app.post(QUERY, key=KEY) for _ in range(5)]
        assert replies[-1].way == way
        assert pair(replies[-1].data["webhookLogs"]["nodes"]) == BEFORE
        old = await records(app)
        for record in old.values():
            assert bool(record.__dict__.get("written")) == (layer != "row memo")
        apply(vendor.rows)
        app.clock.advance(2)
        match passing:
            case "refresh":
                app.clock.advance(60)
                seen = await nodes(app, QUERY)
            case "background":
                app.clock.advance(10)
                assert pair(await nodes(app, QUERY)) == BEFORE
                for _ in range(300):
                    await asyncio.sleep(0)
                seen = await nodes(app, QUERY)
            case "no-cache":
                seen = await nodes(app, QUERY, NO_CACHE)
            case _:
                seen = await nodes(app, NO_MAX_AGE)
        assert pair(seen) == expected
        # Whoever asks next gets the same.
        assert pair(await nodes(app, QUERY)) == expected
        new = await records(app)
        same = {id for id, record in new.items() if record is old.get(id)}
        assert same == {"4", "2"}
