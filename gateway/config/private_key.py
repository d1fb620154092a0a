"""Private keys in the configuration, which sign tokens: references to a key in PEM form."""

from __future__ import annotations

import warnings
from typing import Annotated

from joserfc.errors import InvalidKeyTypeError, JoseError, SecurityWarning
from joserfc.jwk import RSAKey
from pydantic import AfterValidator, SecretStr

from gateway.config.secret import Reference

_NO_KEY = (
    "holds no private key in PEM form, which begins with a line such as"
    ' "-----BEGIN RSA PRIVATE KEY-----", and has all of its lines'
)


def private_key(pem: str) -> RSAKey:
    r"""Parse an RSA private key in PEM form; ValueError, without its content, if it can't be used.

    In a variable of the environment, the lines may be joined by ``\n``, two characters, as in files
    that can't hold line breaks.
    """
    if "\n" not in pem:
        pem = pem.replace("\\n", "\n")
    if "-----BEGIN " not in pem:
        raise ValueError(_NO_KEY)
    if "ENCRYPTED" in pem:
        raise ValueError("is encrypted: give the key without a passphrase")
    if "PRIVATE KEY-----" not in pem:
        raise ValueError("is a public key or a certificate: give the private key of the pair")
    with warnings.catch_warnings():
        # For keys that are short enough to be broken, the library only warns.
        warnings.simplefilter("error", SecurityWarning)
        try:
            return RSAKey.import_key(pem)
        except SecurityWarning:
            raise ValueError("must be a longer key, of 2048 bits or more") from None
        except InvalidKeyTypeError:
            raise ValueError("must be a key of RSA: others can't sign by RS256") from None
        except (JoseError, ValueError, TypeError):
            raise ValueError(_NO_KEY) from None


def _usable(secret: SecretStr) -> SecretStr:
    private_key(secret.get_secret_value())
    return secret


PrivateKey = Annotated[Reference, AfterValidator(_usable)]
"""A reference to an RSA private key in PEM form, valid for ``private_key``."""
