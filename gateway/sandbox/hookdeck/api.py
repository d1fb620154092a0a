"""Hookdeck: connections, and their events with the attempts to deliver them.

https://hookdeck.com/docs/api
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, ClassVar

import msgspec
from starlette.exceptions import HTTPException
from starlette.routing import Route

from gateway.sandbox.credentials import Tokens
from gateway.sandbox.deliveries import MILLISECOND, SECOND, Archive
from gateway.sandbox.hookdeck.connections import connections
from gateway.sandbox.hookdeck.documents import Documents, shown_time
from gateway.sandbox.hookdeck.exchange import request_data
from gateway.sandbox.hookdeck.queries import Query, milliseconds, number
from gateway.sandbox.rate_limit import RateLimit
from gateway.sandbox.vendor import answer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from gateway.sandbox.credentials import Credentials
    from gateway.sandbox.deliveries import Delivery
    from gateway.sandbox.hookdeck.attempts import Attempt
    from gateway.sandbox.vendor import Pairs

_RETRY_DELAY = 2 * SECOND
_REQUESTS_PER_MINUTE = 100_000
_SHORTEST_TERM = 3
_WAITING = frozenset({"SCHEDULED", "QUEUED", "HOLD"})
_STATUSES = _WAITING | {"SUCCESSFUL", "FAILED", "CANCELLED"}

_EVENT_FILTERS = frozenset(
    {"id", "status", "webhook_id", "source_id", "destination_id", "attempts", "response_status"}
    | {"successful_at", "created_at", "last_attempt_at", "next_attempt_at", "error_code"}
    | {"search_term", "include"}
)

_ERRORS = {
    400: ("BAD_REQUEST", "Bad request"),
    401: ("UNAUTHORIZED", "Unauthorized"),
    403: ("FORBIDDEN", "Forbidden"),
    404: ("NOT_FOUND", "Resource not found"),
    422: ("UNPROCESSABLE_ENTITY", "Unprocessable entity"),
    429: ("TOO_MANY_REQUESTS", "Too many requests"),
}


class Hookdeck:
    """Events of all connections in one list, and their attempts.

    Assumptions where the documentation is silent: without ``dir`` the oldest come first; unknown
    parameters are refused; connections that are disabled are listed only if asked for; bounds are
    compared by the millisecond; every response has the headers of the rate limit. Events can't be
    filtered by headers, body, query or path.
    """

    name: ClassVar[str] = "hookdeck"
    prefixes: ClassVar[tuple[str, ...]] = ("/hookdeck",)
    token_paths: ClassVar[tuple[str, ...]] = ()
    newer_parameters: ClassVar[frozenset[str]] = frozenset()
    version_path: ClassVar[str] = ""

    def __init__(
        self, seed: int, secrets: Mapping[str, str], users: Credentials, clock: Callable[[], float]
    ) -> None:
        self._seed = seed
        self._secrets = secrets
        self._users = users
        self._connections = connections(secrets)
        self.archive = Archive(self._connections, precision=MILLISECOND)
        self._documents = Documents(self.archive, self._connections, seed, secrets, clock)
        self.tokens = Tokens("", 0, 0, clock)
        self.rate_limit = RateLimit(_REQUESTS_PER_MINUTE, 60, clock)
        key = base64.b64encode(f"{users.hookdeck_key}:".encode()).decode()
        self.fixed_credentials: Pairs = (
            ("authorization", f"Bearer {users.hookdeck_key}"),
            ("authorization", f"Basic {key}"),
        )

    def routes(self) -> list[Route]:
        """Return all endpoints."""
        base = "/hookdeck/2025-07-01"
        event = base + "/events/{event}"
        endpoints: list[tuple[str, Callable[[Request], Response], str]] = [
            (base + "/connections", self._list_connections, "GET"),
            (base + "/connections/{connection}", self._show_connection, "GET"),
            (base + "/events", self._list_events, "GET"),
            (event, self._show_event, "GET"),
            (event + "/raw_body", self._show_raw_body, "GET"),
            (event + "/retry", self._retry_event, "POST"),
            (event + "/cancel", self._cancel_event, "PUT"),
            (event + "/mute", self._cancel_event, "PUT"),
            (base + "/attempts", self._list_attempts, "GET"),
            (base + "/attempts/{attempt}", self._show_attempt, "GET"),
        ]
        return [
            Route(path, self._limited(endpoint), methods=[method])
            for path, endpoint, method in endpoints
        ]

    def error(self, status: int, detail: str) -> Response:
        """Return an error response in the vendor's format."""
        code, message = _ERRORS.get(status, ("INTERNAL_SERVER_ERROR", "Internal server error"))
        document = {"code": code, "status": status, "message": detail or message, "data": None}
        return answer(document, status)

    def demo(self, url: str) -> tuple[str, dict[str, str]]:
        """Return a source with the whole project."""
        table = f"""\
[[sources]]
name = "hookdeck"
provider = "hookdeck"
base_url = "{url}/hookdeck/2025-07-01"
rate_limit = 1000
auth = {{ type = "token", token = {{ file = "secrets/hookdeck-key" }} }}
"""
        return table, {"hookdeck-key": self._users.hookdeck_key}

    def identify(self, log: Delivery) -> tuple[str, str]:
        """Return the id and the time of a log."""
        return self._documents.event_id(log), shown_time(log.time)

    def _limited(
        self, endpoint: Callable[[Request], Response]
    ) -> Callable[[Request], Awaitable[Response]]:
        """Return an endpoint that checks the rate limit and the key, and says what is left."""

        async def limited(request: Request) -> Response:
            limit = self.rate_limit
            if not limit.admits():
                response = self.error(429, "")
                response.headers["Retry-After"] = str(limit.resets_in)
            elif ("authorization", request.headers.get("Authorization")) in self.fixed_credentials:
                response = endpoint(request)
            else:
                response = self.error(401, "")
            response.headers["RateLimit-Limit"] = str(limit.limit)
            response.headers["RateLimit-Remaining"] = str(limit.remaining)
            response.headers["RateLimit-Reset"] = str(limit.resets_in)
            return response

        return limited

    def _list_connections(self, request: Request) -> Response:
        query = Query(request, frozenset({"id", "source_id", "destination_id", "disabled"}))
        found = [
            (index, connection)
            for index, connection in enumerate(self._connections)
            if connection.active or query.text("disabled") == "true"
        ]
        for name in ("id", "source_id", "destination_id"):
            if wanted := query.any_of(name):
                found = [row for row in found if getattr(row[1], name) in wanted]
        return query.page(
            found,
            key=lambda row: (row[0],),
            document=lambda row: self._documents.connection(row[1]),
        )

    def _show_connection(self, request: Request) -> Response:
        for connection in self._connections:
            if connection.id == request.path_params["connection"]:
                return answer(self._documents.connection(connection))
        raise HTTPException(404, "")

    def _list_events(self, request: Request) -> Response:
        query = Query(request, _EVENT_FILTERS)
        matches = self._filter(query)
        found = [log for log in self.archive.deliveries if matches(log)]
        include_data = query.text("include") == "data"
        return query.page(
            found,
            key=lambda log: (log.number,),
            document=lambda log: self._documents.event(log, with_data=include_data),
        )

    def _show_event(self, request: Request) -> Response:
        return answer(self._documents.event(self._log(request), with_data=True))

    def _show_raw_body(self, request: Request) -> Response:
        body = request_data(self._seed, self._secrets, self._log(request))["body"]
        return answer(
            {"body": body if isinstance(body, str) else msgspec.json.encode(body).decode()}
        )

    def _retry_event(self, request: Request) -> Response:
        log = self._log(request)
        self._documents.retry(log, _RETRY_DELAY)
        return answer(self._documents.event(log, with_data=False))

    def _cancel_event(self, request: Request) -> Response:
        log = self._log(request)
        if self._documents.progress(log).status not in _WAITING:
            raise HTTPException(422, "Only pending events can be cancelled")
        self._documents.cancel(log)
        return answer(self._documents.event(log, with_data=False))

    def _list_attempts(self, request: Request) -> Response:
        query = Query(request, frozenset({"id", "event_id"}))
        ids, events = query.any_of("id"), query.any_of("event_id")
        logs = self.archive.deliveries
        if events is not None:
            logs = [log for log in map(self._documents.find, events) if log]
        found = [
            (log, attempt)
            for log in logs
            for attempt in self._documents.progress(log).attempts
            if ids is None or self._documents.attempt_id(log, attempt) in ids
        ]
        found.sort(key=_attempt_key)
        return query.page(
            found, key=_attempt_key, document=lambda row: self._documents.attempt(*row)
        )

    def _show_attempt(self, request: Request) -> Response:
        wanted = request.path_params["attempt"]
        for log in self.archive.deliveries:
            for attempt in self._documents.progress(log).attempts:
                if self._documents.attempt_id(log, attempt) == wanted:
                    return answer(self._documents.attempt(log, attempt))
        raise HTTPException(404, "")

    def _log(self, request: Request) -> Delivery:
        log = self._documents.find(request.path_params["event"])
        if log is None:
            raise HTTPException(404, "")
        return log

    def _filter(self, query: Query) -> Callable[[Delivery], bool]:
        names = query.any_of("id")
        hooks = query.any_of("webhook_id")
        statuses = query.any_of("status", _STATUSES)
        codes = query.any_of("error_code")
        created = query.compares("created_at", milliseconds)
        numbers = [(name, query.compares(name, number)) for name in ("attempts", "response_status")]
        times = [
            (name, query.compares(name, milliseconds))
            for name in ("successful_at", "last_attempt_at", "next_attempt_at")
        ]
        ends = [(name, query.any_of(name)) for name in ("source_id", "destination_id")]
        term = query.text("search_term")
        if term is not None and len(term) < _SHORTEST_TERM:
            raise HTTPException(422, f'"search_term" must have {_SHORTEST_TERM} characters')
        detailed = query.has_more_than({"webhook_id", "source_id", "destination_id", "created_at"})

        def matches(log: Delivery) -> bool:
            if not created(log.time // MILLISECOND):
                return False
            if hooks is not None and log.stream.id not in hooks:
                return False
            connection = self._documents.connection_of(log)
            if any(ids is not None and getattr(connection, name) not in ids for name, ids in ends):
                return False
            if not detailed:
                return True
            event = self._documents.event(log, with_data=term is not None)
            return (
                (names is None or event["id"] in names)
                and (statuses is None or event["status"] in statuses)
                and (codes is None or event["error_code"] in codes)
                and all(passes(event[name]) for name, passes in numbers)
                and all(
                    passes(event[name] and milliseconds(name, event[name]))
                    for name, passes in times
                )
                and (term is None or term in msgspec.json.encode(event["data"]).decode())
            )

        return matches


def _attempt_key(row: tuple[Delivery, Attempt]) -> tuple[int, ...]:
    log, attempt = row
    return attempt.time, log.number, attempt.number
