"""The ``[cache]`` table: where what vendors said is kept, and how long it is good."""

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

from gateway.config.secret import Secret, without_password
from gateway.config.values import Table

_MEMORY = "memory://"
_LAST_PORT = 65535
_FORM = (
    'must be "memory://", an address such as "redis://host:6379/0" or "rediss://host:6380/0", or'
    ' { env = "NAME" } or { file = "/path" } that holds one'
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
    if address != _MEMORY and (parts is None or int(parts["port"] or 0) > _LAST_PORT):
        raise ValueError(_FORM)
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
"""An address without a password, or the reference of one."""

Lifetime = Annotated[float, Field(strict=True, ge=0, le=86_400)]


class Lifetimes(Table):
    """How long what a vendor said is good, in seconds. 0 keeps it only for the case of failure."""

    first_page: Lifetime = 5.0
    """How long the newest logs of a list are fresh, and a single log that may still change."""
    page: Lifetime = 30.0
    """How long the pages further down a list are fresh."""
    detail: Lifetime = 300.0
    """How long a single log is fresh whose delivery has ended for good."""
    hooks: Lifetime = 60.0
    """How long the hooks are fresh; a new one is found after that."""
    negative: Lifetime = 10.0
    """How long it is remembered that there is no such log."""
    stale_while_revalidate: Lifetime = 30.0
    """How long what is fresh no longer is still given at once, while it is asked for again."""
    stale_if_error: Lifetime = 3600.0
    """How long what is fresh no longer is given in place of a vendor's failure."""

    def over(self, general: Lifetimes) -> Lifetimes:
        """Give these where they are set, and the general ones where not."""
        own = {name: getattr(self, name) for name in self.model_fields_set}
        names = Lifetimes.model_fields
        return Lifetimes(**{name: getattr(general, name) for name in names} | own)


class CacheSettings(Lifetimes):
    """What is kept of what vendors said, so that they are asked less and failures are bridged."""

    url: CacheAddress = Field(default_factory=lambda: SecretStr(_MEMORY))
    """Where it is kept: the memory, or Redis or Valkey (7 or later), which gateways can share."""
    max_entries: Annotated[int, Field(strict=True, ge=1, le=10_000_000)] = 10_000
    """How many entries the memory keeps."""
    max_megabytes: Annotated[int, Field(strict=True, ge=1, le=100_000)] = 64
    """How many megabytes of JSON the memory keeps; as objects they take about twice as much."""
    least_age: Lifetime = 1.0
    """How fresh a caller below the role operator may ask to have it, in seconds of age: whoever
    could ask for less could make the gateway call the vendor each time."""
