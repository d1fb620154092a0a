from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model import Failure, FailureCategory
from gateway.normalise.failures import classify
from gateway.normalise.redaction import MASK

TIMEOUT = FailureCategory.TIMEOUT
DNS = FailureCategory.DNS
CONNECTION = FailureCategory.CONNECTION
TLS = FailureCategory.TLS
REDIRECT = FailureCategory.REDIRECT
CLIENT_ERROR = FailureCategory.HTTP_CLIENT_ERROR
SERVER_ERROR = FailureCategory.HTTP_SERVER_ERROR
NO_RESPONSE = FailureCategory.NO_RESPONSE
UNKNOWN = FailureCategory.UNKNOWN


@pytest.mark.parametrize(
    ("status_code", "category", "retryable"),
    [
        (301, REDIRECT, False),
        (304, REDIRECT, False),
        (400, CLIENT_ERROR, False),
        (401, CLIENT_ERROR, False),
        (404, CLIENT_ERROR, False),
        (408, CLIENT_ERROR, True),
        (410, CLIENT_ERROR, False),
        (425, CLIENT_ERROR, True),
        (429, CLIENT_ERROR, True),
        (500, SERVER_ERROR, True),
        (501, SERVER_ERROR, False),
        (503, SERVER_ERROR, True),
        (505, SERVER_ERROR, False),
        (522, SERVER_ERROR, True),
        (599, SERVER_ERROR, True),
        (100, UNKNOWN, False),
        (200, UNKNOWN, False),
        (999, UNKNOWN, False),
        (0, NO_RESPONSE, True),
        (None, NO_RESPONSE, True),
    ],
)
def test_the_status_decides(
    status_code: int | None, category: FailureCategory, *, retryable: bool
) -> None:
    failure = classify(status_code=status_code, message="")
    assert (failure.category, failure.retryable) == (category, retryable)


@pytest.mark.parametrize(
    ("status_code", "sentence"),
    [
        (503, "The receiver answered 503 Service Unavailable."),
        (404, "The receiver answered 404 Not Found."),
        (522, "The receiver answered 522."),
        (200, "The receiver answered 200 OK, yet the vendor calls it a failure."),
        (0, "The vendor recorded no answer of the receiver."),
        (None, "The vendor recorded no answer of the receiver."),
    ],
)
def test_without_a_text_of_the_vendor_there_is_a_sentence(
    status_code: int | None, sentence: str
) -> None:
    for nothing in (None, "", " \n"):
        assert classify(status_code=status_code, message=nothing).message == sentence


