"""The ``[cache]`` table: where vendors' responses are stored, and for how long."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    TypeAdapter,
    WithJsonSchema,
)

from gateway.config.secret import Secret, is_splittable, without_password
from gateway.config.values import Table

_MEMORY = "memory://"
_LAST_PORT = 65535
_FORM = (
    'must be "memory://", an address such as "redis://host:6379/0" or "rediss://host:6380/0", or'
    ' { env = "NAME" } or { file = "/path" } that holds one'
)
_ENCODED = (
    "has a special character in its user name or password that must be written as % and two digits:"
    " [ as %5B"
)
_REDIS = re.compile(
    r"rediss?://((?P<user>[^/?#@]*)@)?(\[[0-9A-Fa-f:.]+\]|[^/?#@:]+)(:(?P<port>\d{1,5}))?(/\d*)?"
)


def _has_password(address: str) -> bool:
    parts = _REDIS.fullmatch(address)
    return parts is not None and ":" in (parts["user"] or "")


def _address(secret: SecretStr) -> SecretStr:
    address = secret.get_secret_value()
    parts = _REDIS.fullmatch(address)
    if address == _MEMORY:
        return secret
    if parts is None or int(parts["port"] or 0) > _LAST_PORT:
        raise ValueError(_FORM)
    if not is_splittable(parts["user"] or ""):
        raise ValueError(_ENCODED)
    return secret


CacheAddress = Annotated[
    Secret,
    BeforeValidator(lambda value: without_password(value, _has_password, _FORM)),
    AfterValidator(_address),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": r"^(memory://$|rediss?://)"},
                TypeAdapter(Secret).json_schema(),
            ],
            "errorMessage": _FORM,
        }
    ),
]
"""An address without a password, or a reference to an address."""

Lifetime = Annotated[float, Field(strict=True, ge=0, le=86_400)]


class Lifetimes(Table):
    """Lifetimes of vendors' responses, in seconds; with 0 they only serve as a fallback."""

    first_page: Lifetime = 5.0
    """The first page of a list, and a single log that may still change."""
    page: Lifetime = 30.0
    """The other pages of a list."""
    detail: Lifetime = 300.0
    """A single log whose delivery has ended for good."""
    hooks: Lifetime = 60.0
    """The list of hooks; a new hook is found after that time at the latest."""
    negative: Lifetime = 10.0
    """The response that a log does not exist."""
    stale_while_revalidate: Lifetime = 30.0
    """How long an expired response is still used while it is refreshed in the background."""
    stale_if_error: Lifetime = 3600.0
    """How long an expired response is used when the vendor fails."""

    def with_defaults(self, general: Lifetimes) -> Lifetimes:
        """Return these lifetimes, with the general ones for those that are not set."""
        own = {name: getattr(self, name) for name in self.model_fields_set}
        names = Lifetimes.model_fields
        return Lifetimes(**{name: getattr(general, name) for name in names} | own)


class CacheSettings(Lifetimes):
    """The cache of vendors' responses, which saves calls and covers for failures."""

    url: CacheAddress = Field(default_factory=lambda: SecretStr(_MEMORY))
    """The memory of the process, or Redis or Valkey (7 or later), which gateways can share."""
    max_entries: Annotated[int, Field(strict=True, ge=1, le=10_000_000)] = 10_000
    """Entries in the memory at most."""
    max_megabytes: Annotated[int, Field(strict=True, ge=1, le=100_000)] = 64
    """Megabytes of JSON in the memory at most; as objects they take about twice as much."""
    reuse_rows: Annotated[bool, Field(strict=True)] = True
    """Whether a row that has not changed since it was last read is neither parsed nor redacted
    again. It needs the memory as the cache."""
    reuse_answers: Annotated[bool, Field(strict=True)] = True
    """Whether a whole answer is sent again to callers with the same rights while nothing that it
    was made of has changed or expired. It needs the memory as the cache."""
    least_age: Lifetime = 1.0
    """The least age in seconds that a caller below the role operator may demand; with a lower one,
    every request could cause a call to the vendor."""
