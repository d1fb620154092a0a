"""Nobody gets by a short way what graphql-core alone would not have given at that moment."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from gateway.callers import Role
from gateway.config import Limit
from gateway.limits import Limits
from gateway.sandbox import Sandbox
from gateway.schema import build_schema
from gateway.web.view import GraphQLView
from tests.support.moment import stopped
from tests.web.direct import NOWHERE, Direct, direct, watch_ways
from tests.web.protected import ADMIN, CALLERS, Caller

if TYPE_CHECKING:
    from pathlib import Path

KEYS = [caller for caller in CALLERS if caller.method == "key"]
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
)
FILTERS: tuple[Any, ...] = (
    {},
    {"status": {"eq": "FAILED"}},
    {"provider": {"eq": "LANGUAGE_WEAVER"}},
    {"source": {"eq": "repo-cn"}},
    {"source": {"eq": "translations"}},
)
LEFT = "totalCount", "pageInfo { hasNextPage endCursor }", "sourceReports { outcome returned }", ""
EDITS = {b'"translation.created"': b'"translation.moved"', b"SUCCESS": b"SUCCESSFUL"}


class Steps:
    """Random requests and events over one gateway, which two applications serve."""

    def __init__(self, app: Direct, reference: Direct, sandbox: Sandbox, seed: int) -> None:
        self.app = app
        self.reference = reference
        self.random = random.Random(seed)
        self.ways: dict[str, int] = {}
        self.secrets: list[str] = []
        self.compared = 0
        self._vendors = httpx.ASGITransport(sandbox.app)
        self._queries = [self._query() for _ in range(6)]

    def _query(self) -> dict[str, Any]:
        chosen = " ".join(self.random.sample(FIELDS, self.random.randint(1, 4)))
        log = f"{{ id source {{ name }} {chosen} }}"
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
        query = '{ webhookLogs(first: 3, filter: {source: {eq: "translations"}}) { nodes { id } } }'
        reply = await self.app.post(query, key=ADMIN.credential)
        if '"errors"' not in reply.text:
            id = self.random.choice(reply.data["webhookLogs"]["nodes"])["id"]
            change = f'mutation {{ {action}WebhookLog(id: "{id}") {{ __typename }} }}'
            await self.app.post(change, key=ADMIN.credential)

    async def invalidate(self) -> None:
        tags = ", ".join(f'"source:{name}"' for name in self.app.gateway.sources)
        change = f"mutation {{ invalidateCache(tags: [{tags}]) {{ entries }} }}"
        await self.app.post(change, key=ADMIN.credential)

    async def ask(self, caller: Caller) -> None:
        query, texts = self.random.choice(self._queries), [""]
        for _ in range(3):
            texts = await self.both(caller, query)
            if self.app.vendors.status is not None or "UPSTREAM" in "".join(texts):
                return
            self.compared += 1
            if texts[0] == texts[1]:
                return
            # A page may have been refreshed between the two; what is wrong would stay so.
        raise AssertionError((str(caller), query, *texts))

    async def both(self, caller: Caller, query: dict[str, Any]) -> list[str]:
        """Send a query to both applications, in any order."""
        texts = []
        sides = [self.app, self.reference]
        self.random.shuffle(sides)
        for side in sides:
            reply = await side.post(query, key=caller.credential)
            assert reply.status == 200, reply.text
            if side is self.app:
                self.ways[reply.way] = self.ways.get(reply.way, 0) + 1
            assert not any(secret in reply.text for secret in self.secrets)
            self.check(json.loads(reply.text), caller)
            texts.append(normal(reply.text, reply.headers["x-request-id"]))
        return texts

    @staticmethod
    def check(document: dict[str, Any], caller: Caller) -> None:
        """Check that nothing is shown that the caller's grant does not allow."""
        page = (document.get("data") or {}).get("webhookLogs") or {}
        for log in page.get("nodes") or [edge["node"] for edge in page.get("edges", [])]:
            source = log["source"]["name"]
            assert source in caller.grant.sources
            if not caller.grant.may(Role.ADMIN, source):
                assert log.get("raw") is None
            if not caller.grant.may(Role.READER, source):
                for part in (log.get("request") or {}, log.get("response") or {}):
                    assert part.get("body") is part.get("bodyJson") is None
                    assert {each["value"] for each in part.get("headers") or ()} <= {None}


def normal(text: str, request_id: str) -> str:
    """Return a response without its id, and without the cursors that tell the time of polling."""
    document = json.loads(text.replace(request_id, "ID"))
    page = (document.get("data") or {}).get("webhookLogs") or {}
    for edge in page.get("edges", [])[:1]:
        edge["cursor"] = ""
    document.get("errors", []).sort(key=json.dumps)
    return json.dumps(document)


async def run(folder: Path, monkeypatch: pytest.MonkeyPatch, steps: int, seed: int = 1) -> Steps:
    watch_ways(monkeypatch)
    sandbox = Sandbox(clock=stopped, logs=300)
    off = {"rate": Limit(1, "off")}
    async with direct(folder, sandbox, monkeypatch, limits=off) as app:
        limits = Limits(app.gateway.settings.limits, app.gateway.settings.server.deadline)
        schema = build_schema(limits, compiled=False)
        view = GraphQLView(schema, app.gateway, app.view._authenticator, limits)
        reference = Direct(view, app.gateway, view, app.vendors)
        walk = Steps(app, reference, sandbox, seed)
        walk.secrets = await walk.control("GET", "/secrets")
        for _ in range(steps):
            if walk.random.random() < 0.1:
                await walk.event()
            await walk.ask(walk.random.choice(KEYS))
    return walk


@pytest.mark.parametrize(
    ("steps", "seed"), [(40, 1), pytest.param(2000, 2, marks=pytest.mark.slow)]
)
async def test_each_caller_gets_what_graphql_core_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int, seed: int
) -> None:
    walk = await run(tmp_path, monkeypatch, steps, seed)
    assert walk.compared > steps / 2
    assert walk.ways["door"] > steps / 4
    assert walk.ways.get("kept", 0) > steps / 50
