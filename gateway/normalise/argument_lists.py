"""Mask secrets in lists of texts: pairs of name and value, and the arguments of a command."""

from __future__ import annotations

import re
from typing import Any

from gateway.normalise.secret_names import is_secret_label, mask, may_hold_name

_FLAG = re.compile(r"--?[A-Za-z][\w.-]{0,63}")
_USER_FLAGS = frozenset({"-u", "-U", "-a", "--user", "--proxy-user", "--auth"})
_USER = re.compile(r"([^\s:]{1,128}:)(?!\d+\Z)(.+)", re.DOTALL)
# Flags that precede a secret, by the commands that have them.
_SECRET_FLAGS = {
    "-p": re.compile(
        r"sshpass|mongo|(?:docker|podman) login|\baz\b|7z|unrar|cqlsh|influx|rabbitmqadmin"
    ),
    "-P": re.compile(r"sqlcmd|bcp|mosquitto"),
    "-a": re.compile(r"redis-cli"),
    "-w": re.compile(r"ldap"),
    "-pw": re.compile(r"plink|pscp"),
    "-k": re.compile(r"openssl"),
    "-b": re.compile(r"curl"),
}
_ATTACHING = re.compile(r"mysql|mariadb|sshpass|mycli|7z|unrar")
_HEADER_NAMES = frozenset({"authorization", "cookie"})


def mask_arguments(items: list[Any]) -> list[Any]:
    """Mask the secrets in ``["X-Api-Key", "S"]`` and in ``["mysql", "-pS", "--token", "S"]``."""
    if not isinstance(items[0], str):
        return items
    if len(items) == 2 and not items[0].startswith("-") and is_secret_label(items[0]):
        return [items[0], mask(items[1]) if isinstance(items[1], str) else items[1]]
    if not all(isinstance(item, str) for item in items):
        return items
    joined = " ".join(items).lower()
    if "-" not in joined and not may_hold_name(joined):
        return items
    command = " ".join(items[:2])[:200]
    return [
        _argument(before, item, command, even=index % 2 == 1)
        for index, (before, item) in enumerate(zip(["", *items], items, strict=False))
    ]


def _argument(before: str, item: str, command: str, *, even: bool) -> str:
    if _FLAG.fullmatch(before) and not item.startswith("-"):
        rule = _SECRET_FLAGS.get(before)
        if is_secret_label(before) or (rule and rule.search(command)):
            return mask(item)
        if before in _USER_FLAGS:
            return _USER.sub(lambda match: match[1] + mask(match[2]), item)
    name = before.lower()
    # Header names and values in turn, as in Node's rawHeaders.
    if even and ("-" in name or name in _HEADER_NAMES) and not name.startswith("-"):
        return mask(item) if is_secret_label(before) else item
    if item.startswith("-p") and len(item) > 2 and _ATTACHING.search(command):
        return f"-p{mask(item[2:])}"
    return item
