"""Mask secrets in text by their names: ``name: value`` and other notations.

These are found in configuration files, command lines, SQL, XML, multipart forms and source code.
The patterns take linear time: every repetition is possessive, bounded, last, or starts only where
the one before it ended.
"""

from __future__ import annotations

import re

from gateway.normalise.prose import PROSE, WORD
from gateway.normalise.secret_commands import mask_commands, mask_settings
from gateway.normalise.secret_names import (
    ANY_NAME,
    MASK,
    NAME,
    is_label_key,
    is_secret_label,
    is_secret_name,
    is_value_key,
    mask,
    may_hold_name,
)

# Characters between a name and its colon: brackets, quotes (escaped, as in JSON inside a JSON
# string that was cut off), Markdown marks, any of these percent-encoded.
_CLOSERS = r"(?:[\[\]0-9]|%(?:25){0,3}5[bd]){0,8}\\{0,15}[\"'`]?(?:\]|\*\*|[*`])?"
_PAIR = re.compile(
    NAME
    + _CLOSERS
    + r"(?:[ \t]{0,40}|\s{0,4})(?:=>|->|[:?+]?==?|:|\uff1a|%(?:25){0,3}3[ad])"
    + r"(?:(?:\*\*|[*`])(?=[ \t]))?[ \t]{0,40}(?:\s{0,9}string\(\d{1,9}\) |!{1,2}\w{1,16}[ ]{1,4})?"
    + r"(?:[nubrf]{1,2}(?=\\{0,15}[\"']))?"
)
_PAIR_MARK = re.compile("[:=%\uff1a]|->")
# Names whose values continue after a space.
_LINE_NAME = re.compile(r"(?:authorization|cookies?)\W*\Z")
# A value that is masked already, up to the next parameter or the end.
_MASKED = {MASK, f"{MASK}&"}
# A name in this position is a host, and a port follows its colon.
_HOST = re.compile(r"//[\w.-]*\Z")
# Only character classes are repeated possessively: Python 3.11.2 has a bug with groups.
_VALUE = re.compile(
    r"""
      (?P<slashes>\\{0,15})(?P<quote>"{3}|'{3}|["'])(?P<quoted>[^\r\n]*?)
      (?:(?<!\\)(?P=slashes)(?P=quote)|(?=[\r\n])|\Z)
    | \[(?P<listed>[^\[\]\r\n]*)
    | \{(?P<braced>[^{}\r\n]*)
    | [|>][+-]?\d?[ \t]*\r?\n(?P<block>[ \t]+[^\r\n]*(?:\r?\n[ \t]+[^\r\n]*)*)
    | \r?\n[ \t]{1,40}(?P<next>[^\s:=<>"'*]++)(?=[ \t]*(?:[\r\n]|\Z))
    | (?P<parameter>\*{3})(?=[&\#])
    | (?P<bare>(?:(?i:basic|bearer|digest|oauth|token)[ ]+)?
        (?:[^\s&"'<>\\,;.)\]}]|\\(?![nrt"'])
         |(?!;[A-Za-z][\w .-]{0,40}=)[,;.)\]}]++(?![\s&"'<>\\]|\Z))+)
    """,
    re.VERBOSE,
)
_ENCODED_END = re.compile(r"%(?:25){0,3}(?:26|22|7d|2c)", re.IGNORECASE)
_LINE = re.compile(r"""(?P<line>(?:[^\r\n"'<\\]|\\(?![nr"']))+)""")
_ELEMENT = re.compile(r"(<([\w.:-]++)(?:\s[^<>]*+)?>(?:<!\[CDATA\[)?)([^<]++)(?=</)")
_TAG = re.compile(r"<[\w.:-]++(\s[^<>]*+)>((?:\s{0,20}<[\w.:-]{1,40}>){0,2}\s{0,20})([^<]*+)")
_ATTRIBUTE = re.compile(r"""([\w.:-]{1,64})\s{0,4}=\s{0,4}(\\{0,15}["'])([^"'\\<>]*+)""")
_LABELLED_ELEMENT = re.compile(
    r"<([\w.:-]{1,40})>\s{0,20}([^<>]{1,64})</\1>\s{0,40}((?:<[\w.:-]{1,40}(?:\s[^<>]{0,200})?>\s{0,20}){1,3})([^<]++)"
)
# name: DB_PASSWORD, then value: ..., on the next line or after a comma. Searching for the marks
# after the first word is faster than searching for the word.
_LABEL = re.compile(
    r"""[:=](?:(?<==)>)?[ \t]{0,40}\\{0,15}["']?"""
    r"""([\w./-]{1,64}+)\\{0,15}["']?,?"""
    r"""(?:[ \t]{0,40}(?:\r?\n|\\n)?[ \t]{0,40}|[ \t]{0,4})[,;&]?[ \t]{0,4}\\{0,15}["']?"""
    r"""([\w@-]{1,40}+)\\{0,15}["']?[ \t]{0,40}"""
    r"""(?:=>|[:=])[ \t]{0,40}(?=\S)"""
)
_LABEL_KEY = re.compile(r"""(?<![\w@-])([\w@-]{1,40})\\{0,15}["']?[ \t]{0,40}\Z""")
# ("X-Api-Key", "S"), also where the end was cut off, and {:password, <<"S">>}.
_TUPLE = re.compile(
    r"""[\[({]\s{0,4}(?::|\\{0,15}["'])?([\w.-]{1,64}+)(?:\\{0,15}["'])?\s{0,4}[,.]\s{0,4}(?:<<|[bnu])?"""
    r"""\\{0,15}["']"""
    r"""([^"'\\\r\n]{1,4096})(?:\\{0,15}["'](?:>>)?\s{0,4}[\])}]|\Z)"""
)
# PHP's serialize()
_SERIALIZED = re.compile(
    r"""(s:\d{1,9}:\\{0,15}"([^"\\]{1,64})\\{0,15}";s:\d{1,9}:\\{0,15}")([^"\\]{1,4096})"""
)
# A call of setPassword with a text
_SETTER = re.compile(
    r"""((?:set|with|convertto-)\w{0,20}?(?:"""
    rf"""{NAME}|securestring)[( ]\s{{0,4}}\\{{0,15}}["'])"""
    r"""([^"'\\\r\n]{1,4096})(?=\\{0,15}["'])""",
    re.IGNORECASE,
)
_PART = re.compile(r"""form-data;[^\r\n\\]{0,200}?\bname=\\{0,15}["']?([^"'\r\n;\\]{1,64})""")
_PART_HEAD_END = re.compile(r"(?:\r?\n|\\r\\n|\\n){2}")
_PART_END = re.compile(r"(?:\r?\n|\\r\\n|\\n)--|\Z")

