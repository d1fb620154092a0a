r"""Secrets in text by their names: ``name: value`` and the other forms in which the two are written.

Configuration files, command lines, SQL, XML, multipart forms and program text. The patterns take
linear time: every repetition is possessive, bounded, last, or starts only where the one before it
ended.
"""

from __future__ import annotations

import re

from gateway.normalise.secret_names import (
    MASK,
    NAME,
    NAME_PART,
    is_label_key,
    is_secret_label,
    is_secret_name,
    is_value_key,
    mask,
)

# What may stand between a name and its colon: brackets, quotes (escaped, as in JSON inside a JSON
# string that was cut off), the marks of Markdown, any of these percent-encoded.
_CLOSERS = r"(?:\]|%(?:25){0,3}5d){0,8}\\{0,15}[\"'`]?(?:\]|\*\*|[*`])?"
_PAIR = re.compile(
    NAME
    + _CLOSERS
    + r"(?:[ \t]{0,40}|\s{0,4})(?:=>|->|[:?+]?==?|:|\uff1a|%(?:25){0,3}3[ad])"
    + r"(?:(?:\*\*|[*`])(?=[ \t]))?[ \t]{0,40}(?:\s{0,9}string\(\d{1,9}\) )?"
    + r"(?:[nubrf]{1,2}(?=\\{0,15}[\"']))?"
)
# Their values go on after a space.
_LINE_NAME = re.compile(r"(?:authorization|cookies?)\W*\Z")
# A name that stands here is a host's, and what follows its colon is a port.
_HOST = re.compile(r"//[\w.-]*\Z")
# Only classes of characters are repeated possessively: with groups, Python 3.11.2 goes wrong.
_VALUE = re.compile(
    r"""
      (?P<slashes>\\{0,15})(?P<quote>"{3}|'{3}|["'])(?P<quoted>[^\r\n]*?)
      (?:(?<!\\)(?P=slashes)(?P=quote)|(?=[\r\n])|\Z)
    | \[(?P<listed>[^\[\]\r\n]*)
    | \{(?P<braced>[^{}\r\n]*)
    | [|>][+-]?\d?[ \t]*\r?\n(?P<block>[ \t]+[^\r\n]*(?:\r?\n[ \t]+[^\r\n]*)*)
    | (?P<parameter>\*{3})(?=[&\#])
    | (?P<bare>(?:(?i:basic|bearer|digest|oauth|token)[ ]+)?
        (?:[^\s&"'<>\\,;.)\]}]|\\(?![nrt"'])|(?!;[A-Za-z][\w .-]{0,40}=)[,;.)\]}]++(?![\s&"'<>\\]|\Z))+)
    """,
    re.VERBOSE,
)
_ENCODED_END = re.compile(r"%(?:25){0,3}(?:26|22|7d|2c)", re.IGNORECASE)
_LINE = re.compile(r"""(?P<line>(?:[^\r\n"'<\\]|\\(?![nr"']))+)""")
# What error messages say after "token:"; hiding it would hide the reason of the failure.
_PROSE = re.compile(
    r"(?:token )?(?:\d{1,3}|a|an|are|can|cannot|could|denied|does|empty|error|expected|expired"
    r"|failed|false|for|forbidden|from|got|has|have|in|incorrect|invalid|is|malformed|mismatch"
    r"|missing|must|nil|no|none|not|null|of|or|required|revoked|signature|the|too|true"
    r"|unauthorized|undefined|unexpected|unknown|unsupported|was|wrong)(?=[.,:;]?(?:\s|\Z))",
    re.IGNORECASE,
)
# The same after a name without any mark between, as in "--token is required".
_WORD = re.compile(
    r"(?:and|as|at|by|does|flag|if|instead|may|on|only|option|parameter|should|so|that|this|to|via"
    r"|when|will|with|would|argument|header|value)(?![\w-])",
    re.IGNORECASE,
)

_ELEMENT = re.compile(r"(<([\w.:-]++)(?:\s[^<>]*+)?>(?:<!\[CDATA\[)?)([^<]++)(?=</)")
_TAG = re.compile(r"<[\w.:-]++(\s[^<>]*+)>([^<]*+)")
_ATTRIBUTE = re.compile(r"""([\w.:-]{1,64})\s{0,4}=\s{0,4}(\\{0,15}["'])([^"'\\<>]*+)""")
_LABELLED_ELEMENT = re.compile(
    r"<([\w.:-]{1,40})>\s{0,20}([^<>]{1,64})</\1>\s{0,40}((?:<[\w.:-]{1,40}(?:\s[^<>]{0,200})?>\s{0,20}){1,3})([^<]++)"
)
# name: DB_PASSWORD, then value: ..., on the next line or behind a comma.
_LABEL = re.compile(
    r"""(?<![\w@-])([\w@-]{1,40})\\{0,15}["']?[ \t]{0,40}(?:=>|[:=])[ \t]{0,40}\\{0,15}["']?([\w./-]{1,64})\\{0,15}["']?,?"""
    r"""(?:[ \t]{0,40}(?:\r?\n|\\n)?[ \t]{0,40}|[ \t]{0,4})[,;&]?[ \t]{0,4}\\{0,15}["']?([\w@-]{1,40})\\{0,15}["']?[ \t]{0,40}"""
    r"""(?:=>|[:=])[ \t]{0,40}(?=\S)"""
)
# ("X-Api-Key", "S"), also where the end was cut off.
_TUPLE = re.compile(
    r"""[\[({]\s{0,4}\\{0,15}["']([\w.-]{1,64})\\{0,15}["']\s{0,4},\s{0,4}(?:[bnu]?)\\{0,15}["']"""
    r"""([^"'\\\r\n]{1,4096})(?:\\{0,15}["']\s{0,4}[\])}]|\Z)"""
)
_PART = re.compile(r"""form-data;[^\r\n\\]{0,200}?\bname=\\{0,15}["']?([^"'\r\n;\\]{1,64})""")
_PART_HEAD_END = re.compile(r"(?:\r?\n|\\r\\n|\\n){2}")
_PART_END = re.compile(r"(?:\r?\n|\\r\\n|\\n)--|\Z")

