"""A public key of the configuration: no secret, so it may be written out, or lie in a file."""

from __future__ import annotations

import warnings
from typing import Annotated

from joserfc.errors import InvalidKeyTypeError, JoseError, SecurityWarning
from joserfc.jwk import ECKey, OKPKey, RSAKey
from pydantic import AfterValidator, BeforeValidator, ValidationInfo, WithJsonSchema

_FORM = 'must be { file = "/path" } of a public key in PEM form, or that form itself'


def public_key(pem: str) -> RSAKey | ECKey | OKPKey:
    """Read a public key or a certificate in PEM form; ValueError when it is not fit for use."""
    with warnings.catch_warnings():
        # The library only warns of RSA keys that are short enough to be broken.
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
                return (info.context.folder / path).read_text(encoding="utf-8")
            except FileNotFoundError:
                raise ValueError("names a file that does not exist") from None
            except (OSError, ValueError):
                raise ValueError("names a file that can't be read as text") from None
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
"""The text of a public key or a certificate in PEM form, which ``public_key`` can read."""
