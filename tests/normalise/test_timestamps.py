from __future__ import annotations

import contextlib
import datetime as dt
import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.model import Timestamp
from gateway.normalise.timestamps import (
    EARLIEST,
    LATEST,
    format_millis,
    format_rfc3339,
    parse,
    parse_moment,
)

NOW = parse("2026-03-04T09:10:11.120Z")
timestamps = st.integers(EARLIEST, LATEST).map(Timestamp)


@pytest.mark.parametrize(
    ("text", "same_moment"),
    [
        ("2026-03-04T17:10:11.120+08:00", "2026-03-04T09:10:11.120Z"),
        ("2025-02-25T14:22:03.596+0000", "2025-02-25T14:22:03.596Z"),
        ("2018-06-21 19:03:31.799810031Z", "2018-06-21T19:03:31.799810031Z"),
        ("2018-06-21 19:03:31Z", "2018-06-21T19:03:31Z"),
        ("2026-03-04T09:14:55.5Z", "2026-03-04T09:14:55.500Z"),
        ("2026-03-04T09:10:11.12043z", "2026-03-04T09:10:11.120430Z"),
        ("2026-03-04t03:40:11-0530", "2026-03-04T09:10:11Z"),
        ("2025-09-23T00:00:00", "2025-09-23T00:00:00Z"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
        ("2016-12-31T23:59:60.25Z", "2017-01-01T00:00:00.250Z"),
        ("2024-02-29T23:59:59.999999999Z", "2024-02-29T23:59:59.999999999Z"),
        ("1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z"),
    ],
)
def test_vendors_variants_of_rfc_3339_are_parsed(text: str, same_moment: str) -> None:
    assert format_rfc3339(parse(text)) == same_moment


MOMENT = "2026-11-28T17:07:35Z"
FORMS = [
    # Go, Ruby, Python, PostgreSQL, MySQL, logs
    ("2026-11-28 19:07:35 +0200", MOMENT),
    ("2026-11-28 17:07:35 UTC", MOMENT),
    ("2026-11-28 17:07:35 +0000 UTC", MOMENT),
    ("2026-11-28 19:07:35.5 +0200 CEST m=+0.1", "2026-11-28T17:07:35.500Z"),
    ("2026-11-28 17:07:35.000000001 +0000 UTC m=-12.5", "2026-11-28T17:07:35.000000001Z"),
    ("2026-11-28 22:37:35 +0530 +0530", MOMENT),
    ("2026-11-28 17:07:35", MOMENT),
    ("2026-11-28 17:07:35+00", MOMENT),
    ("2026-11-28 17:07:35.25-00", "2026-11-28T17:07:35.250Z"),
    ("2026-11-28 19:07:35 UTC+02:00", MOMENT),
    ("2026-11-28 19:07:35 GMT+2", MOMENT),
    ("2026-11-28 17:07:35,120", "2026-11-28T17:07:35.120Z"),
    ("2026/11/28 17:07:35", MOMENT),
    ("28/Nov/2026:19:07:35 +0200", MOMENT),
    # ISO 8601 and RFC 9557
    ("2026-11-28T17:07Z", "2026-11-28T17:07:00Z"),
    ("2026-11-28T17:07", "2026-11-28T17:07:00Z"),
    ("2026-11-28T19:07+02", "2026-11-28T17:07:00Z"),
    ("2026-11-28T17:07:35+00", MOMENT),
    ("2026-11-28T17:07:35-00:00", MOMENT),
    ("2026-11-28T15:07:35\u221202:00", MOMENT),
    ("2026-11-28T17:07:35.1234567890Z", "2026-11-28T17:07:35.123456789Z"),
    ("2026-11-28T17:07:35,5Z", "2026-11-28T17:07:35.500Z"),
    ("2026-11-28t17:07:35.5z", "2026-11-28T17:07:35.500Z"),
    (" 2026-11-28T17:07:35 Z\n", MOMENT),
    ("2026-11-28T24:00:00Z", "2026-11-29T00:00:00Z"),
    ("2026-11-28T19:07:35+02:00[Europe/Berlin]", MOMENT),
    ("2026-11-28T17:07:35Z[UTC]", MOMENT),
    ("2026-11-28T19:07:35+02:00:00", MOMENT),
    ("20261128T170735Z", MOMENT),
    ("20261128T1907+0200", "2026-11-28T17:07:00Z"),
    ("20261128T170735.123Z", "2026-11-28T17:07:35.123Z"),
    ("2026-W48-6T17:07:35Z", MOMENT),
    ("2026W486T170735Z", MOMENT),
    ("2026-332T17:07:35Z", MOMENT),
    ("20261128170735", MOMENT),
    # RFC 1123, RFC 850, asctime, date, JavaScript, Twitter, Java
    ("Sat, 28 Nov 2026 17:07:35 GMT", MOMENT),
    ("Sat, 28 Nov 2026 19:07:35 +0200", MOMENT),
    ("28 Nov 2026 17:07 UT", "2026-11-28T17:07:00Z"),
    ("Saturday, 28-Nov-26 17:07:35 GMT", MOMENT),
    ("Sunday, 06-Nov-94 08:49:37 GMT", "1994-11-06T08:49:37Z"),
    ("Sat Nov 28 17:07:35 2026", MOMENT),
    ("Sat Nov  7 17:07:35 2026", "2026-11-07T17:07:35Z"),
    ("Sat Nov 28 17:07:35 UTC 2026", MOMENT),
    ("Sat Nov 28 17:07:35 +0000 2026", MOMENT),
    ("Sat Nov 28 2026 19:07:35 GMT+0200 (Central European Standard Time)", MOMENT),
    ("Nov 28, 2026, 5:07:35 PM", MOMENT),
    ("Nov 28, 2026 12:07:35 AM UTC", "2026-11-28T00:07:35Z"),
    ("/Date(1795885655123+0200)/", "2026-11-28T17:07:35.123Z"),
    # Numbers since 1970
    (1795885655, MOMENT),
    ("1795885655", MOMENT),
    (1795885655.123, "2026-11-28T17:07:35.123Z"),
    ("1795885655.123456789", "2026-11-28T17:07:35.123456789Z"),
    (1795885655123, "2026-11-28T17:07:35.123Z"),
    ("1795885655123", "2026-11-28T17:07:35.123Z"),
    (1795885655123.0, "2026-11-28T17:07:35.123Z"),
    (1795885655123456, "2026-11-28T17:07:35.123456Z"),
    (1795885655123456789, "2026-11-28T17:07:35.123456789Z"),
    ("1795885655123456789", "2026-11-28T17:07:35.123456789Z"),
    ("1.795885655e9", MOMENT),
    (10**9, "2001-09-09T01:46:40Z"),
    (4102444799, "2099-12-31T23:59:59Z"),
    (0, "1970-01-01T00:00:00Z"),
    (-62135596800, "0001-01-01T00:00:00Z"),
]
"""Forms that vendors may write, and the time in RFC 3339, one per line."""


@pytest.mark.parametrize(("value", "moment"), FORMS, ids=repr)
def test_every_unambiguous_form_is_parsed(value: str | float, moment: str) -> None:
    """A log without its time can't be found by time, and loses its position in the list."""
    assert format_rfc3339(parse(value)) == moment


@pytest.mark.parametrize(
    "number", [1, -1, 10**9 - 1, 4102444800, 10**30, 10**4000, 1e300, math.nan, math.inf, True]
)
def test_number_without_a_plausible_unit_is_refused(number: float) -> None:
    with pytest.raises(ValueError, match="not a date and time"):
        parse(number)


@pytest.mark.slow
@given(st.text() | st.floats() | st.integers() | st.from_regex(r"[0-9TZ:+. /-]{1,30}"))
def test_any_value_is_parsed_or_refused(value: str | float) -> None:
    with contextlib.suppress(ValueError):
        assert EARLIEST <= parse(value) <= LATEST


def test_timestamps_are_nanoseconds_since_1970() -> None:
    assert parse("1970-01-01T00:00:00Z") == 0
    assert parse("1970-01-02T00:00:01.000000002Z") == 86_401 * 10**9 + 2
    assert parse("1969-12-31T23:59:59Z") == -(10**9)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-03-04",
        "2026-03-04T09:10:11.Z",
        "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-00-10T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "2026-03-04T09:60:00Z",
        "2026-03-04T09:10:61Z",
        "2026-03-04T09:10:11+24:00",
        "2026-03-04T09:10:11+08:60",
        "2026-03-04T09:10:11+8",
        "2026-03-04_09:10:11Z",
        "٢٠٢٦-03-04T09:10:11Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "9999-12-31T23:59:60Z",
        # Not a time, or ambiguous
        "2026-11-28T17",
        "11/28/2026 17:07:35",
        "28.11.2026 17:07:35",
        "2026-11-28 19:07:35 CST",
        "Sat Nov 28 19:07:35 CST 2026",
        "2026-11-28 19:07:35 (CEST)",
        "2026-11-28T19:07:35[Europe/Berlin]",
        "2026-11-28 19:07:35 +0200 UTC",
        "2026-11-28 07:07:35 PM",
        "Sat Nov 28 17:07:35",
        "28 Nom 2026 17:07:35 GMT",
        "2026-11-28T24:00:01Z",
        "2025-366T17:07:35Z",
        "2026-W54-1T17:07:35Z",
        "Nov 28, 2026 13:07:35 PM",
        # Not a plausible time in any unit
        "12345",
        "999999999",
        "4102444800",
        "32503680000000",
        "-1",
        "1e99",
        "1795885655 s",
        "20261328170735",
        "9" * 5000,
        "1." + "0" * 5000,
    ],
)
def test_ambiguous_text_is_refused_and_not_repeated(text: str) -> None:
    sentence = r"^This is not a date and time such as 2026-03-04T09:10:11\.120Z\.$"
    with pytest.raises(ValueError, match=sentence):
        parse(text)