# Every notation contains one of these, a colon or an equals sign, ...
_MARK = re.compile("[<,%\"'(@\uff1a-]")
# ... except for settings and logins, in which only spaces separate words such as these.
_COMMAND_WORDS = ("set", "env", "export", "arg", "declare", "header", "pass", "masterauth")
_SPACE = re.compile(r"\s")
_NETRC = re.compile(
    r"((?:login(?<!\wlogin)|user(?<!\wuser)|account(?<!\waccount))\s{1,4}\S{1,200}\s{1,40}password\s{1,4})"
    r"(\S++)"
)
_DIRECTIVE = re.compile(
    r"(?m)(^[ \t]{0,40}(?:requirepass|masterauth|password)[ \t]{1,40})(\S++)(?=[ \t]{0,40}$)"
)
_SQL_PASSWORD = re.compile(r"""identified\s|password(?:\s{1,4}|\s{0,4}\(\s{0,4})n?\\{0,15}["']""")
_SQL = re.compile(
    r"""((?<![\w"'])(?:identified\s(?:with\s[\w"'`]{1,60}\s)?(?:by|as)(?:\spassword)?"""
    r"""|(?:encrypted\s)?password)(?:\s{1,4}|\s{0,4}\(\s{0,4})[nN]?)(\\{0,15}["'])([^"'\r\n\\]++)""",
    re.IGNORECASE,
)
_INSERT = re.compile(
    r"(insert\sinto\s[\w.\"`\[\]]{1,128}\s{0,4}\()([^()]{1,2000})(\)\s{0,4}values\s{0,4}\()([^()]{1,4000})",
    re.IGNORECASE,
)
_CONNECT = re.compile(r"(?:sqlplus|connect)\s")
_ORACLE = re.compile(
    r"((?:sqlplus\s(?:-\w\s){0,3}|\boracle:(?:thin|oci):|connect\s)[\w$#]{1,60}/)([^\s@/\"']++)(?=@)",
    re.IGNORECASE,
)


