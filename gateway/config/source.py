"""What the settings of every source have in common, whatever its vendor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from gateway.config.cache import Lifetimes
from gateway.config.values import (
    Address,
    Certificates,
    HeaderName,
    Name,
    PageSize,
    Rate,
    Seconds,
    Table,
    UpToHundred,
)


class SourceTable(Table):
    """The keys of every source. A vendor's kit adds ``provider``, ``auth`` and its own."""

    if TYPE_CHECKING:
        provider: str
        auth: Any

    name: Name
    """The name of the source in every list, filter and id; no two sources share one."""
    base_url: Address
    """The address of the vendor's API, with a path prefix if it has one."""
    timeout: Seconds = 8.0
    """How long one call to the vendor may take, in seconds."""
    concurrency: UpToHundred = 10
    """How many calls to the vendor may be under way at the same time."""
    rate_limit: Rate = 100.0
    """How many calls to the vendor may begin in a second, on average; with each credential where
    callers bring their own."""
    page_size: PageSize = 50
    """How many webhook logs to ask the vendor for in one call, in rows."""
    ca_bundle: Certificates | None = None
    """A PEM file of the authorities to trust; a relative path starts at the folder of this file."""
    cache: Lifetimes = Field(default_factory=Lifetimes)
    """How long what this vendor said is good, where that differs from [cache]."""


class PassThrough(Table, title="The caller's own credential"):
    """Each caller sends a vendor credential of its own; what it fetches is for it alone."""

    type: Literal["pass-through"]
    """The form of authentication."""
    header: HeaderName
    """The request header that holds it. Its value is what the vendor's API takes, word for word."""
