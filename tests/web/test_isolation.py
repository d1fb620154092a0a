"""The short ways give no caller anything that graphql-core would not have given at that moment.

Nor do they give anything that a new gateway with an empty cache would not give, where the cache may
not be used: after an invalidation, when everything has expired, and with ``no-cache``.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from gateway.callers import Role
from gateway.config import Limit
from gateway.limits import Limits
from gateway.sandbox import Sandbox
from gateway.schema import build_schema
from gateway.service import Gateway
from gateway.web.view import GraphQLView
from tests.support.moment import stopped
from tests.web.direct import NOWHERE, Direct, direct, watch_ways
from tests.web.visitors import (
    ADMINS,
    ALONE,
    OWN,
    OWNERS,
    PERSONAL,
    SAME,
    VISITORS,
    PersonalVendor,
    Visitor,
    configured,
    owner_of,
)

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.schema import Schema
    from tests.web.direct import Reply

FIELDS = (
    "event status",
    "raw",
    "request { method url headers { name value } }",
    "request { body bodyJson }",
    "response { statusCode body headers { value } }",
    "failure { category message } attempt",
    "hook { name url }",
    "details { __typename }",
    "triggeredAt correlationId warnings",
    "attempts { number status responseBody }",
)
FILTERS: tuple[Any, ...] = (
    {},
    {"status": {"eq": "FAILED"}},
    {"provider": {"eq": "LANGUAGE_WEAVER"}},
    {"source": {"eq": "repo-cn"}},
    {"source": {"eq": "translations"}},
    {"source": {"eq": OWN}},
)
LEFT = "totalCount", "pageInfo { hasNextPage endCursor }", "sourceReports { outcome returned }", ""
NO_CACHE = "cache-control", "no-cache"
EDITS = {b'"translation.created"': b'"translation.moved"', b"SUCCESS": b"SUCCESSFUL"}


class Steps:
    """Random requests and events over one gateway, which two applications serve."""

    def __init__(self, app: Direct, schema: Schema, sandbox: Sandbox, seed: int) -> None:
        self.app = app
        self.limits = Limits(app.gateway.settings.limits, app.gateway.settings.server.deadline)
        self.schema = schema
        self.reference = self._long_way(app.gateway)
        self.random = random.Random(seed)
        self.ways: dict[str, int] = {}
        self.secrets: list[str] = []
        self.compared = 0
        self.fresh = 0
        self.own = 0
        self.personal = PersonalVendor.install(app.vendors)
        for number in range(9):
            self.personal.arrive(OWNERS[number % 3], failed=number % 2 == 0)
        self._vendors = httpx.ASGITransport(sandbox.app)
        self._queries = [self._query() for _ in range(6)]

    def _long_way(self, gateway: Gateway) -> Direct:
        """Return an application that leaves all to graphql-core."""
        view = GraphQLView(self.schema, gateway, self.app.view._authenticator, self.limits)
        return Direct(view, gateway, view, self.app.vendors)

    def _query(self) -> dict[str, Any]:
        chosen = " ".join(self.random.sample(FIELDS, self.random.randint(2, 5)))
        log = f"{{ id upstreamId source {{ name }} {chosen} }}"
        rows = self.random.choice([f"nodes {log}", f"edges {{ cursor node {log} }}"])
        text = "query L($n: Int, $f: WebhookLogFilter) { webhookLogs(first: $n, filter: $f) {"
        text += f" {rows} {self.random.choice(LEFT)} }} }}"
        variables = {"n": self.random.choice([2, 5]), "f": self.random.choice(FILTERS)}
        return {"query": text, "variables": variables}

    async def control(self, method: str, path: str, **given: Any) -> Any:
        async with httpx.AsyncClient(transport=self._vendors, base_url=NOWHERE) as client:
            response = await client.request(method, f"/control{path}", **given)
        return response.json() if response.content else None

    async def event(self) -> None:
        choice = self.random
        match choice.randrange(9):
            case 0:
                await self.control("POST", "/arrive", json={"count": choice.randint(1, 4)})
                self.personal.arrive(choice.choice(OWNERS), failed=True)
            case 1:
                self.app.vendors.edits = {} if self.app.vendors.edits else EDITS
            case 2:
                self.app.vendors.status = 503
            case 3 | 4:
                self.app.vendors.status = None
                self.app.clock.advance(choice.choice([1, 6, 40]))
            case 5:
                self.app.vendors.status = None
                self.app.clock.advance(400)
            case 6 | 7:
                await self.act(choice.choice(["retry", "delete"]))
            case 8:
                await self.invalidate()
                self._queries[choice.randrange(len(self._queries))] = self._query()

    async def act(self, action: str) -> None:
        admin, source = self.random.choice(ADMINS), self.random.choice(["translations", OWN])
        wanted = f'filter: {{ source: {{ eq: "{source}" }} }}'
        query = f"{{ webhookLogs(first: 3, {wanted}) {{ nodes {{ id }} }} }}"
        reply = await self.app.post(query, *admin.more, key=admin.key)
        if '"errors"' not in reply.text and (logs := reply.data["webhookLogs"]["nodes"]):
            id = self.random.choice(logs)["id"]
            change = f'mutation {{ {action}WebhookLog(id: "{id}") {{ __typename }} }}'
            await self.app.post(change, *admin.more, key=admin.key)

    async def invalidate(self) -> None:
        tags = ", ".join(f'"source:{name}"' for name in self.app.gateway.sources)
        change = f"mutation {{ invalidateCache(tags: [{tags}]) {{ entries }} }}"
        admin = self.random.choice(ADMINS)
        reply = await self.app.post(change, *admin.more, key=admin.key)
        assert '"errors"' not in reply.text, reply.text

    async def ask(self, caller: Visitor) -> None:
        query, texts = self.random.choice(self._queries), [""]
        # An answer is kept when an operation is seen again.
        for _ in range(self.random.choice([0, 0, 3])):
            await self.send(self.app, caller, query)
        for _ in range(3):
            texts = await self.both(caller, query)
            if self.app.vendors.status is not None or "UPSTREAM" in "".join(texts):
                return
            self.compared += 1
            if texts[0] == texts[1]:
                return
            # A page may have been refreshed between the two; what is wrong would stay so.
        raise AssertionError((str(caller), query, *texts))

    async def both(self, caller: Visitor, query: dict[str, Any]) -> list[str]:
        """Send a query to both applications, in any order."""
        sides = [self.app, self.reference]
        self.random.shuffle(sides)
        return [await self.send(side, caller, query) for side in sides]

    async def send(self, side: Direct, caller: Visitor, query: dict[str, Any]) -> str:
        reply = await side.post(query, *caller.more, key=caller.key)
        if side is self.app:
            self.ways[reply.way] = self.ways.get(reply.way, 0) + 1
        return self.shown(reply, caller)

    async def ask_fresh(self) -> None:
        """Compare answers with those of a new gateway, after the cache had to be passed."""
        self.app.vendors.status = None
        self.app.clock.advance(400)  # behind the breaker, too
        query = self.random.choice(self._queries)
        # All roles on the same sources, and others on one source and with their own credentials.
        callers = [*SAME, self.random.choice(ALONE), self.random.choice(PERSONAL)]
        self.random.shuffle(callers)
        for caller in callers * 4:
            await self.send(self.app, caller, query)
        await self.change()
        more: tuple[tuple[str, str], ...] = ()
        match self.random.randrange(3):
            case 0:
                await self.invalidate()
            case 1:
                self.app.clock.advance(400)
            case 2:
                self.app.clock.advance(2)  # the least age that may be demanded is a second
                more = (NO_CACHE,)
        posts = [self.app.post(query, *one.more, *more, key=one.key) for one in callers]
        # At the same time, so that they may wait for the same work, or one after the other.
        together = self.random.random() < 0.5
        replies = await asyncio.gather(*posts) if together else [await post for post in posts]
        for caller, reply in zip(callers, replies, strict=True):
            async with Gateway(
                self.app.gateway.settings, transport=self.app.vendors, clock=self.app.clock
            ) as gateway:
                fresh = await self._long_way(gateway).post(query, *caller.more, key=caller.key)
            texts = [without_cursors(self.shown(one, caller)) for one in (reply, fresh)]
            assert texts[0] == texts[1], (str(caller), query, *texts)
            self.fresh += 1

    async def change(self) -> None:
        """Let something happen at the vendors that the gateway does not hear of."""
        await self.control("POST", "/arrive", json={"count": 9})
        for owner in OWNERS:
            self.personal.arrive(owner, failed=True)
        newest = self.personal.rows[3:6]
        newest[0].update(errorMessage="" if newest[0]["errorMessage"] else "timeout")
        self.personal.rows.remove(newest[1])

    def shown(self, reply: Reply, caller: Visitor) -> str:
        """Return what a caller was shown, and check that it may see it."""
        assert reply.status == 200, reply.text
        assert not any(secret in reply.text for secret in self.secrets)
        self.check(json.loads(reply.text), caller)
        return normal(reply.text, reply.headers["x-request-id"])

    def check(self, document: dict[str, Any], caller: Visitor) -> None:
        """Check that nothing is shown that the caller's grant does not allow."""
        page = (document.get("data") or {}).get("webhookLogs") or {}
        for log in page.get("nodes") or [edge["node"] for edge in page.get("edges", [])]:
            source = log["source"]["name"]
            assert source in caller.sources
            if source == OWN:
                owner = owner_of(int(log["upstreamId"]))
                assert owner in {"", caller.user}
                self.own += owner == caller.user
            if not caller.may(Role.ADMIN, source):
                assert log.get("raw") is None
            if not caller.may(Role.READER, source):
                for part in (log.get("request") or {}, log.get("response") or {}):
                    assert part.get("body") is part.get("bodyJson") is None
                    assert {each["value"] for each in part.get("headers") or ()} <= {None}
                for attempt in log.get("attempts") or ():
                    assert attempt["responseBody"] is None


