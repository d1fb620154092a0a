"""GitHub's REST API, version 2022-11-28: webhooks of repositories and organisations.

https://docs.github.com/en/rest/webhooks
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

from starlette.exceptions import HTTPException
from starlette.routing import Route

from gateway.sandbox.credentials import Tokens
from gateway.sandbox.github.answers import links, page_size, refuse, respond
from gateway.sandbox.github.deliveries import Deliveries
from gateway.sandbox.github.hooks import ORGANIZATION, REPOSITORIES, Hook, hooks
from gateway.sandbox.vendor import whole_number

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from gateway.sandbox.credentials import Credentials
    from gateway.sandbox.deliveries import Delivery
    from gateway.sandbox.vendor import Pairs

_OWNERS = {*(f"repos/{name}" for name in REPOSITORIES), f"orgs/{ORGANIZATION}"}
_HOOK_CREATED = "2025-11-02T09:00:00Z"


class GitHub:
    """Webhooks and their deliveries, which can be sent again, with a personal access token.

    Assumptions where the documentation is silent: what the token can't see is a 404; a redelivery
    responds with ``null`` for a repository and with ``{}`` for an organisation.
    """

    name: ClassVar[str] = "github"
    prefixes: ClassVar[tuple[str, ...]] = ("/github",)
    token_paths: ClassVar[tuple[str, ...]] = ()
    newer_parameters: ClassVar[frozenset[str]] = frozenset()
    version_path: ClassVar[str] = ""

    def __init__(
        self, seed: int, secrets: Mapping[str, str], users: Credentials, clock: Callable[[], float]
    ) -> None:
        self._users = users
        self._clock = clock
        self._hooks = hooks(secrets)
        self._deliveries = Deliveries(seed, secrets, self._hooks, clock)
        self.archive = self._deliveries.archive
        self.tokens = Tokens("", 0, 0, clock)
        self.fixed_credentials: Pairs = (("authorization", f"Bearer {users.github_token}"),)

    def routes(self) -> list[Route]:
        """Return all endpoints."""
        return [
            route
            for owner in ("repos/{owner}/{repository}", "orgs/{owner}")
            for base in (f"/github/{owner}/hooks",)
            for route in (
                Route(base, self._list_hooks),
                Route(base + "/{hook}", self._show_hook),
                Route(base + "/{hook}/deliveries", self._list_deliveries),
                Route(base + "/{hook}/deliveries/{delivery}", self._show_delivery),
                Route(
                    base + "/{hook}/deliveries/{delivery}/attempts",
                    self._redeliver,
                    methods=["POST"],
                ),
            )
        ]

    def error(self, status: int, detail: str) -> Response:
        """Return an error response in the vendor's format."""
        return refuse(status, detail, self._clock())

    def demo(self, url: str) -> tuple[str, dict[str, str]]:
        """Return a source with every repository, the organisation and a token."""
        table = f"""\
[[sources]]
name = "github"
provider = "github"
base_url = "{url}/github"
repositories = {json.dumps(list(REPOSITORIES))}
organizations = ["{ORGANIZATION}"]
rate_limit = 1000
auth = {{ type = "token", token = {{ file = "secrets/github-token" }} }}
"""
        return table, {"github-token": self._users.github_token}

    def identify(self, log: Delivery) -> tuple[str, str]:
        """Return the id and the time of a log."""
        return self._deliveries.identify(log)

    def _authorized_hooks(self, request: Request) -> list[Hook]:
        """Return the hooks of the owner in the path, after checking the request's token."""
        if not request.headers.get("User-Agent"):
            raise HTTPException(403, "Request forbidden by administrative rules.")
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if not token:
            raise HTTPException(401, "Requires authentication")
        if scheme.lower() not in {"bearer", "token"} or token != self._users.github_token:
            raise HTTPException(401, "")
        owner = request.scope["path"].removeprefix("/github/").partition("/hooks")[0]
        if owner not in _OWNERS:
            raise HTTPException(404, "")
        return [hook for hook in self._hooks if hook.owner == owner]

    def _hook(self, request: Request) -> Hook:
        for hook in self._authorized_hooks(request):
            if hook.id == request.path_params["hook"]:
                return hook
        raise HTTPException(404, "")

    async def _list_hooks(self, request: Request) -> Response:
        found = [self._hook_document(hook) for hook in self._authorized_hooks(request)]
        size = page_size(request)
        page = whole_number(request.query_params.get("page"), "page", default=1)
        last = -(-len(found) // size)
        pages: dict[str, dict[str, str]] = {}
        if page > 1:
            pages |= {"prev": {"page": str(page - 1)}, "first": {"page": "1"}}
        if page < last:
            pages |= {"next": {"page": str(page + 1)}, "last": {"page": str(last)}}
        return respond(found[(page - 1) * size : page * size], headers=links(request, pages))

    async def _show_hook(self, request: Request) -> Response:
        return respond(self._hook_document(self._hook(request)))

    async def _list_deliveries(self, request: Request) -> Response:
        return self._deliveries.page(request, self._hook(request))

    async def _show_delivery(self, request: Request) -> Response:
        return self._deliveries.detail(request, self._hook(request))

    async def _redeliver(self, request: Request) -> Response:
        hook = self._hook(request)
        is_repository = hook.owner.startswith("repos/")
        return self._deliveries.redeliver(request, hook, None if is_repository else {})

    def _hook_document(self, hook: Hook) -> dict[str, Any]:
        document = {
            "type": "Organization",
            "id": int(hook.id),
            "name": "web",
            "active": hook.active,
            "events": hook.events,
            "config": {
                "content_type": "json",
                "insecure_ssl": "0",
                "secret": "********",
                "url": hook.url,
            },
            "created_at": _HOOK_CREATED,
            "updated_at": _HOOK_CREATED,
        }
        if hook.owner.startswith("repos/"):
            document["type"] = "Repository"
            document["last_response"] = self._deliveries.last_response(hook)
        return document
