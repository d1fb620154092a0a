"""Huawei CodeArts Repo, API v4, and the IAM service that issues its tokens.

https://support.huaweicloud.com/intl/en-us/api-codeartsrepo/ListProjectWebhookLogs.html
"""

from __future__ import annotations

import datetime as dt
import json
import uuid
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import msgspec
from starlette.exceptions import HTTPException
from starlette.routing import Route

from gateway.sandbox.codearts.exchange import exchange
from gateway.sandbox.codearts.hooks import CHINA, GROUP, PROJECTS, REPOSITORY, Hook, hooks
from gateway.sandbox.credentials import Tokens
from gateway.sandbox.deliveries import MILLISECOND, Archive, digest, nanoseconds
from gateway.sandbox.vendor import MAX_PAGE, answer, moment, timestamp, whole_number

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from gateway.sandbox.credentials import Credentials
    from gateway.sandbox.deliveries import Delivery
    from gateway.sandbox.vendor import Pairs

_Row = TypeVar("_Row")

_FIRST_LOG = 664_135_687
_DEFAULT_PAGE = 20
_PROJECT_ID_LENGTH = 32
_MAX_UUID_LENGTH = 100
_TOKEN_LIFETIME = 24 * 3600
_HOOKS_CREATED = 1_762_045_200_000 * MILLISECOND

_REPOSITORIES = {
    PROJECTS[0]: ((2111884, "kestrel/payments"), (2111902, "kestrel/ledger")),
    PROJECTS[1]: ((2140077, "kestrel/storefront"), (2140093, "kestrel/search")),
    str(GROUP): ((2098341, "kestrel/platform/base"), (2098350, "kestrel/platform/images")),
    str(REPOSITORY): ((2111884, "kestrel/payments"),),
}

_ERRORS = {
    400: ("CH.010001", "Invalid parameter."),
    401: ("DEV.00000003", "Authentication information expired."),
    403: (
        "CH.004403",
        "Insufficient permissions. Apply for the required permissions and try again.",
    ),
    404: ("CH.000404", "The requested resource does not exist."),
    429: ("APIG.0308", "Throttled: policy user over ratelimit,limit:60,time:1 minute"),
    504: ("CH.080504", "Gateway timeout."),
}


