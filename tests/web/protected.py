"""A gateway over the sandbox with authentication, and its callers."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx

from gateway.callers import Authenticator, Role
from gateway.callers.keys import create
from gateway.cli.demo_configuration import write_configuration
from gateway.settings import load
from gateway.web.app import create_app
from tests.callers.issuer import AUDIENCE, ISSUER, RSA, Clock, Issuer, token
from tests.support.sources import SOURCES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from gateway.sandbox import Sandbox

NOWHERE = "http://127.0.0.1:1"
KEYS_URL = "https://id.example.com/keys"


class Grant(NamedTuple):
    """The role of a test's caller, or none, on one source or on all."""

    role: Role | None
    source: str | None = None

    def __str__(self) -> str:
        name = self.role.name.lower() if self.role else "nobody"
        return f"{name}-{self.source}" if self.source else name

    @property
    def sources(self) -> list[str]:
        """The names of the granted sources."""
        if self.role is None:
            return []
        return [self.source] if self.source else list(SOURCES)

    def role_on(self, source: str) -> Role | None:
        return self.role if source in self.sources else None

    def may(self, role: Role, source: str) -> bool:
        held = self.role_on(source)
        return held is not None and held >= role


class Caller(NamedTuple):
    """A test's caller with its credential."""

    grant: Grant
    method: str
    credential: str

    def __str__(self) -> str:
        return f"{self.grant}-by-{self.method}"


NOBODY = Grant(None)
GRANTS = [Grant(role, source) for role in Role for source in (None, "repo-cn", "translations")]
_KEYS = {
    grant: create(str(grant), grant.role.name.lower(), [grant.source] if grant.source else [])
    for grant in GRANTS
    if grant.role
}
CALLERS = [
    *(Caller(grant, "key", key) for grant, (key, _) in _KEYS.items()),
    *(Caller(grant, "jwt", token(roles=[str(grant)])) for grant in (*GRANTS, NOBODY)),
]
ADMIN = CALLERS[GRANTS.index(Grant(Role.ADMIN))]
AUTH = f"""
[auth]
methods = ["api-keys", "jwt"]

[auth.jwt]
issuer = "{ISSUER}"
audience = "{AUDIENCE}"
jwks_url = "{KEYS_URL}"

[auth.jwt.roles]
""" + "\n".join(
    [
        *(
            f'{grant} = {{ role = "{grant.role.name.lower()}"'
            + (f', sources = ["{grant.source}"] }}' if grant.source else " }")
            for grant in GRANTS
            if grant.role
        ),
        *(f"\n{table}" for _, table in _KEYS.values()),
    ]
)


class Protected:
    """The whole gateway over HTTP in process, and the issuer of its tokens."""

    def __init__(self, client: httpx.AsyncClient, issuer: Issuer) -> None:
        self.client = client
        self.issuer = issuer

    async def send(self, query: str, **headers: str) -> httpx.Response:
        """Send a query with headers, in whose names _ stands for a hyphen."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.post("/graphql", json={"query": query}, headers=given)

    async def answer(self, caller: Caller, query: str, **values: Any) -> dict[str, Any]:
        """Execute a query for an authenticated caller; ``$name`` stands for the value ``name``."""
        for name, value in values.items():
            query = query.replace(f"${name}", json.dumps(value))
        response = await self.send(query, authorization=f"Bearer {caller.credential}")
        assert response.status_code == 200, response.text
        assert caller.credential not in response.text
        document: dict[str, Any] = response.json()
        return document

    async def data(self, caller: Caller, query: str, **values: Any) -> Any:
        """Execute a query, expecting no error."""
        document = await self.answer(caller, query, **values)
        assert "errors" not in document, document["errors"]
        return document["data"]


@contextlib.asynccontextmanager
async def protected_gateway(folder: Path, sandbox: Sandbox) -> AsyncIterator[Protected]:
    """Start a gateway with its configuration in a folder."""
    file = write_configuration(folder, sandbox, NOWHERE, port=0)
    file.write_text(file.read_text(encoding="utf-8") + AUTH, encoding="utf-8")
    settings = load(file, {})
    issuer = Issuer(RSA)
    authenticator = Authenticator(
        settings.auth, fetch=lambda _: issuer.fetch(), clock=Clock(), monotonic=Clock(0.0)
    )
    app = create_app(
        settings, transport=httpx.ASGITransport(sandbox.app), authenticator=authenticator
    )
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=NOWHERE) as client,
    ):
        yield Protected(client, issuer)
