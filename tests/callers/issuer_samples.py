"""Tokens shaped as the documentation of the common issuers shows them."""

from __future__ import annotations

from typing import Any, NamedTuple

from tests.callers.issuer import NOW

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
"""Tokens of the same issuer and audience that are not access tokens."""
