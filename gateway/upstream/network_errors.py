"""Errors for requests without a complete response: one sentence for each network or TLS cause."""

from __future__ import annotations

import errno
import re
import socket
import ssl
import zlib
from collections.abc import Iterator

import httpx
import msgspec

from gateway.errors import ErrorCode, UpstreamError


class Peer(msgspec.Struct, frozen=True):
    """The other side of an exchange, as errors name it, with the settings to correct.

    The sentences of this module are about a source's base_url and ca_bundle; ``address`` and
    ``trust`` replace them. ``too_large`` is the advice for a response that is too large.
    """

    source: str
    name: str
    address: str = "base_url"
    trust: str = "ca_bundle"
    too_large: str = "Lower its page_size"


_TRUST = (
    "if it is the vendor's own, or that of a proxy in between, set ca_bundle to a PEM file of the"
    " authority that issued it"
)
_UNKNOWN = f"its certificate comes from an authority that is not trusted; {_TRUST}"
_CERTIFICATES = {
    2: _UNKNOWN,
    7: _UNKNOWN,
    9: "its certificate is not valid yet; check the clock of this machine and the certificate",
    10: "its certificate has expired; the vendor has to renew it (or check this machine's clock)",
    18: f"its certificate is self-signed; {_TRUST}",
    19: _UNKNOWN,
    20: _UNKNOWN,
    21: "its certificate comes without those in between; add them to ca_bundle",
    23: "its certificate has been revoked; the vendor has to replace it",
    62: "its certificate is for another host name; check the host of base_url",
    64: "its certificate is for another address; use the host name that it is for in base_url",
    66: "its certificate has too weak a key; the vendor has to replace it",
    67: "its certificate comes from an authority with too weak a key; the vendor has to replace it",
    68: "its certificate has too weak a signature; the vendor has to replace it",
}
"""By OpenSSL's verification codes (X509_V_ERR_...)."""
_TLS = (
    (
        "WRONG_VERSION_NUMBER|HTTP_REQUEST|RECORD_LAYER_FAILURE|PACKET_LENGTH_TOO_LONG|UNKNOWN_PROTO",
        "its port does not speak TLS; check the port of base_url, or begin it with http://",
    ),
    (
        "CERTIFICATE_REQUIRED",
        "it asks for a client certificate; set client_certificate and client_key",
    ),
    (
        "BAD_CERTIFICATE|CERTIFICATE_(UNKNOWN|EXPIRED|REVOKED)|UNSUPPORTED_CERT|UNKNOWN_CA|ACCESS_D",
        "it does not accept the gateway's certificate; check client_certificate and its dates",
    ),
    (
        "PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL|NO_PROTOCOLS|VERSION_TOO_LOW",
        "it speaks no version of TLS that is safe; it has to offer TLS 1.2 or later",
    ),
    (
        "HANDSHAKE_FAILURE|NO_SHARED_CIPHER|NO_CIPHERS|DH_KEY_TOO_SMALL|NO_SUITABLE|ILLEGAL_PARAM",
        "it offers no cipher that is safe; it has to offer others",
    ),
    (
        "UNRECOGNIZED_NAME",
        "it has no certificate for that host name; check the host of base_url",
    ),
    (
        "EOF|ZERO_RETURN|SHUTDOWN",
        "it closed the connection instead of agreeing on TLS; check base_url and any firewall",
    ),
)
"""Descriptions of TLS failures, by patterns of OpenSSL's reason codes."""
_NOT_FOUND = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}
_SOCKETS = {
    errno.ECONNREFUSED: "could not be reached: nothing listens on its port (connection refused);"
    " check host and port of base_url, and that the vendor's system is running",
    errno.ENETUNREACH: "could not be reached: this machine has no route to its network; check the"
    " network and base_url",
    errno.EHOSTUNREACH: "could not be reached: there is no route to its host; check the network and"
    " base_url",
    errno.ENETDOWN: "could not be reached: the network of this machine is down",
    errno.ETIMEDOUT: "could not be reached: its host did not accept a connection in time; check"
    " host and port of base_url, and any firewall in between",
    errno.EACCES: "could not be reached: this machine does not let the gateway connect there; check"
    " its firewall",
    errno.EPERM: "could not be reached: this machine does not let the gateway connect there; check"
    " its firewall",
    errno.EADDRNOTAVAIL: "could not be reached: this machine has no free port or address to connect"
    " from; check base_url, and lower the source's concurrency",
    errno.EMFILE: "could not be reached: the gateway has too many files open; raise the limit of"
    " open files (ulimit -n)",
    errno.ENFILE: "could not be reached: this machine has too many files open",
    errno.ECONNRESET: "broke the connection (connection reset); try again, and check base_url and"
    " any proxy in between if it goes on",
    errno.ECONNABORTED: "broke the connection (connection aborted); try again, and check the"
    " network if it goes on",
    errno.EPIPE: "broke the connection before it had the whole request; try again, and check"
    " base_url and any proxy in between if it goes on",
}
_TLS_HINT = "begin base_url with https:// if its port wants TLS"
_BROKEN_HTTP = {
    "transfer-encoding": "a Transfer-Encoding that the gateway does not know",
    "content-length": "a Content-Length that is no number, or with two of them",
    "chunk": "a body whose chunks are not as HTTP has them",
    "header line|missing colon|header (name|value|token)": "a header that HTTP does not allow",
    "buffer|too long|too large": "headers that are too long",
    "switch|upgrade": "a change of the protocol, for which it was not asked",
}
"""Faults in a response that is HTTP otherwise, by words of its parser (llhttp, through aiohttp)."""
_CUT = "broke the connection in the middle of its answer; try again"


