"""GitLab's REST API, version 4: webhooks of projects and groups, and their events.

https://docs.gitlab.com/api/project_webhooks/
https://docs.gitlab.com/api/group_webhooks/
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar

from starlette.exceptions import HTTPException
from starlette.routing import Route

from gateway.sandbox.credentials import Tokens
from gateway.sandbox.deliveries import MILLISECOND, Archive, nanoseconds
from gateway.sandbox.gitlab.exchange import exchange
from gateway.sandbox.gitlab.hooks import FLAGS, GROUP, IDS, PROJECT, Hook, hooks
from gateway.sandbox.gitlab.pages import paginate
from gateway.sandbox.vendor import answer, timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from gateway.sandbox.credentials import Credentials
    from gateway.sandbox.deliveries import Delivery
    from gateway.sandbox.vendor import Pairs

_FIRST_EVENT = 9_007_199_254_740_993
"""Ids are 64-bit integers: a floating-point number can't hold every second one of these."""
_LISTED_DAYS = 7
_MAX_EVENTS = 20
_MAX_HOOKS = 100
_RESENDS_PER_MINUTE = 5
_INTERNAL_ERROR = "internal error"
_CLASSES = {
    "successful": range(200, 300),
    "client_failure": range(400, 500),
    "server_failure": range(500, 600),
}
_CODES = {str(code) for code in {*HTTPStatus, 306, 509} - {418}}
"""Those that Rack knows; any other value is refused."""

_MESSAGES = {
    401: "401 Unauthorized",
    403: "403 Forbidden",
    404: "404 Not found",
    429: {"error": "This endpoint has been requested too many times. Try again later."},
}


