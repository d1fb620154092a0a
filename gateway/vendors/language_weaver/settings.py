"""The configuration and the credential of Language Weaver Edge sources."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gateway.config.secret import HeaderSecret, Secret
from gateway.config.source import PassThrough, SourceTable
from gateway.config.values import Table, Text
from gateway.upstream.auth import (
    Credential,
    FixedCredential,
    PassedCredential,
    Token,
    TokenEndpoint,
    basic,
)
from gateway.vendors.base import MakeEndpoint


class LanguageWeaverApiKey(Table, title="Language Weaver: an API key"):
    """An API key of an administrator."""

    type: Literal["api-key"]
    """The form of authentication."""
    key: HeaderSecret
    """The API key."""


class LanguageWeaverLogin(Table, title="Language Weaver: a user"):
    """Tokens are fetched with the password of an administrator, and refreshed."""

    type: Literal["login"]
    """The form of authentication."""
    username: Text
    """The name of the user."""
    password: Secret
    """The password of the user."""


class LanguageWeaverSettings(SourceTable, title="RWS Language Weaver Edge"):
    """Webhook logs of one Language Weaver Edge controller."""

    provider: Literal["language-weaver"]
    """The vendor, which determines the other keys."""
    auth: Annotated[
        LanguageWeaverApiKey | LanguageWeaverLogin | PassThrough, Field(discriminator="type")
    ]
    """How to authenticate."""


def credential(settings: LanguageWeaverSettings, endpoint: MakeEndpoint) -> Credential:
    """Return the credential: an API key, sent as the user of HTTP Basic, or tokens for a login.

    https://developers.languageweaver.com/api/lw-edge/auth
    """
    auth = settings.auth
    if auth.type == "pass-through":
        return PassedCredential(settings.name, auth.header, "Authorization")
    if auth.type == "api-key":
        return FixedCredential(basic(auth.key.get_secret_value(), ""))
    tokens = endpoint(f"{settings.base_url}/api/v2/auth")
    return tokens.credential(
        lambda: _login(auth, tokens), lambda token: {"Authorization": f"Bearer {token}"}
    )


async def _login(auth: LanguageWeaverLogin, endpoint: TokenEndpoint) -> Token:
    document, _ = await endpoint.post(
        form={"username": auth.username, "password": auth.password.get_secret_value()}
    )
    # The name of the field with the token is not documented.
    names = ("token", "accessToken", "access_token", "authToken", "jwt")
    found = [document[name] for name in names if isinstance(document.get(name), str)]
    return endpoint.token(found[0] if found else None, 30 * 24 * 3600)
