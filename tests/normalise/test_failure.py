# ruff: noqa: E501, Q
# One case per line, with the original quotes.

from __future__ import annotations

import pytest
from hypothesis import given
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
def test_status_decides_category_and_retryability(
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
        (200, "The receiver answered 200 OK, but the vendor reports a failure."),
        (0, "The vendor recorded no response from the receiver."),
        (None, "The vendor recorded no response from the receiver."),
    ],
)
def test_missing_message_is_replaced_by_a_sentence_of_the_gateway(
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


CLIENTS = [
    # Go
    ("dial tcp 10.0.0.9:443: connect: network is unreachable", CONNECTION, True),
    ("dial tcp [2001:db8::1]:443: connect: connection refused", CONNECTION, True),
    ("dial tcp: address timeout-svc: missing port in address", CONNECTION, False),
    ("net/http: timeout awaiting response headers", TIMEOUT, True),
    ("context deadline exceeded (Client.Timeout exceeded while awaiting headers)", TIMEOUT, True),
    ("tls: first record does not look like a TLS handshake", TLS, False),
    ("x509: cannot validate certificate for 10.0.0.9 because it doesn't contain any IP SANs", TLS,
     False),
    ("remote error: tls: unrecognized name", TLS, False),
    ("http2: server sent GOAWAY and closed the connection; LastStreamID=1", CONNECTION, True),
    ("stream error: stream ID 1; INTERNAL_ERROR; received from peer", CONNECTION, True),
    ("proxyconnect tcp: dial tcp 10.0.0.1:3128: connect: connection refused", CONNECTION, True),
    ("lookup ssl-gateway: no such host", DNS, False),
    ('malformed HTTP response "SSH-2.0-OpenSSH_9.6"', CONNECTION, False),
    # Java: JDK, OkHttp, Apache HttpClient, Netty
    ("java.net.ConnectException: Failed to connect to timeout-svc/10.0.0.9:443", CONNECTION, True),
    ("Failed to connect to ssl.x/10.0.0.9:443", CONNECTION, True),
    ('Unable to resolve host "timeout.x": No address associated with hostname', DNS, False),
    ("unexpected end of stream on https://timeout.x/...", CONNECTION, True),
    ("stream was reset: REFUSED_STREAM", CONNECTION, True),
    ("Too many follow-up requests: 21", REDIRECT, False),
    ("Canceled", NO_RESPONSE, True),
    ("timeout", TIMEOUT, True),
    ("CLEARTEXT communication to timeout.x not permitted by network security policy", CONNECTION,
     False),
    ("Hostname timeout.x not verified:", TLS, False),
    ("java.security.cert.CertPathValidatorException: Trust anchor for certification path not found.",
     TLS, False),
    ("javax.net.ssl.SSLHandshakeException: Remote host terminated the handshake", TLS, False),
    ("javax.net.ssl.SSLException: Connection reset", CONNECTION, True),
    ("javax.net.ssl.SSLException: Unsupported or unrecognized SSL message", TLS, False),
    ("java.net.http.HttpConnectTimeoutException: HTTP connect timed out", TIMEOUT, True),
    ("java.net.http.HttpTimeoutException: request timed out", TIMEOUT, True),
    ("java.io.IOException: HTTP/1.1 header parser received no bytes", CONNECTION, True),
    ("java.nio.channels.UnresolvedAddressException", DNS, False),
    ("Connect to timeout-svc.x:443 [timeout-svc.x/10.0.0.9] failed: Connection refused", CONNECTION,
     True),
    ("org.apache.http.conn.ConnectTimeoutException: Connect to ssl.x:443 failed: connect timed out",
     TIMEOUT, True),
    ("Certificate for <timeout.x> doesn't match any of the subject alternative names: [a.x]", TLS,
     False),
    ("Circular redirect to 'https://x.example.test/'", REDIRECT, False),
    ("Maximum redirects (50) exceeded", REDIRECT, False),
    ("Timeout waiting for connection from pool", TIMEOUT, True),
    ("finishConnect(..) failed: Connection refused: ssl.x/10.0.0.9:443", CONNECTION, True),
    ("Failed to resolve 'ssl.x' [A(1)] after 2 queries", DNS, False),
    ("Connection prematurely closed BEFORE response", CONNECTION, True),
    ("Did not observe any item or terminal signal within 5000ms in 'flatMap'", TIMEOUT, True),
    ('I/O error on POST request for "https://ssl.x/timeout": Connection refused', CONNECTION, True),
    ("503 Service Unavailable: [no body]", SERVER_ERROR, True),
    # .NET
    ("The remote name could not be resolved: 'timeout.x'", DNS, False),
    ("The remote name could not be resolved", DNS, False),
    ("An existing connection was forcibly closed by the remote host", CONNECTION, True),
    ("A task was canceled.", TIMEOUT, True),
    ("The operation was canceled.", TIMEOUT, True),
    ("The operation has timed out.", TIMEOUT, True),
    ("The request was canceled due to the configured HttpClient.Timeout of 100 seconds elapsing.",
     TIMEOUT, True),
    ("System.Net.WebException: Unable to connect to the remote server", CONNECTION, True),
    ("No connection could be made because the target machine actively refused it. (ssl.x:443)",
     CONNECTION, True),
    ("A connection attempt failed because the connected party did not properly respond after a"
     " period of time", TIMEOUT, True),
    ("The SSL connection could not be established, see inner exception.", TLS, False),
    ("The remote certificate is invalid according to the validation procedure", TLS, False),
    ("The request was aborted: Could not create SSL/TLS secure channel.", TLS, False),
    ("The underlying connection was closed: Could not establish trust relationship for the SSL/TLS"
     " secure channel.", TLS, False),
    ("The underlying connection was closed: An unexpected error occurred on a receive.", CONNECTION,
     True),
    ("Authentication failed, see inner exception.", TLS, False),
    ("The response ended prematurely.", CONNECTION, True),
    ("An error occurred while sending the request.", CONNECTION, True),
    ("Too many automatic redirections were attempted.", REDIRECT, False),
    ("The remote server returned an error: (404) Not Found.", CLIENT_ERROR, False),
    ("The request was aborted: The request was canceled.", NO_RESPONSE, True),
    # Python: requests, urllib3, httpx, aiohttp
    ("Exceeded 30 redirects.", REDIRECT, False),
    ("Exceeded maximum allowed redirects.", REDIRECT, False),
    ("HTTPSConnectionPool(host='timeout-svc.x', port=443): Max retries exceeded with url: /ssl/x"
     " (Caused by NewConnectionError('<urllib3.connection.HTTPSConnection object at 0x7f>: Failed to"
     " establish a new connection: [Errno 111] Connection refused'))", CONNECTION, True),
    ("HTTPSConnectionPool(host='ssl.x', port=443): Read timed out. (read timeout=5)", TIMEOUT, True),
    ("HTTPSConnectionPool(host='ssl', port=443): Max retries exceeded with url: /t (Caused by"
     " ConnectTimeoutError(<urllib3.connection.HTTPSConnection object at 0x7f>, 'Connection to ssl"
     " timed out. (connect timeout=5)'))", TIMEOUT, True),
    ("HTTPSConnectionPool(host='timeout.x', port=443): Max retries exceeded with url: / (Caused by"
     ' NameResolutionError("<urllib3.connection.HTTPSConnection object at 0x7f>: Failed to resolve'
     " 'timeout.x' ([Errno -2] Name or service not known)\"))", DNS, False),
    ("HTTPSConnectionPool(host='timeout.x', port=443): Max retries exceeded with url: / (Caused by"
     " SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED]')))", TLS, False),
    ("('Cannot connect to proxy.', OSError('Tunnel connection failed: 403 Forbidden'))", CONNECTION,
     True),
    ("('Connection aborted.', ConnectionResetError(104, 'Connection reset by peer'))", CONNECTION,
     True),
    ("Invalid URL 'timeout.x': No scheme supplied. Perhaps you meant https://timeout.x?", CONNECTION,
     False),
    ("hostname 'timeout.x' doesn't match 'a.x'", TLS, False),
    ("All connection attempts failed", CONNECTION, True),
    ("The read operation timed out", TIMEOUT, True),
    ("httpx.ConnectTimeout", TIMEOUT, True),
    ("Server disconnected without sending a response.", CONNECTION, True),
    ("peer closed connection without sending complete message body (incomplete chunked read)",
     CONNECTION, True),
    ("Request URL is missing an 'http://' or 'https://' protocol.", CONNECTION, False),
    ("Client error '404 Not Found' for url 'https://timeout.x/'", CLIENT_ERROR, False),
    ("Server error '502 Bad Gateway' for url 'https://timeout.x/'", SERVER_ERROR, True),
    ("Cannot connect to host timeout.x:443 ssl:default [Connect call failed ('10.0.0.9', 443)]",
     CONNECTION, True),
    ("Cannot connect to host a.x:443 ssl:<ssl.SSLContext object at 0x7f> [Name or service not known]",
     DNS, False),
    ("Cannot connect to host timeout.x:443 ssl:True [SSLCertVerificationError: (1, '[SSL:"
     " CERTIFICATE_VERIFY_FAILED] certificate verify failed')]", TLS, False),
    ("Connection timeout to host https://ssl.x/", TIMEOUT, True),
    ("500, message='Internal Server Error', url='https://timeout.x/'", SERVER_ERROR, True),
    ("socket.gaierror: [Errno 8] nodename nor servname provided, or not known", DNS, False),
    # Node: core, undici, axios, got, node-fetch
    ("connect ETIMEDOUT 10.0.0.9:443", TIMEOUT, True),
    ("connect ECONNREFUSED ::1:8080", CONNECTION, True),
    ("read ECONNRESET", CONNECTION, True),
    ("connect EHOSTUNREACH 10.0.0.9:443", CONNECTION, True),
    ("getaddrinfo ENOTFOUND timeout", DNS, False),
    ("queryA ESERVFAIL ssl.x", DNS, True),
    ("timeout of 5000ms exceeded", TIMEOUT, True),
    ("UND_ERR_HEADERS_TIMEOUT: Headers Timeout Error", TIMEOUT, True),
    ("SocketError: other side closed", CONNECTION, True),
    ("TypeError: fetch failed", CONNECTION, True),
    ("Network Error", CONNECTION, True),
    ("Maximum number of redirects exceeded", REDIRECT, False),
    ("maximum redirect reached at: https://timeout.x/", REDIRECT, False),
    ("redirect count exceeded", REDIRECT, False),
    ("network timeout at: https://ssl.x/", TIMEOUT, True),
    ("The operation was aborted due to timeout", TIMEOUT, True),
    ("This operation was aborted", NO_RESPONSE, True),
    ("unable to verify the first certificate", TLS, False),
    ("Hostname/IP does not match certificate's altnames: Host: timeout.x. is not in the cert's"
     " altnames", TLS, False),
    ("write EPROTO 40:error:0A00010B:SSL routines:ssl3_get_record:wrong version number", TLS, False),
    ("Client network socket disconnected before secure TLS connection was established", CONNECTION,
     True),
    ("Parse Error: Expected HTTP/", CONNECTION, True),
    ("Response code 429 (Too Many Requests)", CLIENT_ERROR, True),
    # Ruby: Net::HTTP, Faraday
    ("Errno::ECONNREFUSED: Failed to open TCP connection to timeout:443 (Connection refused -"
     ' connect(2) for "timeout" port 443)', CONNECTION, True),
    ("SocketError: Failed to open TCP connection to ssl.x:443 (getaddrinfo: Name or service not"
     " known)", DNS, False),
    ("Net::OpenTimeout: execution expired", TIMEOUT, True),
    ("OpenSSL::SSL::SSLError: SSL_connect returned=1 errno=0 peeraddr=10.0.0.9:443 state=error:"
     " certificate verify failed (self-signed certificate)", TLS, False),
    ("Connection reset by peer - SSL_connect", CONNECTION, True),
    ("Faraday::TimeoutError", TIMEOUT, True),
    ("too many redirects; last one to: https://timeout.x/", REDIRECT, False),
    ("the server responded with status 500", SERVER_ERROR, True),
    ('Net::HTTPFatalError: 503 "Service Unavailable"', SERVER_ERROR, True),
    # PHP: curl, Guzzle, streams
    ("cURL error 28: Operation timed out after 5001 milliseconds with 0 bytes received (see"
     " https://curl.haxx.se/libcurl/c/libcurl-errors.html) for https://ssl.x/", TIMEOUT, True),
    ("cURL error 6: Could not resolve host: timeout-svc (see https://curl.se/x)", DNS, False),
    ("cURL error 7: Failed to connect to ssl port 443 after 3 ms: Connection refused", CONNECTION,
     True),
    ("cURL error 60", TLS, False),
    ("cURL error 56: Recv failure: Connection reset by peer", CONNECTION, True),
    ("Client error: `POST https://timeout.x/` resulted in a `404 Not Found` response:", CLIENT_ERROR,
     False),
    ("Server error: `POST https://ssl.x/` resulted in a `503 Service Unavailable` response",
     SERVER_ERROR, True),
    ("Will not follow more than 5 redirects", REDIRECT, False),
    ("file_get_contents(https://ssl.x): failed to open stream: HTTP request failed! HTTP/1.1 404 Not"
     " Found", CLIENT_ERROR, False),
    ("php_network_getaddresses: getaddrinfo failed: No such host is known.", DNS, False),
    # curl
    ("Failed to connect to ssl.x port 443: Connection refused", CONNECTION, True),
    ("connect to timeout-svc.x:443 failed: Connection refused", CONNECTION, True),
    ("curl: (7) Failed to connect to timeout port 443: No route to host", CONNECTION, True),
    ("curl: (35) OpenSSL SSL_connect: SSL_ERROR_SYSCALL in connection to timeout.x:443", TLS, False),
    ("curl: (47) Maximum (5) redirects followed", REDIRECT, False),
    ("curl: (28) Resolving timed out after 5000 milliseconds", DNS, True),
    ("curl: (22) The requested URL returned error: 503", SERVER_ERROR, True),
    ("CONNECT tunnel failed, response 407", CONNECTION, True),
    ("Received HTTP code 403 from proxy after CONNECT", CONNECTION, True),
    # Erlang: httpc, hackney, gun; Elixir: Mint
    ('{failed_connect,[{to_address,{"timeout.x",443}},{inet,[inet],econnrefused}]}', CONNECTION,
     True),
    ('{failed_connect,[{to_address,{"ssl",443}},{inet,[inet],nxdomain}]}', DNS, False),
    ("{error,connect_timeout}", TIMEOUT, True),
    ("{error,timeout}", TIMEOUT, True),
    ("{error,closed}", CONNECTION, True),
    ("{error,socket_closed_remotely}", CONNECTION, True),
    ("{tls_alert,{unknown_ca,'TLS client: received fatal alert'}}", TLS, False),
    ("%HTTPoison.Error{id: nil, reason: :econnrefused}", CONNECTION, True),
    ("%Mint.TransportError{reason: :timeout}", TIMEOUT, True),
    ("(Mint.TransportError) non-existing domain", DNS, False),
    # Rust: reqwest, hyper
    ("error sending request for url (https://timeout.x/): error trying to connect: tcp connect"
     " error: Connection refused (os error 111)", CONNECTION, True),
    ("error trying to connect: dns error: failed to lookup address information: Name or service not"
     " known", DNS, False),
    ("error following redirect for url (https://ssl.x/): too many redirects", REDIRECT, False),
    ("invalid peer certificate: UnknownIssuer", TLS, False),
    ("connection closed before message completed", CONNECTION, True),
    ("deadline has elapsed", TIMEOUT, True),
    ("received fatal alert: HandshakeFailure", TLS, False),
    ("error sending request for url (https://timeout.x/)", CONNECTION, True),
    ("builder error: relative URL without a base", CONNECTION, False),
    # Envoy, nginx
    ("upstream connect error or disconnect/reset before headers. reset reason: connection failure",
     CONNECTION, True),
    ("upstream timed out (110: Connection timed out) while connecting to upstream", TIMEOUT, True),
    # Words of hosts within those of causes
    ("Connection to ssl-svc refused", CONNECTION, True),
    ("Connection to timeout-svc lost", CONNECTION, True),
    ("The server timeout-svc closed the connection", CONNECTION, True),
    ("connection to tls-backend:8443 reset", CONNECTION, True),
    ("Post http://timeout.x: 404 page not found", CLIENT_ERROR, False),
    ("read timeout:30", TIMEOUT, True),
    ("read-timeout", TIMEOUT, True),
    ("Bad Gateway", SERVER_ERROR, True),
    ("Too Many Requests.", CLIENT_ERROR, True),
    # Names and codes without words
    ("java.nio.channels.ClosedChannelException", CONNECTION, True),
    ("java.net.ProtocolException: Server redirected too many times (20)", REDIRECT, False),
    ("java.net.MalformedURLException: no protocol: hook", CONNECTION, False),
    ("System.Net.Sockets.SocketException (10061): Zielcomputer verweigert", CONNECTION, True),
    ("System.Net.Sockets.SocketException (10060)", TIMEOUT, True),
    ("System.Net.Sockets.SocketException (11001): Host unbekannt", DNS, False),
    ("The requested name is valid, but no data of the requested type was found.", DNS, False),
    ("Cannot determine the frame size or a corrupted frame was received.", TLS, False),
    ("The remote server returned an error: NotFound", CLIENT_ERROR, False),
    ("HttpStatusCode=InternalServerError", SERVER_ERROR, True),
    ("httpx.ReadError", CONNECTION, True),
    ("http.client.BadStatusLine: ''", CONNECTION, True),
    ("requests.exceptions.TooManyRedirects", REDIRECT, False),
    ("No connection adapters were found for 'ftp://timeout.x/'", CONNECTION, False),
    ("LocationParseError: Failed to parse: https://:443", CONNECTION, False),
    ("UND_ERR_SOCKET", CONNECTION, True),
    ("HPE_INVALID_CONSTANT", CONNECTION, True),
    ("ERR_INVALID_URL", CONNECTION, False),
    ("Only absolute URLs are supported", CONNECTION, False),
    ("ERR_FR_TOO_MANY_REDIRECTS", REDIRECT, False),
    ("ERR_NETWORK", CONNECTION, True),
    ("Premature close", CONNECTION, True),
    ("ERR_STREAM_PREMATURE_CLOSE", CONNECTION, True),
    ("HTTParty::RedirectionTooDeep: HTTP redirects too deep", REDIRECT, False),
    ("cURL error 3: URL using bad/illegal format or missing URL", CONNECTION, False),
    ('cURL error 1: Protocol "ftps" not supported or disabled in libcurl', CONNECTION, False),
    ("%Mint.HTTPError{reason: :too_many_concurrent_requests}", CONNECTION, True),
    ("hyper::Error(IncompleteMessage)", CONNECTION, True),
    ("received corrupt message of type InvalidContentType", TLS, False),
    ("Host: timeout.x. is not in the cert's altnames: DNS:y", TLS, False),
    ("no healthy upstream", CONNECTION, True),
    ("no live upstreams while connecting to upstream", CONNECTION, True),
    ("Gateway Time-out", SERVER_ERROR, True),
    ("error 504 Gateway Time-out", SERVER_ERROR, True),
    # The vendors
    ("webhook returned 404", CLIENT_ERROR, False),
    ("endpoint responded with HTTP 502", SERVER_ERROR, True),
    ("Server returned a non-2xx status: 500", SERVER_ERROR, True),
    ("expected 200 but got 401", CLIENT_ERROR, False),
    ("Unexpected status code: 418", CLIENT_ERROR, False),
]  # fmt: skip
"""Messages as the clients write them, one per line."""


@pytest.mark.parametrize(("message", "category", "retryable"), GO + OTHERS + CLIENTS)
def test_message_decides_without_a_status(
    message: str, category: FailureCategory, *, retryable: bool
) -> None:
    for spelling in (message, message.upper(), f"  {message}\n"):
        failure = classify(message=spelling)
        assert (failure.category, failure.retryable) == (category, retryable)
    assert classify(message=message).message == message


def test_status_takes_precedence_over_the_message() -> None:
    failure = classify(status_code=503, message="upstream: connection refused")
    assert failure == Failure(SERVER_ERROR, "upstream: connection refused", retryable=True)


@pytest.mark.parametrize(
    "message",
    [
        'Post "https://timeout.example.test:500/certificate": unexplained',
        "waited 300 seconds",
        "sent 404 bytes",
        "dialled 500 times",
        "invoice 404 could not be processed",
        "order 500 rejected",
        "retry in 429 seconds",
        "got 404 bytes",
        "received 500 requests",
        "timeout-svc:443 says no",
        "host ssl says no",
        "POST /certificate/timeout?x=redirect says no",
        '"ssl-gateway" says no',
        "timeout.svc.cluster.local says no",
        "ssl.example.test:8443/refused/timeout says no",
        "tls-proxy.internal 10.0.0.9:500 [2001:db8::500]:443",
        '"x/timeout" says no',
        "'./ssl/x' says no",
    ],
)
def test_addresses_and_quantities_are_ignored(message: str) -> None:
    assert classify(message=message).category is UNKNOWN


@pytest.mark.parametrize(
    "host",
    [
        "ssl.timeout.example",
        "api.tls.example.co.uk",
        "503.timeout.io",
        "timeout-svc",
        "timeout_svc",
        "certificate.refused.io",
        "x509.dev",
        "nxdomain.com",
    ],
)
@pytest.mark.parametrize(
    "text",
    [
        '{{failed_connect,[{{to_address,{{"{}",443}}}},{{inet,[inet],econnrefused}}]}}',
        "HTTPSConnectionPool(host='{}', port=443): [Errno 111] Connection refused",
        "Cannot connect to host {}:443 ssl:default [Connect call failed ('10.0.0.1', 443)]",
        "Connect to {0}:443 [{0}/10.0.0.1] failed: Connection refused",
        "Connection reset: {}/10.0.0.1:443",
        "connect ECONNREFUSED {}:443",
        "Failed to connect to {}/10.0.0.1:443",
        "Failed to resolve '{}' ([Errno -2] Name or service not known)",
        "The remote name could not be resolved: '{}'",
        "Could not resolve host: {}",
        "dial tcp: lookup {} on 127.0.0.53:53: no such host",
        "java.net.UnknownHostException: {}",
        "no route to host {}",
        "Connection to {} closed by remote host",
        "Could not connect to {}: connection refused",
    ],
)
def test_no_host_changes_the_category(text: str, host: str) -> None:
    plain = classify(message=text.format("quiet.example"))
    failure = classify(message=text.format(host))
    assert (failure.category, failure.retryable) == (plain.category, plain.retryable)
    assert failure.category is not UNKNOWN


def test_message_is_redacted() -> None:
    message = 'Post "https://user:hunter2@x.example.test/?token=abc": EOF'
    failure = classify(message=message)
    assert failure.message == f'Post "https://{MASK}@x.example.test/?token={MASK}": EOF'


def test_long_message_is_classified_by_its_beginning() -> None:
    # Each repetition starts a search for the rest of a pattern, which is absent.
    assert classify(message="lookup " * 100_000).category is UNKNOWN
    assert classify(message="x" * 100_000 + " connection refused").category is UNKNOWN


@given(st.none() | st.integers(), st.none() | st.text())
def test_every_failure_has_a_message(status_code: int | None, message: str | None) -> None:
    failure = classify(status_code=status_code, message=message)
    assert failure.message.strip()
