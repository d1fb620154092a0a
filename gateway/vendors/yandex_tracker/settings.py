"""The configuration and the credential of Yandex Tracker sources."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from gateway.config.secret import HeaderSecret, Secret
from gateway.config.source import PassThrough, SourceTable
from gateway.config.values import Address, ListOf, Table, check_alternative, error_message
from gateway.upstream.auth import (
    Credential,
    FixedCredential,
    PassedCredential,
    Token,
    TokenEndpoint,
)
from gateway.vendors.base import MakeEndpoint

Organisation = Annotated[
    str,
    Field(pattern=r"^[!-~]+$"),
    error_message("must be the id of an organisation, in quotes"),
]

Queue = Annotated[
    str,
    Field(pattern=r"^[0-9A-Za-z_-]+$"),
    error_message('must be the key of a queue, such as "DEV"'),
]

Trigger = Annotated[int, Field(strict=True, ge=1, le=2**63 - 1)]


class YandexTrackerOAuth(Table, title="Tracker: an OAuth token"):
    """An OAuth token of a Yandex account."""

    type: Literal["oauth"]
    """The form of authentication."""
    token: HeaderSecret
    """The OAuth token."""


class YandexTrackerIam(Table, title="Tracker: IAM tokens"):
    """An IAM token, or IAM tokens that are refreshed. Cloud organisations only."""

    type: Literal["iam"]
    """The form of authentication."""
    token: HeaderSecret | None = None
    """A ready IAM token; it expires after 12 hours at most."""
    passport_token: Secret | None = None
    """The OAuth token of a Yandex account; it is exchanged for IAM tokens."""
    url: Address = "https://iam.api.cloud.yandex.net/iam/v1/tokens"
    """The address at which passport_token is exchanged."""

    @field_validator("passport_token")
    @classmethod
    def _has_one_token(cls, value: Secret | None, info: ValidationInfo) -> Secret | None:
        check_alternative(info, "token", value)
        return value


class YandexTrackerSettings(SourceTable, title="Yandex Tracker"):
    """Webhook logs of Tracker's triggers: all triggers of some queues, or those listed."""

    provider: Literal["yandex-tracker"]
    """The vendor, which determines the other keys."""
    base_url: Address = "https://api.tracker.yandex.net"
    """The address of the Tracker API, with a path prefix if it has one."""
    org_id: Organisation | None = None
    """The id of a Yandex 360 organisation; an alternative to cloud_org_id."""
    cloud_org_id: Organisation | None = None
    """The id of a Yandex Cloud organisation; an alternative to org_id."""
    queues: ListOf[Queue] = ()
    """The queues whose triggers with a Webhook action are all read."""
    triggers: Annotated[
        dict[Queue, ListOf[Trigger]],
        error_message("must be a table of lists of trigger ids by queue, such as { DEV = [41] }"),
    ] = Field(default_factory=dict)
    """The ids of the triggers to read, by queue."""
    auth: Annotated[
        YandexTrackerOAuth | YandexTrackerIam | PassThrough, Field(discriminator="type")
    ]
    """How to authenticate."""

    @field_validator("cloud_org_id")
    @classmethod
    def _has_one_organisation(cls, value: str | None, info: ValidationInfo) -> str | None:
        check_alternative(info, "org_id", value)
        return value

    @field_validator("triggers")
    @classmethod
    def _has_triggers(
        cls, value: dict[str, tuple[int, ...]], info: ValidationInfo
    ) -> dict[str, tuple[int, ...]]:
        check_alternative(info, "queues", value)
        if not all(value.values()):
            raise ValueError(
                "has a queue without trigger ids. Name it in queues to read all its triggers"
            )
        return value

    @field_validator("auth")
    @classmethod
    def _fits_organisation(
        cls, value: YandexTrackerOAuth | YandexTrackerIam | PassThrough, info: ValidationInfo
    ) -> YandexTrackerOAuth | YandexTrackerIam | PassThrough:
        if value.type == "iam" and info.data.get("org_id"):
            raise ValueError('of type "iam" needs cloud_org_id in place of org_id')
        return value


def credential(settings: YandexTrackerSettings, endpoint: MakeEndpoint) -> Credential:
    """Return the credential: an OAuth token, an IAM token, or IAM tokens for a passport token.

    https://yandex.cloud/en/docs/iam/operations/iam-token/create
    """
    organisation = (
        {"X-Org-ID": settings.org_id}
        if settings.org_id is not None
        else {"X-Cloud-Org-ID": settings.cloud_org_id or ""}
    )
    auth = settings.auth
    if auth.type == "pass-through":
        return PassedCredential(settings.name, auth.header, "Authorization", organisation)
    if auth.type == "oauth":
        token = auth.token.get_secret_value()
        return FixedCredential({"Authorization": f"OAuth {token}"}, organisation)
    if auth.token is not None:
        token = auth.token.get_secret_value()
        return FixedCredential({"Authorization": f"Bearer {token}"}, organisation)
    tokens = endpoint(auth.url)
    return tokens.credential(
        lambda: _iam_token(auth, tokens),
        lambda token: {"Authorization": f"Bearer {token}", **organisation},
    )


async def _iam_token(auth: YandexTrackerIam, endpoint: TokenEndpoint) -> Token:
    passport = auth.passport_token.get_secret_value() if auth.passport_token else ""
    document, _ = await endpoint.post(json={"yandexPassportOauthToken": passport})
    # A token lives for up to twelve hours, so an hour is safe if the answer does not say.
    return endpoint.token(document.get("iamToken"), 3600, document.get("expiresAt"))
