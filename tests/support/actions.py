"""Documents, a vendor and gateways for the tests of retry and delete."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from strawberry.types import ExecutionResult

from gateway import ids
from gateway.schema import build_schema
from gateway.schema.context import Context
from gateway.service import Gateway
from gateway.settings import load

SCHEMA = build_schema()
ERRORS = """
    __typename code message path
    ... on NotAuthorized { requiredRole }
    ... on ActionNotSupported { action sources }
    ... on IdempotencyKeyReused { logId }
    ... on UpstreamRejected { httpStatus vendorCode vendorMessage vendorRequestId }
    ... on UpstreamUnavailable { retryAfter }
    ... on OutcomeUnknown { actionId }
"""
LOG = "{ id upstreamId status attempt availableActions { action available reason } }"
RETRY = (
    "mutation($id: ID!, $key: String) { retryWebhookLog(id: $id, idempotencyKey: $key)"
    f" {{ webhookLog {LOG} userErrors {{ {ERRORS} }} }} }}"
)
DELETE = (
    "mutation($id: ID!) { deleteWebhookLog(id: $id)"
    f" {{ deletedWebhookLogId webhookLog {LOG} userErrors {{ {ERRORS} }} }} }}"
)
LIST = f"""
query($source: String!, $status: WebhookLogStatus) {{
  webhookLogs(first: 100, filter: {{ source: {{ eq: $source }}, status: {{ eq: $status }} }}) {{
    nodes {LOG}
  }}
}}
"""
ACTIONS = """
query($first: Int = 25, $after: String, $filter: ActionFilterInput) {
  actions(first: $first, after: $after, filter: $filter) {
    nodes {
      id kind outcome logId source upstreamId caller idempotencyKey requestedAt completedAt
      errorCode message answer
    }
    pageInfo { hasNextPage endCursor }
  }
}
"""


class Schema:
    """The schema over a gateway, for a caller with these headers."""

    def __init__(self, gateway: Gateway, **headers: str) -> None:
        self.gateway = gateway
        self._headers = headers

    async def data(self, document: str, **variables: Any) -> dict[str, Any]:
        """Execute a document without errors; return its data."""
        result = await self._execute(document, variables)
        assert result.errors is None, result.errors
        assert result.data is not None
        return result.data

    async def errors(self, document: str, **variables: Any) -> list[dict[str, Any]]:
        """Execute a document with errors; return their messages and extensions."""
        errors = (await self._execute(document, variables)).errors or []
        return [{"message": error.message, **(error.extensions or {})} for error in errors]

    async def _execute(self, document: str, variables: dict[str, Any]) -> ExecutionResult:
        context = Context(self.gateway, self.gateway.operation(self._headers))
        return await SCHEMA.execute(document, variables, context_value=context)

    async def retry(self, id: str, key: str | None = None) -> dict[str, Any]:
        payload: dict[str, Any] = (await self.data(RETRY, id=id, key=key))["retryWebhookLog"]
        return payload

    async def delete(self, id: str) -> dict[str, Any]:
        payload: dict[str, Any] = (await self.data(DELETE, id=id))["deleteWebhookLog"]
        return payload

    async def logs(self, source: str, status: str | None = None) -> list[dict[str, Any]]:
        listed = await self.data(LIST, source=source, status=status)
        nodes: list[dict[str, Any]] = listed["webhookLogs"]["nodes"]
        return nodes

    async def journal(self, **variables: Any) -> list[dict[str, Any]]:
        nodes: list[dict[str, Any]] = (await self.data(ACTIONS, **variables))["actions"]["nodes"]
        return nodes


API_KEY = '{ type = "api-key", key = { env = "SECRET" } }'
PASSED = '{ type = "pass-through", header = "Mine" }'
LOGIN = '{ type = "login", username = "ada", password = { env = "SECRET" } }'
LOG_ID = ids.encode(ids.Kind.LOG, "translations", "42")
OTHER_ID = ids.encode(ids.Kind.LOG, "translations", "41")
PAGE = "/api/v2/audit/webhooks"


class Controller(httpx.AsyncBaseTransport):
    """A Language Weaver controller with the entries 42 and 41; ``act`` handles non-reads."""

    def __init__(self, act: Callable[[httpx.Request], Any]) -> None:
        self.acts: list[httpx.Request] = []
        self.tokens = 0
        self.retried = 0
        self._act = act

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/auth"):
            self.tokens += 1
            return httpx.Response(200, json={"token": f"token-{self.tokens}"})
        if request.method == "GET":
            assert request.url.path.endswith(PAGE)
            page, size = (int(request.url.params[name]) for name in ("page", "perPage"))
            entries = [self.entry(42, self.retried), self.entry(41, 0)] if page == 1 else []
            envelope = {"page": page, "perPage": size, "totalPages": 1, "totalItems": 2}
            return httpx.Response(200, json={"entries": entries, **envelope})
        self.acts.append(request)
        answer = self._act(request)
        if not isinstance(answer, httpx.Response):
            answer = await answer
        self.retried += answer.is_success
        assert isinstance(answer, httpx.Response)
        return answer

    @staticmethod
    def entry(number: int, retries: int) -> dict[str, Any]:
        return {
            "id": number,
            "uuid": "3f1a5c0e-8f83-4a5a-9a3c-0d2b1a4c5d6e",
            "url": "https://hooks.example/a",
            "event": "translation.statusChanged",
            "timeTriggered": "2026-03-04 09:10:11.25Z",
            "timeLastAttempted": "2026-03-04 09:10:11.25Z",
            "data": {"translationId": "t"},
            "errorMessage": "unexpected response status: 500 Internal Server Error",
            "retryAttempts": retries,
        }


def answering(status: int, **parts: Any) -> Callable[[httpx.Request], httpx.Response]:
    """Return an ``act`` for ``Controller`` that always returns the same response."""
    return lambda _: httpx.Response(status, **parts)


def raising(error: Exception) -> Callable[[httpx.Request], httpx.Response]:
    """Return an ``act`` for ``Controller`` that fails with a connection error."""

    def act(_: httpx.Request) -> httpx.Response:
        raise error

    return act


def gateway_over(
    folder: Path,
    transport: httpx.AsyncBaseTransport,
    *,
    name: str = "translations",
    auth: str = API_KEY,
    timeout: float = 8.0,
    clock: Callable[[], int] | None = None,
) -> Gateway:
    """Return a gateway of one source, with a journal in the folder."""
    file = folder / "gateway.toml"
    file.write_text(f"""
        [journal]
        url = "sqlite:///journal.sqlite3"

        [[sources]]
        name = "{name}"
        provider = "language-weaver"
        base_url = "https://vendor.example"
        timeout = {timeout}
        auth = {auth}
    """)
    settings = load(file, {"SECRET": "planted"})
    if clock is None:
        return Gateway(settings, transport=transport)
    return Gateway(settings, transport=transport, clock=clock)
