"""What callers ask for, and what the responses must be."""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, NamedTuple

from tests.benchmarks.soak.client import Client, Response, WrongError
from tests.benchmarks.soak.site import CALLERS, SOURCES
from tests.support.actions import ACTIONS, RETRY

REPORTS = "sourceReports { source { name } error { code } notes }"
LIST = f"""
query($first: Int, $after: String, $filter: WebhookLogFilter) {{
  webhookLogs(first: $first, after: $after, filter: $filter) {{
    nodes {{ id upstreamId source {{ name }} event status triggeredAt attempt }}
    pageInfo {{ endCursor hasNextPage }}
    {REPORTS}
  }}
}}
"""
DETAILS = """
query($id: ID!) { node(id: $id) { ... on WebhookLog { upstreamId request { url body } } } }
"""
STATS = f"""
query($filter: WebhookLogFilter) {{
  webhookLogStats(filter: $filter, bucket: "PT1H", by: [STATUS, EVENT]) {{
    count complete buckets {{ start count }} groups {{ status event count }} {REPORTS}
  }}
}}
"""
FAILURES = f"""
query($filter: WebhookLogFilter) {{
  failureGroups(filter: $filter) {{
    groupCount complete groups {{ message category count found }} {REPORTS}
  }}
}}
"""
FORGET = 'mutation { invalidateCache(tags: ["source:shop"]) { entries } }'
KNOWN = 300
"""The newest logs, which the responses are compared with."""
PAGE = 25
SHORT = 10
RETRIED = 40
"""Logs that are retried in turn."""
MISTAKES: tuple[tuple[str, str, dict[str, Any], str], ...] = (
    ("admin", "{ webhookLogs(", {}, "GRAPHQL_PARSE_FAILED"),
    ("viewer", "{ nothing }", {}, "GRAPHQL_VALIDATION_FAILED"),
    ("reader", LIST, {"first": 1000}, "INVALID_PAGE_SIZE"),
    ("viewer", LIST, {"first": 1, "after": "x"}, "INVALID_CURSOR"),
    ("admin", DETAILS, {"id": "x"}, "INVALID_ID"),
    ("reader", '{ source(name: "translations") { provider } }', {}, "UNKNOWN_SOURCE"),
    ("viewer", "{ actions { nodes { id } } }", {}, "FORBIDDEN"),
)
"""Caller, document and variables, and the code of the error."""

Row = dict[str, Any]


def precise(time: str) -> str:
    """Return a time in UTC with nine digits of its second, so that it compares as text."""
    whole, _, fraction = time.removesuffix("Z").partition(".")
    return f"{whole}.{fraction:0<9}"


def seen(row: Row) -> tuple[str, str]:
    """Return what tells logs apart."""
    return row["source"]["name"], row["upstreamId"]


def unchanging(row: Row) -> list[object]:
    """Return what neither faults nor retries change of a log."""
    fields = ["triggeredAt"]
    if row["source"]["name"] != "translations":
        fields += ["id", "status", "attempt"]
    return [row[field] for field in fields]


