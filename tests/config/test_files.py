"""Configuration files as editors and shells write them: encodings, marks, line endings."""

from __future__ import annotations

import codecs
import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import certifi
import pytest

from gateway.config.documents import DocumentSettings
from gateway.errors import ConfigurationError
from gateway.settings import Settings, load

BOM = "\ufeff"
SOURCE = """
[[sources]]
name = "translations"
provider = "language-weaver"
base_url = "https://controller.example:8001"
auth = { type = "api-key", key = { file = "key" } }
"""
QUERY = json.dumps({"1": "{ sources { name } }"})
CERTIFICATES = Path(certifi.where()).read_text(encoding="utf-8")

Load = Callable[..., Settings]


@pytest.fixture
def load_from(tmp_path: Path) -> Load:
    """Load a configuration from a folder that also holds ``files``."""

    def load_from(
        document: str | bytes = SOURCE,
        *,
        environ: dict[str, str] | None = None,
        **files: str | bytes,
    ) -> Settings:
        for name, content in {"gateway.toml": document, "key": "s3cret", **files}.items():
            data = content.encode() if isinstance(content, str) else content
            (tmp_path / name).write_bytes(data)
        return load(tmp_path / "gateway.toml", environ or {})

    return load_from


def problem(load_from: Load, *args: str | bytes, **files: str | bytes) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_from(*args, **files)
    (sentence,) = caught.value.problems
    assert "s3cret" not in sentence
    return sentence.partition("gateway.toml: ")[2]


def key_of(settings: Settings) -> str:
    secret: str = settings.sources[0].auth.key.get_secret_value()
    return secret


@pytest.mark.parametrize(
    "document",
    [
        BOM + SOURCE,
        BOM + BOM + SOURCE,
        SOURCE.replace("\n", "\r\n"),
        BOM + SOURCE.replace("\n", "\r\n"),
    ],
    ids=["mark", "two marks", "CRLF", "mark and CRLF"],
)
def test_configuration_may_have_any_mark_and_line_endings(load_from: Load, document: str) -> None:
    assert load_from(document).sources == load_from(SOURCE).sources


@pytest.mark.parametrize(
    "content",
    [
        "s3cret",
        "s3cret\n",
        "s3cret\r\n",
        "s3cret\r",
        "s3cret \t\n\n",
        BOM + "s3cret",
        BOM + "s3cret\r\n",
    ],
    ids=repr,
)
def test_secret_file_is_read_without_mark_and_line_ending(load_from: Load, content: str) -> None:
    """A mark or line ending would be sent as part of the secret, and the vendor would refuse it."""
    assert key_of(load_from(key=content)) == "s3cret"


@pytest.mark.parametrize("value", ["s3cret\n", "s3cret\r\n", BOM + "s3cret", BOM + "s3cret\r\n"])
def test_secret_variable_is_read_without_mark_and_line_ending(load_from: Load, value: str) -> None:
    """Orchestrators fill variables from files, with their byte order marks and line endings."""
    document = SOURCE.replace('{ file = "key" }', '{ env = "KEY" }')
    assert key_of(load_from(document, environ={"KEY": value})) == "s3cret"


@pytest.mark.parametrize("content", [BOM + QUERY, BOM + QUERY.replace('{"', '{\r\n"') + "\r\n"])
def test_manifest_may_have_any_mark_and_line_endings(load_from: Load, content: str) -> None:
    settings = load_from('[documents]\ntrusted = ["manifest"]\n' + SOURCE, manifest=content)
    assert settings.documents.trusted[0].documents == (("1", "{ sources { name } }"),)


def test_certificates_may_start_with_a_byte_order_mark(load_from: Load, tmp_path: Path) -> None:
    document = SOURCE + 'ca_bundle = "ca.pem"\n'
    settings = load_from(document, **{"ca.pem": BOM + CERTIFICATES.replace("\n", "\r\n")})
    assert settings.sources[0].ca_bundle == tmp_path / "ca.pem"


def test_variables_may_start_with_a_byte_order_mark(load_from: Load) -> None:
    environ = {
        "GATEWAY_SERVER__PORT": BOM + "9000",
        "GATEWAY_SERVER__CORS_ORIGINS": BOM + '["https://app.example.com"]\r\n',
    }
    server = load_from(environ=environ).server
    assert (server.port, server.cors_origins) == (9000, ("https://app.example.com",))


NO_CERTIFICATES = (
    "names a file that holds no certificates in PEM form, which begin with"
    ' "-----BEGIN CERTIFICATE-----"'
)
ENCODED = [
    (codecs.BOM_UTF16_LE + "s3cret é".encode("utf-16-le"), "is UTF-16 text: save it as UTF-8"),
    (codecs.BOM_UTF16_BE + "s3cret é".encode("utf-16-be"), "is UTF-16 text: save it as UTF-8"),
    ("s3cret é".encode("utf-32"), "is UTF-32 text: save it as UTF-8"),
    (
        "s3cret".encode("utf-16-le"),
        "holds null characters, as UTF-16 text and binary files do: save it as UTF-8 text",
    ),
    (b"s3cret\n\xe9", "is not UTF-8 text in line 2: save it as UTF-8"),
]


@pytest.mark.parametrize(("content", "reason"), ENCODED)
def test_other_encoding_is_named(load_from: Load, content: bytes, reason: str) -> None:
    assert problem(load_from, content) == f"the file {reason}"
    assert problem(load_from, key=content).endswith(f"auth.key names a file that {reason}")
    trusted = '[documents]\ntrusted = ["manifest"]\n' + SOURCE
    assert problem(load_from, trusted, manifest=content) == (
        f"documents.trusted[0] names a file that {reason}"
    )
    bundle = SOURCE + 'ca_bundle = "ca.pem"\n'
    if "-16 text: " in reason or "-32" in reason:  # comments may have any other encoding
        said = problem(load_from, bundle, **{"ca.pem": content})
        assert said.endswith(f"ca_bundle names a file that {reason}")


