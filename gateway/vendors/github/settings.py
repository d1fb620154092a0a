"""The configuration and the credential of GitHub sources."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from gateway.config.private_key import PrivateKey, private_key
from gateway.config.secret import HeaderSecret
from gateway.config.source import PassThrough, SourceTable
from gateway.config.values import Address, ListOf, Table, error_message
from gateway.upstream.auth import Credential, FixedCredential, PassedCredential
from gateway.vendors.base import MakeEndpoint

HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
"""https://docs.github.com/en/rest/about-the-rest-api/api-versions"""

GitHubRepository = Annotated[
    str,
    # The name is not made of dots alone, which would lead to another path.
    Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}/[A-Za-z0-9._-]{0,99}[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}$"
    ),
    error_message('must be a repository with its owner, such as "acme/shop"'),
]
GitHubOrganization = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$"),
    error_message('must be the name of an organization, such as "acme"'),
]
GitHubId = Annotated[int, Field(strict=True, ge=1, le=2**53)]


class GitHubToken(Table, title="GitHub: a token"):
    """A personal access token of an administrator of the repositories, or of an owner."""

    type: Literal["token"]
    """The form of authentication."""
    token: HeaderSecret
    """The token."""


class GitHubApp(Table, title="GitHub: an app"):
    """Tokens are signed with a private key of the app, for ten minutes each."""

    type: Literal["app"]
    """The form of authentication."""
    app_id: Annotated[
        str,
        Field(pattern=r"^[A-Za-z0-9.]{1,40}$"),
        error_message('must be the id of the app or its client id, in quotes, such as "1234"'),
    ]
    """The id of the app, or its client id."""
    private_key: PrivateKey
    """A private key of the app, in PEM form."""


class GitHubSettings(SourceTable, title="GitHub"):
    """Webhook logs of GitHub: those of repositories and organizations, or that of an app."""

    provider: Literal["github"]
    """The vendor, which determines the other keys."""
    base_url: Address = "https://api.github.com"
    """The address of the API. That of an Enterprise Server ends with /api/v3."""
    repositories: ListOf[GitHubRepository] = ()
    """The repositories whose webhooks are read, with their owners."""
    organizations: ListOf[GitHubOrganization] = ()
    """The organizations whose own webhooks are read."""
    hooks: ListOf[GitHubId] = ()
    """The webhooks to read, by id; if left out or empty, all of these."""
    app: bool = False
    """Whether to read the webhook of a GitHub app instead."""
    auth: Annotated[GitHubToken | GitHubApp | PassThrough, Field(discriminator="type")]
    """How to authenticate."""

    @field_validator("app")
    @classmethod
    def _has_scope(cls, value: bool, info: ValidationInfo) -> bool:  # noqa: FBT001
        scopes = [info.data.get(name) for name in ("repositories", "organizations", "hooks")]
        if value and any(scopes):
            raise ValueError(
                "can't stand beside repositories, organizations or hooks, which an app's"
                " credential does not give access to: make it another source"
            )
        if not value and scopes[:2] == [(), ()]:
            raise PydanticCustomError(
                "sibling",
                "is missing: give repositories, organizations or app",
                {"key": "repositories"},
            )
        return value

    @field_validator("auth")
    @classmethod
    def _fits_scope(
        cls, value: GitHubToken | GitHubApp | PassThrough, info: ValidationInfo
    ) -> GitHubToken | GitHubApp | PassThrough:
        is_app = info.data.get("app")
        if is_app and value.type == "token":
            raise ValueError('must be of type "app" for the webhook of an app')
        if is_app is False and value.type == "app":
            raise ValueError(
                'of type "app" gives access to the webhook of the app alone: app = true'
            )
        return value


def credential(settings: GitHubSettings, endpoint: MakeEndpoint) -> Credential:
    """Return the credential: a token, or tokens that are signed as the app.

    https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/generating-a-json-web-token-jwt-for-a-github-app
    """
    auth = settings.auth
    if auth.type == "pass-through":
        return PassedCredential(settings.name, auth.header, "Authorization", HEADERS)
    if auth.type == "token":
        token = auth.token.get_secret_value()
        return FixedCredential({"Authorization": f"Bearer {token}"}, HEADERS)
    return endpoint(settings.base_url).signed(
        auth.app_id,
        private_key(auth.private_key.get_secret_value()),
        lambda token: {"Authorization": f"Bearer {token}", **HEADERS},
    )
