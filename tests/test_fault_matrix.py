"""Responses while one vendor fails, for each vendor and each kind of failure.

A cell is a first page of 25 logs from a gateway with an empty cache, over a sandbox in which one
vendor has the fault: at every path except its token endpoint, or, in the columns with a /, only
at its lists of logs, after its hooks were read. It shows how many of the logs on the page are that
vendor's, and how many calls it received, without token requests. With every fault the page is full,
and the logs of the other vendors are the same as without it.

A failing test prints the new lines of the table.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from starlette.types import ASGIApp

from gateway.cli.demo_configuration import write_configuration
from gateway.sandbox import Sandbox
from gateway.schema import build_schema
from gateway.schema.context import Context
from gateway.service import Gateway
from gateway.settings import load
from tests.support.moment import MOMENT, stopped

pytestmark = pytest.mark.slow

TABLES = (
    """
fault            outcome code                        codearts /logs tracker /log  weaver shop
nothing          OK      -                           3/10     3/10  3/10    3/10  1/1    1/3
latency          FAILED  UPSTREAM_TIMEOUT            0/4      0/10  0/2     0/10  0/1    0/2
reset            FAILED  UPSTREAM_UNREACHABLE        0/10     0/10  0/6     0/10  0/3    0/6
refused          FAILED  UPSTREAM_UNREACHABLE        0/10     0/10  0/6     0/6   0/3    0/0
401              FAILED  UPSTREAM_UNAUTHORIZED       0/8      0/16  0/2     0/10  0/1    0/4
403              FAILED  UPSTREAM_FORBIDDEN          0/4      0/10  0/2     0/10  0/1    0/2
404              FAILED  UPSTREAM_NOT_FOUND          0/4      0/10  0/2     0/10  0/1    0/4
429 with seconds FAILED  UPSTREAM_RATE_LIMITED       0/1      0/5   0/1     0/4   0/1    0/1
429 with date    FAILED  UPSTREAM_RATE_LIMITED       0/1      0/5   0/1     0/4   0/1    0/1
429 without      FAILED  UPSTREAM_RATE_LIMITED       0/10     0/10  0/6     0/10  0/3    0/6
500              FAILED  UPSTREAM_ERROR              0/4      0/10  0/2     0/10  0/1    0/2
503              FAILED  UPSTREAM_ERROR              0/10     0/10  0/6     0/10  0/3    0/6
HTML             FAILED  UPSTREAM_INVALID_RESPONSE   0/4      0/10  0/2     0/10  0/1    0/2
empty            FAILED  UPSTREAM_INVALID_RESPONSE   0/4      0/10  0/2     0/10  0/1    0/2
truncated JSON   FAILED  UPSTREAM_INVALID_RESPONSE   0/4      0/10  0/2     0/10  0/1    0/2
cut body         FAILED  UPSTREAM_UNREACHABLE        0/10     0/10  0/6     0/10  0/3    0/6
endless body     FAILED  UPSTREAM_RESPONSE_TOO_LARGE 0/4      0/10  0/2     0/10  0/1    0/2
wrong document   FAILED  UPSTREAM_INVALID_RESPONSE   0/4      0/10  0/2     0/10  0/1    0/2
wrong rows       PARTIAL UPSTREAM_INVALID_RESPONSE   1/6      .     0/9     .     .      .
wrong rows       OK      -                           .        1/10  .       1/10  0/1    0/3
duplicate ids    OK      -                           3/14     3/10  3/10    3/10  1/1    1/3
""",
    """