UNREADABLE = [
    (FileNotFoundError(errno.ENOENT, ""), "does not exist"),
    (
        PermissionError(errno.EACCES, ""),
        "can't be opened by the user that runs the gateway: check its permissions and those of its"
        " folders",
    ),
    (NotADirectoryError(errno.ENOTDIR, ""), "lies in a folder that is a file"),
    (OSError(errno.ELOOP, ""), "is a link that leads back to itself"),
    (OSError(errno.EIO, "Input/output error"), "can't be read: input/output error"),
]


@pytest.mark.parametrize(("error", "reason"), UNREADABLE)
def test_reason_why_a_file_is_unreadable_is_named(
    load_from: Load, monkeypatch: pytest.MonkeyPatch, error: OSError, reason: str
) -> None:
    """The operator's next step depends on whether permissions, path or encoding are at fault."""
    read = Path.read_bytes

    def refuse(name: str) -> None:
        def read_bytes(self: Path) -> bytes:
            if self.name == name:
                raise error
            return read(self)

        monkeypatch.setattr(Path, "read_bytes", read_bytes)

    refuse("gateway.toml")
    assert problem(load_from) == f"the file {reason}"
    refuse("key")
    assert problem(load_from).endswith(f"auth.key names a file that {reason}")
    refuse("manifest")
    trusted = '[documents]\ntrusted = ["manifest"]\n' + SOURCE
    assert problem(load_from, trusted) == f"documents.trusted[0] names a file that {reason}"
    refuse("ca.pem")
    bundle = SOURCE + 'ca_bundle = "ca.pem"\n'
    assert problem(load_from, bundle).endswith(f"ca_bundle names a file that {reason}")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_file_without_permission(load_from: Load, tmp_path: Path) -> None:
    load_from()
    (tmp_path / "key").chmod(0)
    with pytest.raises(ConfigurationError, match=r"auth\.key names a file that can't be opened"):
        load(tmp_path / "gateway.toml", {})


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        (".", "is a folder"),
        ("key/key", "lies in a folder that is a file"),
        ("absent/key", "does not exist"),
        ("k" * 300, "has a name that is too long"),
        ("k\\u0000y", "has a name that no file can have"),
    ],
)
def test_path_without_a_file(load_from: Load, path: str, reason: str) -> None:
    document = SOURCE.replace('"key"', f'"{path}"')
    assert problem(load_from, document).endswith(f"auth.key names a file that {reason}")


def test_manifest_or_bundle_that_is_a_folder_is_refused(load_from: Load) -> None:
    trusted = '[documents]\ntrusted = ["."]\n' + SOURCE
    assert problem(load_from, trusted) == "documents.trusted[0] names a file that is a folder"
    bundle = SOURCE + 'ca_bundle = "."\n'
    assert problem(load_from, bundle).endswith("ca_bundle names a file that is a folder")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (
            "no certificates",
            NO_CERTIFICATES,
        ),
        (
            b"\x30\x82\x01\x01\xff\xfe",
            NO_CERTIFICATES,
        ),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "names a file with a certificate that is damaged",
        ),
        (
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
            NO_CERTIFICATES,
        ),
    ],
)
def test_file_without_certificates(load_from: Load, content: str, complaint: str) -> None:
    bundle = SOURCE + 'ca_bundle = "ca.pem"\n'
    assert problem(load_from, bundle, **{"ca.pem": content}).endswith(f"ca_bundle {complaint}")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("s3cret\ns3cret", "holds a line break inside of it"),
        ("\ns3cret", "holds a line break inside of it"),
        ("s3\tcret", "holds a tab"),
        ("s3\x1bcret", "holds a control character"),
        (
            "s3 cret",
            'holds a space: give the token or key alone, without a word such as "Bearer" before it',
        ),
        ("s3crét", "holds a character outside of ASCII, which no HTTP header can carry"),
        (f"s3cret{BOM}", "holds a character outside of ASCII, which no HTTP header can carry"),
        ("", "names a file that is empty"),
        (BOM, "names a file that is empty"),
        (" \r\n", "names a file that is empty"),
    ],
)
def test_unusable_secret_is_reported_without_showing_it(
    load_from: Load, content: str, complaint: str
) -> None:
    assert problem(load_from, key=content).endswith(f"auth.key {complaint}")


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ("a = 1" + "0" * 5000, "a number has too many digits"),
        ("a = " + "[" * 100_000, "lists or tables lie too deep inside each other"),
        (
            'ca_bundle = "C:\\Users\\a.pem"',
            "Invalid hex value (at line 1, column 18). Between double quotes, a backslash begins"
            " an escape: put a path between single quotes",
        ),
        (
            'ca_bundle = "C:\\path"',
            "Unescaped '\\' in a string (at line 1, column 18). Between double quotes, a backslash"
            " begins an escape: put a path between single quotes",
        ),
    ],
    ids=["digits", "depth", "\\U", "\\p"],
)
def test_document_that_is_not_toml(load_from: Load, document: str, complaint: str) -> None:
    assert problem(load_from, document) == f"the file is not TOML: {complaint}"


@pytest.mark.parametrize(
    "content",
    ["{", "[" * 100_000, '{"1": 1' + "0" * 5000 + "}"],
    ids=["cut off", "depth", "digits"],
)
def test_file_that_is_not_a_manifest(content: str, tmp_path: Path) -> None:
    (tmp_path / "manifest").write_text(content)
    with pytest.raises(ValueError, match="names a file that is not a manifest"):
        DocumentSettings.model_validate({"trusted": [str(tmp_path / "manifest")]})
