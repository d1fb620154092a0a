"""``gateway config check`` and ``gateway config show``."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from msgspec import Struct, to_builtins
from pydantic import BaseModel, SecretStr

from gateway.cli.shares import workers_of
from gateway.config import Manifest, is_loopback
from gateway.errors import ConfigurationError
from gateway.normalise.redaction import MASK

if TYPE_CHECKING:
    from gateway.settings import Settings

ADDRESSES = ("url", "proxy")
"""Secrets that are addresses, of which only the password is secret."""
_USER = re.compile(r"^([a-z]+://)?([^/?#]*)@", re.IGNORECASE)
_PASSWORD = re.compile(r"([?&][^=&]*pass[^=&]*=)[^&]*", re.IGNORECASE)


def check(settings: Settings, *, insecure: bool) -> None:
    """Raise ConfigurationError for what only concerns a server; ``insecure`` is its option."""
    host = settings.server.host
    if "none" in settings.auth.methods and not (insecure or is_loopback(host)):
        why = (
            f"The gateway does not listen on {host}: it asks nobody for a credential, so whoever"
            " reaches it from another machine could read and delete every webhook log. Make a key"
            " with gateway key create and add it under [auth], listen on 127.0.0.1, or take the"
            " risk with --insecure."
        )
        raise ConfigurationError([why])
    workers_of(settings)


def verdict(settings: Settings) -> str:
    """Say of a configuration without mistakes what it has."""
    names = ", ".join(source.name for source in settings.sources)
    return f"The configuration can be used. Sources: {names}."


def shown(settings: Settings) -> str:
    """Return a configuration as JSON, with the defaults and without the secrets."""
    found = _plain(settings)
    for table, source in zip(found["sources"], settings.sources, strict=True):
        table["cache"] = _plain(source.cache.with_defaults(settings.cache))
    return json.dumps(found, indent=2, ensure_ascii=False, default=_other)


def _plain(value: Any, name: str = "") -> Any:
    """Return what a key has, with tables as dictionaries and without secrets."""
    if isinstance(value, SecretStr):
        return _address(value.get_secret_value(), name) if name in ADDRESSES else MASK
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if isinstance(value, BaseModel | dict):
        pairs = value.items() if isinstance(value, dict) else value
        return {key: _plain(each, key) for key, each in pairs}
    return value


def _other(value: object) -> Any:
    if isinstance(value, Manifest):
        return str(value.path)
    return to_builtins(value) if isinstance(value, Struct) else str(value)


def _address(address: str, name: str) -> str:
    def masked(found: re.Match[str]) -> str:
        user, colon, _ = found[2].partition(":")
        # A token may stand in the place of a proxy's user.
        kept = f"{user}:{MASK}" if colon else user
        return f"{found[1] or ''}{MASK if name == 'proxy' else kept}@"

    return _PASSWORD.sub(rf"\g<1>{MASK}", _USER.sub(masked, address))