class GitLab:
    """Webhooks and their events, which can be sent again.

    Events are kept for 14 days; lists have those of seven. Lists of a group's events have no
    totals, as very long ones. Five resends a minute are allowed for each webhook. A resend after
    which there is no response is a 422, but has an event nevertheless.
    """

    name: ClassVar[str] = "gitlab"
    prefixes: ClassVar[tuple[str, ...]] = ("/gitlab",)
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
        self._hooks = hooks(secrets)
        self._by_id = {hook.id: hook for hook in self._hooks}
        self._resent: defaultdict[str, list[float]] = defaultdict(list)
        self.archive = Archive(
            self._hooks, precision=MILLISECOND, resends=True, listed_days=_LISTED_DAYS
        )
        self.tokens = Tokens("", 0, 0, clock)
        self.fixed_credentials: Pairs = (
            ("private-token", users.gitlab_token),
            ("authorization", f"Bearer {users.gitlab_token}"),
        )

    def routes(self) -> list[Route]:
        """Return all endpoints."""
        base = "/gitlab/api/v4/{scope}/{owner:path}/hooks"
        return [
            Route(base, self._list_hooks),
            Route(base + "/{hook}", self._show_hook),
            Route(base + "/{hook}/events", self._list_events),
            Route(base + "/{hook}/events/{event}/resend", self._resend, methods=["POST"]),
        ]

    def error(self, status: int, detail: str) -> Response:
        """Return an error response in the vendor's format."""
        if status == 400:
            return answer({"error": detail or "bad request"}, status)
        message = _MESSAGES.get(status) or detail or f"{status} Internal Server Error"
        return answer({"message": message}, status)

    def demo(self, url: str) -> tuple[str, dict[str, str]]:
        """Return a source with the project, the group and a token."""
        table = f"""\
[[sources]]
name = "gitlab"
provider = "gitlab"
base_url = "{url}/gitlab"
projects = ["{PROJECT}"]
groups = ["{GROUP}"]
auth = {{ type = "token", token = {{ file = "secrets/gitlab-token" }} }}
"""
        return table, {"gitlab-token": self._users.gitlab_token}

    def identify(self, log: Delivery) -> tuple[str, str]:
        """Return the id and the time of a log."""
        return str(_id(log)), _time(log.time)

    def _authorized_hooks(self, request: Request) -> list[Hook]:
        """Return the hooks of the scope in the path, after checking the request's token.

        The owner is its number, or its path, whose slashes have to be encoded.
        """
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        given = request.headers.get("PRIVATE-TOKEN") or (token if scheme == "Bearer" else "")
        if given != self._users.gitlab_token:
            raise HTTPException(401, "")
        scope, owner = request.path_params["scope"], request.path_params["owner"]
        raw = request.scope["raw_path"].decode().lower()
        encoded = owner.replace("/", "%2f").lower()
        found = [
            hook
            for hook in self._hooks
            if hook.scope == scope and owner in {hook.owner, str(IDS[hook.owner])}
        ]
        if not found or f"/{encoded}/hooks" not in raw:
            raise HTTPException(404, "")
        return found

    def _hook(self, request: Request) -> Hook:
        for hook in self._authorized_hooks(request):
            if hook.id == request.path_params["hook"]:
                return hook
        raise HTTPException(404, "")

    async def _list_hooks(self, request: Request) -> Response:
        found, headers = paginate(request, self._authorized_hooks(request), high=_MAX_HOOKS)
        return answer([_hook_document(hook) for hook in found], headers=headers)

    async def _show_hook(self, request: Request) -> Response:
        return answer(_hook_document(self._hook(request)))

    async def _list_events(self, request: Request) -> Response:
        hook = self._hook(request)
        logs = self.archive.listed(nanoseconds(self._clock()), hook.id)[::-1]
        if (text := request.query_params.get("status")) is not None:
            wanted = _wanted(text)
            logs = [log for log in logs if _status(log) in wanted]
        page, headers = paginate(request, logs, high=_MAX_EVENTS, counted=hook.scope == "projects")
        return answer([self._document(hook, log) for log in page], headers=headers)

    async def _resend(self, request: Request) -> Response:
        hook = self._hook(request)
        now = self._clock()
        lately = [time for time in self._resent[hook.id] if time > now - 60]
        if len(lately) >= _RESENDS_PER_MINUTE:
            raise HTTPException(429, "")
        self._resent[hook.id] = [*lately, now]
        log = self._find(request, hook)
        if not hook.active:
            raise HTTPException(422, "Hook disabled")
        again = self.archive.plan_resend(log, nanoseconds(now))
        if again.outcome.status is None:
            raise HTTPException(422, "Failed to open TCP connection")
        return answer({"response_status": again.outcome.status}, 201)

    def _find(self, request: Request, hook: Hook) -> Delivery:
        for log in self.archive.by_stream[hook.id]:
            if str(_id(log)) == request.path_params["event"]:
                return log
        raise HTTPException(404, "")

    def _document(self, hook: Hook, log: Delivery) -> dict[str, Any]:
        trigger = hook.triggers[log.job % len(hook.triggers)]
        return {
            "id": _id(log),
            "url": hook.shown_url,
            "trigger": trigger,
            **exchange(self._seed, self._secrets, hook, log, trigger),
            "execution_duration": _duration(log),
            "response_status": _status(log),
            "created_at": _time(log.time),
        }


def _wanted(text: str) -> set[str]:
    """Parse ``status``: codes and names of classes, separated by commas."""
    wanted: set[str] = set()
    for word in text.split(","):
        if word in _CLASSES:
            wanted |= {str(code) for code in _CLASSES[word]}
        elif word in _CODES:
            wanted.add(word)
        else:
            raise HTTPException(400, "status does not have a valid value")
        if word == "server_failure":
            wanted.add(_INTERNAL_ERROR)
    return wanted


def _status(log: Delivery) -> str:
    return _INTERNAL_ERROR if log.outcome.status is None else str(log.outcome.status)


def _duration(log: Delivery) -> float:
    """Return seconds as the difference of two clock readings, which is not quite exact."""
    start = 8_000 + log.number * 0.7310585
    return start + log.duration_ms / 1000 - start


def _hook_document(hook: Hook) -> dict[str, Any]:
    return {
        "id": int(hook.id),
        "url": hook.url,
        "name": hook.name,
        "description": None,
        "created_at": "2025-11-02T09:00:00.000Z",
        **{flag: trigger in hook.triggers for trigger, flag in FLAGS.items()},
        "enable_ssl_verification": True,
        "alert_status": "executable" if hook.active else "disabled",
        "disabled_until": None,
        "url_variables": [],
        "custom_headers": [{"key": name} for name in hook.custom_headers],
        "project_id" if hook.scope == "projects" else "group_id": IDS[hook.owner],
    }


def _id(log: Delivery) -> int:
    return _FIRST_EVENT + log.number


def _time(time: int) -> str:
    return timestamp(time, 3, zone=dt.UTC) + "Z"
