"""The configuration and the credential of CodeArts Repo sources."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from gateway.config.secret import HeaderSecret, Secret
from gateway.config.source import PassThrough, SourceTable
from gateway.config.values import Address, ListOf, Table, Text, error_message
from gateway.upstream.auth import (
    Credential,
    FixedCredential,
    PassedCredential,
    Token,
    TokenEndpoint,
)
from gateway.vendors.base import MakeEndpoint

CodeArtsProject = Annotated[
    str,
    Field(pattern=r"^[0-9A-Za-z]{32}$"),
    error_message("must be the id of a CodeArts project: exactly 32 letters and digits, in quotes"),
]

CodeArtsId = Annotated[int, Field(strict=True, ge=1, le=2**31 - 1)]


class CodeArtsToken(Table, title="CodeArts: a ready IAM token"):
    """A token that was issued to another client; it expires after 24 hours."""

    type: Literal["token"]
    """The form of authentication."""
    token: HeaderSecret
    """The token, sent as X-Auth-Token."""


class CodeArtsIam(Table, title="CodeArts: an IAM user"):
    """Tokens are fetched from Huawei Cloud IAM with a password, and refreshed."""

    type: Literal["iam"]
    """The form of authentication."""
    url: Address
    """The address of the region's IAM service."""
    domain: Text
    """The account that the user belongs to."""
    user: Text
    """The name of the IAM user."""
    password: Secret
    """The password of the IAM user."""
    project: Text
    """The IAM project, such as "cn-north-4"; not a CodeArts project."""


class CodeArtsSettings(SourceTable, title="Huawei CodeArts Repo"):
    """Webhook logs of CodeArts Repo. At least one project, group or repository is needed."""

    provider: Literal["codearts"]
    """The vendor, which determines the other keys."""
    projects: ListOf[CodeArtsProject] = ()
    """The projects whose webhooks are read, by 32-character id."""
    groups: ListOf[CodeArtsId] = ()
    """The repository groups whose webhooks are read, by id."""
    repositories: ListOf[CodeArtsId] = ()
    """The repositories whose webhooks are read, by id."""
    hooks: ListOf[CodeArtsId] = ()
    """The webhooks to read, by id; if left out or empty, all webhooks of the scopes."""
    auth: Annotated[CodeArtsToken | CodeArtsIam | PassThrough, Field(discriminator="type")]
    """How to authenticate."""

    @field_validator("repositories")
    @classmethod
    def _has_scope(cls, value: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
        if not value and info.data.get("projects") == info.data.get("groups") == ():
            raise PydanticCustomError(
                "sibling", "is missing: give projects, groups or repositories", {"key": "projects"}
            )
        return value


def credential(settings: CodeArtsSettings, endpoint: MakeEndpoint) -> Credential:
    """Return the credential: a ready token, or tokens that IAM issues for 24 hours.

    https://support.huaweicloud.com/intl/en-us/api-iam/iam_30_0001.html
    """
    auth = settings.auth
    if auth.type == "pass-through":
        return PassedCredential(settings.name, auth.header, "X-Auth-Token")
    if auth.type == "token":
        return FixedCredential({"X-Auth-Token": auth.token.get_secret_value()})
    tokens = endpoint(f"{auth.url}/v3/auth/tokens?nocatalog=true")
    return tokens.credential(
        lambda: _iam_token(auth, tokens), lambda token: {"X-Auth-Token": token}
    )


async def _iam_token(auth: CodeArtsIam, endpoint: TokenEndpoint) -> Token:
    user = {
        "name": auth.user,
        "password": auth.password.get_secret_value(),
        "domain": {"name": auth.domain},
    }
    document, headers = await endpoint.post(
        json={
            "auth": {
                "identity": {"methods": ["password"], "password": {"user": user}},
                "scope": {"project": {"name": auth.project}},
            }
        }
    )
    token = document.get("token")
    expires_at = token.get("expires_at") if isinstance(token, dict) else None
    return endpoint.token(headers.get("X-Subject-Token"), 24 * 3600, expires_at)
