"""Redaction: mask the secrets in everything that is shown, cached or logged.

A value is masked because of its name (a header, a JSON key, a query parameter, ``name: value`` in
text: ``gateway.normalise.secret_names`` and ``secret_text``) or because of its shape (an e-mail
address, a token of a known kind, the secret part of a webhook's URL: ``secret_shapes``). MASK
replaces it, after the prefix that shows a token's kind; all other text is unchanged. Redacting
twice has the same result as redacting once. Nothing here raises, and every pattern takes linear
time.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote_plus, unquote, unquote_plus

from gateway.model import Header
from gateway.normalise.argument_lists import mask_arguments
from gateway.normalise.encoded_text import redact_encoded
from gateway.normalise.secret_names import (
    MASK,
    MASKED,
    is_label_key,
    is_secret_header,
    is_secret_label,
    is_secret_name,
    is_value_key,
    mask,
    may_hold_name,
)
from gateway.normalise.secret_shapes import (
    is_random,
    mask_private_keys,
    mask_segments,
    mask_tokens,
    mask_webhook_paths,
)
from gateway.normalise.secret_text import mask_named

__all__ = ["MASK", "redact_headers", "redact_json", "redact_text", "redact_url"]

_MAX_DEPTH = 64
# Number of levels that a text inside a text counts as (JSON in a JSON string, a URL in a query).
_TEXT_DEPTH = 16
# After one pass, the text next to a mask may look like another secret. A text that still does so
# after this many passes was crafted to, and is masked completely.
_MAX_PASSES = 4

# Names that are secret as the name of a parameter, although they are common words elsewhere.
_SECRET_PARAMETERS = frozenset({"auth", "code", "key", "pass", "sas", "sign"})

# Types that mark the value next to them as secret, as in forms and parameters of build servers.
_SECRET_TYPES = ("password", "secret", "token", "apiKey", "api_key")

# Texts in which no rule can mask anything. Most values are such: short words, hexadecimal ids,
# times.
_PLAIN = re.compile(r"[\w.,/+-]{0,15}|[0-9A-Fa-f-]{16,64}|\d{4}-\d\d-\d\d[T ][\d:.Z+-]{4,21}")

_WORD = re.compile(r"[\w.$-]{0,64}")
_MAX_KEY = 64
_NO_COLUMNS: frozenset[int] = frozenset()

_URL = re.compile(r""":(?:\\?/){2}[^\s"'<>\\`]*+(?:\\/[^\s"'<>\\`]*+)*""")
_USER_INFO = re.compile(
    # A password may contain an unescaped / ? or #. The text before that is not a host, whose colon
    # only a port could follow.
    r"//(?:[^/?#@\s\[:]*+:(?!\d*(?:[/?#]|\Z))[^@\s]{0,200}+|[^/?#@\s]*+)@(?:[^/?#@\s]*+@)*"
)
_FORM = re.compile(r"[\w.\-\[\]%+*$]++=(?=\S*[&%])\S*+")


def redact_url(url: str) -> str:
    """Mask user info, secret parameters of query and fragment, and secret parts of the path.

    Secret parts are those of known webhook URLs (Telegram, Slack, Discord and others) and long
    segments that look random. UUIDs, numbers, hexadecimal ids of up to 40 digits and words are not
    masked. Text that is not a URL is redacted as text.
    """
    for _ in range(_MAX_PASSES):
        clean = redact_text(_redact_url(url, 0))
        if clean == url:
            return url
        url = clean
    return MASK


def redact_headers(headers: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> tuple[Header, ...]:
    """Convert headers, with values of any JSON type, to a tuple with the secret ones masked.

    A list becomes one value, joined by commas. ``redacted`` is also True if the vendor masked the
    value.
    """
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    return tuple(_redact_header(name, value) for name, value in pairs)


def redact_text(text: str) -> str:
    """Mask the secrets in any text, such as an error message or a body: JSON, a form or other text.

    JSON in which something was masked is encoded again, in its shortest form.
    """
    return _redact_string(text, -_TEXT_DEPTH)


def redact_json(value: Any) -> Any:
    """Copy a decoded JSON document with its secrets masked.

    Everything below a key such as ``password`` or ``credentials`` is masked, except booleans and
    nulls, and so is everything deeper than 64 levels. Entries of one object whose keys are masked
    collapse into one.
    """
    return _redact_value(value, 0, hidden=False)


def _redact_header(name: str, value: Any) -> Header:
    text = ", ".join(map(_header_text, value)) if isinstance(value, list) else _header_text(value)
    clean = mask(text) if is_secret_header(name[-64:]) else _redact_string(text, 0)
    return Header(name, clean, MASK in clean or MASKED.fullmatch(clean) is not None)


def _header_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(redact_json(value), ensure_ascii=False)


def _redact_value(value: Any, depth: int, *, hidden: bool) -> Any:
    if isinstance(value, str):
        return mask(value) if hidden else _redact_string(value, depth)
    if isinstance(value, dict | list):
        if depth >= _MAX_DEPTH:
            return MASK
        depth += 1
        if isinstance(value, list):
            return _redact_list(value, depth, hidden=hidden)
        return _redact_object(value, depth, hidden=hidden)
    if hidden and not isinstance(value, bool) and value is not None:
        return MASK
    return value


def _redact_object(members: dict[str, Any], depth: int, *, hidden: bool) -> dict[str, Any]:
    keys = [_read_key(key) if len(key) <= _MAX_KEY else _Key(key) for key in members]
    labelled, dual, columns = False, False, _NO_COLUMNS
    if True in [key.holds_value for key in keys]:
        labelled = members.get("type") in _SECRET_TYPES or members.get("kind") == "Secret"
        if "op" in members:  # RFC 6902
            labelled = labelled or is_secret_label(members.get("path"))
        for key in keys:
            if key.holds_label:
                item = members[key.name]
                if key.holds_value:
                    dual = dual or is_secret_label(item)
                else:
                    labelled = labelled or is_secret_label(item)
                columns |= _secret_columns(key.name, item)
    clean: dict[str, Any] = {}
    for key in keys:
        name = key.name
        item = members[name]
        secret = hidden or key.secret
        if key.holds_value and not secret:
            # Under "text", a label or a value may stand. It is the label if no other key has one.
            secret = labelled or (dual and not (key.holds_label and is_secret_label(item)))
            item = _mask_columns(item, columns) if columns else item
        if secret or not isinstance(item, str):
            item = _redact_value(item, depth, hidden=secret)
        elif _PLAIN.fullmatch(item) is None:
            item = _redact_string(item, depth)
        clean[name if key.plain else _redact_string(name, depth)] = item
    return clean


class _Key:
    """What the key of an object reveals about its value."""

    __slots__ = ("holds_label", "holds_value", "name", "plain", "secret")

    def __init__(self, key: str) -> None:
        self.name = key
        self.secret = is_secret_name(key[-_MAX_KEY:])
        self.holds_label = is_label_key(key)
        self.holds_value = is_value_key(key)
        # Without separators there is no text inside the text, so the depth does not matter.
        self.plain = _WORD.fullmatch(key) is not None and _redact_text(key, 0) == key


_read_key = functools.lru_cache(maxsize=4096)(_Key)


def _redact_list(items: list[Any], depth: int, *, hidden: bool) -> list[Any]:
    if hidden:
        return [_redact_value(item, depth, hidden=True) for item in items]
    return [
        item
        if isinstance(item, str) and _PLAIN.fullmatch(item)
        else _redact_value(item, depth, hidden=False)
        for item in (mask_arguments(items) if len(items) > 1 else items)
    ]


def _secret_columns(key: str, names: Any) -> frozenset[int]:
    """Find the secret names in a list of names, such as ``{"names": [...], "values": [...]}``."""
    if not isinstance(names, list) or not key.lower().endswith("s"):
        return _NO_COLUMNS
    return frozenset(index for index, name in enumerate(names) if is_secret_label(name))


def _mask_columns(values: Any, columns: frozenset[int]) -> Any:
    if not isinstance(values, list):
        return values
    return [
        mask(item) if index in columns and isinstance(item, str) else _mask_columns(item, columns)
        for index, item in enumerate(values)
    ]


def _redact_string(text: str, depth: int) -> str:
    if _PLAIN.fullmatch(text):
        return text
    if depth > _MAX_DEPTH:
        return MASK
    for _ in range(_MAX_PASSES):
        if text.lstrip()[:1] in {"{", "[", '"'}:
            try:
                document = json.loads(text, object_pairs_hook=_object)
            except (ValueError, RecursionError):
                pass
            else:
                return _redact_json_text(text, document, depth + _TEXT_DEPTH)
        form = "=" in text and _FORM.fullmatch(text)
        clean = _redact_parameters(text, depth) if form else text
        clean = _redact_text(clean, depth)
        if clean == text:
            return text
        text = clean
    return MASK


def _redact_json_text(text: str, document: Any, depth: int) -> str:
    clean = _redact_value(document, depth, hidden=False)
    if clean == document:
        return text
    # A lone surrogate can come only from an escape, and can be written only as one.
    return json.dumps(clean, ensure_ascii="\\u" in text, separators=(",", ":"))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("A repeated key could hide a secret from the walk.")
    return members


def _redact_text(text: str, depth: int) -> str:
    if "-----BEGIN" in text:
        text = mask_private_keys(text)
    if ":/" in text or ":\\/" in text:
        text = _URL.sub(lambda match: _redact_embedded_url(match[0], depth), text)
    if "/" in text:
        text = mask_webhook_paths(text)
    text = mask_named(text)
    if "%" in text or "&" in text or "\\u00" in text:
        text = redact_encoded(text, lambda plain: _redact_string(plain, depth + _TEXT_DEPTH))
    return mask_tokens(text)


def _redact_embedded_url(text: str, depth: int) -> str:
    url = text.rstrip(".,;:!?)]}\\")
    tail = text[len(url) :]
    if "\\/" not in url:
        return _redact_url(url, depth) + tail
    plain = url.replace("\\/", "/")
    clean = _redact_url(plain, depth)
    return text if clean == plain else clean.replace("/", "\\/") + tail


def _redact_url(url: str, depth: int) -> str:
    if "@" in url:
        url = _USER_INFO.sub(f"//{MASK}@", url)
    rest, hash_mark, fragment = url.partition("#")
    path, question_mark, query = rest.partition("?")
    path = mask_segments(path)
    query = _redact_parameters(query, depth) if query else ""
    fragment = _redact_parameters(fragment, depth) if fragment else ""
    return f"{path}{question_mark}{query}{hash_mark}{fragment}"


def _redact_parameters(text: str, depth: int) -> str:
    if "&" not in text:
        return _redact_parameter(text, depth)
    parts = text.split("&")
    groups = _secret_groups(parts) if "%" in text or may_hold_name(text.lower()) else ()
    return "&".join(
        [
            _mask_parameter(part)
            if groups and (found := _grouped(part))[0] in groups and is_value_key(found[1])
            else _redact_parameter(part, depth)
            for part in parts
        ]
    )


def _secret_groups(parts: list[str]) -> set[str]:
    """Find the groups with a secret name: fields[0][name]=password&fields[0][value]=..."""
    groups = set()
    for part in parts:
        value = part.partition("=")[2]
        if "%" in value or (value != MASK and may_hold_name(value[-64:].lower())):
            group, key, label = _grouped(part)
            if is_label_key(key) and is_secret_label(label):
                groups.add(group)
    return groups


def _grouped(part: str) -> tuple[str, str, str]:
    """Split a parameter into its group, the rest of its name, and its value."""
    name, _, value = part.partition("=")
    plain = re.sub(r"[\].]+\Z", "", unquote_plus(name))
    head = re.match(r"(?s)(.*?)([^\[\].]{0,64})\Z", plain[-128:])
    return (head[1], head[2], unquote_plus(value)) if head else ("", plain, value)


def _mask_parameter(part: str) -> str:
    name, _, value = part.partition("=")
    return f"{name}={mask(value)}"


def _redact_parameter(part: str, depth: int) -> str:
    name, _, value = part.partition("=")
    if not value:
        return MASK if is_random(unquote(part)) else part
    plain_name = unquote_plus(name[-64:]).rpartition("?")[2]
    if plain_name.lower() in _SECRET_PARAMETERS or is_secret_name(plain_name.rstrip("[]")):
        return f"{name}={mask(value)}"
    plain = unquote_plus(value)
    clean = MASK if is_random(plain) else _redact_string(plain, depth + _TEXT_DEPTH)
    if clean == plain:
        return part
    return f"{name}={clean if plain == value else quote_plus(clean, safe='*')}"
