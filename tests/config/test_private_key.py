"""Private keys are references, and no message shows a part of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc.jwk import ECKey, RSAKey
from pydantic import SecretStr, ValidationError

from gateway.config.private_key import PrivateKey, private_key
from gateway.config.secret import ReferenceContext
from gateway.config.values import Table

KEY = RSAKey.generate_key(2048)
PEM = KEY.as_pem(private=True).decode()


class App(Table):
    private_key: PrivateKey


def read(value: object, folder: Path = Path(), **environ: str) -> App:
    context = ReferenceContext(environ, folder)
    return App.model_validate({"private_key": value}, context=context)


def complaint(value: object, **environ: str) -> str:
    with pytest.raises(ValidationError) as caught:
        read(value, Path(), **environ)
    (error,) = caught.value.errors(include_url=False)
    return str(error["ctx"]["error"])


def is_key(app: App) -> bool:
    found = private_key(app.private_key.get_secret_value())
    return found.thumbprint() == KEY.thumbprint() and found.is_private


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_key_in_a_file(tmp_path: Path, end: str) -> None:
    (tmp_path / "app.pem").write_text(f"\ufeff{PEM.strip()}{end}", encoding="utf-8")
    assert is_key(read({"file": "app.pem"}, tmp_path))


@pytest.mark.parametrize("pem", [PEM, PEM.replace("\n", "\r\n"), PEM.strip().replace("\n", "\\n")])
def test_key_in_a_variable(pem: str) -> None:
    """Files of variables can't hold line breaks, so that they are written as two characters."""
    assert is_key(read({"env": "KEY"}, KEY=pem))


def test_older_form_of_a_key() -> None:
    """The form in which keys are downloaded."""
    pem = older_form(rsa.generate_private_key(65537, 2048))
    assert pem.startswith("-----BEGIN RSA PRIVATE KEY-----")
    assert private_key(pem).is_private


def older_form(key: rsa.RSAPrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    ).decode()


NO_KEY = (
    "holds no private key in PEM form, which begins with a line such as"
    ' "-----BEGIN RSA PRIVATE KEY-----", and has all of its lines'
)
BODY = PEM.splitlines()[5]


@pytest.mark.parametrize(
    ("pem", "words"),
    [
        ("pla1nted", NO_KEY),
        (BODY, NO_KEY),
        (PEM[:400], NO_KEY),
        (PEM.replace(BODY, BODY[:-8]), NO_KEY),
        (f"-----BEGIN PRIVATE KEY-----\n{BODY}\n-----END PRIVATE KEY-----", NO_KEY),
        (
            KEY.as_pem(private=False).decode(),
            "is a public key or a certificate: give the private key of the pair",
        ),
        (
            f"-----BEGIN CERTIFICATE-----\n{BODY}\n-----END CERTIFICATE-----",
            "is a public key or a certificate: give the private key of the pair",
        ),
        (
            KEY.as_pem(private=True, password="secret").decode(),
            "is encrypted: give the key without a passphrase",
        ),
        (
            PEM.replace("-----\n", "-----\nProc-Type: 4,ENCRYPTED\n", 1),
            "is encrypted: give the key without a passphrase",
        ),
        (
            ECKey.generate_key("P-256").as_pem(private=True).decode(),
            "must be a key of RSA: others can't sign by RS256",
        ),
        (
            "-----BEGIN RSA PRIVATE KEY-----\n"
            "MIIBOwIBAAJBAL0mnTxqYLsgmFHrxRIVYQxV8MLSuz6PVIDbODVDyc0Uqxx1RRxI\n"
            "-----END RSA PRIVATE KEY-----",
            NO_KEY,
        ),
    ],
    ids=range(11),
)
def test_unusable_key_is_refused_with_its_reason(pem: str, words: str) -> None:
    assert complaint({"env": "KEY"}, KEY=pem) == words


def test_short_key_is_refused() -> None:
    pem = older_form(rsa.generate_private_key(65537, 1024))  # noqa: S505
    assert complaint({"env": "KEY"}, KEY=pem) == "must be a longer key, of 2048 bits or more"


def test_reference_is_resolved_as_any_secret() -> None:
    assert complaint(PEM).startswith("must not be written out here")
    assert complaint({"file": "gone.pem"}) == "names a file that does not exist"
    assert complaint({"env": "KEY"}) == "names an environment variable KEY that is not set"
    assert complaint(17) == 'must be { env = "NAME" } or { file = "/path" }'


def test_key_is_not_printed() -> None:
    app = read(SecretStr(PEM))
    for text in (repr(app), str(app), app.model_dump_json(), str(app.model_dump())):
        assert BODY not in text
    with pytest.raises(ValidationError) as caught:
        read({"env": "KEY"}, KEY=PEM[:400])
    assert PEM.splitlines()[1] not in f"{caught.value!r} {caught.value} {caught.value.errors()}"