@given(timestamps)
@example(EARLIEST)
@example(LATEST)
@example(Timestamp(-1))
def test_formatted_timestamp_is_parsed_back(timestamp: Timestamp) -> None:
    assert parse(format_rfc3339(timestamp)) == timestamp
    assert parse_moment(format_rfc3339(timestamp), NOW) == timestamp


@given(timestamps)
def test_millis_truncate_to_the_millisecond(timestamp: Timestamp) -> None:
    floor = timestamp // 1_000_000 * 1_000_000
    assert parse(format_millis(timestamp)) == floor
    assert format_millis(timestamp, "+0000") == format_millis(timestamp)[:-1] + "+0000"
    assert len(format_millis(timestamp)) == len("2026-03-04T09:10:11.120Z")


@pytest.mark.slow
@given(timestamps, timestamps)
def test_formatted_timestamps_sort_by_time(one: Timestamp, other: Timestamp) -> None:
    assert (format_millis(one) <= format_millis(other)) or one > other
    # Without the Z a shorter fraction is a prefix of a longer one, so it sorts before it.
    assert (one < other) == (format_rfc3339(one)[:-1] < format_rfc3339(other)[:-1])


@pytest.mark.slow
@given(st.datetimes(), st.integers(1 - 24 * 60, 24 * 60 - 1), st.sampled_from("T "))
def test_agrees_with_the_standard_library(
    local: dt.datetime, offset_minutes: int, separator: str
) -> None:
    offset = dt.timezone(dt.timedelta(minutes=offset_minutes))
    text = local.replace(tzinfo=offset).isoformat(separator)
    elapsed = local - dt.datetime.fromisoformat("1970-01-01") - dt.timedelta(minutes=offset_minutes)
    expected = elapsed // dt.timedelta(microseconds=1) * 1000
    if EARLIEST <= expected <= LATEST:
        assert parse(text) == expected
    else:
        with pytest.raises(ValueError, match="not a date and time"):
            parse(text)


