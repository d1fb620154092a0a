"""``--since``: the accepted forms, and the sentences about invalid ones."""

from __future__ import annotations

import time

import pytest

from gateway.cli.since import parse_since
from gateway.normalise.timestamps import format_rfc3339, parse

NOW = parse("2026-03-04T09:10:11.120Z")


def since(text: str) -> str:
    return format_rfc3339(parse_since(text, NOW))


# One line for each form: the input, and the resulting moment at NOW.
FORMS = [
    ("90s", "2026-03-04T09:08:41.120Z"),
    ("30m", "2026-03-04T08:40:11.120Z"),
    ("1h", "2026-03-04T08:10:11.120Z"),
    ("7d", "2026-02-25T09:10:11.120Z"),
    ("2w", "2026-02-18T09:10:11.120Z"),
    ("1H", "2026-03-04T08:10:11.120Z"),
    ("7D", "2026-02-25T09:10:11.120Z"),
    ("0s", "2026-03-04T09:10:11.120Z"),
    ("1.5h", "2026-03-04T07:40:11.120Z"),
    ("1,5h", "2026-03-04T07:40:11.120Z"),
    ("1h30m", "2026-03-04T07:40:11.120Z"),
    ("1h 30m", "2026-03-04T07:40:11.120Z"),
    ("1d12h", "2026-03-02T21:10:11.120Z"),
    ("-1h", "2026-03-04T08:10:11.120Z"),
    ("1h ago", "2026-03-04T08:10:11.120Z"),
    ("1 hour ago", "2026-03-04T08:10:11.120Z"),
    ("2 days", "2026-03-02T09:10:11.120Z"),
    ("2 Days, 3 Hours", "2026-03-02T06:10:11.120Z"),
    ("15 min", "2026-03-04T08:55:11.120Z"),
    (" 1h ", "2026-03-04T08:10:11.120Z"),
    ("PT1H", "2026-03-04T08:10:11.120Z"),
    ("-PT1H", "2026-03-04T08:10:11.120Z"),
    ("pt1h", "2026-03-04T08:10:11.120Z"),
    ("PT1.5H", "2026-03-04T07:40:11.120Z"),
    ("PT1,5H", "2026-03-04T07:40:11.120Z"),
    ("PT90M", "2026-03-04T07:40:11.120Z"),
    ("P1DT12H", "2026-03-02T21:10:11.120Z"),
    ("P2W", "2026-02-18T09:10:11.120Z"),
    ("P1W1D", "2026-02-24T09:10:11.120Z"),
    ("now", "2026-03-04T09:10:11.120Z"),
    ("NOW", "2026-03-04T09:10:11.120Z"),
    ("today", "2026-03-04T00:00:00Z"),
    ("yesterday", "2026-03-03T00:00:00Z"),
    ("Yesterday", "2026-03-03T00:00:00Z"),
    ("2026-03-01", "2026-03-01T00:00:00Z"),
    ("1970-01-01", "1970-01-01T00:00:00Z"),
    ("20260301", "2026-03-01T00:00:00Z"),
    ("2026-W09-7", "2026-03-01T00:00:00Z"),
    ("2026-03-01T08:00:00Z", "2026-03-01T08:00:00Z"),
    ("2026-03-01t08:00:00z", "2026-03-01T08:00:00Z"),
    ("2026-03-01T08:00:00.123456789Z", "2026-03-01T08:00:00.123456789Z"),
    ("2026-03-01T08:00:00,5Z", "2026-03-01T08:00:00.500Z"),
    ("2026-03-01T08:00:00", "2026-03-01T08:00:00Z"),
    ("2026-03-01 08:00:00", "2026-03-01T08:00:00Z"),
    ("2026-03-01 08:00", "2026-03-01T08:00:00Z"),
    ("2026-03-01 08:00 UTC", "2026-03-01T08:00:00Z"),
    ("2026-03-01T08:00", "2026-03-01T08:00:00Z"),
    ("2026-03-01T08", "2026-03-01T08:00:00Z"),
    ("2026-03-01T08:00+08:00", "2026-03-01T00:00:00Z"),
    ("2026-03-01 08:00:00 +0800", "2026-03-01T00:00:00Z"),
    ("2026-03-01T08:00:00+08", "2026-03-01T00:00:00Z"),
    ("20260301T080000Z", "2026-03-01T08:00:00Z"),
    ("08:30", "2026-03-04T08:30:00Z"),
    ("08:30:15Z", "2026-03-04T08:30:15Z"),
    ("T08:30", "2026-03-04T08:30:00Z"),
]


