"""Callers of the isolation test, and a source that they read with credentials of their own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx

from gateway.callers import Role
from gateway.callers.keys import create
from gateway.cli.demo_configuration import write_configuration
from gateway.settings import Settings, load
from tests.support.sources import SOURCES
from tests.web.direct import NOWHERE, Vendors
from tests.web.protected import AUTH

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.sandbox import Sandbox

OWN = "own"
HEADER = "X-Vendor-Key"
OWNERS = "", "alice", "bob"
"""Whose credential reads a log: that of any user, or of one."""
USERS = {f"Bearer {name}": name for name in OWNERS if name}
TABLE = f"""
[[sources]]
name = "{OWN}"
provider = "language-weaver"
base_url = "{NOWHERE}/{OWN}"
auth = {{ type = "pass-through", header = "{HEADER}" }}
"""


class Visitor(NamedTuple):
    """A caller with a role on some sources, and the user of the vendor that it is."""

    role: Role
    sources: tuple[str, ...]
    user: str
    key: str

    def may(self, role: Role, source: str) -> bool:
        return source in self.sources and self.role >= role

    @property
    def more(self) -> list[tuple[str, str]]:
        """The headers of its requests, besides its key."""
        return [(HEADER.lower(), f"Bearer {self.user}")] if self.user else []


SEEN = [SOURCES, ("repo-cn",), ("translations",), (*SOURCES, OWN), (OWN,)]
_KEYS = {
    (role, names): create(f"{role.name.lower()}-{index}", role.name.lower(), names)
    for role in Role
    for index, names in enumerate(SEEN)
}
VISITORS = [
    Visitor(role, names, user, key)
    for (role, names), (key, _) in _KEYS.items()
    for user in (OWNERS[1:] if OWN in names else OWNERS[:1])
]
SAME = [it for it in VISITORS if it.sources == SOURCES]
ALONE = [it for it in VISITORS if len(it.sources) == 1 and not it.user]
PERSONAL = [it for it in VISITORS if it.user]
ADMINS = [it for it in VISITORS if it.role is Role.ADMIN and it.sources == (*SOURCES, OWN)]


def configured(folder: Path, sandbox: Sandbox) -> Settings:
    """Return the demo's settings with the visitors, and with the source of their own."""
    file = write_configuration(folder, sandbox, NOWHERE, port=0)
    tables = "\n".join(table for _, table in _KEYS.values())
    text = file.read_text(encoding="utf-8") + AUTH + "\n" + tables + TABLE
    file.write_text(text, encoding="utf-8")
    return load(file, {})


class PersonalVendor(httpx.AsyncBaseTransport):
    """Adds to the sandbox a vendor that shows each user its own logs, and those of all."""

    def __init__(self, others: httpx.AsyncBaseTransport) -> None:
        self.rows: list[dict[str, Any]] = []
        self._others = others
        self._numbers = 0

    @classmethod
    def install(cls, vendors: Vendors) -> PersonalVendor:
        """Put it in front of the sandbox, behind what makes that fail."""
        own = cls(vendors._network)
        vendors._network = own
        return own

    def arrive(self, owner: str, *, failed: bool) -> None:
        """Add a log, the newest one; the number of each owner's logs begins with another digit."""
        self._numbers += 1
        row = {
            "id": OWNERS.index(owner) * 100_000 + self._numbers,
            "uuid": "u",
            "url": "https://hooks.example/a",
            "event": "created",
            "timeTriggered": f"2026-03-04 08:00:{self._numbers // 60:02d}.{self._numbers:06d}Z",
            "data": {"of": owner, "number": self._numbers},
            "errorMessage": "no route to host" if failed else "",
            "retryAttempts": 0,
        }
        self.rows.insert(0, row)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if not request.url.path.startswith(f"/{OWN}/"):
            return await self._others.handle_async_request(request)
        user = USERS.get(request.headers["authorization"], "")
        shown = [row for row in self.rows if owner_of(row["id"]) in {"", user}]
        *_, collection, last = request.url.path.split("/")
        if request.method == "GET":
            is_list = collection == "audit"
            hooks = [{"uuid": "u", "description": f"hook of {user}"}]
            return _page(request, "entries" if is_list else "webhooks", shown if is_list else hooks)
        number = int(collection if last == "retry" else last)
        found = [row for row in shown if row["id"] == number]
        if not found:
            return httpx.Response(404)
        if last == "retry":
            found[0].update(errorMessage="", retryAttempts=found[0]["retryAttempts"] + 1)
            return httpx.Response(200)
        self.rows.remove(found[0])
        return httpx.Response(200, json=found[0])


def owner_of(number: int) -> str:
    """Return whose log has a number; an empty text for one of all users."""
    return OWNERS[number // 100_000]


def _page(request: httpx.Request, name: str, rows: list[dict[str, Any]]) -> httpx.Response:
    number, size = (int(request.url.params[key]) for key in ("page", "perPage"))
    envelope = {"page": number, "perPage": size, "totalItems": len(rows)}
    shown = rows[(number - 1) * size : number * size]
    # Written with the same bytes each time, so that rows are told to be the same.
    return httpx.Response(200, content=json.dumps({name: shown, **envelope}))
