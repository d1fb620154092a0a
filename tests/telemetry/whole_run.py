"""A run of all kinds of operations over HTTP: all simulated vendors, with faults and actions."""

from __future__ import annotations

import contextlib
import typing
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import msgspec

from gateway.events import Events
from gateway.sandbox import Sandbox
from gateway.sandbox.faults import Fault
from gateway.settings import Settings
from gateway.web.app import create_app
from tests.support.demo import Sandboxed, demo_settings
from tests.support.moment import stopped

CALLER_SECRETS = {
    "authorization": "Bearer planted-caller-token-4711",
    "cookie": "session=planted-session-0815",
    "x-api-key": "planted-key-1234567",
    "x-forwarded-for": "planted-forwarded-99",
}
IN_VARIABLES = "planted-variable-31337"
IN_DOCUMENT = "planted-literal-27182"
IDEMPOTENCY = "planted-idempotency"
IN_URL = "planted-in-url-16180"
LIST = """
query Deliveries($first: Int!, $source: String!) {
  webhookLogs(first: $first, filter: { source: { eq: $source } }) {
    nodes {
      id event status triggeredAt raw failure { category message }
      request { url headers { name value } body }
      response { statusCode headers { name value } body }
      attempts { number status responseBody }
    }
    sourceReports { source { name } outcome error { code message } }
  }
}
"""
ONE = "query One($id: ID!) { webhookLog(id: $id) { id request { body } hook { url } } }"
SOURCES = """
{ sources { name hooks(first: 50) { nodes { name url } } health { status lastError { message } } } }
"""
RETRY = """
mutation Retry($id: ID!, $key: String!) {
  retryWebhookLog(id: $id, idempotencyKey: $key) { userErrors { message } }
}
"""
DELETE = "mutation Delete($id: ID!) { deleteWebhookLog(id: $id) { userErrors { message } } }"
FAILURES: tuple[dict[str, Any], ...] = (
    {"kind": "status", "status": 400},
    {"kind": "status", "status": 401},
    {"kind": "status", "status": 503},
    *({"kind": kind} for kind in ("html", "reset", "truncated-json", "empty", "rate-limit")),
)
assert {fault["kind"] for fault in FAILURES} <= set(
    typing.get_args(typing.get_type_hints(Fault)["kind"])
)


class Run(NamedTuple):
    """A gateway over a sandbox, the secrets that no one may see, and the sources by vendor."""

    client: httpx.AsyncClient
    control: Sandboxed
    settings: Settings
    secrets: list[str]

    @property
    def sources(self) -> dict[str, str]:
        """The names of the sources, with those of their vendors in the sandbox."""
        return {source.name: source.provider for source in self.settings.sources}

    async def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """Send an operation with credentials that nothing may show; return the response."""
        answer = await self.client.post(
            "/graphql",
            json={"query": query, "variables": {"unused": IN_VARIABLES, **variables}},
            headers={**CALLER_SECRETS, "cache-control": "no-cache"},
        )
        found: dict[str, Any] = answer.json()
        return found

    async def all(self) -> None:
        """Send operations of all kinds."""
        for source in self.sources:
            found = await self.ask(LIST, first=20, source=source)
            nodes = found["data"]["webhookLogs"]["nodes"]
            assert nodes, found
            await self.ask(ONE, id=nodes[0]["id"])
            await self.ask(RETRY, id=nodes[0]["id"], key=f"{IDEMPOTENCY} {source}")
            await self.ask(DELETE, id=nodes[1]["id"])
        await self.ask(SOURCES)
        await self.mistakes()
        for source, vendor in self.sources.items():
            for fault in FAILURES:
                await self.control.fault(vendor, **fault)
                await self.ask(LIST, first=5, source=source)
            await self.control.fault(vendor, kind="status", status=503)
            for _ in range(8):
                await self.ask(LIST, first=5, source=source)
            await self.ask(SOURCES)
            await self.control.heal()

    async def mistakes(self) -> None:
        """Send what is refused."""
        for document in ("{ nope }", "{", f'{{ webhookLog(id: "{IN_DOCUMENT}") {{ id }} }}', ""):
            await self.ask(document)
        params = {"query": "{ __typename }", "variables": f'{{"a": "{IN_URL}"}}'}
        headers = {"content-type": "application/json"}
        await self.client.get("/graphql", params=params, headers=headers)
        await self.client.get("/graphql", params={"query": IN_URL})
        await self.client.post("/graphql", content=IN_DOCUMENT, headers=headers)
        await self.client.request("PLANTED", f"/{IN_URL}")
        await self.client.get("/healthz")


@contextlib.asynccontextmanager
async def running(folder: Path, events: Events) -> AsyncIterator[Run]:
    """Start a gateway that tells of its events, over a sandbox."""
    sandbox = Sandbox(clock=stopped, logs=1500)
    settings = demo_settings(folder, sandbox, GATEWAY_LIMITS__RATE="off")
    app = create_app(settings, transport=httpx.ASGITransport(sandbox.app), events=events)
    async with (
        app.router.lifespan_context(app),
        Sandboxed(sandbox) as control,
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://127.0.0.1"
        ) as client,
    ):
        secrets: list[str] = (await control.control.get("/secrets")).json()
        own = msgspec.to_builtins(sandbox.credentials)
        words = ("token", "password", "secret", "key")
        secrets += [
            value
            for name, value in own.items()
            if any(word in name for word in words) and isinstance(value, str) and len(value) > 7
        ]
        secrets += [text.split("=")[-1].split()[-1] for text in CALLER_SECRETS.values()]
        secrets += [IN_VARIABLES, IN_DOCUMENT, IN_URL, IDEMPOTENCY]
        yield Run(client, control, settings, secrets)
