"""Mask secrets by their shape: tokens, keys, e-mail addresses, random text, webhook URLs."""

from __future__ import annotations

import re
from urllib.parse import unquote

from gateway.normalise.secret_names import MASK

_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY[\s\S]*?(?:-----END [A-Z0-9 ]{0,40}-----|\Z)"
)
_SCHEME = re.compile(
    r"([Bb](?i:asic|earer) {1,4})(?=[\w.~+/-]*(?:\d|[a-z][A-Z]|=)|\S{24})[\w.~+/-]{8,}+=*"
)
# Begins with a small set of characters, so that a search stops only at these.
_MARKED_TOKEN = re.compile(
    r"""([-_.:])(?=[\w+/=*-]{8})(?:
      (?<=gh[oprsu]_)\w{20,}+ | (?<=github_pat_)\w{20,}+             # GitHub, GitLab
    | (?<=gl(?:dt|ft|rt)-)[\w-]{16,}+ | (?<=gl(?:cbt|imt|oas|pat|ptt)-)[\w-]{16,}+
    | (?<=xox[abceoprs]-)[\w-]{10,}+ | (?<=xapp-)\d-[\w-]{10,}+        # Slack
    | (?<=[prs]k_(?:live|test)_)\w{8,}+ | (?<=whsec_)[\w+/=]{16,}+     # Stripe, Svix
    | (?<=ya29\.)[\w-]{20,}+ | (?<=GOCSPX-)[\w-]{20,}+                 # Google
    | (?<=\bt1\.)[\w.=-]{20,}+ | (?<=\by[0-3]_)[\w-]{30,}+             # prefixes of two issuers
    | (?<=[\d*]:)AA[\w*-]{20,}+                                        # Telegram
    | (?<=\bSG\.)[\w.-]{32,}+ | (?<=\bkey-)[0-9a-f]{32}                # SendGrid, Mailgun
    | (?<=shp(?:at|ca|pa|ss)_)[0-9A-Fa-f]{32} | (?<=sq0[a-z]{3}-)[\w-]{22,}+
    | (?<=npm_)\w{36} | (?<=pypi-)[\w-]{50,}+ | (?<=\bhf_)\w{30,}+ | (?<=hv[brs]\.)[\w-]{20,}+
    | (?<=do[opr]_v1_)[0-9a-f]{64} | (?<=lin_api_)\w{20,}+ | (?<=\bsk-)[\w-]{20,}+
    )""",
    re.VERBOSE,
)
_KEY_ID = re.compile(r"(A)(?:[KS]IA[A-Z0-9]{16}|Iza[\w-]{35}|QVN[\w-]{30,}+|TATT3[\w=-]{20,}+)")
# A run that is not a token is skipped as a whole, so that each "eyJ" in it is not tried again.
_WEB_TOKEN = re.compile(r"eyJ[\w-]*+(\.[\w-]{8,}+(?:\.[\w-]*+){0,3})?")
# The user in an SSH clone URL is not a person.
_EMAIL = re.compile(
    r"(?<![\w.+-])(?!git@)[\w.+-]++(?<=[\w+-])(?:@|%40)"
    r"(?:[\w-]++\.)+[^\W\d_]{2,}+(?:[\w.+-]*[\w+-])?"
)

_SECRET_PATH = re.compile(
    r"""(
      /bot[\d*]{3,}+:                                          # Telegram
    | /services/T[A-Z0-9]{1,40}/B[A-Z0-9]{1,40}/               # Slack, here and in the next line
    | /(?:triggers|workflows)/[ET][A-Z0-9]{1,40}/(?:A[A-Z0-9]{1,40}/)?\d{1,40}/
    | /api/(?:v\d{1,2}/)?webhooks/\d{1,40}/                    # Discord
    | /IncomingWebhook/                                        # Microsoft Teams
    | /hooks/catch/\d{1,40}/                                   # Zapier
    | /with/key/                                               # IFTTT
    | /bot/v2/hook/                                            # Feishu and Lark
    | /hooks/(?=[a-z0-9]{26}(?!\w))                            # Mattermost
    | /(?i:(?:access[_-]?)?token|api[_-]?key|secret)/(?=[^/\s]{0,40}\d)(?=[^/\s]{8})
    )[^/?#&\s"'<>)\],;]+""",
    re.VERBOSE,
)
_SEGMENT = re.compile(r"(?<![^/])[\w~+=%-]{20,}+(?![^/;])")
_LONG_WORD = re.compile(r"(?=[^\d]*\d)(?=[\w~+/=-]*?[A-Za-z0-9]{12})[\w~+/=-]{20,}+")
_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_PLAIN_ID = re.compile(r"[0-9A-Fa-f-]{0,40}|[\d-]+")
_CLASS_CHANGE = re.compile(r"[a-z](?=[A-Z0-9])|[A-Z](?=[0-9])|[0-9](?=[A-Za-z])")


def mask_tail(match: re.Match[str]) -> str:
    """Mask a match except for its first group, which shows the kind of the secret."""
    return f"{match[1]}{MASK}"


def mask_tokens(text: str) -> str:
    """Mask tokens of well-known kinds and e-mail addresses."""
    if " " in text:
        lowered = text.lower()
        if "earer " in lowered or "asic " in lowered:
            text = _SCHEME.sub(mask_tail, text)
    if "-" in text or "_" in text or "." in text or ":" in text:
        text = _MARKED_TOKEN.sub(mask_tail, text)
    if "A" in text:
        text = _KEY_ID.sub(mask_tail, text)
    if "eyJ" in text:
        text = _WEB_TOKEN.sub(lambda match: MASK if match[1] else match[0], text)
    if "@" in text or "%40" in text:
        text = _EMAIL.sub(MASK, text)
    return text


def mask_private_keys(text: str) -> str:
    """Mask keys in PEM form, including one that was cut off."""
    return _PRIVATE_KEY.sub(MASK, text)


def mask_webhook_paths(text: str) -> str:
    """Mask the secret part of webhook addresses such as those of Slack and Telegram."""
    return _SECRET_PATH.sub(mask_tail, text)


def mask_segments(path: str) -> str:
    """Mask long segments of a URL's path that look random."""
    return _SEGMENT.sub(_mask_segment, path)


def _mask_segment(match: re.Match[str]) -> str:
    return MASK if is_random(unquote(match[0])) else match[0]


def is_random(text: str) -> bool:
    """Recognise a generated secret by how often letters, capitals and digits alternate.

    They do so at about 4 of 10 positions of a random text, but at less than 2 of 10 even in a name
    such as ``processIncomingWebhookEventsV2``.
    """
    if _LONG_WORD.fullmatch(text) is None:
        return False
    rest = _UUID.sub("", text)
    return _PLAIN_ID.fullmatch(rest) is None and 5 * len(_CLASS_CHANGE.findall(rest)) >= len(rest)
