"""The way to a vendor's server: an HTTP proxy, and a certificate of the gateway's own."""

from __future__ import annotations

import base64
import ipaddress
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import unquote, urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    SecretStr,
    TypeAdapter,
    ValidationInfo,
    WithJsonSchema,
)

from gateway.config.files import UnreadableFileError, read_bytes
from gateway.config.secret import Secret, without_password
from gateway.config.values import check_certificates, is_loopback

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_PROXY_VARIABLES = ("https_proxy", "HTTPS_PROXY")
"""The first that is not empty counts, as for other programs."""
_NO_PROXY_VARIABLES = ("no_proxy", "NO_PROXY")

_FORM = (
    'must be the address of an HTTP proxy, such as "http://proxy.example:3128", or'
    ' { env = "NAME" } or { file = "/path" } that holds one'
)
_NO_KEY = (
    'names a file that holds no private key in PEM form, which begins with "-----BEGIN PRIVATE'
    ' KEY-----" or the like'
)


@dataclass(frozen=True)
class Proxy:
    """An HTTP proxy that is asked for tunnels, by CONNECT.

    ``authorization`` is the value of its header Proxy-Authorization.
    """

    host: str
    port: int
    authorization: str | None = field(default=None, repr=False)


def parse_proxy(address: str) -> Proxy:
    """Parse the address of a proxy, such as ``http://user:password@proxy.example:3128``.

    Raises ValueError, whose message is a predicate and repeats nothing of the address.
    """
    try:
        parts = urlsplit(address if "://" in address else f"http://{address}")
        host, port = parts.hostname or "", parts.port or 80
    except ValueError:
        raise ValueError(_FORM) from None
    if parts.scheme != "http":
        raise ValueError("must begin with http://: the gateway speaks to no proxy by TLS or SOCKS")
    if not host.isascii() or not host or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(_FORM)
    authorization = None
    if parts.username is not None:
        user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = f"Basic {base64.b64encode(user.encode()).decode()}"
    return Proxy(host, port, authorization)


def environment_proxy(host: str, port: int, environ: Mapping[str, str]) -> Proxy | None:
    """Return the proxy for an https server by HTTPS_PROXY and NO_PROXY; None for a direct call.

    No proxy is used for loopback hosts.
    """
    address = _first_of(_PROXY_VARIABLES, environ)
    if not address or is_loopback(host):
        return None
    exceptions = _first_of(_NO_PROXY_VARIABLES, environ).lower().split(",")
    if any(_matches(each.strip(), host.lower(), port) for each in exceptions):
        return None
    return parse_proxy(address)


def network_mistakes(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the variables that would break all calls, each with the predicate of a sentence."""
    checks: dict[str, Callable[[str], object]] = {
        **dict.fromkeys(_PROXY_VARIABLES, parse_proxy),
        "SSL_CERT_FILE": lambda path: check_certificates(Path(path)),
    }
    for name, check in checks.items():
        if text := environ.get(name, "").strip():
            try:
                check(text)
            except ValueError as error:
                yield name, str(error)


def _matches(exception: str, host: str, port: int) -> bool:
    """Return whether a part of NO_PROXY is about a server.

    It is ``*``, an address, a network such as 10.0.0.0/8, or a domain with all those below it; a
    domain may begin with a dot, and end with a port.
    """
    if exception == "*":
        return True
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(exception.strip("[]"))
    except ValueError:
        domain = exception.removesuffix(f":{port}").lstrip(".")
        return bool(domain) and f".{host}".endswith(f".{domain}")


def _first_of(names: tuple[str, ...], environ: Mapping[str, str]) -> str:
    return next((text for name in names if (text := environ.get(name, "").strip())), "")


def _has_password(address: str) -> bool:
    try:
        return urlsplit(address).password is not None
    except ValueError:
        return "@" in address


def _usable_proxy(secret: SecretStr) -> SecretStr:
    parse_proxy(secret.get_secret_value())
    return secret


ProxyAddress = Annotated[
    Secret,
    BeforeValidator(lambda value: without_password(value, _has_password, _FORM)),
    AfterValidator(_usable_proxy),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": "^http://"},
                TypeAdapter(Secret).json_schema(),
            ],
            "errorMessage": _FORM,
        }
    ),
]
"""An address without a password, or a reference to an address, valid for ``parse_proxy``."""


def _key_file(value: Path, info: ValidationInfo) -> Path:
    path: Path = info.context.folder / value if info.context else value
    try:
        content = read_bytes(path)
    except UnreadableFileError as error:
        raise ValueError(f"names a file that {error}") from None
    if b"PRIVATE KEY-----" not in content:
        raise ValueError(_NO_KEY)
    return path


KeyFile = Annotated[Path, AfterValidator(_key_file)]


def check_key_pair(certificate: Path | None, key: Path | None) -> None:
    """Check that a key belongs to a client certificate; ValueError, a predicate of the key.

    Without a ``key`` it is looked for in the file of the certificate.
    """
    if certificate is None:
        if key is not None:
            raise ValueError("needs client_certificate beside it")
        return
    content = read_bytes(key or certificate)
    if b"PRIVATE KEY-----" not in content:
        raise ValueError("is missing: client_certificate names a file without a private key")
    if b"ENCRYPTED" in content:  # OpenSSL would ask for the passphrase on the terminal
        raise ValueError("names a file whose key is encrypted: give it without a passphrase")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ValueError("is not the key of client_certificate") from None
        raise ValueError(_NO_KEY) from None
