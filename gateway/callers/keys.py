"""API keys: long random strings; the configuration holds only their hashes."""

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
"""Prefix of every key, by which people and secret scanners recognise one."""


def create(name: str, role: str, sources: Collection[str] = ()) -> tuple[str, str]:
    """Create a key; return it, to be shown once, and its table for the configuration file.

    The eight digits after the prefix are not secret; they help people to distinguish keys. Raises
    ConfigurationError if the table would be invalid.
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
    # Plain strings like these, and lists of them, are written alike in JSON and TOML.
    lines = (f"{entry} = {json.dumps(value)}" for entry, value in table.items())
    return key, "\n".join(["[[auth.keys]]", *lines])


def hash_of(key: str) -> str:
    """Return the hash of a key for the configuration.

    One round of SHA-256 without a salt is enough here, unlike for passwords: a key has 256 random
    bits, so there are no likely keys to try out.
    """
    return f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"


class KeyRing:
    """The accepted API keys."""

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
        """Return the caller with a key, or None, in a time that does not depend on the keys."""
        presented = hash_of(key)
        found = None
        for known, caller in self._callers:
            if self._compare(known, presented):
                found = caller
        return found