@pytest.mark.parametrize(("text", "moment"), FORMS)
def test_form_is_understood(text: str, moment: str) -> None:
    assert since(text) == moment


EXAMPLES = (
    "Give a duration back from now such as 30m, 1h, 7d or P1DT12H, a time such as"
    " 2026-03-04T09:10:11Z or 2026-03-04, or now, today or yesterday."
)
VARIES = (
    "counts in months or years, whose length varies. Give days, such as 30d; minutes are a"
    " lower-case m."
)
MISTAKES = [
    ("", f"'' is neither a duration nor a time. {EXAMPLES}"),
    ("tomorrow", f"'tomorrow' is neither a duration nor a time. {EXAMPLES}"),
    ("last week", f"'last week' is neither a duration nor a time. {EXAMPLES}"),
    ("2026-13-01", f"'2026-13-01' is neither a duration nor a time. {EXAMPLES}"),
    (
        "2026-02-30T00:00:00Z",
        f"'2026-02-30T00:00:00Z' is neither a duration nor a time. {EXAMPLES}",
    ),
    ("25:00", f"'25:00' is neither a duration nor a time. {EXAMPLES}"),
    ("1h30", f"'1h30' is neither a duration nor a time. {EXAMPLES}"),
    ("1.2.3h", f"'1.2.3h' is neither a duration nor a time. {EXAMPLES}"),
    ("24", f"'24' has no unit. {EXAMPLES}"),
    ("5x", f"'5x' has the unknown unit 'x'. {EXAMPLES}"),
    ("500ms", f"'500ms' has the unknown unit 'ms'. {EXAMPLES}"),
    ("1M", f"'1M' {VARIES}"),
    ("3 months", f"'3 months' {VARIES}"),
    ("1y", f"'1y' {VARIES}"),
    (
        "P1M",
        "'P1M' counts in years or months, whose length varies; give weeks, days, hours, minutes or"
        " seconds, such as P30D.",
    ),
    ("999999999999d", "'999999999999d' reaches back to before the year 1."),
    ("PT999999999999H", "'PT999999999999H' reaches back to before the year 1."),
    ("0000-01-01", f"'0000-01-01' is neither a duration nor a time. {EXAMPLES}"),
]


@pytest.mark.parametrize(("text", "sentence"), MISTAKES)
def test_mistake_is_named_with_advice(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=r"\.$") as caught:
        parse_since(text, NOW)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    "text", ["P", "PT", "P1", "P1H", "PT1D", "P1D1W", "PTT1H", "P1.D.", "x" * 9999]
)
def test_refusal_of_odd_text_is_short(text: str) -> None:
    with pytest.raises(ValueError, match=r"\.$") as caught:
        parse_since(text, NOW)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-01", "2026-03-01T00:00:00Z"),
        ("2026-W09-7", "2026-03-01T00:00:00Z"),
        ("08:30", "2026-03-04T08:30:00Z"),
        ("today", "2026-03-04T00:00:00Z"),
    ],
)
def test_zone_of_the_machine_does_not_count(
    monkeypatch: pytest.MonkeyPatch, text: str, moment: str
) -> None:
    """The list shows UTC, and the same command has to mean the same everywhere."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        shown = since(text)
    time.tzset()
    assert shown == moment
