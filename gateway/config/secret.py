"""Secrets of the configuration: written as references, held as ``SecretStr``.

A reference is ``{ env = "NAME" }`` or ``{ file = "/path" }`` and is followed while the settings
are validated, with a :class:`Surroundings` as validation context. No message here repeats what the
configuration holds, because the secret itself may stand where its reference should.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BeforeValidator, SecretStr, ValidationInfo, WithJsonSchema

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_FORM = '{ env = "NAME" } or { file = "/path" }'


@dataclass(frozen=True)
class Surroundings:
    """What the references of a configuration point into; ``folder`` is where its file lies."""

    environ: Mapping[str, str]
    folder: Path


def _dereferenced(value: object, info: ValidationInfo) -> object:
    surroundings = info.context or Surroundings({}, Path())
    match value:
        case SecretStr():
            return value
        case {"env": str(name), **others} if not others:
            return SecretStr(_variable(name, surroundings.environ))
        case {"file": str(path), **others} if not others:
            return SecretStr(_content(surroundings.folder / path))
        case str():
            raise ValueError(
                "must not be written out here: keep it in an environment variable or a file of its "
                f"own, and write {_FORM}"
            )
        case _:
            raise ValueError(f"must be {_FORM}")


def _variable(name: str, environ: Mapping[str, str]) -> str:
    if secret := environ.get(name):
        return secret
    shown = f" {name}" if re.fullmatch(r"[A-Z][A-Z0-9_]*", name) else ""
    raise ValueError(
        f"names an environment variable{shown} that is {'empty' if name in environ else 'not set'}"
    )


def _content(path: Path) -> str:
    try:
        secret = path.read_text(encoding="utf-8").rstrip()
    except FileNotFoundError:
        raise ValueError("names a file that does not exist") from None
    except (OSError, ValueError):
        raise ValueError("names a file that can't be read as text") from None
    if not secret:
        raise ValueError("names a file that is empty")
    return secret


def _writable(secret: SecretStr) -> SecretStr:
    if not secret.get_secret_value():
        raise ValueError("must not be empty")
    if re.search(r"[\x00-\x1f\x7f\ud800-\udfff]", secret.get_secret_value()):
        raise ValueError("holds a line break or another character that no vendor can be sent")
    return secret


def _fit_for_header(secret: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[!-~]+", secret.get_secret_value()):
        raise ValueError(
            "holds a character that no HTTP header can carry: visible ASCII without spaces is good"
        )
    return secret


_JSON_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "env": {"type": "string", "description": "The environment variable that holds the secret."},
        "file": {
            "type": "string",
            "description": "The file that holds the secret, apart from white space at its end; a "
            "relative path starts at the folder of this file.",
        },
    },
    "additionalProperties": False,
    "minProperties": 1,
    "maxProperties": 1,
    "errorMessage": f"must be {_FORM}",
}

Secret = Annotated[
    SecretStr,
    BeforeValidator(_dereferenced),
    AfterValidator(_writable),
    WithJsonSchema(_JSON_SCHEMA),
]
"""A secret that is sent in a body: any text without control characters."""

HeaderSecret = Annotated[Secret, AfterValidator(_fit_for_header)]
"""A secret that is sent in a header: visible ASCII, and no spaces."""


def without_password(
    value: object, has_password: Callable[[str], bool], form: str
) -> SecretStr | dict[str, Any]:
    """Take an address as it is written, unless it shows a password, or the reference of one.

    Raises ValueError, which says ``form`` of what is neither.
    """
    match value:
        case str() if has_password(value):
            raise ValueError(
                "must not show a password: keep the whole address in an environment variable or a "
                'file of its own, and write { env = "NAME" } or { file = "/path" }'
            )
        case str():
            return SecretStr(value)
        case SecretStr() | dict():
            return value
        case _:
            raise ValueError(form)
