"""The ``[auth]`` table: its format, and the sentences about mistakes."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from pydantic import ValidationError

from gateway.config.auth import AuthSettings, GrantSettings, KeySettings, unknown_sources
from gateway.config.file_form import FileForm
from gateway.config.mistakes import problems_of, sentence
from gateway.config.secret import ReferenceContext
from gateway.config.values import Table
from gateway.settings import load
from tests.callers.issuer import P256, RSA
from tests.callers.test_issuers import SOURCE

EXAMPLE = """
[auth]
methods = ["api-keys", "jwt"]
[[auth.keys]]
name = "grafana"
hash = "sha256:%s"
role = "reader"
sources = ["shop"]
[auth.jwt]
issuer = "https://id.example.com/"
audience = "webhook-logs"
jwks_url = "https://id.example.com/.well-known/jwks.json"
algorithms = ["RS256"]
roles_claim = "realm_access.roles"
leeway = 30
[auth.jwt.roles]
"webhook-admins" = { role = "admin" }
"shop-support" = { role = "operator", sources = ["shop"] }
""" % ("0" * 64)

# A valid key, but of 1024 bits.
SHORT = """-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQChhtSa2BWL0MQhFG3bKuWWT01R
EjJPTY/1/6lrkpSe+n6PblMgv3hG0i3LCFze7MikkP5NFKqy6n4sCQsfJstd2rf3
h64W5rciYVtMSUQH6GkMfPu2XOdnkBut4gCrA+rK64B9mSSClxtqyPd1KYx7bSjm
03aEZf7b5VOINKQTRQIDAQAB
-----END PUBLIC KEY-----
"""

PEM = RSA.as_pem(private=False).decode()


class Whole(Table):
    """A configuration with nothing else."""

    auth: AuthSettings = AuthSettings()
    """The callers."""


SCHEMA = Whole.model_json_schema(schema_generator=FileForm)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "issuer.pem").write_text(PEM)
    (tmp_path / "marked.pem").write_text(PEM, encoding="utf-8-sig")
    (tmp_path / "private.pem").write_bytes(RSA.as_pem(private=True))
    (tmp_path / "locked.pem").write_bytes(RSA.as_pem(private=True, password="pla1nted"))
    (tmp_path / "elliptic.pem").write_bytes(P256.as_pem(private=False))
    (tmp_path / "binary.pem").write_bytes(b"\xff\xfe")
    (tmp_path / "short.pem").write_text(SHORT)
    return tmp_path


def read(document: str, folder: Path) -> AuthSettings:
    context = ReferenceContext({}, folder)
    return Whole.model_validate(tomllib.loads(document), context=context).auth


def problems(document: str, folder: Path) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        read(document, folder)
    found = problems_of(caught.value, SCHEMA)
    return [sentence(problem, "gateway.toml", tomllib.loads(document), ()) for problem in found]


def test_example(folder: Path) -> None:
    settings = read(EXAMPLE, folder)
    assert settings.methods == ("api-keys", "jwt")
    key = KeySettings(name="grafana", hash="sha256:" + "0" * 64, role="reader", sources=("shop",))
    assert settings.keys == (key,)
    assert settings.jwt
    assert settings.jwt.model_dump(exclude={"roles"}) == {
        "issuer": "https://id.example.com/",
        "audience": "webhook-logs",
        "algorithms": ("RS256",),
        "jwks_url": "https://id.example.com/.well-known/jwks.json",
        "public_key": None,
        "roles_claim": "realm_access.roles",
        "leeway": 30,
        "id_tokens": False,
    }
    assert settings.jwt.roles == {
        "webhook-admins": GrantSettings(role="admin"),
        "shop-support": GrantSettings(role="operator", sources=("shop",)),
    }


def test_defaults(folder: Path) -> None:
    assert read("", folder) == AuthSettings(methods=("none",), keys=(), jwt=None)
    jwt = read(jwt_table(), folder).jwt
    assert jwt
    assert (jwt.algorithms, jwt.roles_claim, jwt.leeway) == (("RS256",), "roles", 30)
    assert jwt.roles == {
        role: GrantSettings(role=role) for role in ("viewer", "reader", "operator", "admin")
    }


@pytest.mark.parametrize(("value", "audience"), [("a", "a"), ('["a", "b"]', ("a", "b"))])
def test_audience_of_the_environment(value: str, audience: object, tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(f"{jwt_table(audience='')}\n{SOURCE}")
    jwt = load(file, {"KEY": "k", "GATEWAY_AUTH__JWT__AUDIENCE": value}).auth.jwt
    assert jwt
    assert jwt.audience == audience


def jwt_table(**changes: str) -> str:
    """Return [auth.jwt] as TOML with other values for some keys; "" leaves one out."""
    keys = {
        "issuer": '"https://id.example.com/"',
        "audience": '"webhook-logs"',
        "jwks_url": '"https://id.example.com/keys"',
        **changes,
    }
    lines = [f"{key} = {value}" for key, value in keys.items() if value]
    return "\n".join(['auth.methods = ["jwt"]', "[auth.jwt]", *lines])


def key_table(**changes: str) -> str:
    keys = {"name": '"grafana"', "hash": f'"sha256:{"0" * 64}"', "role": '"reader"', **changes}
    lines = [f"{key} = {value}" for key, value in keys.items() if value]
    return "\n".join(['auth.methods = ["api-keys"]', "[[auth.keys]]", *lines])


@pytest.mark.parametrize(
    "key",
    [
        '{ file = "issuer.pem" }',
        '{ file = "marked.pem" }',
        f'"""{PEM}"""',
        f'"""a comment\n{PEM}"""',
    ],
    ids=["file", "file-with-a-byte-order-mark", "written-out", "after-a-comment"],
)
def test_public_key_in_a_file_or_inline(folder: Path, key: str) -> None:
    jwt = read(jwt_table(jwks_url="", public_key=key), folder).jwt
    assert jwt
    assert jwt.public_key
    assert jwt.public_key.endswith(PEM)
    assert not jwt.public_key.startswith("\ufeff")


def test_public_key_for_one_of_the_algorithms(folder: Path) -> None:
    key = '{ file = "elliptic.pem" }'
    jwt = read(jwt_table(jwks_url="", public_key=key, algorithms='["RS256", "ES256"]'), folder).jwt
    assert jwt
    assert jwt.public_key


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("http://localhost:8080/keys", "http://localhost:8080/keys"),
        ("http://127.0.0.1/keys", "http://127.0.0.1/keys"),
        ("https://id.example.com/keys?p=policy", "https://id.example.com/keys?p=policy"),
    ],
)
def test_jwks_url(folder: Path, written: str, kept: str) -> None:
    jwt = read(jwt_table(jwks_url=f'"{written}"'), folder).jwt
    assert jwt
    assert jwt.jwks_url == kept


HASH = 'must be "sha256:" and 64 hexadecimal digits, as gateway key create prints it'
NAME = "must be 1 to 63 lower-case letters, digits and hyphens, and not begin with a hyphen"
ROLE = 'must be "viewer", "reader", "operator" or "admin"'
AUDIENCE = "must be text in quotes, or a list of such texts, and not empty"
ALGORITHM = (
    "must be an algorithm of public keys: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, "
    "ES512, EdDSA or Ed25519"
)
INSECURE = "must begin with https://, or others on the network could put in keys of their own"
ADDRESS = 'must be an https address, such as "https://id.example.com/keys.json"'
PUBLIC_KEY = 'must be { file = "/path" } of a public key in PEM form, or that form itself'

MISTAKES = [
    ("auth = 1", "auth must be a table"),
    ("auth.method = []", "auth.method is unknown: did you mean methods?"),
    ("auth.methods = []", "auth.methods must not be empty"),
    ('auth.methods = "jwt"', "auth.methods must be a list, in brackets"),
    (
        'auth.methods = ["oauth"]',
        'auth.methods[0] must be "none", "api-keys" or "jwt", in quotes',
    ),
    (
        'auth.methods = ["none", "jwt"]',
        'auth.methods holds "none" beside others: with it no credential is needed',
    ),
    ('auth.methods = ["jwt", "jwt"]', "auth.methods holds the same entry twice"),
    ('auth.methods = ["api-keys"]', 'auth.keys is missing: methods has "api-keys"'),
    ('auth.methods = ["api-keys"]\nauth.keys = []', 'auth.keys is missing: methods has "api-keys"'),
    ('auth.methods = ["jwt"]', 'auth.jwt is missing: methods has "jwt"'),
    (
        key_table().replace('["api-keys"]', '["none"]'),
        'auth.keys is of no use: add "api-keys" to methods',
    ),
    (key_table().partition("\n")[2], 'auth.keys is of no use: add "api-keys" to methods'),
    (jwt_table().partition("\n")[2], 'auth.jwt is of no use: add "jwt" to methods'),
    ("auth.keys = {}", "auth.keys must be a list of tables, each under [[auth.keys]]"),
    (key_table(name=""), f"auth.keys[0].name is missing: it {NAME}"),
    (key_table(name='"Grafana"'), f"auth.keys[0].name {NAME}"),
    (key_table(hash=""), f"auth.keys[0].hash is missing: it {HASH}"),
    (key_table(hash='"wlg_pla1nted"'), f"auth.keys[0].hash {HASH}"),
    (key_table(hash=f'"sha256:{"0" * 65}"'), f"auth.keys[0].hash {HASH}"),
    (key_table(hash=f'"sha256:{"0" * 64}\\n"'), f"auth.keys[0].hash {HASH}"),
    (key_table(hash=f'"{"0" * 64}"'), f"auth.keys[0].hash {HASH}"),
    (key_table(role=""), f"auth.keys[0].role is missing: it {ROLE}"),
    (key_table(role='"root"'), f"auth.keys[0].role {ROLE}"),
    (key_table(role='"READER"'), f"auth.keys[0].role {ROLE}"),
    (
        key_table(sources="[]"),
        "auth.keys[0].sources must not be empty: leave it out for all sources",
    ),
    (key_table(sources='"shop"'), "auth.keys[0].sources must be a list, in brackets"),
    (key_table(sources='["Shop"]'), f"auth.keys[0].sources[0] {NAME}"),
    (key_table(sources='["a", "a"]'), "auth.keys[0].sources holds the same entry twice"),
    (
        key_table(key='"wlg_pla1nted"'),
        "auth.keys[0].key is unknown: the keys here are hash, name, role, sources",
    ),
    (
        key_table() + "\n" + key_table(hash=f'"sha256:{"1" * 64}"').partition("\n")[2],
        "auth.keys has one name twice, in [0] and [1]",
    ),
    (
        key_table() + "\n" + key_table(name='"other"').partition("\n")[2],
        "auth.keys has one hash twice, in [0] and [1]",
    ),
    (jwt_table(issuer=""), "auth.jwt.issuer is missing: it must be text in quotes, and not empty"),
    (jwt_table(issuer='""'), "auth.jwt.issuer must be text in quotes, and not empty"),
    *(
        (jwt_table(audience=value), f"auth.jwt.audience {AUDIENCE}")
        for value in ("1", '""', "[]", '[""]', '["a", 1]', "{ a = 1 }", "true")
    ),
    (jwt_table(audience=""), f"auth.jwt.audience is missing: it {AUDIENCE}"),
    (jwt_table(id_tokens='"yes"'), "auth.jwt.id_tokens must be true or false"),
    (jwt_table(jwks_url=""), "auth.jwt.jwks_url is missing: give jwks_url or public_key"),
    (
        jwt_table(public_key='{ file = "issuer.pem" }'),
        "auth.jwt.jwks_url can't stand beside public_key: give one of them",
    ),
    (
        jwt_table(jwks_url='"http://id.example.com/keys"'),
        f"auth.jwt.jwks_url {INSECURE}",
    ),
    (
        jwt_table(jwks_url='"https://me:pla1nted@id.example.com/keys"'),
        "auth.jwt.jwks_url must not hold a user name or password: public keys need none",
    ),
    (jwt_table(jwks_url='"id.example.com"'), f"auth.jwt.jwks_url {ADDRESS}"),
    (jwt_table(jwks_url='"file:///etc/keys"'), f"auth.jwt.jwks_url {ADDRESS}"),
    (jwt_table(jwks_url="1"), f"auth.jwt.jwks_url {ADDRESS}"),
    *(
        (jwt_table(jwks_url="", public_key=key), f"auth.jwt.public_key {words}")
        for key, words in [
            ("1", PUBLIC_KEY),
            ('"pla1nted"', PUBLIC_KEY),
            ('{ env = "PEM" }', PUBLIC_KEY),
            ('{ file = "private.pem" }', PUBLIC_KEY),
            ('{ file = "locked.pem" }', PUBLIC_KEY),
            ('{ file = "issuer.pem", env = "PEM" }', PUBLIC_KEY),
            ('"-----BEGIN PUBLIC KEY-----\\npla1nted\\n-----END PUBLIC KEY-----"', PUBLIC_KEY),
            ('{ file = "absent.pem" }', "names a file that does not exist"),
            ('{ file = "binary.pem" }', "names a file that is UTF-16 text: save it as UTF-8"),
            ('{ file = "." }', "names a file that is a folder"),
            ('{ file = "elliptic.pem" }', "is a key for none of the algorithms"),
            ('{ file = "short.pem" }', "must be a longer key: one of RSA has 2048 bits or more"),
        ]
    ),
    (jwt_table(algorithms="[]"), "auth.jwt.algorithms must not be empty"),
    *(
        (jwt_table(algorithms=f'["RS256", "{name}"]'), f"auth.jwt.algorithms[1] {ALGORITHM}")
        for name in ("none", "HS256", "HS384", "HS512", "ES256K", "rs256", "dir", "")
    ),
    (jwt_table(roles_claim='""'), "auth.jwt.roles_claim must be text in quotes, and not empty"),
    (jwt_table(leeway="301"), "auth.jwt.leeway must be a whole number from 0 to 300"),
    (jwt_table(leeway="-1"), "auth.jwt.leeway must be a whole number from 0 to 300"),
    (jwt_table(leeway="1.5"), "auth.jwt.leeway must be a whole number from 0 to 300"),
    (
        jwt_table(roles="[]"),
        'auth.jwt.roles must be a table of grants, such as "shop-support" = { role = "operator" }',
    ),
    (jwt_table(roles='{ a = "admin" }'), "auth.jwt.roles.a must be a table"),
    (jwt_table(roles='{ "a b" = { role = "root" } }'), f'auth.jwt.roles."a b".role {ROLE}'),
    (
        jwt_table(roles='{ a = { role = "admin", sources = [] } }'),
        "auth.jwt.roles.a.sources must not be empty: leave it out for all sources",
    ),
]


@pytest.mark.sampled(5)
@pytest.mark.filterwarnings("ignore")  # the library warns of SHORT, too
@pytest.mark.parametrize(("document", "expected"), MISTAKES)
def test_mistakes(folder: Path, document: str, expected: str) -> None:
    assert problems(document, folder) == [f"gateway.toml: {expected}"]


def test_grants_for_unknown_sources(folder: Path) -> None:
    settings = read(EXAMPLE, folder)
    assert list(unknown_sources(settings, {"shop", "hub"})) == []
    found = list(unknown_sources(settings, {"tracker", "hub"}))
    assert [sentence(problem, "gateway.toml", {}, ()) for problem in found] == [
        f"gateway.toml: auth.{keys}.sources[0] is not a source: there are hub, tracker"
        for keys in ("keys[0]", "jwt.roles.shop-support")
    ]


def test_json_schema() -> None:
    validator = jsonschema_rs.Draft202012Validator(SCHEMA)
    validator.validate(tomllib.loads(EXAMPLE))
    validator.validate(tomllib.loads(jwt_table(jwks_url="", public_key='{ file = "a" }')))
    validator.validate(tomllib.loads(jwt_table(jwks_url="", public_key='"PEM"')))
    for document in (
        'auth.methods = ["oauth"]',
        jwt_table(algorithms='["HS256"]'),
        jwt_table(public_key='{ env = "PEM" }'),
        key_table(role='"root"'),
        key_table(hash='"wlg_0a1b2c3d"'),
    ):
        assert not validator.is_valid(tomllib.loads(document)), document
    forms: list[dict[str, Any]] = list(SCHEMA["$defs"].values())
    for form in forms:
        assert form["title"]
        for key, value in form["properties"].items():
            assert value.get("description", "").endswith("."), (form["title"], key)
    assert "null" not in str(SCHEMA)