_WORD_VALUE = r"""(?:\\{0,15}"[^"\r\n]*+|\\{0,15}'[^'\r\n]*+|[^\s"'\\,)\]}]++)"""
_NAMED = re.compile(rf"{NAME}|[-_]key|[-_]auth")
_DASH = re.compile(r"(?<![\w-])--?[A-Za-z]")
_FLAG = re.compile(
    rf"""(?<![\w-])(--?)([A-Za-z][\w.-]{{0,63}})(\\{{0,15}}["']?,?[ \t]{{1,4}})(?!-)({_WORD_VALUE})"""
)
_SETTING = re.compile(
    r"(?:\b(?:set(?:x|env)?(?: -\w{1,3})?|env|export|arg|declare|(?:\w{1,20}_)?set[-_]header|add[-_]header"
    rf"|header set|pass(?:_header)?|setenvif)\s{{1,4}})(\\{{0,15}}[\"']?)([\w.-]{{1,64}})(\\{{0,15}}[\"']?[ \t]{{1,40}})({_WORD_VALUE})",
    re.IGNORECASE,
)
_NETRC = re.compile(r"(\b(?:login|user|account)\s{1,4}\S{1,200}\s{1,40}password\s{1,4})(\S++)")
_DIRECTIVE = re.compile(
    r"(?m)(^[ \t]{0,40}(?:requirepass|masterauth|password)[ \t]{1,40})(\S++)(?=[ \t]{0,40}$)"
)
_USER = re.compile(
    r"""((?<![\w-])(?:-[uUa]|--user|--proxy-user|--auth|--basic|--userpwd)(?:[ =]|["'],\s{0,4})?\\{0,15}["']?[^\s:"'\\]{1,128}:)"""
    r"""([^\s"'\\,]++)"""
)
_COOKIE = re.compile(
    rf"(?<![\w-])(--cookie(?:=|[ \t]{{1,4}})|\bcurl\b[^\r\n|]{{0,300}}?\s-b )({_WORD_VALUE})"
)
_COMMANDS = re.compile(
    r"\b(?:mysql\w{0,20}|mariadb[\w-]{0,20}|sshpass|plink|pscp|7za?|unrar|mongo\w{0,12}|redis-cli"
    r"|docker(?: login)?|podman|helm|az|sqlcmd|bcp|mosquitto_\w{3}|ldap\w{2,10}|openssl|kubectl|psql|zip|cqlsh"
    r"|mycli|clickhouse-client|wget|rabbitmqadmin|influx)(?=[\s\"'])[^\r\n|]{0,500}"
)
_SHORT = re.compile(
    r"""((?<=[\s"'])-(p|P|a|w|k|pw))((?:\\{0,15}["'],)?[ \t]{1,4}|=)?(\\{0,15}["']?)([^\s"'\\,\]]++)"""
)
# Commands whose -p is followed by the secret in the next word; to others that is a port or a path.
_SPACED = re.compile(
    r"\A(?:sshpass|mongo|(?:docker|podman|helm)\b.{0,60}\blogin|az|mosquitto|7z|unrar|cqlsh|influx"
    r"|rabbitmqadmin)"
)
_SPACED_OTHER = {
    "P": re.compile(r"sqlcmd|bcp|mosquitto"),
    "a": re.compile(r"redis-cli"),
    "w": re.compile(r"ldap"),
    "k": re.compile(r"openssl"),
    "pw": re.compile(r"plink|pscp"),
}
_ATTACHED = re.compile(
    r"((?<![\w-])-p)(?=[^\s\"',]{0,40}\d)(?=[^\s\"',]{0,40}[A-Za-z])([^\s\"',/:=\\\]]{6,}+)(?![/:=])"
)
_SQL = re.compile(
    r"""((?<![\w"'])(?:identified\s(?:with\s[\w"'`]{1,60}\s)?(?:by|as)(?:\spassword)?"""
    r"""|(?:encrypted\s)?password)(?:\s{1,4}|\s{0,4}\(\s{0,4})[nN]?)(\\{0,15}["'])([^"'\r\n\\]++)""",
    re.IGNORECASE,
)
_INSERT = re.compile(
    r"(insert\sinto\s[\w.\"`\[\]]{1,128}\s{0,4}\()([^()]{1,2000})(\)\s{0,4}values\s{0,4}\()([^()]{1,4000})",
    re.IGNORECASE,
)
_ORACLE = re.compile(
    r"((?:sqlplus\s(?:-\w\s){0,3}|\boracle:(?:thin|oci):|connect\s)[\w$#]{1,60}/)([^\s@/\"']++)(?=@)",
    re.IGNORECASE,
)
_PASS_ARGUMENT = re.compile(r"((?<![\w])-(?:passin|passout|pass)\s{1,4}pass:)([^\s\"']++)")


