"""The webhook of a GitHub App, which the app reads with tokens that it signs itself.

https://docs.github.com/en/rest/apps/webhooks
https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from starlette.exceptions import HTTPException
from starlette.routing import Route

from gateway.sandbox.app_key import is_signed
from gateway.sandbox.credentials import Tokens
from gateway.sandbox.github.answers import refuse
from gateway.sandbox.github.deliveries import Deliveries
from gateway.sandbox.github.hooks import app_hook

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from gateway.sandbox.credentials import Credentials
    from gateway.sandbox.deliveries import Delivery
    from gateway.sandbox.vendor import Pairs

_MAX_LIFETIME = 600
_CLOCK_SKEW = 60
_UNREADABLE = "A JSON web token could not be decoded"


class GitHubApp:
    """The deliveries of the app's own webhook, which has no id in its paths.

    It is a vendor of its own, as no credential is good for both this and other webhooks. An app's
    clock may be a minute ahead.
    """

    name: ClassVar[str] = "github-app"
    prefixes: ClassVar[tuple[str, ...]] = ("/github-app",)
    token_paths: ClassVar[tuple[str, ...]] = ()
    newer_parameters: ClassVar[frozenset[str]] = frozenset()
    version_path: ClassVar[str] = ""

    def __init__(
        self, seed: int, secrets: Mapping[str, str], users: Credentials, clock: Callable[[], float]
    ) -> None:
        self._users = users
        self._clock = clock
        self._webhook = app_hook(secrets)
        self._deliveries = Deliveries(seed, secrets, [self._webhook], clock)
        self.archive = self._deliveries.archive
        self.tokens = Tokens("", 0, 0, clock)
        self.fixed_credentials: Pairs = ()

    def routes(self) -> list[Route]:
        """Return all endpoints."""
        base = "/github-app/app/hook/deliveries"
        return [
            Route(base, self._list_deliveries),
            Route(base + "/{delivery}", self._show_delivery),
            Route(base + "/{delivery}/attempts", self._redeliver, methods=["POST"]),
        ]

    def error(self, status: int, detail: str) -> Response:
        """Return an error response in the vendor's format."""
        return refuse(status, detail, self._clock())

    def demo(self, url: str) -> tuple[str, dict[str, str]]:
        """Return a source with the app's webhook and its private key."""
        table = f"""\
[[sources]]
name = "github-app"
provider = "github"
base_url = "{url}/github-app"
app = true

[sources.auth]
type = "app"
app_id = "{self._users.github_app_id}"
private_key = {{ file = "secrets/github-app.pem" }}
"""
        return table, {"github-app.pem": self._users.github_app_key}

    def identify(self, log: Delivery) -> tuple[str, str]:
        """Return the id and the time of a log."""
        return self._deliveries.identify(log)

    async def _list_deliveries(self, request: Request) -> Response:
        self._authorize(request)
        return self._deliveries.page(request, self._webhook)

    async def _show_delivery(self, request: Request) -> Response:
        self._authorize(request)
        return self._deliveries.detail(request, self._webhook)

    async def _redeliver(self, request: Request) -> Response:
        self._authorize(request)
        return self._deliveries.redeliver(request, self._webhook, {})

    def _authorize(self, request: Request) -> None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise HTTPException(401, _UNREADABLE)
        claims = _claims(token)
        now = self._clock()
        if str(claims.get("iss")) != self._users.github_app_id:
            raise HTTPException(401, "'Issuer' claim ('iss') must be an Integer")
        issued, expires = claims.get("iat"), claims.get("exp")
        if not isinstance(issued, int) or issued > now + _CLOCK_SKEW:
            raise HTTPException(401, "'Issued at' claim ('iat') must be an Integer in the past")
        if not isinstance(expires, int) or expires <= now:
            raise HTTPException(401, "'Expiration time' claim ('exp') must be in the future")
        if expires > now + _MAX_LIFETIME:
            raise HTTPException(401, "'Expiration time' claim ('exp') is too far in the future")


def _claims(token: str) -> dict[str, Any]:
    """Return the claims of a token that was signed with the app's key by RS256."""
    signed, _, signature = token.rpartition(".")
    header, _, payload = signed.partition(".")
    try:
        algorithm = msgspec.json.decode(_decoded(header), type=dict[str, Any]).get("alg")
        claims = msgspec.json.decode(_decoded(payload), type=dict[str, Any])
        genuine = is_signed(signed.encode(), _decoded(signature))
    except (binascii.Error, msgspec.DecodeError, UnicodeError):
        raise HTTPException(401, _UNREADABLE) from None
    if algorithm != "RS256" or not genuine:
        raise HTTPException(401, _UNREADABLE)
    return claims


def _decoded(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