def mask_named(text: str) -> str:
    """Mask the values of secret names in all forms of text."""
    if not (":" in text or "=" in text or _MARK.search(text) or _holds_command(text)):
        return text
    if "<" in text and ("</" in text or "=" in text):
        text = _mask_markup(text)
    lowered = _lower(text)
    # Only text that contains such a name can contain its value; "key" alone is in many texts
    # without one.
    name = ANY_NAME.search(lowered) if may_hold_name(lowered) else None
    named = text
    if name:
        named = _mask_lists(named, lowered)
    if "-" in named or "/user:" in named:
        named = mask_commands(named)
    if "securestring" in lowered and not name:
        named = _SETTER.sub(_mask_second, named)
    if name or "dentified" in lowered:
        named = _mask_statements(named, lowered)
    if "@" in named and "/" in named and ("oracle:" in lowered or _CONNECT.search(lowered)):
        named = _ORACLE.sub(_mask_second, named)
    if name is None or _PAIR_MARK.search(named) is None:
        return named
    return _mask_pairs(named, *((lowered, name.start()) if named == text else (_lower(named), 0)))


def _holds_command(text: str) -> bool:
    if _SPACE.search(text) is None:
        return False
    lowered = _lower(text)
    return any(word in lowered for word in _COMMAND_WORDS)


def _mask_lists(text: str, lowered: str) -> str:
    if "form-data" in lowered:
        text = _mask_parts(text)
    if "," in text or " . " in text:
        text = _TUPLE.sub(_mask_tuple, text)
    if ";s:" in text:
        text = _SERIALIZED.sub(_mask_serialized, text)
    if "(" in text or "securestring" in lowered:
        text = _SETTER.sub(_mask_second, text)
    if text.count(":") + text.count("=") - text.count("https://") > 1:
        text = _mask_labelled(text)
    return text


def _mask_statements(text: str, lowered: str) -> str:
    if _SPACE.search(text):
        text = mask_settings(text, lowered)
    if "password" in lowered or "requirepass" in lowered or "masterauth" in lowered:
        text = _NETRC.sub(_mask_second, text)
        text = _DIRECTIVE.sub(_mask_unless_prose, text)
    if ("password" in lowered or "dentified" in lowered) and _SQL_PASSWORD.search(lowered):
        text = _SQL.sub(lambda match: f"{match[1]}{match[2]}{mask(match[3])}", text)
    if "insert" in lowered:
        text = _INSERT.sub(_mask_insert, text)
    return text


def _lower(text: str) -> str:
    if text.isascii():
        return text.lower()
    # Lower-casing keeps every position, except that this letter would become two.
    return text.replace("\u0130", "i").lower()


def _mask_pairs(text: str, lowered: str, start: int) -> str:
    parts: list[str] = []
    done = 0
    for pair in _PAIR.finditer(lowered, start):
        start = pair.end()
        if (
            start <= done
            or text[start : start + 4] in _MASKED
            or PROSE.match(text, start)
            or _HOST.search(text, start - 64, pair.start())
        ):
            continue
        value = _VALUE.match(text, start)
        if value is None:
            continue
        if value.lastgroup == "bare" and _LINE_NAME.search(pair[0]):
            value = _LINE.match(text, start) or value
        begin, end = value.span(value.lastgroup or 0)
        if "%" in pair[0] and (encoded := _ENCODED_END.search(text, begin + 1, end)):
            end = encoded.start()
        parts += text[done:begin], mask(text[begin:end])
        done = end
    return "".join([*parts, text[done:]])


