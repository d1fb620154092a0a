"""The settings that the sources of all vendors share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from gateway.config.cache import Lifetimes
from gateway.config.network import KeyFile, ProxyAddress, check_key_pair
from gateway.config.values import (
    Address,
    Certificates,
    HeaderName,
    Name,
    PageSize,
    Rate,
    Seconds,
    StreamCount,
    Table,
    UpToHundred,
)


class SourceTable(Table):
    """The keys of every source. A vendor's kit adds ``provider``, ``auth`` and its own keys."""

    if TYPE_CHECKING:
        provider: str
        auth: Any

    name: Name
    """The name of the source in every list, filter and id; unique."""
    base_url: Address
    """The address of the vendor's API, with its path prefix, if any."""
    timeout: Seconds = 8.0
    """Seconds that one call to the vendor may take."""
    concurrency: UpToHundred = 10
    """Calls to the vendor that may be in flight at the same time."""
    rate_limit: Rate = 100.0
    """Calls to the vendor that may start per second, on average; counted by credential if callers
    bring their own."""
    page_size: PageSize = 50
    """Webhook logs that are requested in one call to the vendor."""
    max_streams: StreamCount = 200
    """Number of lists of webhook logs that are read, such as one for each hook. The source's report
    tells if there are more."""
    ca_bundle: Certificates | None = None
    """A PEM file of the certificate authorities to trust instead of the usual ones; a relative path
    starts at the folder of this file."""
    client_certificate: Certificates | None = None
    """A PEM file of the certificate to show to servers that ask for one, by mutual TLS, followed by
    those in between."""
    client_key: KeyFile | None = None
    """A PEM file of the private key of client_certificate, without a passphrase; left out if it
    stands in the same file."""
    proxy: ProxyAddress | None = None
    """The HTTP proxy to the vendor, in place of the variables HTTPS_PROXY and NO_PROXY; an address
    with a password has to be a reference."""
    cache: Lifetimes = Field(default_factory=Lifetimes)
    """Lifetimes of this vendor's responses where they differ from [cache]."""

    @field_validator("client_key")
    @classmethod
    def _belongs_to_certificate(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if "client_certificate" in info.data:
            check_key_pair(info.data["client_certificate"], value)
        return value


class PassThrough(Table, title="The caller's own credential"):
    """Each caller sends its own credential of the vendor; responses are not shared."""

    type: Literal["pass-through"]
    """The kind of authentication."""
    header: HeaderName
    """The request header that contains it. Its value is sent to the vendor's API unchanged."""
