"""Tokens as the common issuers write them, with the settings of ``.github/docs/tokens.md``.

The claims are shaped as the documentation of the issuer shows them. To add an issuer, add a section
with a TOML block to that page, and its tokens here.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from gateway.callers.caller import Caller, Role
from gateway.callers.errors import UnauthenticatedError
from gateway.callers.issuer_keys import IssuerKeys
from gateway.callers.tokens import TokenVerifier
from gateway.config import load
from gateway.config.auth import JwtSettings
from tests.callers.issuer import NOW, RSA, Clock, Issuer, public, signed

PAGE = Path(__file__).parents[2] / ".github" / "docs" / "tokens.md"
SECTIONS = {
    part.partition("\n")[0]: block[1]
    for part in re.split(r"^##+ ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    if (block := re.search(r"^```toml\n(.*?)^```$", part, re.MULTILINE | re.DOTALL))
}
SOURCE = """
[[sources]]
name = "shop"
provider = "language-weaver"
base_url = "https://vendor.example"
auth = { type = "api-key", key = { env = "KEY" } }
"""
TENANT = "8a9c1c1e-0000-4000-8000-5d7d6f0b1a11"
APPLICATION = "2f6b1f5e-0000-4000-8000-3c3f7f1d2b22"
POOL = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Ab1Cd2Ef3"
TIMES = {"iat": int(NOW) - 60, "exp": int(NOW) + 3600}


class Token(NamedTuple):
    """A token of an issuer, by its claims beside the times."""

    section: str
    claims: dict[str, Any]
    header: dict[str, Any] = {"typ": "JWT"}  # noqa: RUF012 - never changed
    changes: dict[str, Any] = {}  # noqa: RUF012 - never changed
    """Settings that differ from the page's."""


KEYCLOAK = {
    "jti": "onrtac:8c5f1a9b",
    "iss": "https://sso.example.com/realms/acme",
    "aud": ["webhook-logs", "account"],
    "sub": "ada",
    "typ": "Bearer",
    "azp": "console",
    "sid": "0c2b6d0e",
    "acr": "1",
    "allowed-origins": ["https://console.example.com"],
    "realm_access": {"roles": ["offline_access", "webhook-admin", "default-roles-acme"]},
    "resource_access": {
        "webhook-logs": {"roles": ["webhook-admin"]},
        "account": {"roles": ["manage-account"]},
    },
    "scope": "openid profile email",
    "email_verified": True,
    "preferred_username": "ada",
}
AUTH0 = {
    "iss": "https://acme.eu.auth0.com/",
    "sub": "auth0|5f7c8ec7c33c6c004bbafe82",
    "aud": ["https://webhook-logs.example.com", "https://acme.eu.auth0.com/userinfo"],
    "scope": "openid profile email offline_access",
    "azp": "my_client_id",
    "permissions": ["admin:webhooks"],
    "https://acme.example/roles": ["admin"],
}
ENTRA = {
    "aud": APPLICATION,
    "iss": f"https://login.microsoftonline.com/{TENANT}/v2.0",
    "nbf": int(NOW) - 60,
    "aio": "AXQAi/8TAAAA",
    "azp": "9d7c0000-0000-4000-8000-000000000001",
    "azpacr": "0",
    "name": "Ada",
    "oid": "8f0e0000-0000-4000-8000-000000000002",
    "preferred_username": "ada@acme.example",
    "rh": "0.AAAA",
    "roles": ["Webhooks.Admin"],
    "scp": "access_as_user",
    "sub": "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ",
    "tid": TENANT,
    "uti": "fqiBqXLPj0eQa82S-IYFAA",
    "ver": "2.0",
}
ENTRA_1 = {
    "aud": f"api://{APPLICATION}",
    "iss": f"https://sts.windows.net/{TENANT}/",
    "nbf": int(NOW) - 60,
    "acr": "1",
    "amr": ["pwd", "mfa"],
    "appid": "9d7c0000-0000-4000-8000-000000000001",
    "appidacr": "0",
    "ipaddr": "192.0.2.1",
    "oid": "8f0e0000-0000-4000-8000-000000000002",
    "roles": ["Webhooks.Admin"],
    "scp": "access_as_user",
    "sub": "l3roISQU222bULS9yi2k0XpqpOiMz5H3ZACo1GeXA",
    "tid": TENANT,
    "unique_name": "ada@acme.example",
    "uti": "fqiBqXLPj0eQa82S-IYFAA",
    "ver": "1.0",
}
OKTA = {
    "ver": 1,
    "jti": "AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE",
    "iss": "https://acme.okta.com/oauth2/default",
    "aud": "api://default",
    "cid": "nmdP1fcyvdVO11AL7ECm",
    "uid": "00ujmkLgagxeRrAg20g3",
    "scp": ["openid", "webhooks.admin"],
    "auth_time": int(NOW) - 90,
    "sub": "ada@acme.example",
    "groups": ["Everyone", "Webhook Admins"],
}
COGNITO = {
    "sub": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
    "device_key": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
    "cognito:groups": ["webhook-admins"],
    "iss": POOL,
    "version": 2,
    "client_id": "7lpq0example0web0client",
    "origin_jti": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
    "event_id": "64f513be-32db-42b0-b78e-b02127b4f463",
    "token_use": "access",
    "scope": "aws.cognito.signin.user.admin openid",
    "auth_time": int(NOW) - 90,
    "jti": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
    "username": "ada",
}
GOOGLE = {
    "iss": "https://accounts.google.com",
    "azp": "102837465012345678901",
    "aud": "https://webhook-logs.example.com",
    "sub": "102837465012345678901",
    "email": "ada@acme.example",
    "email_verified": True,
}
ZITADEL = {
    "iss": "https://acme-1a2b3c.zitadel.cloud",
    "sub": "258311287033864193",
    "aud": ["258311000000000001@webhooks", "258310924876931073"],
    "nbf": int(NOW) - 60,
    "client_id": "258311000000000001@webhooks",
    "jti": "V2_258311-at_258312",
    "urn:zitadel:iam:org:project:roles": {
        "admin": {"258310000000000001": "acme.zitadel.cloud"},
        "unmapped": {"258310000000000001": "acme.zitadel.cloud"},
    },
    "urn:zitadel:iam:org:project:258310924876931073:roles": {
        "admin": {"258310000000000001": "acme.zitadel.cloud"}
    },
}