fault            outcome code                        github /hub  gitlab /lab  svix  /svix hookdeck
nothing          OK      -                           9/7    9/7   2/6    2/6   3/8   3/8   3/1
latency          FAILED  UPSTREAM_TIMEOUT            0/3    0/7   0/2    0/6   0/1   0/8   0/1
reset            FAILED  UPSTREAM_UNREACHABLE        0/9    0/10  0/6    0/10  0/3   0/10  0/3
refused          FAILED  UPSTREAM_UNREACHABLE        0/9    0/9   0/6    0/6   0/3   0/3   0/3
401              FAILED  UPSTREAM_UNAUTHORIZED       0/3    0/7   0/2    0/6   0/1   0/8   0/1
403              FAILED  UPSTREAM_FORBIDDEN          0/3    0/7   0/2    0/6   0/1   0/8   0/1
404              FAILED  UPSTREAM_NOT_FOUND          0/3    0/7   0/2    0/6   0/1   0/8   0/1
429 with seconds FAILED  UPSTREAM_RATE_LIMITED       0/1    0/4   0/1    0/3   0/1   0/5   0/1
429 with date    FAILED  UPSTREAM_RATE_LIMITED       0/1    0/4   0/1    0/3   0/1   0/5   0/1
429 without      FAILED  UPSTREAM_RATE_LIMITED       0/9    0/10  0/6    0/10  0/3   0/10  0/3
500              FAILED  UPSTREAM_ERROR              0/3    0/7   0/2    0/6   0/1   0/8   0/1
503              FAILED  UPSTREAM_ERROR              0/9    0/10  0/6    0/10  0/3   0/10  0/3
HTML             FAILED  UPSTREAM_INVALID_RESPONSE   0/3    0/7   0/2    0/6   0/1   0/8   0/1
empty            FAILED  UPSTREAM_INVALID_RESPONSE   0/3    0/7   0/2    0/6   0/1   0/8   0/1
truncated JSON   FAILED  UPSTREAM_INVALID_RESPONSE   0/3    0/7   0/2    0/6   0/1   0/8   0/1
cut body         FAILED  UPSTREAM_UNREACHABLE        0/9    0/10  0/6    0/10  0/3   0/10  0/3
endless body     FAILED  UPSTREAM_RESPONSE_TOO_LARGE 0/3    0/7   0/2    0/6   0/1   0/8   0/1
wrong document   FAILED  UPSTREAM_INVALID_RESPONSE   0/3    0/7   0/2    0/6   0/1   0/8   0/1
wrong rows       PARTIAL UPSTREAM_INVALID_RESPONSE   0/4    .     0/3    .     0/3   .     .
wrong rows       OK      -                           .      4/7   .      0/6   .     1/8   2/1
duplicate ids    OK      -                           9/7    9/7   2/6    2/6   3/8   3/8   3/1
""",
)
"""The columns after the code are logs/calls; a . means that another line has the result."""

SECONDS = 0.5
"""Seconds that the gateway waits for a slow vendor."""

FAULTS: dict[str, dict[str, Any] | None] = {
    "nothing": None,
    "latency": {"kind": "latency", "seconds": 2 * SECONDS},
    "reset": {"kind": "reset"},
    "refused": None,  # nothing listens there, so the path does not matter
    "401": {"kind": "status", "status": 401},
    "403": {"kind": "status", "status": 403},
    "404": {"kind": "status", "status": 404},
    "429 with seconds": {"kind": "rate-limit", "retry_after": 60},
    "429 with date": {"kind": "rate-limit", "retry_after": "http-date", "seconds": 60},
    "429 without": {"kind": "rate-limit", "seconds": 0},
    "500": {"kind": "status", "status": 500},
    "503": {"kind": "status", "status": 503},
    "HTML": {"kind": "html"},
    "empty": {"kind": "empty"},
    "truncated JSON": {"kind": "truncated-json"},
    "cut body": {"kind": "cut-body"},
    "endless body": {"kind": "endless"},
    "wrong document": {"kind": "wrong-types", "shape": "document"},
    "wrong rows": {"kind": "wrong-types", "shape": "rows"},
    "duplicate ids": {"kind": "duplicate-ids"},
}


BROKEN_OFF = {"refused", "latency", "reset", "cut body"}
"""Faults during which a started call may not have reached the vendor before the page is done."""


class Column(NamedTuple):
    """The failing vendor, its source, and the part of its paths that fail."""

    vendor: str
    source: str
    paths: str = ""


COLUMNS = {
    "codearts": Column("codearts", "repo-cn"),
    "/logs": Column("codearts", "repo-cn", "/logs"),
    "tracker": Column("yandex-tracker", "tracker"),
    "/log": Column("yandex-tracker", "tracker", "/webhooks/log"),
    "weaver": Column("language-weaver", "translations"),
    "shop": Column("elastic-path", "shop"),
    "github": Column("github", "github"),
    "/hub": Column("github", "github", "/deliveries"),
    "gitlab": Column("gitlab", "gitlab"),
    "/lab": Column("gitlab", "gitlab", "/events"),
    "svix": Column("svix", "svix"),
    "/svix": Column("svix", "svix", "/attempt"),
    "hookdeck": Column("hookdeck", "hookdeck"),
}

SCHEMA = build_schema()
QUERY = """
query($first: Int!) {
  webhookLogs(first: $first) {
    nodes { id source { name } }
    sourceReports { source { name } outcome returned upstreamCalls error { code } }
  }
}
"""


Log = tuple[str, str]
"""A log's source and id."""


class Answer(NamedTuple):
    """A page of logs, and the reports by source."""

    logs: list[Log]
    reports: dict[str, Any]


