"""Numbers in the text of pages match the code."""

from __future__ import annotations

import importlib
import re
from typing import Any

import pytest

from gateway.config.cache import CacheSettings
from tests.docs.pages import PAGES

README = "README.md"
HTTP = ".github/docs/http.md"
LIMITS = ".github/docs/limits.md"
STATISTICS = ".github/docs/statistics.md"
TROUBLE = ".github/docs/troubleshooting.md"

NUMBERS = [
    ("gateway.callers.attempts.LIMIT", 10, LIMITS, "ten of one address within a minute"),
    ("gateway.callers.attempts.WINDOW", 60, LIMITS, "ten of one address within a minute"),
    ("gateway.cli.http_server.HEAD_TIMEOUT", 10, LIMITS, "100 headers, ten seconds to arrive"),
    ("gateway.cli.http_server.READ_TIMEOUT", 60, LIMITS, "a minute to be read"),
    ("gateway.cli.listening.KEEP_ALIVE", 75, README, "kept for 75 seconds"),
    ("gateway.feed.filters.MAX_DEPTH", 10, LIMITS, "ten levels"),
    ("gateway.feed.filters.MAX_PARTS", 200, LIMITS, "200 comparators and nested filters"),
    ("gateway.feed.filters.MAX_OPERANDS", 100, LIMITS, "100 values in a list"),
    ("gateway.feed.filters.MAX_TEXT", 1000, LIMITS, "1000 characters in a text"),
    ("gateway.feed.paging.MAX_PAGE_SIZE", 100, LIMITS, "100 logs, hooks or actions"),
    ("gateway.stats.buckets.MAX_BUCKETS", 750, LIMITS, "750 buckets"),
    ("gateway.stats.buckets.MAX_BUCKETS", 750, STATISTICS, "at most 750"),
    ("gateway.upstream.breaker.MIN_CALLS", 10, TROUBLE, "half of at least ten calls"),
    ("gateway.upstream.breaker.PROBE_INTERVAL", 5, TROUBLE, "nothing is sent for five seconds"),
    ("gateway.upstream.breaker.FAILURE_SHARE", 0.5, TROUBLE, "half of at least ten calls"),
    ("gateway.upstream.breaker.WINDOW", 30, TROUBLE, "within 30 seconds"),
    ("gateway.upstream.client.SLOW", 0.75, TROUBLE, "within three quarters of `timeout`"),
    ("gateway.upstream.exchange.MAX_BYTES", 2**24, LIMITS, "16 MiB"),
    ("gateway.upstream.limits.MAX_PAUSE", 300, TROUBLE, "for five minutes at most"),
    ("gateway.upstream.retry.ATTEMPTS", 3, TROUBLE, "sent up to three times"),
    ("gateway.upstream.trace.MAX_STATE_LENGTH", 512, HTTP, "up to 512 characters"),
    ("gateway.web.body.TIMEOUT", 10, LIMITS, "ten seconds to arrive"),
    ("gateway.web.header_limit.MAX_BYTES", 2**16, LIMITS, "64 KiB"),
    ("gateway.web.header_limit.MAX_HEADERS", 100, LIMITS, "100 headers"),
]


@pytest.mark.parametrize(("name", "value", "path", "words"), NUMBERS, ids=lambda it: str(it)[-40:])
def test_number_matches_the_code(name: str, value: float, path: str, words: str) -> None:
    module, _, constant = name.rpartition(".")
    real: Any = getattr(importlib.import_module(module), constant)
    assert real == value
    assert words in PAGES[path].text


def test_lifetimes_match_the_cache() -> None:
    rows = re.findall(
        r"^\| .* \| (\d+) (second|minute)s? \| `(\w+)` \|$",
        PAGES[".github/docs/cache.md"].text,
        re.MULTILINE,
    )
    shown = {name: int(count) * {"second": 1, "minute": 60}[unit] for count, unit, name in rows}
    usual = CacheSettings()
    assert shown == {name: getattr(usual, name) for name in shown}
    assert shown.keys() == {"first_page", "page", "detail", "hooks", "negative"}