GO = [
    ("dial tcp 10.0.0.9:8443: connect: connection refused", CONNECTION, True),
    ('Post "https://cb.example.test/lw": dial tcp 10.0.0.9:443: i/o timeout', TIMEOUT, True),
    ("dial tcp: lookup cb.example.test on 10.0.0.2:53: no such host", DNS, False),
    ("dial tcp: lookup cb.example.test on 10.0.0.2:53: server misbehaving", DNS, True),
    (
        "dial tcp: lookup cb.example.test: read udp 10.0.0.3:5000->10.0.0.2:53: i/o timeout",
        DNS,
        True,
    ),
    ('Post "https://x.example.test/hook": EOF', CONNECTION, True),
    ("unexpected EOF", CONNECTION, True),
    ("read tcp 10.0.0.1:5->10.0.0.9:443: read: connection reset by peer", CONNECTION, True),
    ("write tcp 10.0.0.1:5->10.0.0.9:443: write: broken pipe", CONNECTION, True),
    ("dial tcp 10.0.0.9:443: connect: no route to host", CONNECTION, True),
    ("http: server closed idle connection", CONNECTION, True),
    (
        "net/http: request canceled (Client.Timeout exceeded while awaiting headers)",
        TIMEOUT,
        True,
    ),
    ("context deadline exceeded", TIMEOUT, True),
    ("net/http: TLS handshake timeout", TIMEOUT, True),
    ("x509: certificate has expired or is not yet valid: current time 2026-03-04", TLS, False),
    ("x509: certificate signed by unknown authority", TLS, False),
    ("tls: failed to verify certificate: x509: certificate is valid for a, not b", TLS, False),
    ("remote error: tls: handshake failure", TLS, False),
    ("http: server gave HTTP response to HTTPS client", TLS, False),
    ('Post "/hook": stopped after 10 redirects', REDIRECT, False),
    ('Post "ftp://x/": unsupported protocol scheme "ftp"', CONNECTION, False),
    ("context canceled", NO_RESPONSE, True),
    ("unexpected response status: 502 Bad Gateway", SERVER_ERROR, True),
    ("unexpected response status: 410 Gone", CLIENT_ERROR, False),
]
OTHERS = [
    ("internal error", NO_RESPONSE, True),
    ("Received a status code outside of 2xx range - treating webhook as a fail", UNKNOWN, False),
    ("Invalid HTTP Response: 503", SERVER_ERROR, True),
    ("502 Bad Gateway", SERVER_ERROR, True),
    # Java
    ("java.net.ConnectException: Connection refused (Connection refused)", CONNECTION, True),
    ("java.net.UnknownHostException: cb.example.test", DNS, False),
    ("java.net.SocketTimeoutException: Read timed out", TIMEOUT, True),
    ("javax.net.ssl.SSLHandshakeException: PKIX path building failed", TLS, False),
    ("org.apache.http.NoHttpResponseException: x:443 failed to respond", CONNECTION, True),
    (
        "java.io.IOException: Server returned HTTP response code: 500 for URL: https://x/",
        SERVER_ERROR,
        True,
    ),
    # Python
    (
        "Max retries exceeded with url: /h (Caused by NewConnectionError('[Errno 111] Refused'))",
        CONNECTION,
        True,
    ),
    ("[Errno -2] Name or service not known", DNS, False),
    ("[Errno -3] Temporary failure in name resolution", DNS, True),
    (
        "RemoteDisconnected('Remote end closed connection without response')",
        CONNECTION,
        True,
    ),
    ("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed certificate (_ssl.c:1006)", TLS, False),
    ("EOF occurred in violation of protocol (_ssl.c:1129)", TLS, False),
    ("_ssl.c:989: The handshake operation timed out", TIMEOUT, True),
    ("HTTP Error 404: Not Found", CLIENT_ERROR, False),
    ("429 Client Error: Too Many Requests for url: https://x.example.test/", CLIENT_ERROR, True),
    # Ruby
    ("execution expired", TIMEOUT, True),
    ("Net::ReadTimeout with #<TCPSocket:(closed)>", TIMEOUT, True),
    ("Failed to open TCP connection to x:443 (Connection refused)", CONNECTION, True),
    ("end of file reached", CONNECTION, True),
    # Node
    ("connect ECONNREFUSED 10.0.0.9:443", CONNECTION, True),
    ("getaddrinfo ENOTFOUND cb.example.test", DNS, False),
    ("getaddrinfo EAI_AGAIN cb.example.test", DNS, True),
    ("socket hang up", CONNECTION, True),
    ("DEPTH_ZERO_SELF_SIGNED_CERT", TLS, False),
    ("Request failed with status code 500", SERVER_ERROR, True),
    # .NET
    ("No such host is known. (cb.example.test:443)", DNS, False),
    ("Response status code does not indicate success: 503 (Unavailable).", SERVER_ERROR, True),
    # Rust
    ("HTTP status client error (404 Not Found) for url (https://x/)", CLIENT_ERROR, False),
    # curl
    ("Could not resolve host: cb.example.test", DNS, False),
    ("Failed to connect to x port 443 after 3 ms: Couldn't connect to server", CONNECTION, True),
    ("Operation timed out after 10000 milliseconds with 0 bytes received", TIMEOUT, True),
    ("SSL certificate problem: unable to get local issuer certificate", TLS, False),
    ("Empty reply from server", CONNECTION, True),
    ("The requested URL returned error: 404", CLIENT_ERROR, False),
    ("Maximum (50) redirects followed: too many redirects", REDIRECT, False),
    # GitLab's protection against requests to itself
    ("URL is blocked: Requests to the local network are not allowed", CONNECTION, False),
    ("the goose is loose", UNKNOWN, False),
]


@pytest.mark.parametrize(("message", "category", "retryable"), GO + OTHERS)
def test_without_a_status_the_words_decide(
    message: str, category: FailureCategory, *, retryable: bool
) -> None:
    for spelling in (message, message.upper(), f"  {message}\n"):
        failure = classify(message=spelling)
        assert (failure.category, failure.retryable) == (category, retryable)
    assert classify(message=message).message == message


def test_the_status_stands_above_the_words() -> None:
    failure = classify(status_code=503, message="upstream: connection refused")
    assert failure == Failure(SERVER_ERROR, "upstream: connection refused", retryable=True)


@pytest.mark.parametrize(
    "message",
    [
        'Post "https://timeout.example.test:500/certificate": unexplained',
        "waited 300 seconds",
        "sent 404 bytes",
        "dialled 500 times",
    ],
)
def test_addresses_and_amounts_are_no_words(message: str) -> None:
    assert classify(message=message).category is UNKNOWN


def test_the_text_is_redacted() -> None:
    message = 'Post "https://user:hunter2@x.example.test/?token=abc": EOF'
    failure = classify(message=message)
    assert failure.message == f'Post "https://{MASK}@x.example.test/?token={MASK}": EOF'


def test_a_long_text_is_classified_by_its_beginning() -> None:
    # Each repetition starts a search for the rest of a pattern, which is not there.
    assert classify(message="lookup " * 100_000).category is UNKNOWN
    assert classify(message="x" * 100_000 + " connection refused").category is UNKNOWN


@given(st.none() | st.integers(), st.none() | st.text())
@settings(deadline=None)
def test_there_is_always_a_reason(status_code: int | None, message: str | None) -> None:
    failure = classify(status_code=status_code, message=message)
    assert failure.message.strip()
