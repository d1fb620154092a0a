"""Svix: applications, endpoints, and the attempts to deliver their messages.

https://api.svix.com/docs
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Any, ClassVar

from starlette.exceptions import HTTPException
from starlette.routing import Route

from gateway.sandbox.credentials import Tokens
from gateway.sandbox.deliveries import SECOND, Archive, digest, nanoseconds
from gateway.sandbox.rate_limit import RateLimit
from gateway.sandbox.svix.apps import APPS, App, Endpoint, endpoints
from gateway.sandbox.svix.attempts import Status, response_text, status_of
from gateway.sandbox.svix.ksuid import ksuid, number_in
from gateway.sandbox.svix.queries import Query, list_answer
from gateway.sandbox.vendor import answer, timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from gateway.sandbox.credentials import Credentials
    from gateway.sandbox.deliveries import Delivery
    from gateway.sandbox.vendor import Pairs

_MICROSECOND = 1000
_RESEND_DELAY = 3 * SECOND
_REQUESTS_PER_MINUTE = 100_000
_CREATED = "2026-01-05T08:00:00Z"
_FRACTIONS = (0, 3, 6, 9)

_ERRORS = {
    400: ("bad_request", "Bad request"),
    401: ("authentication_failed", "Invalid token"),
    403: ("permission_denied", "Insufficient permissions"),
    404: ("not_found", "Entity not found"),
    409: ("conflict", "Conflict"),
    429: ("rate_limit", "Too many requests"),
}


class Svix:
    """Attempts by endpoint and by message, of several applications.

    Assumptions where the documentation is silent: ``before`` and ``after`` are exclusive; an
    attempt without a response has the status code 0, and mostly the sender's error as its response;
    the iterator of an empty page is null; a 429 does not say how long to wait.
    """

    name: ClassVar[str] = "svix"
    prefixes: ClassVar[tuple[str, ...]] = ("/svix",)
    token_paths: ClassVar[tuple[str, ...]] = ()
    newer_parameters: ClassVar[frozenset[str]] = frozenset()
    version_path: ClassVar[str] = ""

    def __init__(
        self, seed: int, secrets: Mapping[str, str], users: Credentials, clock: Callable[[], float]
    ) -> None:
        self._seed = seed
        self._secrets = secrets
        self._users = users
        self._clock = clock
        self._endpoints = endpoints(secrets)
        self._by_id = {endpoint.id: endpoint for endpoint in self._endpoints}
        self._resent: set[str] = set()
        self._manual: set[Delivery] = set()
        self.archive = Archive(self._endpoints, precision=_MICROSECOND, resends=True)
        self.tokens = Tokens("", 0, 0, clock)
        self.rate_limit = RateLimit(_REQUESTS_PER_MINUTE, 60, clock)
        self.fixed_credentials: Pairs = (("authorization", f"Bearer {users.svix_token}"),)

    def routes(self) -> list[Route]:
        """Return all endpoints."""
        app = "/svix/api/v1/app/{app}"
        message = app + "/msg/{message}"
        return [
            Route("/svix/api/v1/app", self._list_apps),
            Route(app + "/endpoint", self._list_endpoints),
            Route(app + "/attempt/endpoint/{endpoint}", self._list_attempts),
            Route(app + "/attempt/msg/{message}", self._list_attempts_of_message),
            Route(message + "/attempt/{attempt}", self._show_attempt),
            Route(message + "/endpoint/{endpoint}/resend", self._resend, methods=["POST"]),
        ]

    def error(self, status: int, detail: str) -> Response:
        """Return an error in the vendor's format, which for a 422 is that of its validator.

        The detail of a 422 is ``name: message``.
        """
        if status == 422:
            name, _, message = detail.partition(": ")
            problem = {"loc": ["query", name], "msg": message, "type": "value_error"}
            return answer({"detail": [problem]}, status)
        code, message = _ERRORS.get(status, ("server_error", "Internal error"))
        return answer({"code": code, "detail": detail or message}, status)

    def demo(self, url: str) -> tuple[str, dict[str, str]]:
        """Return a source with every application."""
        table = f"""\
