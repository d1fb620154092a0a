"""Names whose values are secret, in headers, JSON, parameters and text."""

from __future__ import annotations

import functools
import re
from typing import Any

MASK = "***"
"""Replaces a secret; legal in a URL, a header and JSON, where no real value is just it."""

MASKED = re.compile(r"\*{3,}|X{3,}")
"""Values that the vendors masked themselves."""

# "pass" is an everyday word unless one of these stands before it: DB_PASS.
_OWNERS = (
    "db|database|user|usr|my|sql|mysql|pg|pgsql|postgres|mssql|oracle|root|admin|smtp|imap|mail|email"
    "|ftp|sftp|ssh|redis|mongo|mongodb|rabbit|rabbitmq|amqp|mqtt|login|http|proxy|ldap|bind|key"
    "|keystore|store|truststore|basic|auth|svc|service|account|client|api|app|wifi|vpn|sudo|git"
    "|docker|registry|old|new|current|default|temp|initial|master|repl|rds|web|host"
)
NAME = (
    r"(?:passw(?:or)?d[\w.\-]{0,32}+|pass[-_]?phrase|pass[-_]?code|pwd|pswd|psw|(?<![a-z0-9])pw"
    rf"|(?:(?<=_)pass(?<!by_pass)(?<!first_pass)(?<!second_pass)|(?:{_OWNERS})[-_.]?pass)(?!ed)"
    r"|otp|cvv|cvc|secret[-_]?key[-_]?base|secrets?|token|jwt|hmac|sig"
    r"|signature|bearer|auth(?:orization)?[-_]?code|authorization|credentials?|cookies?|jsessionid"
    r"|phpsessid|sessionid|connect\.sid|connection[-_. ]?string|requirepass|masterauth|mnemonic"
    r"|(?:recovery|backup|verification|security|pin)[-_ ]?code|(?<![a-z])_auth"
    r"|passwort|kennwort|contrase(?:\u00f1|n)a|mot[-_ ]de[-_ ]passe|has\u0142o|senha"
    r"|\u043f\u0430\u0440\u043e\u043b\u044c|\u0442\u043e\u043a\u0435\u043d|\u5bc6\u7801|\u5bc6\u94a5|\u53e3\u4ee4"
    r"|(?:access|account|admin|aes|api|app|application|auth|consumer|crypto|decryption|deploy"
    r"|encryption|functions?|hmac|integration|jwt|license"
    r"|master|private|rsa|secret|server|service|session|shared|sign|signing|ssh|ssl|storage"
    r"|subscription|tls|webhook|write)"
    r"[-_. ]?key)(?:[-_]?(?:ed|header|hex|sha|v|value)?[-_]?\d{0,4})"
)
# Each begins with a letter, so that the search skips to the letters that any of them begins with.
NAME_PART = re.compile(
    r"pass|pwd|psw|pw|otp|cvv|cvc|secret|token|jwt|hmac|sig|bearer|auth|credential|cookie|sessi"
    r"|string|key|recovery|backup|verification|security|pin.?code|connect\.sid|mnemonic|nnwort"
    r"|contrase|mot.de|has\u0142o|senha|\u043f\u0430\u0440\u043e|\u0442\u043e\u043a\u0435|\u5bc6|\u53e3\u4ee4"
)
"""Parts of all those names, for the many texts that hold none of them."""
ANY_NAME = re.compile(NAME)
"""Slower than NAME_PART, and exact."""
_NAME_END = re.compile(NAME + r"\Z")
_SECRET_HEADER = re.compile(
    r"(?:\A|(?<!idempotency)(?<!surrogate)(?<!cache)(?<!websocket)[\W_])key\Z|(?:\A|[\W_])auth\Z"
)
# {"ParameterKey": "DbPassword", "ParameterValue": ...}: the ends of the keys that hold a name, and
# of those that hold its value.
_LABEL_KEY = re.compile(
    r"(?:name|key|label|field|header|param(?:eter)?|variable|var|attribute"
    r"|property|option|setting|title|question|fieldid|actionid|\Ak|\An|\Aid|\Aentry|\Aprompt)s?\Z"
)
_VALUE_KEY = re.compile(
    r"(?:value|val|\Av|answer|content|contents|text|string|default|plaintext"
    r"|\Aold|\Anew|\Afrom|\Ato|\Abefore|\Aafter|\Adata|\Acurrent|\Aprevious|\Ainput|\Abody)s?\Z"
)
_JUNK = re.compile(r"[\W_]+")


def mask(value: str) -> str:
    """Return MASK in place of a value, unless it is empty or was masked by the vendor."""
    return MASK if value and MASKED.fullmatch(value) is None else value


@functools.lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Return True for a name such as ``client_secret``; only its last 64 characters should come."""
    return _NAME_END.search(name.lower()) is not None


@functools.lru_cache(maxsize=4096)
def is_secret_header(name: str) -> bool:
    """Return True also for ``X-Functions-Key`` and ``X-Auth``, which elsewhere are no secrets."""
    return is_secret_name(name) or _SECRET_HEADER.search(name.lower()) is not None


def is_secret_label(label: Any) -> bool:
    """Return True for text in place of a name: ``DB_PASSWORD``, ``X-Api-Key``, ``Password:``."""
    if isinstance(label, dict):
        return any(
            is_label_key(key) and isinstance(item, str) and is_secret_label(item)
            for key, item in label.items()
        )
    if not isinstance(label, str):
        return False
    end = label[-64:].rstrip(" \t:=*]\"'")
    if is_secret_name(end):
        return True
    # "Primary-Key" is a header's name, "Enter your key" is not.
    return "-" in end and is_secret_header(end)


@functools.lru_cache(maxsize=4096)
def is_label_key(key: str) -> bool:
    """Return True for a key whose value is a name, such as ``name``, ``Key`` or ``@label``."""
    return _LABEL_KEY.search(_JUNK.sub("", key[-40:].lower())) is not None


@functools.lru_cache(maxsize=4096)
def is_value_key(key: str) -> bool:
    """Return True for a key whose value belongs to a name beside it."""
    return _VALUE_KEY.search(_JUNK.sub("", key[-40:].lower())) is not None