class Requests:
    """The requests of all kinds; ``known`` are the newest logs, which no fault changes."""

    def __init__(self, client: Client, chance: random.Random) -> None:
        self.retries: dict[str, str] = {}
        """The log that was to be retried, by the idempotency key."""
        self.succeeded: set[str] = set()
        """The keys of the retries of which callers were told that they succeeded."""
        self.known: list[Row] = []
        self._client = client
        self._chance = chance
        self._first: dict[object, object] = {}
        self._etags: dict[str, str] = {}

    async def learn(self, inventory: Iterable[dict[str, Any]]) -> None:
        """Read the newest logs before any fault; compare them with what the vendors have."""
        after: str | None = None
        while len(self.known) < KNOWN:
            answer = await self._client.send("learn", "admin", LIST, first=100, after=after)
            logs = self._logs(answer, "admin")
            self.known += logs["nodes"]
            after = logs["pageInfo"]["endCursor"]
        for source, vendor in SOURCES.items():
            times = {
                entry["id"]: precise(entry["time"])
                for entry in inventory
                if entry["vendor"] == vendor and entry["time"]
            }
            listed = {row["upstreamId"] for row in self.known if row["source"]["name"] == source}
            listed &= times.keys()
            assert listed, source
            # Of several logs of the last moment, some may be on the next page.
            last = min(times[id] for id in listed)
            assert {id for id, time in times.items() if time > last} <= listed, source

    async def hot(self) -> None:
        caller = self._chance.choice(list(CALLERS))
        await self._list("hot", caller, SHORT)

    async def warm(self) -> None:
        """Ask for the newest logs up to a moment that nobody asked for before."""
        caller = self._chance.choice(list(CALLERS))
        row = self._chance.choice(self._timed("admin")[:100])
        until = f"{precise(row['triggeredAt'])[:-3]}{self._chance.randrange(1000):03}"
        rows = [row for row in self._timed(caller) if precise(row["triggeredAt"]) <= until]
        wanted = {"triggeredAt": {"lte": f"{until}Z"}}
        await self._list("warm", caller, SHORT, rows=rows, wanted=wanted)

    async def filtered(self) -> None:
        rows = [row for row in self._timed("reader")[:50] if row["event"]]
        event, source = (row := self._chance.choice(rows))["event"], row["source"]["name"]
        rows = [row for row in self._timed("reader") if row["event"] == event]
        rows = [row for row in rows if row["source"]["name"] == source]
        wanted = {"source": {"eq": source}, "event": {"eq": event}}
        wanted |= {"triggeredAt": {"gte": self._timed("admin")[-1]["triggeredAt"]}}
        send = self._client.send
        answer = await send("filtered", "reader", LIST, first=SHORT, filter=wanted)
        logs = self._logs(answer, "reader", [source])
        got, right = ([seen(row) for row in found] for found in (logs["nodes"], rows))
        notes = [note for report in logs["sourceReports"] for note in report["notes"]]
        if got != right[:SHORT] and any("may leave logs out" in note for note in notes):
            rest = iter(right)
            if all(row in rest for row in got):
                raise WrongError(f"{source}: logs left out", answer)
        self._check(answer, "reader", rows[:SHORT], [source])

    async def paged(self) -> None:
        """Read four pages on end."""
        caller, after = self._chance.choice(["admin", "viewer"]), None
        rows = self._rows(caller)
        for number in range(4):
            logs = await self._list("paged", caller, PAGE, rows=rows[number * PAGE :], after=after)
            after = logs["pageInfo"]["endCursor"]

    async def details(self) -> None:
        row = self._chance.choice(self.known[:50])
        caller = self._chance.choice(["admin", "viewer"])
        source = row["source"]["name"]
        answer = await self._client.send("details", caller, DETAILS, id=row["id"])
        codes = answer.codes()
        if caller == "viewer" and codes == ["FORBIDDEN"]:
            codes = []
        answer.expect_no(codes, source)
        node = answer.data["node"]
        if node["upstreamId"] != row["upstreamId"]:
            raise WrongError("wrong: another log", answer)
        if caller == "viewer":
            if node["request"] and node["request"]["body"] is not None:
                raise WrongError("wrong: a body for a viewer", answer)
        elif node["request"] is None:
            # Its URL is that of its hook; they can't be listed while the vendor fails.
            raise WrongError(f"{source}: no request", answer)
        else:
            self._as_first(("details", row["id"]), node, answer)

    async def stats(self) -> None:
        await self._counts("stats", STATS, "webhookLogStats")

    async def failures(self) -> None:
        await self._counts("failureGroups", FAILURES, "failureGroups")

    async def retry(self) -> None:
        """Retry a delivery; in every third case ask once more with the same key."""
        rows = [row for row in self.known if row["source"]["name"] == "translations"][:RETRIED]
        id, key = self._chance.choice(rows)["id"], str(uuid.UUID(int=self._chance.getrandbits(128)))
        self.retries[key] = id
        first = None
        for _ in range(2 if self._chance.random() < 1 / 3 else 1):
            answer = await self._client.send("retry", "operator", RETRY, id=id, key=key)
            answer.expect_no(answer.codes(), "translations")
            payload = answer.data["retryWebhookLog"]
            answer.expect_no([error["code"] for error in payload["userErrors"]], "translations")
            if payload != (first := first or payload):
                raise WrongError("wrong: another answer to the same key", answer)
            self.succeeded.add(key)

    async def invalidate(self) -> None:
        answer = await self._client.send("invalidateCache", "admin", FORGET)
        answer.expect_no(answer.codes(), "cache")

    async def mistake(self) -> None:
        caller, document, variables, code = self._chance.choice(MISTAKES)
        answer = await self._client.send("mistake", caller, document, **variables)
        if answer.codes() != [code]:
            answer.expect_no(answer.codes(), "mistake")
            raise WrongError(f"wrong: no {code}", answer)

    async def revalidated(self) -> None:
        """Ask by GET with the ETag of the last answer."""
        caller = self._chance.choice(["admin", "reader"])
        answer = await self._client.get("GET", caller, LIST, self._etags.get(caller), first=SHORT)
        if answer.status == 304:
            return
        self._check(answer, caller, self._rows(caller)[:SHORT])
        self._etags[caller] = answer.etag

    async def leave(self) -> None:
        """Ask for what vendors have to be called for, and go away."""
        await self._client.leave("admin", LIST, self._chance.uniform(0.001, 0.03), first=SHORT)

    async def recorded(self) -> dict[str, str]:
        """Return the outcomes in the journal by the idempotency keys."""
        outcomes: dict[str, str] = {}
        after: str | None = None
        while True:
            answer = await self._client.send("journal", "admin", ACTIONS, first=100, after=after)
            answer.expect_no(answer.codes(), "journal")
            actions = answer.data["actions"]
            for node in actions["nodes"]:
                outcomes[node["idempotencyKey"]] = node["outcome"]
            if not actions["pageInfo"]["hasNextPage"]:
                return outcomes
            after = actions["pageInfo"]["endCursor"]

    async def attempts(self) -> int:
        """Return the attempts of all logs that are retried, as their vendor has them."""
        wanted = {"source": {"eq": "translations"}}
        send, count = self._client.send, 0
        ids = {row["id"] for row in self.known if row["source"]["name"] == "translations"}
        answer = await send("learn", "admin", LIST, fresh=True, first=100, filter=wanted)
        for row in self._logs(answer, "operator")["nodes"]:
            count += row["attempt"] if row["id"] in ids else 0
        return count

    def _rows(self, caller: str) -> list[Row]:
        sources = CALLERS[caller].sources
        return [row for row in self.known if row["source"]["name"] in sources]

    def _timed(self, caller: str) -> list[Row]:
        return [row for row in self._rows(caller) if row["triggeredAt"]]

    async def _list(
        self,
        kind: str,
        caller: str,
        first: int,
        *,
        rows: list[Row] | None = None,
        wanted: dict[str, Any] | None = None,
        after: str | None = None,
        sources: Iterable[str] = (),
    ) -> dict[str, Any]:
        answer = await self._client.send(
            kind, caller, LIST, first=first, after=after, filter=wanted
        )
        expected = (self._rows(caller) if rows is None else rows)[:first]
        return self._check(answer, caller, expected, sources)

    def _check(
        self, answer: Response, caller: str, expected: list[Row], sources: Iterable[str] = ()
    ) -> dict[str, Any]:
        """Compare the rows; where a source is missing, the others have to be right."""
        known = {seen(row) for row in self._rows(caller)}
        for row in (answer.data or {}).get("webhookLogs", {}).get("nodes", ()):
            if seen(row) not in known and row["source"]["name"] not in CALLERS[caller].sources:
                raise WrongError("wrong: a log of another's source", answer)
        logs = self._logs(answer, caller, sources)
        got, right = ([seen(row) for row in rows] for rows in (logs["nodes"], expected))
        if got != right:
            missing, more = set(right) - set(got), set(got) - set(right)
            raise WrongError(f"wrong rows: {missing} missing, {more} not expected", answer)
        for row, known_row in zip(logs["nodes"], expected, strict=True):
            has_event = row["event"] == known_row["event"]
            if unchanging(row) != unchanging(known_row) or not (has_event or row["event"] is None):
                raise WrongError(f"wrong row: {row} instead of {known_row}", answer)
            if not has_event:
                # It is that of the hook, which can't be listed while the vendor fails.
                raise WrongError(f"{row['source']['name']}: no event", answer)
        return logs

    def _logs(self, answer: Response, caller: str, sources: Iterable[str] = ()) -> dict[str, Any]:
        """Return the list, from which no source may be missing."""
        answer.expect_no(answer.codes(), "+".join(sources or CALLERS[caller].sources))
        logs: dict[str, Any] = answer.data["webhookLogs"]
        answer.expect_reports(logs["sourceReports"])
        return logs

    async def _counts(self, kind: str, document: str, field: str) -> None:
        newest, *_, oldest = (row["triggeredAt"] for row in self._timed("admin"))
        wanted = {"source": {"eq": "shop"}, "triggeredAt": {"gte": oldest, "lte": newest}}
        answer = await self._client.send(kind, "reader", document, filter=wanted)
        answer.expect_no(answer.codes(), "shop")
        counted = answer.data[field]
        answer.expect_reports(counted["sourceReports"])
        if not counted["complete"]:
            raise WrongError("shop: not complete", answer)
        self._as_first(kind, counted, answer)

    def _as_first(self, key: object, value: object, answer: Response) -> None:
        """Compare a value with the first one, since nothing changes it."""
        text = json.dumps(value, sort_keys=True)
        if self._first.setdefault(key, text) != text:
            raise WrongError("wrong: another answer than before", answer)


class Kind(NamedTuple):
    """A kind of requests, and how often it is chosen."""

    weight: float
    ask: Callable[[Requests], Awaitable[None]]


KINDS = (
    Kind(30, Requests.hot),
    Kind(15, Requests.warm),
    Kind(8, Requests.filtered),
    Kind(2, Requests.paged),
    Kind(12, Requests.details),
    Kind(3, Requests.stats),
    Kind(2, Requests.failures),
    Kind(4, Requests.retry),
    Kind(0.5, Requests.invalidate),
    Kind(8, Requests.mistake),
    Kind(10, Requests.revalidated),
    Kind(3, Requests.leave),
)
