"""The log and the traces of a whole run show no secret, no body and no URL."""

from __future__ import annotations

import io
import json
import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.config import LogSettings
from gateway.events import Events
from gateway.telemetry.log_output import set_up
from gateway.telemetry.logs import Logs
from tests.telemetry.recorded import Recorded, attributes
from tests.telemetry.whole_run import running

pytestmark = pytest.mark.slow

KEYS = {
    "error.type",
    "graphql.document.hash",
    "graphql.operation.name",
    "graphql.operation.type",
    "http.request.method",
    "http.request.resend_count",
    "http.response.status_code",
    "server.address",
    "server.port",
    "url.template",
    *(
        f"webhook_gateway.{name}"
        for name in (
            "background",
            "cache",
            "calls",
            "errors",
            "lookups",
            "lost",
            "request_id",
            "rows.returned",
            "rows.scanned",
            "source",
            "unsent",
            "waited",
        )
    ),
}
"""The attributes of spans: a new one has to be looked at."""


@pytest.fixture
def log(request: pytest.FixtureRequest) -> Iterator[tuple[io.StringIO, Events]]:
    """Write the log of this process at the level "debug" into a text."""
    root, own = logging.getLogger(), logging.getLogger("gateway")
    before = root.handlers[:], root.level, own.level
    stream, events = io.StringIO(), Events()
    settings = LogSettings(format=request.param, level="debug")
    Logs(set_up(settings, stream), settings).subscribe(events)
    yield stream, events
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    own.setLevel(before[2])


@pytest.mark.parametrize("log", ["json", "console"], indirect=True)
async def test_log_of_a_whole_run_has_no_secret(
    log: tuple[io.StringIO, Events], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    stream, events = log
    async with running(tmp_path, events) as run:
        await run.all()
        text = stream.getvalue()
        assert [secret for secret in run.secrets if secret in text] == []
    assert "http://" not in text
    assert "https://" not in text
    assert "?" not in text
    if "json" in request.node.name:
        entries = [json.loads(line) for line in text.splitlines()]
        kinds = Counter(entry["event"] for entry in entries if "logger" not in entry)
        assert set(kinds) >= {"operation", "action", "breaker", "call"}
        codes = {code for entry in entries for code in entry.get("errors", ())}
        assert codes >= {"GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED", "INVALID_ID"}
        assert {entry["source"] for entry in entries if entry["event"] == "call"} == set(
            run.sources
        )
        assert {entry["level"] for entry in entries} >= {"debug", "info", "warning"}


async def test_traces_of_a_whole_run_have_no_secret(tmp_path: Path) -> None:
    events = Events()
    recorded = Recorded(events)
    async with running(tmp_path, events) as run:
        await run.all()
        text = "\n".join(span.to_json() for span in recorded.spans)
        assert [secret for secret in run.secrets if secret in text] == []
    assert "http://" not in text
    assert "https://" not in text
    assert "?" not in text
    names = {span.name.split()[0] for span in recorded.spans}
    assert names >= {"query", "mutation", "GraphQL", "look", "read", "GET", "POST", "PUT"}
    found = [attributes(span) for span in recorded.spans]
    assert {each["webhook_gateway.source"] for each in found if "url.template" in each} == set(
        run.sources
    )
    assert {name for each in found for name in each} <= KEYS
