"""Proxies and certificates in the configuration, and in the environment."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from gateway.config.network import Proxy, environment_proxy, parse_proxy
from gateway.errors import ConfigurationError
from tests.config.documents import SECRETS, problems, problems_without_file, read, table
from tests.upstream.test_network import Identity, identity, key_pem, pem

OWN, OTHER = identity("gateway.example"), identity("gateway.example")


def encrypted(owner: Identity) -> bytes:
    return owner.key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"pla1nted"),
    )


def source(**files: bytes) -> str:
    """Write the files of a client certificate; return the source that names them."""
    for name, content in files.items():
        Path(f"{name}.pem").write_bytes(content)
    return table("shop", **{f"client_{name}": f'"{name}.pem"' for name in files})


def test_key_may_stand_in_the_file_of_the_certificate() -> None:
    for content in (pem(OWN) + key_pem(OWN), key_pem(OWN) + pem(OWN)):
        shop = read(source(certificate=content)).sources[0]
        assert (shop.client_certificate, shop.client_key) == (Path("certificate.pem"), None)


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ({"key": key_pem(OWN)}, "needs client_certificate beside it"),
        (
            {"certificate": pem(OWN)},
            "is missing: client_certificate names a file without a private key",
        ),
        (
            {"certificate": pem(OWN), "key": key_pem(OTHER)},
            "is not the key of client_certificate",
        ),
        (
            {"certificate": pem(OWN), "key": encrypted(OWN)},
            "names a file whose key is encrypted: give it without a passphrase",
        ),
        (
            {"certificate": pem(OWN), "key": key_pem(OWN)[:60]},
            'names a file that holds no private key in PEM form, which begins with "-----BEGIN'
            ' PRIVATE KEY-----" or the like',
        ),
    ],
    ids=["no certificate", "no key", "another key", "encrypted", "cut off"],
)
def test_key_that_does_not_fit_is_refused(files: dict[str, bytes], complaint: str) -> None:
    """OpenSSL would ask for a passphrase on the terminal, and fail at the first call for others."""
    assert problems(source(**files)) == [f'gateway.toml: sources[0] "shop": client_key {complaint}']


def test_proxy_with_a_password_is_a_reference() -> None:
    document = table("shop", proxy='{ env = "PROXY" }')
    settings = read(document, PROXY="http://ada:p%40ss@[2001:db8::1]:3128/")
    proxy = settings.sources[0].proxy
    assert proxy is not None
    assert parse_proxy(proxy.get_secret_value()) == Proxy("2001:db8::1", 3128, "Basic YWRhOnBAc3M=")
    assert "ss" not in repr(settings.sources[0].proxy)


def test_variables_that_would_break_all_calls_are_refused(folder: Path) -> None:
    (folder / "none.pem").write_text("none")
    environ = {
        **SECRETS,
        "HTTPS_PROXY": "socks5://pla1nted@proxy.example",
        "SSL_CERT_FILE": "none.pem",
    }
    said = [
        "HTTPS_PROXY: must begin with http://: the gateway speaks to no proxy by TLS or SOCKS",
        "SSL_CERT_FILE: names a file that holds no certificates in PEM form, which begin with"
        ' "-----BEGIN CERTIFICATE-----"',
    ]
    assert problems(table("shop"), **environ) == said
    assert problems_without_file(environ | {"GATEWAY_SOURCES": "[]"})[:2] == said


@pytest.mark.parametrize(
    ("host", "exceptions", "is_proxied"),
    [
        ("vendor.example", "", True),
        ("vendor.example", "other.example, ample,10.0.0.0/8,vendor.example:444,", True),
        ("vendor.example", "other.example, vendor.example", False),
        ("Vendor.example", ".EXAMPLE", False),
        ("vendor.example", "example:443", False),
        ("vendor.example", "*", False),
        ("192.0.2.1", "192.0.2.0/24", False),
        ("192.0.2.1", "192.0.2.2", True),
        ("2001:db8::1", "[2001:db8::1]", False),
        ("localhost", "", False),
        ("127.0.0.1", "", False),
    ],
)
def test_no_proxy_lists_exceptions(host: str, exceptions: str, is_proxied: bool) -> None:
    environ = {"HTTPS_PROXY": "proxy.example:3128", "NO_PROXY": exceptions}
    proxy = Proxy("proxy.example", 3128) if is_proxied else None
    assert environment_proxy(host, 443, environ) == proxy
    assert environment_proxy(host, 443, {"NO_PROXY": exceptions, "HTTPS_PROXY": ""}) is None


def test_lower_case_variables_win() -> None:
    environ = {"https_proxy": "a.example", "HTTPS_PROXY": "b.example", "no_proxy": "c.example"}
    assert environment_proxy("vendor.example", 443, environ) == Proxy("a.example", 80)
    assert environment_proxy("c.example", 443, environ) is None


def test_no_message_repeats_an_address() -> None:
    for address in ("http://a b:pla1nted@", "https://pla1nted", "http://h/pla1nted", "http://h:x"):
        with pytest.raises(ValueError, match=r"^must b") as caught:
            parse_proxy(address)
        assert "pla1nted" not in str(caught.value)
    with pytest.raises(ConfigurationError):
        read(table("shop"), HTTPS_PROXY="http://")
