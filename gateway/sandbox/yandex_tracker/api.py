"""Yandex Tracker, API v3, and the IAM service of Yandex Cloud that issues its tokens.

https://yandex.ru/support/tracker/ru/concepts/queues/view-trigger-logs
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import math
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from starlette.exceptions import HTTPException
from starlette.routing import Route

from gateway.sandbox.credentials import Tokens
from gateway.sandbox.deliveries import MILLISECOND, SECOND, Archive, digest, nanoseconds, seeded
from gateway.sandbox.vendor import MAX_PAGE, answer, moment, timestamp, whole_number
from gateway.sandbox.yandex_tracker.triggers import CLOUD_ORG_ID, ORG_ID, QUEUES, Trigger, triggers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from gateway.sandbox.credentials import Credentials
    from gateway.sandbox.deliveries import Delivery
    from gateway.sandbox.vendor import Pairs

_BASE = "https://api.tracker.test/v3"
_DEFAULT_LOGS = 10
_DEFAULT_PAGE = 50
_ISSUES = 400
_TOKEN_LIFETIME = 12 * 3600
_MASKED = "XXX"

_ERRORS = {
    400: "The request has an invalid parameter.",
    401: "Authentication required.",
    403: "You do not have permission for this action.",
    404: "The object was not found.",
    429: "Too many requests to the host, try again later.",
}


class YandexTracker:
    """Queues, their triggers, and the log of the Webhook actions of each trigger.

    Assumptions where the documentation is silent: the newest log comes first; ``from`` is inclusive
    and ``to`` exclusive, both compared with startTime to the millisecond; a time without an offset
    is UTC; the page of triggers after a cursor begins with the cursor's own trigger; a failed
    attempt has no ``response``. Bearer tokens are accepted with a Cloud organisation only.
    """

    name: ClassVar[str] = "yandex-tracker"
    prefixes: ClassVar[tuple[str, ...]] = ("/tracker", "/yandex-iam")
    token_paths: ClassVar[tuple[str, ...]] = ("/yandex-iam/",)
    newer_parameters: ClassVar[frozenset[str]] = frozenset({"from", "to", "limit", "issueId"})
    version_path: ClassVar[str] = ""

    def __init__(
        self, seed: int, secrets: Mapping[str, str], users: Credentials, clock: Callable[[], float]
    ) -> None:
        self._seed = seed
        self._secrets = secrets
        self._users = users
        self._triggers = triggers(secrets)
        self._by_id = {trigger.id: trigger for trigger in self._triggers}
        self.archive = Archive(
            [trigger for trigger in self._triggers if trigger.share], precision=MILLISECOND
        )
        self.tokens = Tokens("t1.9euelZ", 150, _TOKEN_LIFETIME, clock)
        self.fixed_credentials: Pairs = (("authorization", f"OAuth {users.tracker_oauth_token}"),)

    def routes(self) -> list[Route]:
        """Return all endpoints."""
        base = "/tracker/v3/queues/{queue}/triggers"
        return [
            Route("/tracker/v3/queues", self._list_queues),
            Route(base, self._list_triggers),
            Route(base + "/{trigger}", self._show_trigger),
            Route(base + "/{trigger}/webhooks/log", self._list_logs),
            Route("/yandex-iam/iam/v1/tokens", self._issue_token, methods=["POST"]),
        ]

    def error(self, status: int, detail: str) -> Response:
        """Return an error response in the vendor's format."""
        message = detail or _ERRORS.get(status, "Internal server error.")
        return answer({"errors": {}, "errorMessages": [message], "statusCode": status}, status)

    def demo(self, url: str) -> tuple[str, dict[str, str]]:
        """Return a source with every queue and an OAuth token."""
        table = f"""\
[[sources]]
name = "tracker"
provider = "yandex-tracker"
base_url = "{url}/tracker"
org_id = "{ORG_ID}"
queues = {json.dumps(list(QUEUES))}
auth = {{ type = "oauth", token = {{ file = "secrets/tracker-token" }} }}
"""
        return table, {"tracker-token": self._users.tracker_oauth_token}

    def identify(self, log: Delivery) -> tuple[str, str]:
        """Return the id and the time of a log."""
        return self._log_id(log), _time(log.time)

    def _authorize(self, request: Request) -> None:
        organisations = {
            name: request.headers[name]
            for name in ("X-Org-ID", "X-Cloud-Org-ID")
            if name in request.headers
        }
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        known = (scheme == "OAuth" and token == self._users.tracker_oauth_token) or (
            scheme == "Bearer" and self.tokens.accepts(token)
        )
        if not known:
            raise HTTPException(401, "")
        if len(organisations) != 1:
            raise HTTPException(400, "Exactly one of X-Org-ID and X-Cloud-Org-ID is required.")
        cloud = {"X-Cloud-Org-ID": CLOUD_ORG_ID}
        allowed = [cloud] if scheme == "Bearer" else [cloud, {"X-Org-ID": ORG_ID}]
        if organisations not in allowed:
            raise HTTPException(403, "Organization is not available.")

    def _queue(self, request: Request) -> str:
        self._authorize(request)
        wanted = request.path_params["queue"]
        for key, number in QUEUES.items():
            if wanted in {key, str(number)}:
                return key
        raise HTTPException(404, "Queue not found.")

    def _trigger(self, request: Request) -> Trigger:
        queue = self._queue(request)
        trigger = self._by_id.get(request.path_params["trigger"])
        if trigger is None or trigger.queue != queue:
            raise HTTPException(404, "Trigger not found.")
        return trigger

    async def _list_queues(self, request: Request) -> Response:
        self._authorize(request)
        size = _page_size(request)
        page = whole_number(request.query_params.get("page"), "page", default=1)
        documents = [
            {"self": f"{_BASE}/queues/{key}", "id": number, "key": key, "version": 5, "name": key}
            for key, number in QUEUES.items()
        ]
        headers = {
            "X-Total-Count": str(len(documents)),
            "X-Total-Pages": str(math.ceil(len(documents) / size)),
        }
        return answer(documents[(page - 1) * size : page * size], headers=headers)

    async def _list_triggers(self, request: Request) -> Response:
        queue = self._queue(request)
        cursor = whole_number(request.query_params.get("id"), "id", default=0)
        found = [
            trigger
            for trigger in self._triggers
            if trigger.queue == queue and int(trigger.id) >= cursor
        ]
        return answer([_trigger_document(trigger) for trigger in found[: _page_size(request)]])

    async def _show_trigger(self, request: Request) -> Response:
        return answer(_trigger_document(self._trigger(request)))

    async def _list_logs(self, request: Request) -> Response:
        trigger = self._trigger(request)
        values = request.query_params
        limit = whole_number(values.get("limit"), "limit", default=_DEFAULT_LOGS, high=MAX_PAGE)
        logs = self.archive.by_stream.get(trigger.id, [])[::-1]
        if (start := moment(request, "from", dt.UTC)) is not None:
            logs = [log for log in logs if log.time // MILLISECOND >= start]
        if (end := moment(request, "to", dt.UTC)) is not None:
            logs = [log for log in logs if log.time // MILLISECOND < end]
        if (issue := values.get("issueId")) is not None:
            logs = [log for log in logs if issue in self._issue(trigger, log)]
        return answer([self._document(trigger, log) for log in logs[:limit]])

    def _document(self, trigger: Trigger, log: Delivery) -> dict[str, Any]:
        random = seeded(self._seed, "yandex-tracker", log.number)
        webhooks = [
            number for number, action in enumerate(trigger.actions, 1) if action == "Webhook"
        ]
        trigger_id, action_id = int(trigger.id), webhooks[log.number % len(webhooks)]
        issue_id, issue_key = self._issue(trigger, log)
        body = {
            "issue": issue_key,
            "text": f"{issue_key} {random.choice(('closed', 'in progress', 'needs info'))}",
            "assignee": self._secrets["assignee_mail"],
            "followers": [self._secrets["operator_mail"]],
            "auth": {"login": "tracker", "secret": self._secrets["body_secret"]},
        }
        document: dict[str, Any] = {
            "id": self._log_id(log),
            "startTime": _time(log.time),
            "endTime": _time(log.time + log.duration_ms * MILLISECOND),
            "duration": log.duration_ms if log.number % 5 else str(log.duration_ms),
            "triggerId": trigger_id if log.number % 7 else str(trigger_id),
            "actionId": action_id if log.number % 7 else str(action_id),
            "issueId": issue_id,
            "request": {
                "method": "POST",
                "endpoint": trigger.url,
                "headers": self._request_headers(trigger, random.randbytes),
                "body": msgspec.json.format(msgspec.json.encode(body)).decode(),
                "webhookAuthContext": {"type": trigger.auth},
            },
        }
        if log.outcome.status is not None:
            names = ("Content-Type", "Content-Length", "Date", "Server", "Connection")
            headers = dict.fromkeys(names, _MASKED)
            document["response"] = {"headers": headers, "statusCode": log.outcome.status}
        return document

    def _request_headers(self, trigger: Trigger, noise: Callable[[int], bytes]) -> dict[str, str]:
        if not trigger.clear_headers:
            names = ("X-Startrek-Transport", "Content-Type")
            return {name: base64.b64encode(noise(27)).decode() for name in names}
        return {
            "Content-Type": "application/json; charset=utf-8",
            "Authorization": f"Bearer {self._secrets['bearer']}",
            "Cookie": f"desk_session={self._secrets['cookie']}",
            "X-Api-Key": self._secrets["api_key"],
            "X-Hub-Signature-256": f"sha256={self._secrets['hub_signature']}",
        }

    def _log_id(self, log: Delivery) -> str:
        tail = digest(self._seed, "yandex-tracker", log.number)[:8].hex()
        return f"{log.time // SECOND:08x}{tail}"

    def _issue(self, trigger: Trigger, log: Delivery) -> tuple[str, str]:
        """Return the id and the key of the log's issue."""
        number = log.number * 31 % _ISSUES + 1
        key = f"{trigger.queue}-{number}"
        return digest(self._seed, "issue", key)[:12].hex(), key

    async def _issue_token(self, request: Request) -> Response:
        try:
            document = msgspec.json.decode(await request.body())
        except msgspec.DecodeError:
            return answer({"code": 3, "message": "Request body is not JSON", "details": []}, 400)
        if document != {"yandexPassportOauthToken": self._users.yandex_passport_token}:
            return answer({"code": 16, "message": "OAuth token is invalid", "details": []}, 401)
        token, _, expires = self.tokens.issue()
        expiry = timestamp(nanoseconds(expires), 9, zone=dt.UTC) + "Z"
        return answer({"iamToken": token, "expiresAt": expiry})


def _page_size(request: Request) -> int:
    return whole_number(request.query_params.get("perPage"), "perPage", default=_DEFAULT_PAGE)


def _time(time: int) -> str:
    return timestamp(time, 3, zone=dt.UTC) + "+0000"


def _trigger_document(trigger: Trigger) -> dict[str, Any]:
    queue = f"{_BASE}/queues/{trigger.queue}"
    actions = [
        {"type": action, "id": number}
        | ({"endpoint": trigger.url, "method": "POST"} if action == "Webhook" else {})
        for number, action in enumerate(trigger.actions, 1)
    ]
    return {
        "id": int(trigger.id),
        "self": f"{queue}/triggers/{trigger.id}",
        "queue": {
            "self": queue,
            "id": str(QUEUES[trigger.queue]),
            "key": trigger.queue,
            "display": trigger.queue,
        },
        "name": trigger.name,
        "order": f"{int(trigger.id) / 10_000:.4f}",
        "actions": actions,
        "conditions": [],
        "version": 1,
        "active": trigger.active,
    }
