"""The data about one vendor for the shared tests: a ``VendorCase`` in the folder of each kit.

A vendor that is added to the registry gets a folder beside this file, named as its kit, with
``case.py`` (its ``CASE``) and ``samples/``. The contract suite and all other shared tests then run
for it.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from gateway.model import WebhookLogStatus
from gateway.sandbox import Sandbox
from gateway.vendors.pages import Stream

BASE = "https://vendor.example"
SANDBOX = "http://localhost"

IAM = "https://iam.example"

Settings = dict[str, Any]
"""Keys of a source's table that override ``VendorCase.settings``."""
Row = dict[str, Any]
Place = tuple[str, ...]
Words = tuple[str | None, str | None]
"""The code and the message of a vendor's error."""


ODD = (
    "",
    "0",
    "-1",
    "1.5",
    "٣",
    "..",
    "../x",
    "..%2f..%2fhooks",
    "a/b",
    "a?b",
    "a#b",
    "\x00",
    "9" * 40,
)
"""Texts that are not an id of any vendor, and that would change the path of a request."""


SECRET = "p&ss/w+rd <\"ö'%> 7\\x"
"""A password with characters that every encoding writes differently."""
PLAIN = "aK7+token/Of~the=Gateway"
"""The same for a secret that is valid in a header."""


class CredentialForm(NamedTuple):
    """Settings with a credential made of ``SECRET`` or ``PLAIN``, and all that must be masked.

    If the first secret is ``SECRET``, a token is fetched with it.
    """

    settings: Settings
    secrets: tuple[str, ...]


class TokenRequest(NamedTuple):
    """A request for a token, the headers that the token is sent in, and a refusal.

    The token endpoint issues ``t0``.
    """

    settings: Settings
    url: str
    body: dict[str, Any]
    headers: dict[str, str]
    refusal: Any
    words: Words


class OptionalParameters(NamedTuple):
    """The parameters of a page that ends at a time, for the logs with a correlation id."""

    correlation_id: str
    others: list[str]


async def no_other_form(_: Sandbox, __: httpx.AsyncClient) -> list[Settings]:
    """Return no further form of authentication."""
    return []


@dataclasses.dataclass(frozen=True, kw_only=True)
class VendorCase:
    """One vendor's settings, documents and peculiarities."""

    settings: Settings
    """Settings of a source at ``BASE``, apart from name, provider and address."""
    on_sandbox: Callable[[Sandbox], Settings]
    """Settings of a source that covers everything at the sandbox's vendor."""
    named: Settings
    """For ``on_sandbox``: name the hooks of the lists, so that no hooks need to be read."""
    names_hooks: bool = True
    """Whether ``named`` does so; otherwise it names only what the hooks belong to."""
    several_scopes: Settings = dataclasses.field(default_factory=dict)
    """Settings that cause several reads at the same time, if the vendor supports any."""

    authentication: Callable[[Sandbox, httpx.AsyncClient], Awaitable[list[Settings]]] = (
        no_other_form
    )
    """Returns all other forms of authentication that the sandbox accepts; the client calls it."""

    stream: Stream
    place: Place
    """Place of a log inside the configuration of ``settings``."""
    unknown_id: str
    """The last part of a log's place that the sandbox does not have."""
    places_outside: Callable[[Place], Sequence[Place]]
    """Places outside of ``named``, by the place of a log inside; ``ODD`` parts are tried anyway."""
    calls_per_log: int = 1
    """The number of calls that read a log, if any call does."""
    may_be_read: Callable[[Place], bool] = lambda _: False
    """Whether only the vendor can tell that a place with an odd part does not exist."""

    rows: list[Row]
    """Sample rows of a list of logs."""
    essential: Row = dataclasses.field(default_factory=dict)
    """The fields besides the id without which a row can't be read."""
    log_id: str = "id"
    """The field with a log's id."""
    hooks: list[Row]
    """Sample rows of a list of hooks."""
    hook_id: str = "id"
    """The field with a hook's id."""
    counts_all: bool = True
    """Whether all lists have a total, if any has."""
    page_max: int = 1000
    """The most rows of a page."""
    list_path: str = "/logs"
    """The end of the path of a list of logs."""
    log_envelope: str | None = None
    """The field of a page that holds its logs; None if the page itself is the list."""
    hook_envelope: str | None = None
    timed: Callable[[Any], Row]
    """The fields of a row that hold its time."""
    status_without_outcome: WebhookLogStatus = WebhookLogStatus.UNKNOWN
    """The status of a row with only an id."""
    only_listed: Sequence[str] = ()
    """Fields of the details that only lists have, not single logs."""
    only_single: Sequence[str] = ()
    """Attributes that only single logs have, not lists, besides headers and bodies."""
    streams_by_hook: bool = True
    """Whether each hook has a list of its own, always or after ``refuse_common_list``."""
    refuse_common_list: Callable[[httpx.Request], bool] = lambda _: False
    """Whether a request is for a list that some revisions of the API lack."""

    errors: Sequence[tuple[int, Any, Words]]
    """Documents of errors in each form that the vendor has, with their statuses and words."""
    error_with: Callable[[str], Any]
    """Builds an error that has a text in all its fields."""
    credentials: dict[str, CredentialForm]
    """Every form of credential, by a name for the test's output."""
    token_request: TokenRequest | None = None
    """None if no form of credential is exchanged for a token."""
    token_answers: Sequence[Any] = ()
    """Other forms of an answer that issues the token ``t1``."""

    secrets: Sequence[str] = ()
    """Secrets in the sample documents."""

    optional_parameters: OptionalParameters | None = None
    """For vendors with revisions that refuse parameters of others."""

    def page_of_logs(self, rows: Any) -> Any:
        """Return the document of a page with these logs."""
        return _enveloped(self.log_envelope, rows)

    def page_of_hooks(self, rows: Any) -> Any:
        """Return the document of a page with these hooks."""
        return _enveloped(self.hook_envelope, rows)

    def identified(self, id: Any) -> Row:
        """Return a row with nothing but an id, and what it can't be read without."""
        return self.essential | {self.log_id: id}


def _enveloped(path: str | None, rows: Any) -> Any:
    """Put rows into the field at a dotted path."""
    for name in reversed(path.split(".") if path else ()):
        rows = {name: rows}
    return rows


def sample(name: str) -> Any:
    """Read a sample document: ``codearts/logs`` is ``codearts/samples/logs.json``."""
    provider, _, document = name.partition("/")
    path = Path(__file__).parent / provider.replace("-", "_") / "samples" / f"{document}.json"
    return json.loads(path.read_text(encoding="utf-8"))
