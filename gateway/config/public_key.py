"""Public keys in the configuration. They are not secret, so they may be written inline."""

from __future__ import annotations

import warnings
from typing import Annotated

from joserfc.errors import InvalidKeyTypeError, JoseError, SecurityWarning
from joserfc.jwk import ECKey, OKPKey, RSAKey
from pydantic import AfterValidator, BeforeValidator, ValidationInfo, WithJsonSchema

from gateway.config.files import UnreadableFileError, read_text

_FORM = 'must be { file = "/path" } of a public key in PEM form, or that form itself'


def public_key(pem: str) -> RSAKey | ECKey | OKPKey:
    """Parse a public key or a certificate in PEM form; ValueError if it can't be used."""
    with warnings.catch_warnings():
        # For RSA keys that are short enough to be broken, the library only warns.
        warnings.simplefilter("error", SecurityWarning)
        for kind in (RSAKey, ECKey, OKPKey):
            try:
                key = kind.import_key(pem)
                if not key.is_private:
                    return key
            except InvalidKeyTypeError:
                continue
            except SecurityWarning:
                raise ValueError("must be a longer key: one of RSA has 2048 bits or more") from None
            except (JoseError, ValueError, TypeError):
                break
    raise ValueError(_FORM)


def _content(value: object, info: ValidationInfo) -> object:
    match value:
        case {"file": str(path), **others} if not others and info.context:
            try:
                return read_text(info.context.folder / path)
            except UnreadableFileError as error:
                raise ValueError(f"names a file that {error}") from None
        case str():
            return value
    raise ValueError(_FORM)


def _readable(pem: str) -> str:
    public_key(pem)
    return pem


PublicKey = Annotated[
    str,
    BeforeValidator(_content),
    AfterValidator(_readable),
    WithJsonSchema(
        {
            "type": ["object", "string"],
            "properties": {
                "file": {
                    "type": "string",
                    "description": "The PEM file; a relative path starts at the folder of this "
                    "file.",
                }
            },
            "required": ["file"],
            "additionalProperties": False,
            "errorMessage": _FORM,
        }
    ),
]
"""A public key or a certificate in PEM form, valid for ``public_key``."""