def _mask_markup(text: str) -> str:
    text = _LABELLED_ELEMENT.sub(_mask_labelled_element, text)
    text = _TAG.sub(_mask_tag, text)
    return _ELEMENT.sub(_mask_element, text)


def _mask_element(match: re.Match[str]) -> str:
    return match[1] + mask(match[3]) if is_secret_name(match[2][-64:]) else match[0]


def _mask_labelled_element(match: re.Match[str]) -> str:
    if not (is_label_key(match[1].rpartition(":")[2]) and is_secret_label(match[2])):
        return match[0]
    return match[0][: -len(match[4])] + mask(match[4])


def _mask_tag(match: re.Match[str]) -> str:
    tag = match[0][: match.end(1) - match.start()]
    name = tag[1 : match.start(1) - match.start()]
    secret = is_secret_name(name[-64:]) or any(
        (is_label_key(key) or key.lower() == "type") and is_secret_label(value)
        for key, _, value in _ATTRIBUTE.findall(match[1])
    )
    if not secret:
        return match[0]
    inner = _ATTRIBUTE.sub(
        lambda part: (
            part[0][: len(part[0]) - len(part[3])] + mask(part[3])
            if is_value_key(part[1])
            else part[0]
        ),
        match[1],
    )
    empty = match[1].rstrip().endswith("/") or not match[3].strip()
    return f"<{name}{inner}>{match[2]}{match[3] if empty else mask(match[3])}"


def _mask_parts(text: str) -> str:
    """Mask the parts of multipart/form-data that have secret names."""
    parts: list[str] = []
    done = 0
    for part in _PART.finditer(text):
        if part.start() < done or not is_secret_label(part[1]):
            continue
        head = _PART_HEAD_END.search(text, part.end(), part.end() + 1000)
        if head is None:
            continue
        end = _PART_END.search(text, head.end())
        stop = len(text) if end is None else end.start()
        parts += text[done : head.end()], mask(text[head.end() : stop])
        done = stop
    return "".join([*parts, text[done:]])


def _mask_tuple(match: re.Match[str]) -> str:
    if not is_secret_label(match[1]) or PROSE.match(match[2]):
        return match[0]
    begin, end = match.start(2) - match.start(), match.end(2) - match.start()
    return f"{match[0][:begin]}{mask(match[2])}{match[0][end:]}"


def _mask_labelled(text: str) -> str:
    parts: list[str] = []
    done = position = 0
    while label := _LABEL.search(text, position):
        position = label.start() + 1
        if not is_value_key(label[2]) or not is_secret_label(label[1]):
            continue
        key = _LABEL_KEY.search(text, max(done, label.start() - 100), label.start())
        if key is None or not is_label_key(key[1]):
            continue
        value = _VALUE.match(text, label.end())
        if value is None:
            continue
        begin, end = value.span(value.lastgroup or 0)
        parts += text[done:begin], mask(text[begin:end])
        done = position = max(end, position)
    return "".join([*parts, text[done:]])


def _mask_serialized(match: re.Match[str]) -> str:
    return match[1] + mask(match[3]) if is_secret_label(match[2]) else match[0]


def _mask_second(match: re.Match[str]) -> str:
    return f"{match[1]}{mask(match[2])}"


def _mask_unless_prose(match: re.Match[str]) -> str:
    prose = PROSE.match(match[2]) or WORD.match(match[2])
    return match[0] if prose else _mask_second(match)


def _mask_insert(match: re.Match[str]) -> str:
    columns, values = match[2].split(","), match[4].split(",")
    if len(columns) != len(values):
        return match[0]
    shown = [
        re.sub(r"[^\s'\"]+", MASK, value, count=1)
        if is_secret_name(column.strip(' \t\r\n"`[]')[-64:])
        else value
        for column, value in zip(columns, values, strict=True)
    ]
    return f"{match[1]}{match[2]}{match[3]}{','.join(shown)}"