class CodeArts:
    """Hooks and their logs in three scopes.

    Assumptions where the documentation is silent: the newest log comes first; ``created_after`` and
    ``created_before`` are inclusive, to the millisecond; an unknown project, group or repository is
    a 403, an unknown hook or log a 404. The vendor masks tokens in request headers and e-mail
    addresses in request bodies.
    """

    name: ClassVar[str] = "codearts"
    prefixes: ClassVar[tuple[str, ...]] = ("/codearts", "/iam")
    token_paths: ClassVar[tuple[str, ...]] = ("/iam/",)
    newer_parameters: ClassVar[frozenset[str]] = frozenset({"created_after", "created_before"})
    version_path: ClassVar[str] = ""

    def __init__(
        self, seed: int, secrets: Mapping[str, str], users: Credentials, clock: Callable[[], float]
    ) -> None:
        self._seed = seed
        self._secrets = secrets
        self._users = users
        self._hooks = hooks(secrets)
        self._by_id = {hook.id: hook for hook in self._hooks}
        self.archive = Archive(self._hooks, precision=MILLISECOND)
        self.tokens = Tokens("MIIEDAYJKoZIhvcNAQcCoIID", 450, _TOKEN_LIFETIME, clock)
        self.fixed_credentials: Pairs = (("x-auth-token", users.codearts_token),)

    def routes(self) -> list[Route]:
        """Return all endpoints."""
        base = "/codearts/v4/{scope}/{scope_id}/hooks"
        return [
            Route(base, self._list_hooks),
            Route(base + "/{hook_id}", self._show_hook),
            Route(base + "/{hook_id}/logs", self._list_logs),
            Route(base + "/{hook_id}/logs/{log_id}", self._show_log),
            Route("/iam/v3/auth/tokens", self._issue_token, methods=["POST"]),
        ]

    def error(self, status: int, detail: str) -> Response:
        """Return an error response in the vendor's format."""
        code, message = _ERRORS.get(status, ("CH.000001", "Internal system error."))
        return answer({"error_code": code, "error_msg": detail or message}, status)

    def demo(self, url: str) -> tuple[str, dict[str, str]]:
        """Return a source with every scope and an IAM user."""
        users = self._users
        table = f"""\
[[sources]]
name = "repo-cn"
provider = "codearts"
base_url = "{url}/codearts"
projects = {json.dumps(PROJECTS)}
groups = [{GROUP}]
repositories = [{REPOSITORY}]

[sources.auth]
type = "iam"
url = "{url}/iam"
domain = "{users.iam_domain}"
user = "{users.iam_user}"
password = {{ file = "secrets/codearts-password" }}
project = "{users.iam_project}"
"""
        return table, {"codearts-password": users.iam_password}

    def identify(self, log: Delivery) -> tuple[str, str]:
        """Return the id and the time of a log."""
        return str(_FIRST_LOG + log.number), _time(self._by_id[log.stream.id], log.time)

    def _authorized_hooks(self, request: Request) -> list[Hook]:
        """Return the hooks of the scope in the path, after checking the request's token."""
        token = request.headers.get("X-Auth-Token", "")
        if token != self._users.codearts_token and not self.tokens.accepts(token):
            raise HTTPException(401, "")
        scope, scope_id = request.path_params["scope"], request.path_params["scope_id"]
        if scope not in {"projects", "groups", "repositories"}:
            raise HTTPException(404, "")
        if scope != "projects":
            whole_number(scope_id, "id")
        elif len(scope_id) != _PROJECT_ID_LENGTH:
            raise HTTPException(400, "Parameter project_id must have 32 characters.")
        found = [hook for hook in self._hooks if (hook.scope, hook.scope_id) == (scope, scope_id)]
        if not found:
            raise HTTPException(403, "")
        return found

    def _hook(self, request: Request) -> Hook:
        candidates = self._authorized_hooks(request)
        hook_id = whole_number(request.path_params["hook_id"], "hook_id")
        for hook in candidates:
            if hook.id == str(hook_id):
                return hook
        raise HTTPException(404, "")

    async def _list_hooks(self, request: Request) -> Response:
        page, total = _page(request, self._authorized_hooks(request))
        return answer([_hook_document(hook) for hook in page], headers=total)

    async def _show_hook(self, request: Request) -> Response:
        return answer(_hook_document(self._hook(request)))

    async def _list_logs(self, request: Request) -> Response:
        hook = self._hook(request)
        logs, total = _page(request, self._search(request, hook))
        items = [self._summary(hook, log) for log in logs]
        if hook.scope != "repositories":
            for item, log in zip(items, logs, strict=True):
                number, namespace = self._repository(hook, log)
                item["repository"] = {"id": number, "namespace": namespace}
        return answer(items, headers=total)

    async def _show_log(self, request: Request) -> Response:
        hook = self._hook(request)
        number = whole_number(request.path_params["log_id"], "log_id") - _FIRST_LOG
        if not 0 <= number < self.archive.count:
            raise HTTPException(404, "")
        log = self.archive.deliveries[number]
        if log.stream is not hook:
            raise HTTPException(404, "")
        summary = self._summary(hook, log)
        namespace = self._repository(hook, log)[1]
        return answer(summary | exchange(self._seed, self._secrets, log, summary, namespace))

    def _search(self, request: Request, hook: Hook) -> list[Delivery]:
        logs = self.archive.by_stream[hook.id][::-1]
        if (after := moment(request, "created_after", CHINA)) is not None:
            logs = [log for log in logs if log.time // MILLISECOND >= after]
        if (before := moment(request, "created_before", CHINA)) is not None:
            logs = [log for log in logs if log.time // MILLISECOND <= before]
        if (wanted := request.query_params.get("uuid")) is not None:
            if not 1 <= len(wanted) <= _MAX_UUID_LENGTH:
                raise HTTPException(400, "Parameter uuid must have 1 to 100 characters.")
            logs = [log for log in logs if wanted in self._uuids(hook, log)]
        repository = request.query_params.get("repository_id")
        if repository is not None and hook.scope != "repositories":
            number = whole_number(repository, "repository_id")
            logs = [log for log in logs if self._repository(hook, log)[0] == number]
        return logs

    def _summary(self, hook: Hook, log: Delivery) -> dict[str, Any]:
        status = log.outcome.status
        return {
            "id": _FIRST_LOG + log.number,
            "web_hook_id": int(hook.id),
            "trigger": _event(hook, log),
            "url": hook.url,
            "response_status": "internal error" if status is None else str(status),
            "execution_duration": log.duration_ms / 1000,
            "uuid": self._uuids(hook, log)[0],
            "created_at": _time(hook, log.time),
            "updated_at": _time(hook, log.time + log.duration_ms * MILLISECOND),
        }

    def _uuids(self, hook: Hook, log: Delivery) -> tuple[str, ...]:
        """Return the values of ``uuid`` that find a log; the first is the one in the log itself."""
        plain = str(uuid.UUID(bytes=digest(self._seed, "codearts", log.number), version=4))
        if _event(hook, log) != "merge_request_hooks":
            return (plain,)
        number = str(log.number % 900 + 1)
        return f"{plain}_{number}", number

    def _repository(self, hook: Hook, log: Delivery) -> tuple[int, str]:
        repositories = _REPOSITORIES[hook.scope_id]
        return repositories[log.number % len(repositories)]

    async def _issue_token(self, request: Request) -> Response:
        try:
            document = msgspec.json.decode(await request.body())
        except msgspec.DecodeError:
            return _iam_error(400, "The request body is invalid.", "Bad Request")
        users = self._users
        user = {"name": users.iam_user, "domain": {"name": users.iam_domain}}
        project = {"name": users.iam_project}
        password = {"user": user | {"password": users.iam_password}}
        identity = {"methods": ["password"], "password": password}
        if document != {"auth": {"identity": identity, "scope": {"project": project}}}:
            return _iam_error(401, "The username or password is wrong.", "Unauthorized")
        token, issued, expires = self.tokens.issue()
        content = {
            "expires_at": _utc(expires),
            "issued_at": _utc(issued),
            "methods": ["password"],
            "user": user,
            "project": project,
            "catalog": [],
        }
        return answer({"token": content}, 201, {"X-Subject-Token": token})


def _hook_document(hook: Hook) -> dict[str, Any]:
    created = _time(hook, _HOOKS_CREATED)
    return {
        "id": int(hook.id),
        "name": hook.name,
        "description": "",
        "url": hook.url,
        "push_events": "push_hooks" in hook.events,
        "push_events_branch_regex_filter": ".*",
        "tag_push_events": "tag_push_hooks" in hook.events,
        "merge_requests_events": "merge_request_hooks" in hook.events,
        "note_events": "note_hooks" in hook.events,
        "note_plain_text_filter": [],
        "token": "******",
        "token_type": "X-Repo-Token",
        "created_at": created,
        "updated_at": created,
    }


def _event(hook: Hook, log: Delivery) -> str:
    return hook.events[log.number * 7 % 10 % len(hook.events)]


def _time(hook: Hook, time: int) -> str:
    suffix = "Z" if hook.zone is dt.UTC else "+08:00"
    return timestamp(time, 3, zone=hook.zone) + suffix


def _utc(seconds: float) -> str:
    return timestamp(nanoseconds(seconds), 6, zone=dt.UTC) + "Z"


def _page(request: Request, rows: list[_Row]) -> tuple[list[_Row], dict[str, str]]:
    """Return the requested page, and the header with the total number of rows."""
    values = request.query_params
    offset = whole_number(values.get("offset"), "offset", default=0, low=0)
    limit = whole_number(values.get("limit"), "limit", default=_DEFAULT_PAGE, high=MAX_PAGE)
    return rows[offset : offset + limit], {"X-Total": str(len(rows))}


def _iam_error(status: int, message: str, title: str) -> Response:
    return answer({"error": {"code": status, "message": message, "title": title}}, status)
