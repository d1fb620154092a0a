"""API keys: long random texts, of which the gateway keeps only hashes."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from gateway.callers.caller import Caller, Method, grant
from gateway.config.auth import KeySettings
from gateway.config.mistakes import problems_of, sentence
from gateway.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

PREFIX = "wlg_"
"""What every key begins with, so that people and secret scanners know one when they see it."""


def create(name: str, role: str, sources: Collection[str] = ()) -> tuple[str, str]:
    """Make a key: itself, to be shown once, and its table for the configuration file.

    The eight digits after the prefix are no secret: they help people to tell keys apart.
    Raises ConfigurationError when the file could not hold such a table.
    """
    key = f"{PREFIX}{secrets.token_hex(4)}_{secrets.token_urlsafe(32)}"
    table: dict[str, Any] = {"name": name, "hash": hash_of(key), "role": role}
    if sources:
        table["sources"] = list(sources)
    try:
        KeySettings.model_validate(table)
    except ValidationError as error:
        problems = list(problems_of(error, KeySettings.model_json_schema()))
        raise ConfigurationError([sentence(it, "the key", table, ()) for it in problems]) from None
    # Of texts as plain as these, and of lists of them, JSON and TOML have one notation.
    lines = (f"{entry} = {json.dumps(value)}" for entry, value in table.items())
    return key, "\n".join(["[[auth.keys]]", *lines])


def hash_of(key: str) -> str:
    """Give what the configuration keeps of a key.

    One round of SHA-256 without salt is enough here, though not for passwords: a key holds 256
    random bits, so there is no list of likely keys whose trying out a slow hash would make dear.
    """
    return f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"


class KeyRing:
    """The API keys that are accepted."""

    def __init__(
        self,
        settings: Iterable[KeySettings],
        compare: Callable[[str, str], bool] = hmac.compare_digest,
    ) -> None:
        self._compare = compare
        self._callers = [
            (key.hash, Caller(key.name, Method.API_KEYS, (grant(key),))) for key in settings
        ]

    def find(self, key: str) -> Caller | None:
        """Give the caller whose key it is; how long that takes tells nothing about the keys."""
        presented = hash_of(key)
        found = None
        for known, caller in self._callers:
            if self._compare(known, presented):
                found = caller
        return found
