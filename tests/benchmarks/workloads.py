"""The work that the servers are compared by."""

from __future__ import annotations

import datetime as dt
import itertools
import json
from dataclasses import dataclass
from pathlib import Path

from gateway.callers.keys import create
from tests.benchmarks.answers import GATEWAY, NO_BODIES, NUMBER, PLAIN, Form
from tests.benchmarks.audit_list import EVENTS, LARGE_ROWS, TENANTS, Row
from tests.benchmarks.load import Expected, Request

JSON = {"content-type": "application/json", "accept": "application/json"}
KEYS = 1000
ROLES = ("viewer", "reader", "operator", "admin")
CURIOUS = 10
"""One viewer in so many asks for bodies, which it may not see."""


@dataclass(frozen=True)
class Workload:
    """A kind of work; ``is_own`` if only the gateway does it."""

    name: str
    title: str
    rows_from: str = "rows"
    varies: bool = False
    is_cached: bool = True
    reuses_rows: bool = True
    is_own: bool = False


WORKLOADS = {
    it.name: it
    for it in (
        Workload("hot", "hot: the same operation again and again"),
        Workload("warm", "warm: other variables each time", varies=True),
        Workload("cold", "cold: an upstream call for each operation", is_cached=False),
        Workload("changed", "cold, 5 % of the rows changed", rows_from="changed", is_cached=False),
        Workload("no-memo", "cold, `reuse_rows = false`", is_cached=False, reuses_rows=False),
        Workload("isolated", "isolated: warm, 1,000 API keys in turn", varies=True, is_own=True),
        Workload("large", "large: warm, an answer of 8 MiB", rows_from="large", varies=True),
    )
}


def body(workload: Workload, form: Form, rows: int) -> str:
    """Return the body of a request, with ``NUMBER`` where operations differ.

    An operation of the gateway that is to call the vendor asks for another set of events each time,
    since the vendor is sent that.
    """
    since = f"{dt.datetime.now(dt.UTC) - dt.timedelta(days=1):%Y-%m-%dT00:00:00}"
    if form == PLAIN:
        marker = f'"{NUMBER}"' if workload.varies else "0"
        variables = f'{{"perPage": {rows}, "marker": {marker}}}'.replace(f'"{NUMBER}"', NUMBER)
    else:
        wanted: dict[str, object] = {"triggeredAt": {"gte": f"{since}Z"}}
        if workload.varies:
            wanted = {"triggeredAt": {"gte": f"{since}.{NUMBER}Z"}}
        if not workload.is_cached:
            wanted = {"event": {"in": [*EVENTS, f"none-{NUMBER}"]}}
        variables = json.dumps({"first": rows, "filter": wanted})
    return f'{{"query": {json.dumps(form.query)}, "variables": {variables}}}'


@dataclass(frozen=True)
class Key:
    """An API key of ``isolated``, and what its caller may see."""

    secret: str
    table: str
    role: str
    sources: tuple[str, ...]


def _keys() -> list[Key]:
    """Create keys of all roles, each for some of the sources."""
    choices = [
        chosen
        for count in range(1, len(TENANTS) + 1)
        for chosen in itertools.combinations(TENANTS, count)
    ]
    found = []
    for number in range(KEYS):
        role, sources = ROLES[number % len(ROLES)], choices[number % len(choices)]
        secret, table = create(f"caller-{number}", role, sources)
        found.append(Key(secret, table, role, sources))
    return found


ALL_KEYS = _keys()


def isolated(
    workload: Workload, rows: int, tenants: dict[str, list[Row]]
) -> tuple[list[Request], list[Expected]]:
    """Return a request of each key, and what their answers must be: the newest rows of its sources.

    ``tenants`` are the rows of each source. Viewers may not see bodies; most don't ask for them.
    """
    requests: list[Request] = []
    expected: list[Expected] = []
    indexes: dict[tuple[tuple[str, ...], str, bool], int] = {}
    for number, key in enumerate(ALL_KEYS):
        bodies = key.role != "viewer"
        form = GATEWAY if bodies or number % (len(ROLES) * CURIOUS) == 0 else NO_BODIES
        known = (key.sources, form.query, bodies)
        if known not in indexes:
            listed = [row for name in key.sources for row in tenants[name][:rows]]
            listed.sort(key=lambda row: str(row["timeTriggered"]), reverse=True)
            indexes[known] = len(expected)
            expected.append(Expected(form, listed[:rows], bodies))
        headers = JSON | {"authorization": f"Bearer {key.secret}"}
        requests.append(Request(headers, body(workload, form, rows), indexes[known]))
    return requests, expected


def configuration(workload: Workload, rows: int, port: int, upstream: str, folder: Path) -> str:
    """Return the gateway's configuration: the defaults, but for limits that a load test meets."""
    is_isolated = workload.name == "isolated"
    names = TENANTS if is_isolated else (workload.rows_from,)
    parts = [
        f"[server]\nport = {port}",
        '[limits]\nrate = "off"',
        f'[journal]\nurl = "sqlite:///{folder}/journal.db"',
    ]
    if not workload.reuses_rows:
        parts.append("[cache]\nreuse_rows = false")
    if is_isolated:
        parts += ['[auth]\nmethods = ["api-keys"]', *(key.table for key in ALL_KEYS)]
    parts += [
        f'[[sources]]\nname = "{name}"\nprovider = "language-weaver"\n'
        f'base_url = "{upstream}/{name}"\nrate_limit = 1000.0\nconcurrency = 100\n'
        f'page_size = {rows}\nauth = {{ type = "api-key", key = {{ env = "LW_KEY" }} }}'
        for name in names
    ]
    return "\n".join(parts) + "\n"


def row_counts(workload: Workload, counts: list[int]) -> list[int]:
    """Return how many rows the workload lists."""
    return [LARGE_ROWS] if workload.name == "large" else counts