class Vendors:
    """The sandbox, and gateways that read from it."""

    def __init__(self, folder: Path, sandbox: Sandbox, url: str, closed: str) -> None:
        self.control = httpx.AsyncClient(base_url=f"{url}/control")
        self._url = url
        self._closed = closed
        self._file = write_configuration(folder, sandbox, url, port=0)
        self._configuration = self._file.read_text()

    async def page(self, fault: str, column: Column, first: int = 25) -> Answer:
        """Read a first page while a vendor fails."""
        head = f'provider = "{column.vendor}"\n'
        text = self._configuration
        if fault == "refused":
            base = f'{head}base_url = "'
            text = text.replace(base + self._url, base + self._closed)
        if fault == "latency":
            text = text.replace(head, f"{head}timeout = {SECONDS}\n")
        # One call after the other, so that the breaker opens at the same one each time.
        text = text.replace(head, f"{head}concurrency = 1\n")
        self._file.write_text(text)
        if (body := FAULTS[fault]) is not None:
            put = await self.control.put(
                f"/faults/{column.vendor}", json=body | {"paths": column.paths}
            )
            put.raise_for_status()
        await self.control.delete("/calls")
        # So long that all calls are made, on a busy machine, too.
        settings = load(self._file, {"GATEWAY_SERVER__DEADLINE": "60"})
        async with Gateway(settings, clock=lambda: MOMENT * 10**9) as gateway:
            answer = await SCHEMA.execute(
                QUERY, {"first": first}, context_value=Context(gateway, gateway.operation())
            )
        await self.control.delete("/faults")
        assert answer.errors is None
        assert answer.data is not None
        page = answer.data["webhookLogs"]
        return Answer(
            [(log["source"]["name"], log["id"]) for log in page["nodes"]],
            {report["source"]["name"]: report for report in page["sourceReports"]},
        )

    async def calls(self, vendor: str) -> int:
        """Return the number of calls to a vendor since the last page began, tokens aside."""
        counts = (await self.control.get("/calls")).json()["counts"].get(vendor, {})
        return sum(count for path, count in counts.items() if "token" not in path)


@pytest.fixture(scope="module")
async def vendors(
    serve: Callable[[ASGIApp], str], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Vendors]:
    sandbox = Sandbox(clock=stopped, logs=2000)
    with socket.socket() as closed:  # bound, so that no other process listens there
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
        made = Vendors(tmp_path_factory.mktemp("vendors"), sandbox, serve(sandbox.app), address)
        async with made.control:
            yield made


@pytest.fixture(scope="module")
async def healthy(vendors: Vendors) -> list[Log]:
    """Return the newest logs, more than one page of them, without any fault."""
    return (await vendors.page("nothing", COLUMNS["codearts"], 100)).logs


def lines(fault: str, cells: dict[str, tuple[str, str, str]]) -> str:
    """Return the lines of a fault: one for all cells with the same outcome and code."""
    made = []
    widths = (16, 7, 27, *(max(5, len(name)) for name in cells))
    for end in dict.fromkeys(cell[:2] for cell in cells.values()):
        numbers = [cell[2] if cell[:2] == end else "." for cell in cells.values()]
        words = zip((fault, *end, *numbers), widths, strict=True)
        made.append(" ".join(f"{word:<{width}}" for word, width in words).rstrip())
    return "\n".join(made)


@pytest.mark.parametrize("fault", FAULTS)
async def test_fault(fault: str, vendors: Vendors, healthy: list[Log]) -> None:
    cells = {}
    for name, column in COLUMNS.items():
        own = column.source
        page, reports = await vendors.page(fault, column)
        report = reports.pop(own)
        logs = [log for log in page if log[0] == own]
        code = (report["error"] or {"code": "-"})["code"]
        numbers = f"{len(logs)}/{report['upstreamCalls']}"
        cells[name] = (report["outcome"], code, numbers)
        assert report["returned"] == len(logs)
        if fault in BROKEN_OFF:
            assert report["upstreamCalls"] >= await vendors.calls(column.vendor)
        else:
            assert report["upstreamCalls"] == await vendors.calls(column.vendor)

        others = [log for log in page if log[0] != own]
        assert len(page) == 25
        assert others == [log for log in healthy if log[0] != own][: len(others)]
        assert page == [log for log in healthy if log in page]
        for other in reports.values():
            assert (other["outcome"], other["error"]) == ("OK", None)
    for table in TABLES:
        head, *rows = table.splitlines()[1:]
        shown = {name: cells.pop(name) for name in head.split()[3:]}
        told = "\n".join(line for line in rows if line[:16].rstrip() == fault)
        assert lines(fault, shown) == told
    assert not cells


@pytest.mark.parametrize("table", TABLES)
def test_table_has_a_line_for_each_fault(table: str) -> None:
    told = [line[:16].rstrip() for line in table.splitlines()[2:]]
    assert list(dict.fromkeys(told)) == list(FAULTS)