def without(claims: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in claims.items() if name not in names}


def mapping(value: str) -> dict[str, Any]:
    """Return settings that grant the role admin for one value."""
    return {"roles": {value: {"role": "admin"}}}


ADMINS = {
    "Keycloak": Token("Keycloak", KEYCLOAK),
    "Keycloak, with a nonce, before version 25": Token("Keycloak", KEYCLOAK | {"nonce": "n-0S6"}),
    "Keycloak, as RFC 9068 has it": Token("Keycloak", KEYCLOAK, {"typ": "at+jwt"}),
    "Keycloak, one audience": Token("Keycloak", KEYCLOAK | {"aud": "webhook-logs"}),
    "Keycloak, service account": Token(
        "Keycloak", KEYCLOAK | {"client_id": "job", "clientHost": "192.0.2.1", "azp": "job"}
    ),
    "Keycloak, roles of a client": Token(
        "Keycloak", KEYCLOAK, changes={"roles_claim": "resource_access.webhook-logs.roles"}
    ),
    "Keycloak, roles of a client with dots": Token(
        "Keycloak",
        KEYCLOAK | {"resource_access": {"logs.acme.example": {"roles": ["webhook-admin"]}}},
        changes={"roles_claim": "resource_access.logs.acme.example.roles"},
    ),
    "Auth0": Token("Auth0", AUTH0),
    "Auth0, as RFC 9068 has it": Token(
        "Auth0", without(AUTH0, "azp") | {"client_id": "c", "jti": "j"}, {"typ": "at+jwt"}
    ),
    "Auth0, machine": Token(
        "Auth0",
        AUTH0
        | {
            "sub": "my_client_id@clients",
            "aud": "https://webhook-logs.example.com",
            "gty": "client-credentials",
        },
    ),
    "Auth0, claim with a URL as its name": Token(
        "Auth0",
        AUTH0,
        changes={"roles_claim": "https://acme.example/roles", **mapping("admin")},
    ),
    "Auth0, claim in a claim with a URL as its name": Token(
        "Auth0",
        AUTH0 | {"https://acme.example/claims": {"roles": ["admin"]}},
        changes={"roles_claim": "https://acme.example/claims.roles", **mapping("admin")},
    ),
    "Auth0, scope": Token(
        "Auth0", AUTH0, changes={"roles_claim": "scope", **mapping("offline_access")}
    ),
    "Entra ID": Token("Entra ID", ENTRA),
    "Entra ID, application": Token(
        "Entra ID", without(ENTRA, "scp", "name", "preferred_username") | {"idtyp": "app"}
    ),
    "Entra ID, scp": Token(
        "Entra ID", ENTRA, changes=mapping("access_as_user") | {"roles_claim": "scp"}
    ),
    "Entra ID, version 1": Token("Entra ID, version 1", ENTRA_1),
    "Entra ID, version 1, application": Token(
        "Entra ID, version 1",
        without(ENTRA_1, "scp", "amr", "unique_name", "ipaddr")
        | {"idp": f"https://sts.windows.net/{TENANT}/", "appidacr": "1"},
    ),
    "Okta": Token("Okta", OKTA, {}),
    "Okta, scp as a list": Token(
        "Okta", OKTA, {}, {"roles_claim": "scp", **mapping("webhooks.admin")}
    ),
    "Okta, machine": Token(
        "Okta", without(OKTA, "uid", "auth_time") | {"sub": "nmdP1fcyvdVO11AL7ECm"}, {}
    ),
    "Cognito": Token("Amazon Cognito", COGNITO, {}),
    "Cognito, machine": Token(
        "Amazon Cognito",
        without(COGNITO, "cognito:groups", "username", "device_key", "event_id", "origin_jti")
        | {"sub": "3kd9example0job0client", "client_id": "3kd9example0job0client"}
        | {"scope": "webhooks/read webhooks/admin"},
        {},
        {"roles_claim": "scope", **mapping("webhooks/admin")},
    ),
    "Google": Token("Google", GOOGLE),
    "Google, person": Token(
        "Google", GOOGLE | {"at_hash": "HK6E_P6Dh8Y93mRNtsDB1Q", "hd": "acme.example", "nonce": "n"}
    ),
    "Zitadel": Token("Zitadel", ZITADEL),
    "Zitadel, one project": Token(
        "Zitadel",
        ZITADEL,
        changes={"roles_claim": "urn:zitadel:iam:org:project:258310924876931073:roles"},
    ),
}
"""Access tokens that must be accepted, and grant the role admin."""

