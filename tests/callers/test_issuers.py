"""Tokens as the common issuers write them, with the settings of ``.github/docs/tokens.md``.

The claims are shaped as the documentation of the issuer shows them. To add an issuer, add a section
with a TOML block to that page, and its tokens to ``issuer_samples``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from gateway.callers.caller import Caller, Role
from gateway.callers.errors import UnauthenticatedError
from gateway.callers.issuer_keys import IssuerKeys
from gateway.callers.tokens import TokenVerifier
from gateway.config.auth import JwtSettings
from gateway.settings import load
from tests.callers.issuer import RSA, Clock, Issuer, public, signed
from tests.callers.issuer_samples import (
    ADMINS,
    GOOGLE,
    ID_TOKENS,
    KEYCLOAK,
    TIMES,
    ZITADEL,
    Token,
    without,
)

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
    """Every operator of a client of the issuer has such tokens of its users."""
    caplog.set_level("INFO")
    with pytest.raises(UnauthenticatedError):
        await verify(token, tmp_path)
    assert caplog.messages == ["A token was refused: it is no access token."]


@pytest.mark.sampled(5)
@pytest.mark.parametrize("token", ADMINS.values(), ids=ADMINS)
@pytest.mark.parametrize(
    "changes",
    [{"aud": "other"}, {"aud": ["other"]}, {"aud": None, "client_id": "other"}, {"iss": "other"}],
    ids=str,
)
async def test_token_for_another_audience_is_refused(
    token: Token, tmp_path: Path, changes: dict[str, Any]
) -> None:
    claims = {name: it for name, it in (token.claims | changes).items() if it is not None}
    with pytest.raises(UnauthenticatedError):
        await verify(token._replace(claims=claims), tmp_path)


@pytest.mark.parametrize("section", sorted(set(SECTIONS) - {"Amazon Cognito"}))
async def test_client_does_not_replace_the_audience_of_other_issuers(
    section: str, tmp_path: Path
) -> None:
    """Only Cognito leaves aud out; elsewhere the client may have access to another service."""
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