[[sources]]
name = "svix"
provider = "svix"
base_url = "{url}/svix"
rate_limit = 1000
auth = {{ type = "token", token = {{ file = "secrets/svix-token" }} }}
"""
        return table, {"svix-token": self._users.svix_token}

    def identify(self, log: Delivery) -> tuple[str, str]:
        """Return the id and the time of a log."""
        return self._attempt_id(log), _time(log.time)

    def _authorize(self, request: Request) -> None:
        if not self.rate_limit.admits():
            raise HTTPException(429, "")
        if request.headers.get("Authorization") != f"Bearer {self._users.svix_token}":
            raise HTTPException(401, "")

    def _app(self, request: Request) -> App:
        self._authorize(request)
        wanted = request.path_params["app"]
        for app in APPS:
            if wanted in {app.id, app.uid}:
                return app
        raise HTTPException(404, "")

    def _endpoint(self, app: App, wanted: str) -> Endpoint:
        for endpoint in self._endpoints:
            if endpoint.app is app and wanted in {endpoint.id, endpoint.uid}:
                return endpoint
        raise HTTPException(404, "")

    async def _list_apps(self, request: Request) -> Response:
        self._authorize(request)
        return _page_of_objects(request, "app_", APPS, _app_document)

    async def _list_endpoints(self, request: Request) -> Response:
        app = self._app(request)
        found = [endpoint for endpoint in self._endpoints if endpoint.app is app]
        return _page_of_objects(request, "ep_", found, _endpoint_document)

    async def _list_attempts(self, request: Request) -> Response:
        app = self._app(request)
        endpoint = self._endpoint(app, request.path_params["endpoint"])
        return self._page(Query(request), self.archive.by_stream[endpoint.id])

    async def _list_attempts_of_message(self, request: Request) -> Response:
        logs = self._attempts(request)
        query = Query(request)
        if wanted := query.text("endpoint_id"):
            endpoint = self._endpoint(self._app(request), wanted)
            logs = [log for log in logs if log.stream is endpoint]
        return self._page(query, logs)

    async def _show_attempt(self, request: Request) -> Response:
        expanded = Query(request).truth("expanded_statuses", default=False)
        for log in self._attempts(request):
            if self._attempt_id(log) == request.path_params["attempt"]:
                return answer(self._document(log, expanded=expanded) | {"msg": None})
        raise HTTPException(404, "")

    async def _resend(self, request: Request) -> Response:
        logs = self._attempts(request)
        endpoint = self._endpoint(self._app(request), request.path_params["endpoint"])
        if logs[0].stream is not endpoint:
            raise HTTPException(404, "")
        key = request.headers.get("Idempotency-Key")
        if key is None or key not in self._resent:
            due = nanoseconds(self._clock()) + _RESEND_DELAY
            self._manual.add(self.archive.plan_resend(logs[-1], due))
            self._resent |= {key} if key else set()
        return answer({}, 202)

    def _attempts(self, request: Request) -> list[Delivery]:
        """Return the attempts of the message in the path, oldest first; at least one."""
        app = self._app(request)
        wanted = request.path_params["message"]
        job = number_in(wanted.removeprefix("msg_"))
        logs = [log for log in self.archive.deliveries if log.job == job]
        if not logs or self._message_id(logs[0].job) != wanted:
            raise HTTPException(404, "")
        if self._by_id[logs[0].stream.id].app is not app:
            raise HTTPException(404, "")
        return logs

    def _page(self, query: Query, logs: Sequence[Delivery]) -> Response:
        """Return a page of attempts, which are given oldest first."""
        after, before = query.moment("after"), query.moment("before")
        limit, iterator = query.limit(), query.iterator("atmpt_")
        matches = self._filter(query)
        if before is not None:
            logs = logs[: bisect_left(logs, before, key=lambda log: log.time)]
        if after is not None:
            logs = logs[bisect_right(logs, after, key=lambda log: log.time) :]
        found = [log for log in logs if matches(log)]
        if iterator is None:
            # With "after" alone, the vendor starts from the oldest side.
            upwards = after is not None and before is None
            edge = 0 if upwards else len(found)
        elif upwards := iterator.startswith("-"):
            edge = bisect_right(found, iterator[1:], key=self._attempt_id)
        else:
            edge = bisect_left(found, iterator, key=self._attempt_id)
        low, high = (edge, edge + limit) if upwards else (max(0, edge - limit), edge)
        done = high >= len(found) if upwards else low == 0
        page = found[low:high][::-1]
        return list_answer([self._listed(query, log) for log in page], done=done)

    def _filter(self, query: Query) -> Callable[[Delivery], bool]:
        expanded = query.truth("expanded_statuses", default=False)
        status = query.number("status", range(5))
        code_class = query.number("status_code_class", range(0, 600, 100))
        events, tag = query.texts("event_types"), query.text("tag")

        def matches(log: Delivery) -> bool:
            return (
                (status is None or self._status(log, expanded=expanded) == status)
                and (code_class is None or self._code(log) // 100 * 100 == code_class)
                and (not events or self._event(log) in events)
                and (tag is None or tag in self._tags(log))
            )

        return matches

    def _listed(self, query: Query, log: Delivery) -> dict[str, Any]:
        expanded = query.truth("expanded_statuses", default=False)
        document = self._document(log, expanded=expanded)
        if not query.truth("with_content", default=True):
            document["response"] = ""
        if query.truth("with_msg", default=False):
            document["msg"] = {
                "id": document["msgId"],
                "eventType": self._event(log),
                "eventId": None if log.job % 3 else f"evt-{log.job}",
                "payload": {},
                "channels": None,
                "tags": self._tags(log),
                "timestamp": _time(self.archive.deliveries[log.job].time),
            }
        return document

    def _document(self, log: Delivery, *, expanded: bool) -> dict[str, Any]:
        status = self._status(log, expanded=expanded)
        settled = self._status(log, expanded=True) in {Status.SUCCESS, Status.FAIL}
        return {
            "id": self._attempt_id(log),
            "msgId": self._message_id(log.job),
            "endpointId": log.stream.id,
            "url": log.stream.url,
            "response": response_text(self._seed, self._secrets, log) if settled else "",
            "responseStatusCode": self._code(log),
            "responseDurationMs": log.duration_ms if settled else 0,
            "status": status,
            "statusText": Status(status).name.lower(),
            "triggerType": int(log in self._manual),
            "timestamp": _time(log.time),
        }

    def _status(self, log: Delivery, *, expanded: bool) -> int:
        throttled = self._by_id[log.stream.id].throttled
        status = status_of(log, nanoseconds(self._clock()) - log.time, throttled=throttled)
        return Status.SUCCESS if status is Status.CANCELED and not expanded else status

    def _code(self, log: Delivery) -> int:
        settled = self._status(log, expanded=True) in {Status.SUCCESS, Status.FAIL}
        return log.outcome.status or 0 if settled else 0

    def _event(self, log: Delivery) -> str:
        events = self._by_id[log.stream.id].events
        return events[log.job % len(events)]

    def _tags(self, log: Delivery) -> list[str]:
        return ["import"] if log.job % 10 == 0 else []

    def _attempt_id(self, log: Delivery) -> str:
        noise = digest(self._seed, "attempt", log.number)
        return "atmpt_" + ksuid(log.time, log.number, noise)

    def _message_id(self, job: int) -> str:
        first = self.archive.deliveries[job]
        return "msg_" + ksuid(first.time, job, digest(self._seed, "message", job))


def _page_of_objects(
    request: Request,
    prefix: str,
    objects: Sequence[Any],
    document: Callable[[Any], dict[str, Any]],
) -> Response:
    """Return a page of applications or endpoints, which are given oldest first."""
    query = Query(request)
    limit, iterator = query.limit(), query.iterator(prefix)
    ordered = list(objects)
    if query.order() == "descending":
        ordered.reverse()
    ids = [one.id for one in ordered]
    start = ids.index(iterator) + 1 if iterator in ids else 0
    page = [document(one) for one in ordered[start : start + limit]]
    return list_answer(page, done=start + limit >= len(ordered))


def _app_document(app: App) -> dict[str, Any]:
    uid = {"uid": app.uid} if app.uid else {}
    times = {"createdAt": _CREATED, "updatedAt": _CREATED}
    return {"id": app.id, **uid, "name": app.name, "metadata": {}, **times}


def _endpoint_document(endpoint: Endpoint) -> dict[str, Any]:
    uid = {"uid": endpoint.uid} if endpoint.uid else {}
    return {
        "id": endpoint.id,
        **uid,
        "url": endpoint.url,
        "description": endpoint.description,
        "disabled": not endpoint.active,
        "eventTypes": list(endpoint.events),
        "channels": None,
        "metadata": {},
        "throttleRate": 1 if endpoint.throttled else None,
        "createdAt": _CREATED,
        "updatedAt": _CREATED,
    }


def _time(time: int) -> str:
    """Format a time as Rust's chrono does: with 0, 3, 6 or 9 fraction digits, as needed."""
    nanosecond = time % SECOND
    digits = next(digits for digits in _FRACTIONS if nanosecond % 10 ** (9 - digits) == 0)
    text = timestamp(time, max(digits, 1), zone=dt.UTC)
    return (text if digits else text.partition(".")[0]) + "Z"