ID_TOKENS = {
    "Keycloak": Token("Keycloak", KEYCLOAK | {"typ": "ID", "at_hash": "a", "nonce": "n"}),
    "Keycloak, refresh token": Token("Keycloak", KEYCLOAK | {"typ": "Refresh"}),
    "Keycloak, offline token": Token("Keycloak", KEYCLOAK | {"typ": "Offline"}),
    "Keycloak, logout token": Token(
        "Keycloak",
        without(KEYCLOAK, "typ")
        | {"events": {"http://schemas.openid.net/event/backchannel-logout": {}}},
        {"typ": "logout+jwt"},
    ),
    "Auth0": Token(
        "Auth0", without(AUTH0, "scope", "azp") | {"nonce": "n", "nickname": "ada", "sid": "s"}
    ),
    "Entra ID": Token("Entra ID", without(ENTRA, "azp", "azpacr", "scp")),
    "Entra ID, with a nonce": Token(
        "Entra ID", without(ENTRA, "azp", "azpacr", "scp") | {"nonce": "678910", "ver": "2.0"}
    ),
    "Entra ID, version 1": Token(
        "Entra ID, version 1", without(ENTRA_1, "appid", "appidacr", "scp")
    ),
    "Okta": Token(
        "Okta",
        without(OKTA, "cid", "uid", "scp") | {"amr": ["pwd"], "idp": "00ok1u7AsAkrwdZL3z0g3"},
        {},
    ),
    "Okta, with a hash": Token("Okta", without(OKTA, "scp") | {"at_hash": "a"}, {}),
    "Okta, of the org server": Token("Okta", OKTA, {"typ": "application/okta-internal-at+jwt"}),
    "Cognito": Token(
        "Amazon Cognito",
        without(COGNITO, "client_id", "scope")
        | {"token_use": "id", "aud": "7lpq0example0web0client", "cognito:username": "ada"},
        {},
    ),
    "Zitadel": Token("Zitadel", ZITADEL | {"at_hash": "a", "amr": ["pwd"], "azp": "258311"}),
    "Google, not asked for": Token(
        "Google", GOOGLE | {"at_hash": "HK6E_P6Dh8Y93mRNtsDB1Q"}, changes={"id_tokens": False}
    ),
}
"""Tokens of the same issuer and audience that are no access tokens."""


def settings_of(token: Token, folder: Path) -> JwtSettings:
    """Load the page's settings for an issuer."""
    file = folder / "gateway.toml"
    file.write_text(SECTIONS[token.section] + SOURCE, encoding="utf-8")
    jwt = load(file, {"KEY": "k"}).auth.jwt
    assert jwt
    return JwtSettings.model_validate(jwt.model_dump(exclude_unset=True) | token.changes)