def unreachable(error: Exception, peer: Peer, url: httpx.URL) -> UpstreamError:
    """Return the error for a request to ``url`` without a complete response."""
    code = ErrorCode.UPSTREAM_UNREACHABLE
    causes = tuple(_causes(error))
    match error:
        case httpx.ConnectTimeout():
            code, what = ErrorCode.UPSTREAM_TIMEOUT, _SOCKETS[errno.ETIMEDOUT]
        case httpx.TimeoutException():
            code, what = ErrorCode.UPSTREAM_TIMEOUT, "did not answer in time; try again"
        case httpx.DecodingError() | zlib.error():
            code = ErrorCode.UPSTREAM_INVALID_RESPONSE
            what = "sent an answer that can't be unpacked; check base_url and any proxy in between"
        case httpx.InvalidURL() | httpx.UnsupportedProtocol() | UnicodeError():
            what = "could not be reached: its address is none; check base_url"
        case httpx.ProxyError():
            what = _proxy(str(error))
        case _:
            what = _cause(error, causes, url)
    # Without a connection, no request was sent.
    sent = not isinstance(
        error,
        httpx.ConnectError
        | httpx.ConnectTimeout
        | httpx.PoolTimeout
        | httpx.ProxyError
        | httpx.InvalidURL
        | httpx.UnsupportedProtocol
        | UnicodeError,
    )
    what = what.replace("base_url", peer.address).replace("ca_bundle", peer.trust)
    return UpstreamError(code, f"{peer.name} {what}.", source=peer.source, sent=sent)


def _cause(error: Exception, causes: tuple[BaseException, ...], url: httpx.URL) -> str:
    connecting = isinstance(error, httpx.ConnectError)
    for cause in causes:
        match cause:
            case ssl.SSLEOFError() | ssl.SSLZeroReturnError() if not connecting:
                return _CUT
            case ssl.SSLError():
                return f"could not be reached safely: {_tls(cause)}"
            case socket.gaierror():
                return _resolution(cause)
    # The addresses of a host fail together; the first reason is as good as any.
    numbers = [cause.errno for cause in causes if isinstance(cause, OSError)]
    if told := next((_SOCKETS[number] for number in numbers if number in _SOCKETS), None):
        # A server that wants TLS may just break a connection without it.
        is_reset = told is _SOCKETS[errno.ECONNRESET] and url.scheme == "http"
        return f"{told}: {_TLS_HINT}" if is_reset else told
    if isinstance(error, httpx.RemoteProtocolError):
        return _protocol(str(error), url)
    return (
        "could not be reached: nothing answers there; check base_url and the network"
        if connecting
        else "broke the connection; try again, and check base_url if it goes on"
    )


def _proxy(reason: str) -> str:
    if reason == "407":
        return (
            "could not be reached: its proxy wants a user name and a password, or others; give the"
            " proxy's address with them, in a file or variable"
        )
    if reason.isdigit():
        return (
            f"could not be reached: its proxy refused to connect to it (status {reason}); check"
            " base_url, and what the proxy allows"
        )
    return (
        "could not be reached: its proxy does not answer, or not as an HTTP proxy does; check the"
        " proxy's address, which proxy or the variable HTTPS_PROXY holds"
    )


def _tls(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        unknown = f"its certificate is not trusted; {_TRUST}"
        return _CERTIFICATES.get(getattr(error, "verify_code", 0), unknown)
    reason = " ".join([str(getattr(error, "reason", "")), *map(str, error.args)])
    reason = reason.upper().replace(" ", "_")
    for pattern, told in _TLS:
        if re.search(pattern, reason):
            return told
    return "TLS failed; check scheme and port of base_url, and any proxy in between"


def _resolution(error: socket.gaierror) -> str:
    if error.errno in _NOT_FOUND:
        return "could not be reached: its host name does not resolve; check the host of base_url"
    passing = "try again, and " if error.errno == socket.EAI_AGAIN else ""
    return (
        f"could not be reached: its host name can't be looked up; {passing}check the name servers"
        " of this machine"
    )


def _protocol(message: str, url: httpx.URL) -> str:
    """Describe the transport's error for an invalid or incomplete response."""
    tls = f": {_TLS_HINT}" if url.scheme == "http" else ""
    if "without sending a response" in message:
        return f"closed the connection without an answer; try again, and check base_url{tls}"
    if "location header" in message:
        return "answered with a redirect to an address that is none; check base_url"
    if "peer closed" in message:
        return _CUT
    for pattern, fault in _BROKEN_HTTP.items():
        if re.search(pattern, message, re.IGNORECASE):
            return f"answered with {fault}; check any proxy in between, and tell the vendor"
    if "illegal" in message or "malformed" in message:
        return f"answered with something that is no HTTP; check the port of base_url{tls}"
    return "broke the connection; try again, and check base_url if it goes on"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            for each in error.exceptions:
                yield from _causes(each)
        error = error.__cause__ or error.__context__
