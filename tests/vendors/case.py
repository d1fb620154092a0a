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

Settings = dict[str, Any]
"""Keys of a source's table, over those of ``VendorCase.settings``."""
Row = dict[str, Any]
Place = tuple[str, ...]


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
"""Texts that are no id of any vendor, and that would lead elsewhere in a path."""


class OptionalParameters(NamedTuple):
    """The parameters of a page that ends at a time, for the logs with a correlation id."""

    correlation_id: str
    others: list[str]


@dataclasses.dataclass(frozen=True, kw_only=True)
class VendorCase:
    """One vendor's settings, documents and peculiarities."""

    settings: Settings
    """What a source at ``BASE`` needs beside name, provider and address."""
    on_sandbox: Callable[[Sandbox], Settings]
    """A source of all that the sandbox's vendor has."""
    named: Settings
    """For ``on_sandbox``: name what the lists are made of, so that no hooks need to be read."""
    several_scopes: Settings = dataclasses.field(default_factory=dict)
    """Have more than one thing read side by side, if the vendor knows such."""
    authentication: Callable[[Sandbox, httpx.AsyncClient], Awaitable[list[Settings]]]
    """All other forms of authentication that the sandbox accepts; the client reaches it."""

    stream: Stream
    place: Place
    """Of a log inside the configuration of ``settings``."""
    unknown_id: str
    """The last part of a log's place that the sandbox does not have."""
    places_outside: Callable[[Place], Sequence[Place]]
    """Places outside of ``named``, by the place of a log inside; ``ODD`` parts are tried anyway."""
    may_be_read: Callable[[Place], bool] = lambda _: False
    """Whether a place with an odd part is one that only the vendor can tell to be empty."""

    rows: list[Row]
    """Sample rows of a list of logs."""
    hooks: list[Row]
    """Sample rows of a list of hooks."""
    hook_id: str = "id"
    """The member with a hook's id."""
    log_envelope: str | None = None
    """The member of a page that holds its logs; None where the page is the list."""
    hook_envelope: str | None = None
    timed: Callable[[Any], Row]
    """The members of a row that give its time."""
    status_without_outcome: WebhookLogStatus = WebhookLogStatus.UNKNOWN
    """The status of a row that has nothing but an id."""
    only_listed: Sequence[str] = ()
    """Fields of the details that lists have and single logs have not."""
    streams_by_hook: bool = True
    """Whether each hook has a list of its own, if not always then where ``refuse_common_list``."""
    refuse_common_list: Callable[[httpx.Request], bool] = lambda _: False
    """Whether a request is for a list that not all revisions of the API have."""

    optional_parameters: OptionalParameters | None = None
    """For vendors of which some revisions refuse parameters that others take."""

    def page_of_logs(self, rows: Any) -> Any:
        """Return the document of a page with these logs."""
        return rows if self.log_envelope is None else {self.log_envelope: rows}

    def page_of_hooks(self, rows: Any) -> Any:
        """Return the document of a page with these hooks."""
        return rows if self.hook_envelope is None else {self.hook_envelope: rows}


def sample(name: str) -> Any:
    """Read a sample document: ``codearts/logs`` is ``codearts/samples/logs.json``."""
    provider, _, document = name.partition("/")
    path = Path(__file__).parent / provider.replace("-", "_") / "samples" / f"{document}.json"
    return json.loads(path.read_text(encoding="utf-8"))


async def no_other_form(_: Sandbox, __: httpx.AsyncClient) -> list[Settings]:
    """Return no further form of authentication."""
    return []
