"""Elastic Path Commerce Cloud: integrations, API v2, and the token endpoint.

https://elasticpath.dev/docs/api/integrations/list-integration-logs
"""

from __future__ import annotations

import datetime as dt
import math
import uuid
from http.client import responses
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from starlette.exceptions import HTTPException
from starlette.routing import Route

from gateway.sandbox.credentials import Tokens
from gateway.sandbox.deliveries import Archive, digest, nanoseconds, seeded
from gateway.sandbox.elastic_path.integrations import Integration, integrations
from gateway.sandbox.outcomes import go_error, phrase
from gateway.sandbox.vendor import MAX_PAGE, answer, form, timestamp, whole_number

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from gateway.sandbox.credentials import Credentials
    from gateway.sandbox.deliveries import Delivery
    from gateway.sandbox.vendor import Pairs

_DEFAULT_PAGE = 25
_TOKEN_LIFETIME = 3600
_OUTSIDE_2XX = "Received a status code outside of 2xx range - treating webhook as a fail"
_QUEUE_REFUSED = (
    "operation error SQS: SendMessage, https response error StatusCode: 403,"
    " api error AccessDenied: Access to the resource is denied."
)
_UNTIMED = (240, 241)
"""Numbers of the logs without a time among every 500 of the history."""


class ElasticPath:
    """Integrations, and their logs by store, integration and job.

    Assumptions where the documentation is silent: the newest log comes first; a ``page[limit]``
    above 100 is a 400; a log without a response has the status code 0 or null.
    """

    name: ClassVar[str] = "elastic-path"
    prefixes: ClassVar[tuple[str, ...]] = ("/elastic-path",)
    token_paths: ClassVar[tuple[str, ...]] = ("/elastic-path/oauth/access_token",)
    newer_parameters: ClassVar[frozenset[str]] = frozenset()
    version_path: ClassVar[str] = "/elastic-path/v2"

    def __init__(
        self, seed: int, secrets: Mapping[str, str], users: Credentials, clock: Callable[[], float]
    ) -> None:
        self._seed = seed
        self._secrets = secrets
        self._users = users
        self._started = nanoseconds(clock())
        self._integrations = integrations(secrets)
        self._by_id = {integration.id: integration for integration in self._integrations}
        self.archive = Archive(self._integrations, resends=True)
        self.tokens = Tokens("e7c0", 27, _TOKEN_LIFETIME, clock)
        self.fixed_credentials: Pairs = ()

    def routes(self) -> list[Route]:
        """Return all endpoints."""
        base = "/elastic-path/v2/integrations"
        return [
            Route(base, self._list_integrations),
            Route(base + "/logs", self._list_store_logs),
            Route(base + "/{integration}", self._show_integration),
            Route(base + "/{integration}/logs", self._list_logs),
            Route(base + "/{integration}/jobs", self._list_jobs),
            Route(base + "/{integration}/jobs/{job}/logs", self._list_job_logs),
            Route("/elastic-path/oauth/access_token", self._issue_token, methods=["POST"]),
        ]

    def error(self, status: int, detail: str) -> Response:
        """Return an error response in the vendor's format."""
        error = {"status": status, "title": responses.get(status, "Error")}
        return answer({"errors": [error | ({"detail": detail} if detail else {})]}, status)

    def demo(self, url: str) -> tuple[str, dict[str, str]]:
        """Return a source with the whole store and an application key."""
        users = self._users
        table = f"""\
[[sources]]
name = "shop"
provider = "elastic-path"
base_url = "{url}/elastic-path"

[sources.auth]
type = "client-credentials"
client_id = {{ file = "secrets/elastic-path-id" }}
client_secret = {{ file = "secrets/elastic-path-secret" }}
"""
        return table, {
            "elastic-path-id": users.elastic_path_client_id,
            "elastic-path-secret": users.elastic_path_client_secret,
        }

    def identify(self, log: Delivery) -> tuple[str, str | None]:
        """Return the id and the time of a log."""
        return self._uuid("log", log.number), self._time(log)

    def _authorize(self, request: Request) -> None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or not self.tokens.accepts(token):
            raise HTTPException(401, "")

    def _integration(self, request: Request) -> Integration:
        self._authorize(request)
        try:
            return self._by_id[request.path_params["integration"]]
        except KeyError:
            raise HTTPException(404, "The requested integration does not exist.") from None

    async def _list_integrations(self, request: Request) -> Response:
        self._authorize(request)
        return self._page(request, self._integrations, _integration_document)

    async def _show_integration(self, request: Request) -> Response:
        return answer({"data": _integration_document(self._integration(request))})

    async def _list_store_logs(self, request: Request) -> Response:
        self._authorize(request)
        return self._page(request, self.archive.deliveries[::-1], self._document)

    async def _list_logs(self, request: Request) -> Response:
        logs = self.archive.by_stream[self._integration(request).id]
        return self._page(request, logs[::-1], self._document)

    async def _list_jobs(self, request: Request) -> Response:
        logs = self.archive.by_stream[self._integration(request).id]
        jobs = dict.fromkeys(log.job for log in reversed(logs))
        return answer({"data": [self._job_reference(job) for job in jobs]})

    async def _list_job_logs(self, request: Request) -> Response:
        logs = self.archive.by_stream[self._integration(request).id]
        wanted = request.path_params["job"]
        number = next((log.job for log in logs if self._uuid("job", log.job) == wanted), None)
        if number is None:
            raise HTTPException(404, "The requested job does not exist.")
        attempts = [log for log in reversed(logs) if log.job == number]
        return self._page(request, attempts, self._document)

    def _page(
        self, request: Request, rows: Sequence[Any], document: Callable[[Any], dict[str, Any]]
    ) -> Response:
        values = request.query_params
        limit = whole_number(
            values.get("page[limit]"), "page[limit]", default=_DEFAULT_PAGE, high=MAX_PAGE
        )
        offset = whole_number(values.get("page[offset]"), "page[offset]", default=0, low=0)
        meta = {
            "limit": limit,
            "offset": offset,
            "current": offset // limit + 1,
            "total": math.ceil(len(rows) / limit),
        }
        data = [document(row) for row in rows[offset : offset + limit]]
        return answer({"data": data, "meta": meta, "results": {"total": len(rows)}})

    def _document(self, log: Delivery) -> dict[str, Any]:
        outcome = log.outcome
        document: dict[str, Any] = {
            "id": self._uuid("log", log.number),
            "type": "integration-log",
            "succeeded": outcome.accepted,
            "attempt": log.attempt,
            "processing_time": log.duration_ms / 1000 + log.number % 10 / 10_000,
            "body": self._body(log),
            "status_code": self._status_code(log),
            "error_detail": self._error_detail(log),
            "relationships": {
                "integration": {"data": {"type": "integration", "id": log.stream.id}},
                "job": {"data": self._job_reference(log.job)},
            },
        }
        if log.number % 37 == 0:
            del document["processing_time"]
        if time := self._time(log):
            document["meta"] = {"timestamps": {"created_at": time}}
        return document

    def _time(self, log: Delivery) -> str | None:
        if log.number % 500 in _UNTIMED and log.time < self._started:
            return None
        return timestamp(log.time, 9, zone=dt.UTC) + "Z"

    def _status_code(self, log: Delivery) -> int | None:
        if self._by_id[log.stream.id].integration_type == "aws_sqs":
            return 200 if log.outcome.accepted else 403
        return log.outcome.status or (0 if log.number % 3 else None)

    def _body(self, log: Delivery) -> str:
        """Return the body of the receiver's response; some receivers echo the request."""
        integration, status = self._by_id[log.stream.id], log.outcome.status
        if status is None or integration.integration_type == "aws_sqs":
            return ""
        random = seeded(self._seed, "elastic-path", log.number)
        job = self._uuid("job", log.job)
        if not log.outcome.delivered:
            refused = f"no access for Bearer {self._secrets['bearer']}"
            return random.choice(("", phrase(status), f"<h1>{phrase(status)}</h1>", refused))
        received = {
            "id": job,
            "integration": {"id": integration.id, "name": integration.name},
            "configuration": {"url": integration.url} | integration.configuration,
            "payload": {"customer": {"email": self._secrets["customer_mail"]}},
        }
        contents = (
            {"received": received},
            {"ok": True, "session": self._secrets["log_jwt"]},
            {"ok": True, "notify": self._secrets["buyer_mail"]},
            {"ok": True, "job": job},
        )
        chosen = random.randrange(len(contents) + 4)
        return msgspec.json.encode(contents[chosen]).decode() if chosen < len(contents) else "OK"

    def _error_detail(self, log: Delivery) -> str:
        outcome = log.outcome
        if self._by_id[log.stream.id].integration_type == "aws_sqs":
            return "" if outcome.accepted else _QUEUE_REFUSED
        if outcome.accepted and outcome.delivered:
            return ""
        return go_error(log.stream, outcome) if outcome.text else _OUTSIDE_2XX

    def _job_reference(self, job: int) -> dict[str, str]:
        return {"type": "integration-job", "id": self._uuid("job", job)}

    def _uuid(self, kind: str, number: int) -> str:
        return str(uuid.UUID(bytes=digest(self._seed, kind, number), version=4))

    async def _issue_token(self, request: Request) -> Response:
        fields = await form(request)
        if fields.get("grant_type") != "client_credentials":
            return _token_error(400, "Unsupported grant type")
        expected = (self._users.elastic_path_client_id, self._users.elastic_path_client_secret)
        if (fields.get("client_id"), fields.get("client_secret")) != expected:
            return _token_error(401, "Unable to validate client credentials")
        token, _, expires = self.tokens.issue()
        return answer(
            {
                "access_token": token,
                "token_type": "Bearer",
                "expires_in": _TOKEN_LIFETIME,
                "expires": int(expires),
                "identifier": "client_credentials",
            }
        )


def _token_error(status: int, title: str) -> Response:
    """Return the error of a login, in which the status is text, unlike elsewhere."""
    return answer({"errors": [{"status": str(status), "title": title}]}, status)


def _integration_document(integration: Integration) -> dict[str, Any]:
    created = "2025-01-02T03:04:05Z"
    return {
        "id": integration.id,
        "type": "integration",
        "name": integration.name,
        "description": "",
        "enabled": integration.active,
        "integration_type": integration.integration_type,
        "observes": integration.observes,
        "configuration": {"url": integration.url} | integration.configuration,
        "links": {},
        "meta": {"timestamps": {"created_at": created, "updated_at": created}},
    }
