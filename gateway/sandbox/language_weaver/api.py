"""RWS Language Weaver Edge, API v2.

https://developers.languageweaver.com/api/lw-edge/webhook-audit-logging
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import math
import uuid
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from gateway.sandbox.credentials import Tokens
from gateway.sandbox.deliveries import SECOND, Archive, digest, nanoseconds, seeded
from gateway.sandbox.language_weaver.webhooks import webhooks
from gateway.sandbox.outcomes import OK, go_error, phrase
from gateway.sandbox.vendor import MAX_PAGE, answer, form, timestamp, whole_number

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from starlette.requests import Request

    from gateway.sandbox.credentials import Credentials
    from gateway.sandbox.deliveries import Delivery
    from gateway.sandbox.vendor import Pairs

_DEFAULT_PAGE = 25
_TOKEN_LIFETIME = 30 * 24 * 3600
_TRUTHS = {"true": True, "false": False}
_STATES = ("inProgress", "done", "failed")

_ERRORS = {
    400: "bad request",
    401: "unauthorized",
    403: "insufficient privileges",
    404: "not found",
    429: "too many requests",
}


class LanguageWeaver:
    """Webhooks and their audit entries, which can be retried and deleted.

    Assumptions where the documentation is silent: entries are ordered by timeTriggered, newest
    first, so that a retry moves nothing; a page beyond the last is empty; ``perPage`` is at most
    100; a retry responds with 200 and no body; an unknown entry is a 404; ``failed`` means that
    ``errorMessage`` is not empty.
    """

    name: ClassVar[str] = "language-weaver"
    prefixes: ClassVar[tuple[str, ...]] = ("/language-weaver",)
    token_paths: ClassVar[tuple[str, ...]] = ("/language-weaver/api/v2/auth",)
    newer_parameters: ClassVar[frozenset[str]] = frozenset()
    version_path: ClassVar[str] = ""

    def __init__(
        self, seed: int, secrets: Mapping[str, str], users: Credentials, clock: Callable[[], float]
    ) -> None:
        self._seed = seed
        self._secrets = secrets
        self._users = users
        self._clock = clock
        self._started = nanoseconds(clock())
        self._webhooks = webhooks(secrets)
        self._by_id = {webhook.id: webhook for webhook in self._webhooks}
        self._retries: dict[int, tuple[int, int]] = {}
        self.archive = Archive(self._webhooks)
        self.tokens = Tokens("eyJhbGciOiJIUzI1NiJ9.", 90, _TOKEN_LIFETIME, clock)
        key = base64.b64encode(f"{users.language_weaver_key}:".encode()).decode()
        self.fixed_credentials: Pairs = (("authorization", f"Basic {key}"),)

    def routes(self) -> list[Route]:
        """Return all endpoints."""
        base = "/language-weaver/api/v2"
        entry = base + "/audit/webhooks/{entry}"
        return [
            Route(base + "/audit/webhooks", self._list_entries),
            Route(entry, self._delete_entry, methods=["DELETE"]),
            Route(entry + "/retry", self._retry_entry, methods=["PUT"]),
            Route(base + "/webhooks", self._list_webhooks),
            Route(base + "/system/info", self._show_system),
            Route(base + "/auth", self._issue_token, methods=["POST"]),
        ]

    def error(self, status: int, detail: str) -> Response:
        """Return an error response in the vendor's format."""
        error = {"code": status, "message": _ERRORS.get(status, "internal error")}
        if detail:
            error["details"] = detail
        return answer({"error": error}, status)

    def demo(self, url: str) -> tuple[str, dict[str, str]]:
        """Return a source with an API key."""
        table = f"""\
[[sources]]
name = "translations"
provider = "language-weaver"
base_url = "{url}/language-weaver"
auth = {{ type = "api-key", key = {{ file = "secrets/language-weaver-key" }} }}
"""
        return table, {"language-weaver-key": self._users.language_weaver_key}

    def identify(self, log: Delivery) -> tuple[str, str]:
        """Return the id and the time of a log."""
        return str(log.number + 1), _time(log.time)

    def _authorize(self, request: Request) -> None:
        scheme, _, value = request.headers.get("Authorization", "").partition(" ")
        if scheme == "Bearer" and self.tokens.accepts(value):
            return
        if scheme == "Basic":
            try:
                pair = base64.b64decode(value, validate=True)
            except binascii.Error:
                pair = b""
            if pair == f"{self._users.language_weaver_key}:".encode():
                return
        raise HTTPException(401, "")

    async def _list_entries(self, request: Request) -> Response:
        self._authorize(request)
        values = request.query_params
        logs = self.archive.deliveries[::-1]
        if part := values.get("url"):
            logs = [log for log in logs if part in log.stream.url]
        if events := values.get("event"):
            wanted = set(events.split(","))
            logs = [log for log in logs if self._event(log) in wanted]
        if (text := values.get("failed")) is not None:
            if text not in _TRUTHS:
                raise HTTPException(400, "failed must be true or false")
            logs = [log for log in logs if log.outcome.accepted is not _TRUTHS[text]]
        page, envelope = _page(request, logs)
        return answer({"entries": [self._document(log) for log in page]} | envelope)

    async def _retry_entry(self, request: Request) -> Response:
        log = self._entry(request)
        self._retries[log.number] = (self._attempts(log)[0] + 1, nanoseconds(self._clock()))
        if log.outcome.transient:
            log.outcome = OK
        return Response(status_code=200)

    async def _delete_entry(self, request: Request) -> Response:
        log = self._entry(request)
        self.archive.remove(log)
        return answer(self._document(log))

    def _entry(self, request: Request) -> Delivery:
        self._authorize(request)
        number = whole_number(request.path_params["entry"], "id") - 1
        for log in self.archive.deliveries:
            if log.number == number:
                return log
        raise HTTPException(404, "webhook audit entry not found")

    async def _list_webhooks(self, request: Request) -> Response:
        self._authorize(request)
        values = request.query_params
        found = [
            {
                "uuid": webhook.id,
                "url": webhook.url,
                "description": webhook.description,
                "username": webhook.owner,
                "events": webhook.events,
            }
            for webhook in self._webhooks
            if values.get("url", "") in webhook.url
            and values.get("description", "") in webhook.description
        ]
        page, envelope = _page(request, found)
        return answer({"webhooks": page} | envelope)

    async def _show_system(self, _request: Request) -> Response:
        return answer({"version": "8.7.2", "build": "1184"})

    async def _issue_token(self, request: Request) -> Response:
        fields = await form(request)
        users = self._users
        expected = (users.language_weaver_username, users.language_weaver_password)
        if (fields.get("username"), fields.get("password")) != expected:
            raise HTTPException(401, "invalid username or password")
        return answer({"token": self.tokens.issue()[0]})

    def _document(self, log: Delivery) -> dict[str, Any]:
        retries, attempted = self._attempts(log)
        return {
            "id": log.number + 1,
            "uuid": log.stream.id,
            "url": log.stream.url,
            "event": self._event(log),
            "timeTriggered": _time(log.time),
            "timeLastAttempted": _time(attempted),
            "data": self._data(log),
            "errorMessage": _error_message(log),
            "retryAttempts": retries,
        }

    def _event(self, log: Delivery) -> str:
        events = self._by_id[log.stream.id].events
        return events[log.number % len(events)]

    def _attempts(self, log: Delivery) -> tuple[int, int]:
        """Return the number of retries of a log, and the time of its last attempt."""
        if log.number in self._retries:
            return self._retries[log.number]
        retries = log.number % 5 if not log.outcome.accepted else log.number % 29 == 0
        attempted = log.time + retries * (log.number % 211 + 30) * SECOND
        return (int(retries), attempted) if attempted < self._started else (0, log.time)

    def _data(self, log: Delivery) -> Any:
        random = seeded(self._seed, "language-weaver", log.number)
        subject = str(uuid.UUID(bytes=digest(self._seed, "subject", log.number // 2), version=4))
        event = self._event(log)
        data: dict[str, Any] = {
            "translationId" if event.startswith("translation") else "adaptedLanguagePairId": subject
        }
        if event.endswith("statusChanged"):
            data["status"] = random.choice(_STATES)
        extra = random.randrange(8)
        if extra == 0:
            data["requestedBy"] = self._secrets["translator_mail"]
        elif extra == 1:
            data["callback"] = {"token": self._secrets["data_jwt"]}
        return msgspec.json.encode(data).decode() if log.number % 11 == 0 else data


def _error_message(log: Delivery) -> str:
    outcome = log.outcome
    if outcome.accepted:
        return ""
    if outcome.text or outcome.status is None:
        return go_error(log.stream, outcome)
    return f"unexpected response status: {phrase(outcome.status)}"


def _page(request: Request, rows: Sequence[Any]) -> tuple[Sequence[Any], dict[str, int]]:
    """Return the requested page, and the fields of its envelope."""
    values = request.query_params
    page = whole_number(values.get("page"), "page", default=1)
    size = whole_number(values.get("perPage"), "perPage", default=_DEFAULT_PAGE, high=MAX_PAGE)
    envelope = {
        "page": page,
        "perPage": size,
        "totalPages": math.ceil(len(rows) / size),
        "totalItems": len(rows),
    }
    return rows[(page - 1) * size : page * size], envelope


def _time(time: int) -> str:
    """Format a time as Go does: up to 9 fraction digits, without trailing zeros."""
    return timestamp(time, 9, separator=" ", zone=dt.UTC).rstrip("0").rstrip(".") + "Z"