def sign(token: Token) -> str:
    header = {"alg": "RS256", "kid": RSA.kid, **token.header}
    return signed(header, TIMES | token.claims, RSA)


async def verify(token: Token, folder: Path) -> Caller:
    issuer = Issuer()
    # Issuers publish certificates beside the numbers, and keys for encryption beside those.
    issuer.keys = [
        public(RSA, use="enc", alg="RSA-OAEP", kid="encryption"),
        public(RSA, use="sig", x5t="8Tc2", x5c=["MIIC"], issuer="https://issuer.example"),
    ]
    keys = IssuerKeys(issuer.fetch, Clock())
    return await TokenVerifier(settings_of(token, folder), keys, Clock()).verify(sign(token))


def test_page_has_an_issuer_per_section() -> None:
    assert set(SECTIONS) == {token.section for token in ADMINS.values()}


@pytest.mark.parametrize("token", ADMINS.values(), ids=ADMINS)
async def test_access_token_is_accepted(token: Token, tmp_path: Path) -> None:
    caller = await verify(token, tmp_path)
    assert caller.name == token.claims["sub"]
    assert caller.role_on("shop") is Role.ADMIN


@pytest.mark.parametrize("token", ID_TOKENS.values(), ids=ID_TOKENS)
async def test_token_of_another_kind_is_refused(
    token: Token, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever runs a client of the issuer has such tokens of its users."""
    caplog.set_level("INFO")
    with pytest.raises(UnauthenticatedError):
        await verify(token, tmp_path)
    assert caplog.messages == ["A token was refused: it is no access token."]


@pytest.mark.parametrize("token", ADMINS.values(), ids=ADMINS)
@pytest.mark.parametrize(
    "changes",
    [{"aud": "other"}, {"aud": ["other"]}, {"aud": None, "client_id": "other"}, {"iss": "other"}],
    ids=str,
)
async def test_token_for_others_is_refused(
    token: Token, tmp_path: Path, changes: dict[str, Any]
) -> None:
    claims = {name: it for name, it in (token.claims | changes).items() if it is not None}
    with pytest.raises(UnauthenticatedError):
        await verify(token._replace(claims=claims), tmp_path)


@pytest.mark.parametrize("section", sorted(set(SECTIONS) - {"Amazon Cognito"}))
async def test_client_is_no_audience_elsewhere(section: str, tmp_path: Path) -> None:
    """Only Cognito leaves aud out; by others the client may be allowed another service alone."""
    token = next(token for token in ADMINS.values() if token.section == section)
    audience = settings_of(token, tmp_path).audience
    claims = without(token.claims, "aud") | {"client_id": audience, "azp": audience}
    with pytest.raises(UnauthenticatedError):
        await verify(token._replace(claims=claims), tmp_path)


@pytest.mark.parametrize("verified", [False, "false", None, "", 0])
async def test_unverified_address_grants_nothing(verified: object, tmp_path: Path) -> None:
    """Anybody can create an account with somebody else's address and leave it unverified."""
    token = Token("Google", GOOGLE | {"email_verified": verified})
    assert (await verify(token, tmp_path)).grants == ()
    unknown = Token("Google", without(GOOGLE, "email_verified"))
    assert (await verify(unknown, tmp_path)).grants == ()


@pytest.mark.parametrize(
    "roles", [{"admin": {}}, {"admin": True}, {"admin": {"roles": ["x"]}}, {"admin": None}]
)
async def test_object_without_organisations_grants_nothing(
    roles: dict[str, Any], tmp_path: Path
) -> None:
    """Keycloak's resource_access is such an object, by client; a client may be named admin."""
    token = Token("Zitadel", ZITADEL | {"urn:zitadel:iam:org:project:roles": roles})
    assert (await verify(token, tmp_path)).grants == ()


@pytest.mark.parametrize("kind", ["JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt"])
async def test_types_of_access_tokens(kind: str, tmp_path: Path) -> None:
    caller = await verify(Token("Keycloak", KEYCLOAK, {"typ": kind}), tmp_path)
    assert caller.name == "ada"


@pytest.mark.parametrize("kind", ["", "dpop+jwt", "secevent+jwt", "application/json", 7, None, []])
async def test_other_types_are_refused(kind: object, tmp_path: Path) -> None:
    with pytest.raises(UnauthenticatedError):
        await verify(Token("Keycloak", KEYCLOAK, {"typ": kind}), tmp_path)
