"""Names whose values are secret, in headers, JSON, parameters and text."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

MASK = "***"
"""Replaces a secret. It is legal in URLs, headers and JSON, and is no realistic value."""

MASKED = re.compile(r"\*{3,}|X{3,}")
"""Values that vendors masked themselves."""

# "pass" is a common word unless one of these precedes it: DB_PASS.
_PASS_OWNERS = (
    *("db", "database", "user", "usr", "my", "sql", "mysql", "pg", "pgsql", "postgres", "mssql"),
    *("oracle", "root", "admin", "smtp", "imap", "mail", "email", "ftp", "sftp", "ssh", "redis"),
    *("mongo", "mongodb", "rabbit", "rabbitmq", "amqp", "mqtt", "login", "http", "proxy", "ldap"),
    *("bind", "key", "keystore", "store", "truststore", "basic", "auth", "svc", "service"),
    *("account", "client", "api", "app", "wifi", "vpn", "sudo", "git", "docker", "registry"),
    *("old", "new", "current", "default", "temp", "initial", "master", "repl", "rds"),
    *("web", "host"),
)
_KEY_OWNERS = (
    *("access", "account", "admin", "aes", "api", "app", "application", "auth", "consumer"),
    *("crypto", "decryption", "deploy", "encryption", "functions?", "hmac", "integration", "jwt"),
    *("license", "master", "private", "rsa", "secret", "server", "service", "session", "shared"),
    *("sign", "signing", "ssh", "ssl", "storage", "subscription", "tls", "webhook", "write"),
)
_CODE_OWNERS = ("recovery", "backup", "verification", "security", "pin")
# Patterns of one name each. All begin with a letter, even those that depend on the text before it.
NAMES = (
    (
        r"passw(?:or)?d(?![\w.\-]{0,32}?(?:[-_]at|(?:reset|sent|changed|updated|set|created)at|changed"
        r"|policy|required|strength|expir(?:y|es|ed|ation)|length)(?![\w.\-]))[\w.\-]{0,32}+"
    ),
    *("pass[-_]?phrase", "pass[-_]?code", "pwd", "pswd", "psw", "p(?<![a-z0-9]p)w"),
    "p(?<=_p)ass(?<!by_pass)(?<!first_pass)(?<!second_pass)(?!ed)",
    *(f"{owner}[-_.]?pass(?!ed)" for owner in _PASS_OWNERS),
    *("otp", "cvv", "cvc", "secret[-_]?key[-_]?base", "secrets?", "token", "jwt", "hmac", "sig"),
    *("signature", "bearer", "auth(?:orization)?[-_]?code", "authorization", "credentials?"),
    *("cookies?", "jsessionid", "phpsessid", "sessionid", r"connect\.sid"),
    *("connection[-_. ]?string", "requirepass", "masterauth", "mnemonic"),
    *(f"{owner}[-_ ]?code" for owner in _CODE_OWNERS),
    *("_(?<![a-z]_)auth", "passwort", "kennwort", "contrase(?:\u00f1|n)a"),
    *("mot[-_ ]de[-_ ]passe", "has\u0142o", "senha", "\u043f\u0430\u0440\u043e\u043b\u044c"),
    *("\u0442\u043e\u043a\u0435\u043d", "\u5bc6\u7801", "\u5bc6\u94a5", "\u53e3\u4ee4"),
    *(f"{owner}[-_. ]?key" for owner in _KEY_OWNERS),
)
# A letter that is not optional.
_LETTER = re.compile(r"[^\W\d](?![?*+{])")


def _merged(patterns: Iterable[str]) -> str:
    """Join patterns by ``|``, with those of the same first letter in one branch, recursively.

    A search then skips to the first letters, and tries one branch instead of every pattern.
    """
    branches: list[tuple[str, list[str]]] = []
    for pattern in patterns:
        letter = pattern[0] if _LETTER.match(pattern) else ""
        tails = _branch(branches, letter)
        if tails is None:
            branches.append((letter, tails := []))
        tails.append(pattern[len(letter) :])
    joined = "|".join(
        letter + (tails[0] if len(tails) == 1 else _merged(tails)) for letter, tails in branches
    )
    return f"(?:{joined})"


def _branch(branches: list[tuple[str, list[str]]], letter: str) -> list[str] | None:
    """Find the branch of a letter, back to a pattern without one, since order must be kept."""
    for known, tails in reversed(branches):
        if not letter or not known:
            return None
        if known == letter:
            return tails
    return None


NAME = _merged(NAMES) + r"(?:[-_]?(?:ed|header|hex|sha|v|value)?[-_]?\d{0,4})"
ANY_NAME = re.compile(_merged([*NAMES, "-key", "-auth", "_key", "_auth"]))
"""Finds a name in lower-case text, or the end of a header name such as X-Functions-Key."""
_NAME_END = re.compile(NAME + r"\Z")
# A substring of each of those names, the most frequent first, except for codes and names that are
# not ASCII.
_PARTS = (
    *("key", "pass", "auth", "sig", "token", "secret", "cookie", "pw", "otp", "psw", "sessi"),
    *("connect", "bearer", "credential", "hmac", "jwt", "cvv", "cvc", "mnemonic", "kennwort"),
    *("contrase", "senha"),
)
_FOREIGN_PARTS = (
    *("has\u0142o", "\u043f\u0430\u0440\u043e", "\u0442\u043e\u043a\u0435"),
    *("\u5bc6", "\u53e3\u4ee4"),
)
_SECRET_HEADER = re.compile(
    r"(?:\A|(?<!idempotency)(?<!surrogate)(?<!cache)(?<!websocket)[\W_])key\Z|(?:\A|[\W_])auth\Z"
)
# {"ParameterKey": "DbPassword", "ParameterValue": ...}: the ends of keys that hold a name, and of
# those that hold its value.
_LABEL_KEY = re.compile(
    r"(?:name|key|label|field|header|param(?:eter)?|variable|var|attribute"
    r"|column|property|option|setting|title|question|fieldid|actionid|\Ak|\An|\Aid|\Aentry|\Aprompt)s?\Z"
)
_VALUE_KEY = re.compile(
    r"(?:value|val|\Av|answer|content|contents|text|string|default|plaintext|\Astringdata|\Arow"
    r"|\Aold|\Anew|\Afrom|\Ato|\Abefore|\Aafter|\Adata|\Acurrent|\Aprevious|\Ainput|\Abody)s?\Z"
)
_JUNK = re.compile(r"[\W_]+")


def mask(value: str) -> str:
    """Return MASK instead of a value, unless it is empty or was masked by the vendor."""
    return MASK if value and MASKED.fullmatch(value) is None else value


def may_hold_name(lowered: str) -> bool:
    """Return False if lower-case text contains no secret name; faster than a pattern."""
    for part in _PARTS:
        if part in lowered:
            return True
    if "code" in lowered and any(owner in lowered for owner in _CODE_OWNERS):
        return True
    return not lowered.isascii() and any(part in lowered for part in _FOREIGN_PARTS)


@functools.lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Return True for a name such as ``client_secret``; pass only its last 64 characters."""
    lowered = name.lower()
    return may_hold_name(lowered) and _NAME_END.search(lowered) is not None


