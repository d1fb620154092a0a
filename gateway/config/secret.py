"""Secrets in the configuration: written as references, held as ``SecretStr``.

A reference is ``{ env = "NAME" }`` or ``{ file = "/path" }``. It is resolved while the settings are
validated, with a ``ReferenceContext`` as pydantic's validation context. No message repeats a value
of the configuration, because the secret itself may have been written where its reference belongs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr, ValidationInfo, WithJsonSchema

from gateway.config.files import BYTE_ORDER_MARK, UnreadableFileError, read_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_FORM = '{ env = "NAME" } or { file = "/path" }'


@dataclass(frozen=True)
class ReferenceContext:
    """Where references are resolved: the environment, and the folder of the configuration file."""

    environ: Mapping[str, str]
    folder: Path


def _resolve(value: object, info: ValidationInfo) -> object:
    context = info.context or ReferenceContext({}, Path())
    match value:
        case SecretStr():
            return value
        case {"env": str(name), **others} if not others:
            return SecretStr(_variable(name, context.environ))
        case {"file": str(path), **others} if not others:
            return SecretStr(_content(context.folder / path))
        case str():
            raise ValueError(
                "must not be written out here: keep it in an environment variable or a file of its "
                f"own, and write {_FORM}"
            )
        case _:
            raise ValueError(f"must be {_FORM}")


def _variable(name: str, environ: Mapping[str, str]) -> str:
    # Orchestrators fill variables from files, with the marks and line endings of files.
    if secret := environ.get(name, "").lstrip(BYTE_ORDER_MARK).rstrip("\r\n"):
        return secret
    shown = f" {name}" if re.fullmatch(r"[A-Z][A-Z0-9_]*", name) else ""
    raise ValueError(
        f"names an environment variable{shown} that is {'empty' if name in environ else 'not set'}"
    )


def _content(path: Path) -> str:
    try:
        secret = read_text(path).rstrip()
    except UnreadableFileError as error:
        raise ValueError(f"names a file that {error}") from None
    if not secret:
        raise ValueError("names a file that is empty")
    return secret


def _check_text(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    if not text:
        raise ValueError("must not be empty")
    if re.search(r"[\r\n]", text):
        raise ValueError("holds a line break inside of it")
    if "\t" in text:
        raise ValueError("holds a tab")
    if re.search(r"[\x00-\x1f\x7f]", text):
        raise ValueError("holds a control character")
    if re.search(r"[\ud800-\udfff]", text):
        raise ValueError("holds bytes that are not UTF-8 text")
    return secret


def _check_header(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    if not text.isascii():
        raise ValueError("holds a character outside of ASCII, which no HTTP header can carry")
    if " " in text:
        raise ValueError(
            'holds a space: give the token or key alone, without a word such as "Bearer" before it'
        )
    return secret


_JSON_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "env": {"type": "string", "description": "The environment variable that holds the secret."},
        "file": {
            "type": "string",
            "description": "The file that holds the secret. Whitespace at its end is ignored; a "
            "relative path starts at the folder of this file.",
        },
    },
    "additionalProperties": False,
    "minProperties": 1,
    "maxProperties": 1,
    "errorMessage": f"must be {_FORM}",
}

Reference = Annotated[SecretStr, BeforeValidator(_resolve), WithJsonSchema(_JSON_SCHEMA)]
"""A secret of any text that is not empty."""

Secret = Annotated[Reference, AfterValidator(_check_text)]
"""A secret that is sent in a body: any text without control characters."""

HeaderSecret = Annotated[Secret, AfterValidator(_check_header)]
"""A secret that is sent in a header: visible ASCII characters, no spaces."""


def is_splittable(user: str) -> bool:
    """Return whether drivers find the user and the password, as given, in an address.

    What they raise otherwise repeats a part of the password.
    """
    try:
        urlsplit(f"//{user}@host")
    except ValueError:
        return False
    return "[" not in user and "]" not in user


def without_password(
    value: object, has_password: Callable[[str], bool], form: str
) -> SecretStr | dict[str, Any]:
    """Accept an address without a password, or a reference to an address.

    Raises ValueError; for a value that is neither, its text is ``form``.
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
