"""The ``[journal]`` table: the database that records actions, and its retention."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qs

from platformdirs import user_state_path
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    TypeAdapter,
    ValidationInfo,
    WithJsonSchema,
)

from gateway.config.secret import Secret, is_splittable, without_password
from gateway.config.values import Table

_SQLITE = "sqlite:///"
_FORM = (
    'must be "sqlite:///" followed by the path of a file, an address such as'
    ' "postgresql://user@host/database", or { env = "NAME" } or { file = "/path" } that holds one'
)
# Stricter than the driver, which would split a password at a / or # that is not encoded and take
# its end for the name of the database; error messages show that name.
_HOST = r"(\[[0-9A-Fa-f:.]+\]|[^/?#@:,\[\]]*)(:\d{1,5})?"
_POSTGRES = re.compile(
    rf"postgres(ql)?://((?P<user>[^/?#@]*)@)?{_HOST}(,{_HOST})*(/[^?#@]*)?(\?(?P<query>[^#@]*))?"
)
_POSTGRES_FORM = (
    'must be an address such as "postgresql://user@host:5432/database", with special characters of'
    " its parts written as % and two digits: / as %2F, @ as %40, [ as %5B"
)


def _has_password(address: str) -> bool:
    parts = _POSTGRES.fullmatch(address)
    if parts is None:
        return False
    return ":" in (parts["user"] or "") or "password" in parse_qs(parts["query"] or "")


def _address(secret: SecretStr, info: ValidationInfo) -> SecretStr:
    """Check an address; make the path of a file absolute."""
    address = secret.get_secret_value()
    if re.match(r"postgres(ql)?://", address):
        parts = _POSTGRES.fullmatch(address)
        if parts is None or not is_splittable(parts["user"] or ""):
            raise ValueError(_POSTGRES_FORM)
        return secret
    path = address.removeprefix(_SQLITE)
    if path in ("", address) or "?" in path:
        raise ValueError(_FORM)
    folder = info.context.folder if info.context else Path()
    return SecretStr(f"{_SQLITE}{Path(folder, path).absolute()}")


JournalAddress = Annotated[
    Secret,
    BeforeValidator(lambda value: without_password(value, _has_password, _FORM)),
    AfterValidator(_address),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": r"^(sqlite:///|postgres(ql)?://)"},
                TypeAdapter(Secret).json_schema(),
            ],
            "errorMessage": _FORM,
        }
    ),
]
"""An address without a password, or a reference to an address."""


def _default_address() -> SecretStr:
    path = user_state_path("webhook-log-gateway") / "journal.sqlite3"
    if not path.is_absolute():
        # A user without a home, as in a container: a folder named ~ would be created.
        path = Path("/", *path.parts[1:])
    return SecretStr(f"{_SQLITE}{path}")


class JournalSettings(Table):
    """The journal, which records every retry and delete before it is sent."""

    url: JournalAddress = Field(default_factory=_default_address)
    """The database: a SQLite file, or PostgreSQL if several gateways share one journal.

    A relative path starts at the folder of this file. The default is the file
    webhook-log-gateway/journal.sqlite3 in the user's state folder, such as ~/.local/state."""
    retention_days: Annotated[int, Field(strict=True, ge=1, le=36500)] = 90
    """Days for which an action is kept."""