@functools.lru_cache(maxsize=4096)
def is_secret_header(name: str) -> bool:
    """Return True also for ``X-Functions-Key`` and ``X-Auth``, which are secret only as headers."""
    return is_secret_name(name) or _SECRET_HEADER.search(name.lower()) is not None


def is_secret_label(label: Any) -> bool:
    """Return True for text that names a secret: ``DB_PASSWORD``, ``X-Api-Key``, ``Password:``."""
    if isinstance(label, dict):
        return any(
            is_label_key(key) and isinstance(item, str) and is_secret_label(item)
            for key, item in label.items()
        )
    if not isinstance(label, str):
        return False
    end = label[-64:]
    # Most texts are no labels; do not fill the cache of names with them.
    if not may_hold_name(end.lower()):
        return False
    end = end.rstrip(" \t:=*]\"'")
    if is_secret_name(end):
        return True
    # "Primary-Key" may be a header; "Enter your key" is not.
    return "-" in end and is_secret_header(end)


@functools.lru_cache(maxsize=4096)
def is_label_key(key: str) -> bool:
    """Return True for a key whose value is a name, such as ``name``, ``Key`` or ``@label``."""
    return _LABEL_KEY.search(_JUNK.sub("", key[-40:].lower())) is not None


@functools.lru_cache(maxsize=4096)
def is_value_key(key: str) -> bool:
    """Return True for a key whose value belongs to a name in another key, such as ``value``."""
    return _VALUE_KEY.search(_JUNK.sub("", key[-40:].lower())) is not None