@pytest.mark.parametrize(
    ("text", "ago"),
    [
        ("PT1H", dt.timedelta(hours=1)),
        ("-PT1H", dt.timedelta(hours=1)),
        ("P2W", dt.timedelta(weeks=2)),
        ("-P2W", dt.timedelta(weeks=2)),
        ("P1DT12H", dt.timedelta(days=1, hours=12)),
        ("P1W2DT3H4M5S", dt.timedelta(weeks=1, days=2, hours=3, minutes=4, seconds=5)),
        ("PT90M", dt.timedelta(minutes=90)),
        ("PT0S", dt.timedelta()),
    ],
)
def test_duration_is_subtracted_from_now(text: str, ago: dt.timedelta) -> None:
    assert NOW - parse_moment(text, NOW) == ago // dt.timedelta(seconds=1) * 10**9


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2026-03-04T09:10:11", "needs an offset"),
        ("2026-02-30T09:10:11Z", "is not a day of the calendar"),
        ("P1Y", "whose length varies"),
        ("P1M", "whose length varies"),
        ("-P1Y2M3DT4H", "whose length varies"),
        ("P" + "9" * 12 + "W", "before the year 1"),
        ("P3000000D", "before the year 1"),
        ("P" + "9" * 5000 + "D", "is neither"),
        ("P", "is neither"),
        ("PT", "is neither"),
        ("P1DT", "is neither"),
        ("P1H", "is neither"),
        ("PT1D", "is neither"),
        ("PT1.5H", "is neither"),
        ("+PT1H", "is neither"),
        ("PT-1H", "is neither"),
        ("1h", "is neither"),
        ("2026-03-04", "is neither"),
        ("", "is neither"),
        ("now\nthen", "is neither"),
    ],
)
def test_mistake_of_a_caller_is_explained(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        parse_moment(text, NOW)
    sentence = str(caught.value)
    assert sentence.startswith(repr(text[:40]))
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert len(sentence) < 200


@given(st.integers(0, 10_000), st.integers(0, 10_000), st.integers(0, 10_000))
def test_longer_duration_reaches_further_back(days: int, hours: int, seconds: int) -> None:
    moment = parse_moment(f"P{days}DT{hours}H{seconds}S", NOW)
    assert moment <= NOW
    assert parse_moment(f"P{days}DT{hours}H{seconds + 1}S", NOW) == moment - 10**9