def mask_named(text: str) -> str:
    """Mask the values of secret names in all forms of text."""
    lowered = _lower(text)
    if "</" in text or "/>" in text or "=" in text and "<" in text:
        text = _mask_markup(text)
        lowered = _lower(text)
    # Only text with such a name has a value for it; "key" alone is in many texts that have none.
    named = NAME_PART.search(lowered) is not None and bool(_NAMED.search(lowered))
    if named and "form-data" in lowered:
        text = _mask_parts(text)
    if named and "," in text:
        text = _TUPLE.sub(_mask_tuple, text)
    if named and (":" in text or "=" in text):
        text = _mask_labelled(text)
    if "-" in text and _DASH.search(text):
        text = _mask_commands(text)
    if named:
        text = _SETTING.sub(_mask_setting, text)
        text = _NETRC.sub(_mask_second, text)
        text = _DIRECTIVE.sub(_mask_unless_prose, text)
    if named or "dentified" in lowered:
        text = _SQL.sub(lambda match: f"{match[1]}{match[2]}{mask(match[3])}", text)
        text = _INSERT.sub(_mask_insert, text)
    if "/" in text and "@" in text:
        text = _ORACLE.sub(_mask_second, text)
    if named:
        text = _mask_pairs(text)
    return text


def _lower(text: str) -> str:
    # Lower case keeps every position but that of this one letter, which becomes two.
    return text.replace("\u0130", "i").lower()


def _mask_pairs(text: str) -> str:
    lowered = _lower(text)
    parts: list[str] = []
    done = 0
    for pair in _PAIR.finditer(lowered):
        start = pair.end()
        if (
            start <= done
            or _PROSE.match(text, start)
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
    text = match[2] if not match[2].strip() else mask(match[2])
    return f"<{name}{inner}>{text}"


def _mask_parts(text: str) -> str:
    """Mask the parts of multipart/form-data whose names are secret."""
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
    if not is_secret_label(match[1]) or _PROSE.match(match[2]):
        return match[0]
    return f"{match[0][: match.start(2) - match.start()]}{mask(match[2])}{match[0][match.end(2) - match.start() :]}"


def _mask_labelled(text: str) -> str:
    parts: list[str] = []
    done = position = 0
    while label := _LABEL.search(text, position):
        position = label.end(2)
        if (
            not is_value_key(label[3])
            or not is_label_key(label[1])
            or not is_secret_label(label[2])
        ):
            continue
        value = _VALUE.match(text, label.end())
        if value is None:
            continue
        begin, end = value.span(value.lastgroup or 0)
        parts += text[done:begin], mask(text[begin:end])
        done = position = max(end, position)
    return "".join([*parts, text[done:]])


def _mask_commands(text: str) -> str:
    text = _COOKIE.sub(_mask_word, text)
    text = _FLAG.sub(_mask_flag, text)
    text = _USER.sub(_mask_user, text)
    text = _PASS_ARGUMENT.sub(_mask_second, text)
    text = _COMMANDS.sub(_mask_command, text)
    return _ATTACHED.sub(_mask_second, text)


def _mask_flag(match: re.Match[str]) -> str:
    value = match[4]
    if not is_secret_label(match[2]) or _PROSE.match(value) or _WORD.match(value):
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


def _mask_setting(match: re.Match[str]) -> str:
    value = match[4]
    if not is_secret_label(match[2]) or _PROSE.match(value) or _WORD.match(value):
        return match[0]
    return match[0][: -len(value)] + _masked_word(value)


def _mask_word(match: re.Match[str]) -> str:
    return match[1] + _masked_word(match[2])


def _masked_word(word: str) -> str:
    """Mask a shell word; the quote at its start stays, the one at its end is not a part of it."""
    bare = word.lstrip("\\")
    quote = word[: len(word) - len(bare)]
    if bare[:1] in {'"', "'"}:
        quote, bare = quote + bare[:1], bare[1:]
    return quote + mask(bare)


def _mask_second(match: re.Match[str]) -> str:
    return f"{match[1]}{mask(match[2])}"


def _mask_unless_prose(match: re.Match[str]) -> str:
    prose = _PROSE.match(match[2]) or _WORD.match(match[2])
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
