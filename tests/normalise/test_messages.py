"""Messages with one cause are equal once they are normalised."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.normalise.messages import MAX_LENGTH, normalised

SAMPLES = [
    # Numbers, but not codes.
    (
        "Read timed out after 30001 ms with 0 bytes received",
        "Read timed out after <number> ms with <number> bytes received",
    ),
    ("timeout of 5000ms exceeded", "timeout of <number>ms exceeded"),
    ("took 1.5 s of 1,000", "took <number> s of <number>"),
    ("The receiver answered 502 Bad Gateway.", "The receiver answered 502 Bad Gateway"),
    ("Request failed with status code 404", "Request failed with status code 404"),
    ("Invalid HTTP Response: 422", "Invalid HTTP Response: 422"),
    ("HTTP/1.1 503 Service Unavailable", "HTTP/1.1 503 Service Unavailable"),
    (
        "cURL error 28: Operation timed out after 10001 milliseconds",
        "cURL error 28: Operation timed out after <number> milliseconds",
    ),
    ("[Errno 111] Connection refused", "[Errno 111] Connection refused"),
    # Ids.
    (
        "delivery 2f2f0f9e-6f5c-4a0b-8f4e-000000000007 failed",
        "delivery <id> failed",
    ),
    ("request req_8fK2jd93Kd failed", "request <id> failed"),
    ("commit 9fceb02d0ae598e95dc970b74767f19372d6183a", "commit <id>"),
    ("trace 4bf92f3577b34da6a3ce929d0e0e4736:17", "trace <id>:<number>"),
    ("sha256 mismatch in base64", "sha256 mismatch in base64"),
    # Hosts, with and without a port.
    ("getaddrinfo ENOTFOUND hooks.example.com", "getaddrinfo ENOTFOUND <host>"),
    ("dial tcp 10.0.0.7:443: i/o timeout", "dial tcp <host>: i/o timeout"),
    ("dial tcp: lookup hooks.internal. on 10.1.1.1:53: no such host",
     "dial tcp: lookup <host> on <host>: no such host"),
    ("connect ECONNREFUSED ::1:8080", "connect ECONNREFUSED <host>"),
    ("dial tcp [fe80::1%eth0]:80: refused", "dial tcp <host>: refused"),
    ("no such host receiver:8080", "no such host <host>"),
    # Classes, modules and protocols are no hosts.
    ("java.net.SocketTimeoutException: Read timed out",
     "java.net.SocketTimeoutException: Read timed out"),
    ("requests.exceptions.ConnectionError: gone", "requests.exceptions.ConnectionError: gone"),
    ("TLSv1.2 alert, not TLSv1.3", "TLSv1.2 alert, not TLSv1.3"),
    # URLs, addresses and paths.
    ('Post "https://a.test/x?y=1": EOF', "Post <text>: EOF"),
    ("POST https://a.test/x: EOF", "POST <url> EOF"),
    ("mail to ann@corp.test bounced", "mail to <address> bounced"),
    ("Max retries exceeded with url: /a/b?x=1", "Max retries exceeded with url: <path>"),
    ("open /var/lib/x.pem: no such file", "open <path>: no such file"),
    # Times.
    ("current time 2026-03-04T09:10:11Z is after 2026-03-01T00:00:00+01:00",
     "current time <time> is after <time>"),
    ("expired on Sat, 28 Nov 2026 17:07:35 GMT", "expired on <time>"),
    ("expired on Nov 28 17:07:35 2026 GMT", "expired on <time>"),
    ("at 17:07:35.123 it failed", "at <time> it failed"),
    # Quoted parts, but not apostrophes.
    ("unexpected field \"total\" in 'order'", "unexpected field <text> in <text>"),
    ("can't connect: don't know why", "can't connect: don't know why"),
    # Spaces and the last full stop.
    ("  Connection \n refused. ", "Connection refused"),
    ("", ""),
]  # fmt: skip


@pytest.mark.parametrize(("message", "expected"), SAMPLES)
def test_message(message: str, expected: str) -> None:
    assert normalised(message) == expected


VARIANTS = [
    ("Timeout after {} ms", ["1", "30001", "12.5"]),
    ("lookup {}: no such host", ["a.test", "hooks.eu-1.example.com", "10.0.0.1"]),
    ("event {} was not accepted", ["5f2f0f9e-6f5c-4a0b-8f4e-000000000001", "evt_93jKd83Jd9"]),
    ("field {} is missing", ['"a"', '"total amount"', "'x'"]),
    ("not valid before {}", ["2026-03-04T09:10:11Z", "2027-01-01 00:00:00", "4 Mar 2026"]),
]


@pytest.mark.parametrize(("form", "values"), VARIANTS)
def test_occurrences_of_one_failure_are_equal(form: str, values: list[str]) -> None:
    assert len({normalised(form.format(value)) for value in values}) == 1


@given(st.text(alphabet="aA1.:/'\"-_@[]<> \n%", max_size=400) | st.text(max_size=400))
def test_any_text_is_bounded(text: str) -> None:
    found = normalised(text)
    assert len(found) <= MAX_LENGTH
    assert "\n" not in found


def test_long_text_takes_no_long_time() -> None:
    for part in ("a.", "1:", "'", "/a", "0-", "[a", "A1_"):
        assert len(normalised(part * 100_000)) <= MAX_LENGTH
