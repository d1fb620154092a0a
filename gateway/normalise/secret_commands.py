"""Mask secrets in command lines, where a flag or the command shows that the next word is one."""

from __future__ import annotations

import re

from gateway.normalise.prose import PROSE, WORD
from gateway.normalise.secret_names import is_secret_label, mask

_WORD_VALUE = r"""(?:\\{0,15}"[^"\r\n]*+|\\{0,15}'[^'\r\n]*+|[^\s"'\\,)\]}]++)"""
# The patterns begin with a literal that a search can skip to. Lookbehinds after it exclude what
# must not precede it.
_DASH = re.compile(r"-(?<![\w-]-)-?[A-Za-z]")
_FLAG = re.compile(
    rf"""(-(?<![\w-]-)-?)([A-Za-z][\w.-]{{0,63}})(\\{{0,15}}["']?,?[ \t]{{1,4}})(?!-)"""
    rf"({_WORD_VALUE})"
)
_SETTING = re.compile(
    r"(?:\b(?:set(?:x|env)?(?: -\w{1,3})?|env|export|arg|declare"
    r"|(?:\w{1,20}_)?set[-_]header|add[-_]header"
    rf"|header set|pass(?:_header)?|setenvif)\s{{1,4}})(\\{{0,15}}[\"']?)"
    rf"([\w./:-]{{1,128}})(\\{{0,15}}[\"']?[ \t]{{1,40}})({_WORD_VALUE})",
    re.IGNORECASE,
)
_SETTING_COMMAND = re.compile(
    r"(?:set(?:x|env|[-_]header)?(?: -\w{1,3})?|env|export|arg|declare|header|pass(?:_header)?"
    r"|setenvif)\s{1,4}\\{0,15}[\"']?[\w./:-]{1,128}\\{0,15}[\"']?[ \t]"
)
_USER = re.compile(
    r"""(-(?<![\w-]-)(?:[uUa]|-user|-proxy-user|-auth|-basic|-userpwd)"""
    r"""(?:[ =]|["'],\s{0,4})?\\{0,15}["']?[^\s:"'\\]{1,128}:)"""
    r"""(?!//)([^\s"'\\,]++)"""
)
_COOKIE = re.compile(
    rf"(-(?<![\w-]-)-cookie(?:=|[ \t]{{1,4}})|curl(?<![\w-]curl)\b[^\r\n|]{{0,300}}?\s-b )"
    rf"({_WORD_VALUE})"
)
_COMMANDS = re.compile(
    r"\b(?:mysql\w{0,20}|mariadb[\w-]{0,20}|sshpass|plink|pscp|7za?|unrar|mongo\w{0,12}|redis-cli"
    r"|docker(?: login)?|podman|helm|az|sqlcmd|bcp|mosquitto_\w{3}|ldap\w{2,10}|openssl|kubectl"
    r"|psql|zip|cqlsh|psexec|snmp\w{2,12}"
    r"|mycli|clickhouse-client|wget|rabbitmqadmin|influx)(?=[\s\"'])[^\r\n|]{0,500}"
)
_SHORT = re.compile(
    r"""((?<=[\s"'])-(pw|[pPawkAX]))((?:\\{0,15}["'],)?[ \t]{1,4}|=)?(\\{0,15}["']?)"""
    r"""([^\s"'\\,\]]++)"""
)
_SHORT_FLAG = re.compile(r"-(?<=[\s\"']-)[pPawkAX]")
# Commands whose -p is followed by the secret in the next word; to others that is a port or a path.
_SPACED = re.compile(
    r"\A(?:sshpass|mongo|(?:docker|podman|helm)\b.{0,60}\blogin|az|mosquitto|7z|unrar|cqlsh|influx"
    r"|rabbitmqadmin|psexec)"
)
_SPACED_OTHER = {
    "P": re.compile(r"sqlcmd|bcp|mosquitto"),
    "a": re.compile(r"redis-cli"),
    "w": re.compile(r"ldap"),
    "k": re.compile(r"openssl"),
    "A": re.compile(r"snmp"),
    "X": re.compile(r"snmp"),
    "pw": re.compile(r"plink|pscp"),
}
_ATTACHED = re.compile(
    r"(-(?<![\w-]-)p)(?=[^\s\"',]{0,40}\d)(?=[^\s\"',]{0,40}[A-Za-z])([^\s\"',/:=\\\]]{6,}+)(?![/:=])"
)
# smbclient -U user%S, and net use ... /user:name S
_WINDOWS_USER = re.compile(
    r"((?:smbclient|rpcclient|net use|winexe)\b[^\r\n|]{0,200}?\s"
    r"(?:(?:-U|--user)[ =]?[\w.\\/-]{1,64}%|/user:[\w.\\@-]{1,64}\s))([^\s\"'/]++)"
)
_PASS_ARGUMENT = re.compile(r"(-(?<!\w-)(?:passin|passout|pass)\s{1,4}pass:)([^\s\"']++)")


def mask_commands(text: str) -> str:
    """Mask secret flags' values, ``-u user:secret``, and the ``-p`` of certain commands."""
    if "%" in text or "/user:" in text:
        text = _WINDOWS_USER.sub(_mask_second, text)
    if "-" not in text or _DASH.search(text) is None:
        return text
    text = _COOKIE.sub(_mask_word, text)
    text = _FLAG.sub(_mask_flag, text)
    text = _USER.sub(_mask_user, text)
    text = _PASS_ARGUMENT.sub(_mask_second, text)
    if _SHORT_FLAG.search(text):
        text = _COMMANDS.sub(_mask_command, text)
    return _ATTACHED.sub(_mask_second, text)


def _mask_flag(match: re.Match[str]) -> str:
    value = match[4]
    if not is_secret_label(match[2]) or PROSE.match(value) or WORD.match(value):
        return match[0]
    return match[0][: -len(value)] + _masked_word(value)


def _mask_user(match: re.Match[str]) -> str:
    return match[0] if match[2].isdecimal() else f"{match[1]}{mask(match[2])}"


def _mask_command(match: re.Match[str]) -> str:
    command = match[0]

    def replace(short: re.Match[str]) -> str:
        before, flag, space, quote, value = short.groups()
        if space is None:
            secret = flag == "p"
        elif flag == "p":
            secret = _SPACED.match(command) is not None
        else:
            secret = _SPACED_OTHER[flag].match(command) is not None
        return f"{before}{space or ''}{quote}{mask(value)}" if secret else short[0]

    return _SHORT.sub(replace, command)


def mask_settings(text: str, lowered: str) -> str:
    """Mask the values in ``ENV DB_PASSWORD x`` and ``proxy_set_header X-Api-Key x``."""
    return _SETTING.sub(_mask_setting, text) if _SETTING_COMMAND.search(lowered) else text


def _mask_setting(match: re.Match[str]) -> str:
    value = match[4]
    if not is_secret_label(match[2]) or PROSE.match(value) or WORD.match(value):
        return match[0]
    return match[0][: -len(value)] + _masked_word(value)


def _mask_word(match: re.Match[str]) -> str:
    return match[1] + _masked_word(match[2])


def _masked_word(word: str) -> str:
    """Mask a shell word, except for backslashes and a quote at its start."""
    bare = word.lstrip("\\")
    quote = word[: len(word) - len(bare)]
    if bare[:1] in {'"', "'"}:
        quote, bare = quote + bare[:1], bare[1:]
    return quote + mask(bare)


def _mask_second(match: re.Match[str]) -> str:
    return f"{match[1]}{mask(match[2])}"