def normal(text: str, request_id: str) -> str:
    """Return a response without its id, and without the cursors that tell the time of polling."""
    document = json.loads(text.replace(request_id, "ID"))
    page = (document.get("data") or {}).get("webhookLogs") or {}
    for edge in page.get("edges", [])[:1]:
        edge["cursor"] = ""
    document.get("errors", []).sort(key=json.dumps)
    return json.dumps(document)


def without_cursors(text: str) -> str:
    """Return a response without cursors, which tell what was read before."""
    return re.sub(r'"(cursor|endCursor)": "[^"]*"', "", text)


async def run(folder: Path, monkeypatch: pytest.MonkeyPatch, steps: int, seed: int = 1) -> Steps:
    watch_ways(monkeypatch)
    sandbox = Sandbox(clock=stopped, logs=300)
    off = {"rate": Limit(1, "off")}
    settings = configured(folder, sandbox)
    async with direct(folder, sandbox, monkeypatch, settings=settings, limits=off) as app:
        walk = Steps(app, build_schema(compiled=False), sandbox, seed)
        walk.secrets = await walk.control("GET", "/secrets")
        for number in range(steps):
            if walk.random.random() < 0.1:
                await walk.event()
            if number % 20 == 10:
                await walk.ask_fresh()
            await walk.ask(walk.random.choice(VISITORS))
    return walk


@pytest.mark.parametrize(
    ("steps", "seed"), [(40, 1), (40, 5), pytest.param(1000, 2, marks=pytest.mark.slow)]
)
async def test_each_caller_gets_what_graphql_core_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int, seed: int
) -> None:
    walk = await run(tmp_path, monkeypatch, steps, seed)
    assert walk.compared > steps / 2
    assert walk.ways["door"] > steps / 4
    assert walk.ways.get("kept", 0) > steps / 50
    assert walk.fresh == steps // 20 * 6
    assert walk.own > steps / 4
