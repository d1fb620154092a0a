"""The settings of the sources: one table for each vendor, told apart by ``provider``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from gateway.config.cache import Lifetimes
from gateway.config.secret import HeaderSecret, Secret
from gateway.config.values import (
    Address,
    Certificates,
    CodeArtsId,
    CodeArtsProject,
    HeaderName,
    Integration,
    ListOf,
    Name,
    Organisation,
    PageSize,
    Queue,
    Rate,
    Seconds,
    Table,
    Text,
    Trigger,
    UpToHundred,
    check_alternative,
    or_else,
)


class _Source(Table):
    name: Name
    """The name of the source in every list, filter and id; no two sources share one."""
    base_url: Address
    """The address of the vendor's API, with a path prefix if it has one."""
    timeout: Seconds = 8.0
    """How long one call to the vendor may take, in seconds."""
    concurrency: UpToHundred = 10
    """How many calls to the vendor may be under way at the same time."""
    rate_limit: Rate = 100.0
    """How many calls to the vendor may begin in a second, on the average, and with each credential
    where callers bring their own. Elastic Path allows 100 for a production store and 25 for a
    development store; the others document no limit."""
    page_size: PageSize = 50
    """How many webhook logs to ask the vendor for in one call, in rows."""
    ca_bundle: Certificates | None = None
    """A PEM file of the authorities to trust; a relative path starts at the folder of this file."""
    cache: Lifetimes = Field(default_factory=Lifetimes)
    """How long what this vendor said is good, where that differs from [cache]."""


class PassThrough(Table, title="The caller's own credential"):
    """Each caller sends a vendor credential of its own; what it fetches is for it alone."""

    type: Literal["pass-through"]
    """The form of authentication."""
    header: HeaderName
    """The request header that holds it, as the vendor wants it: the value of X-Auth-Token for
    CodeArts Repo, of Authorization for the others."""


class CodeArtsToken(Table, title="CodeArts: a ready IAM token"):
    """A token that was fetched elsewhere; it lives for 24 hours."""

    type: Literal["token"]
    """The form of authentication."""
    token: HeaderSecret
    """The token, sent as X-Auth-Token."""


class CodeArtsIam(Table, title="CodeArts: an IAM user"):
    """Tokens are fetched from Huawei Cloud IAM with a password, and renewed."""

    type: Literal["iam"]
    """The form of authentication."""
    url: Address
    """The address of IAM in the region."""
    domain: Text
    """The account that the user belongs to."""
    user: Text
    """The name of the IAM user."""
    password: Secret
    """The password of the IAM user."""
    project: Text
    """The IAM project, such as "cn-north-4"; not a CodeArts project."""


class CodeArtsSettings(_Source, title="Huawei CodeArts Repo"):
    """Webhook logs of CodeArts Repo. At least one project, group or repository is needed."""

    provider: Literal["codearts"]
    """Which vendor's system this is; the other keys depend on it."""
    projects: ListOf[CodeArtsProject] = ()
    """The projects whose webhooks are read, by their 32-character ids."""
    groups: ListOf[CodeArtsId] = ()
    """The repository groups whose webhooks are read, by id."""
    repositories: ListOf[CodeArtsId] = ()
    """The repositories whose webhooks are read, by id."""
    hooks: ListOf[CodeArtsId] = ()
    """The webhooks to read, by id; when left out or empty, all that the scopes have."""
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


class YandexTrackerOAuth(Table, title="Tracker: an OAuth token"):
    """An OAuth token of a Yandex account."""

    type: Literal["oauth"]
    """The form of authentication."""
    token: HeaderSecret
    """The OAuth token."""


class YandexTrackerIam(Table, title="Tracker: IAM tokens"):
    """IAM tokens, which only cloud organisations take: a ready one, or renewed ones."""

    type: Literal["iam"]
    """The form of authentication."""
    token: HeaderSecret | None = None
    """A ready IAM token, used as it is; it lives for 12 hours at most."""
    passport_token: Secret | None = None
    """The OAuth token of a Yandex account, exchanged for IAM tokens, which are renewed."""
    url: Address = "https://iam.api.cloud.yandex.net/iam/v1/tokens"
    """The address that passport_token is exchanged at."""

    @field_validator("passport_token")
    @classmethod
    def _has_one_token(cls, value: Secret | None, info: ValidationInfo) -> Secret | None:
        check_alternative(info, "token", value)
        return value


class YandexTrackerSettings(_Source, title="Yandex Tracker"):
    """Webhook logs of Tracker's triggers: all those of some queues, or just the ones listed."""

    provider: Literal["yandex-tracker"]
    """Which vendor's system this is; the other keys depend on it."""
    base_url: Address = "https://api.tracker.yandex.net"
    """The address of the Tracker API, with a path prefix if it has one."""
    org_id: Organisation | None = None
    """The id of a Yandex 360 organisation; cloud_org_id is the other way."""
    cloud_org_id: Organisation | None = None
    """The id of a Yandex Cloud organisation; org_id is the other way."""
    queues: ListOf[Queue] = ()
    """The queues whose triggers are read: all that have a Webhook action."""
    triggers: Annotated[
        dict[Queue, ListOf[Trigger]],
        or_else("must be a table of lists of trigger ids by queue, such as { DEV = [41] }"),
    ] = Field(default_factory=dict)
    """The triggers to read, by id, under the keys of their queues."""
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
            raise ValueError("has a queue without trigger ids: queues takes all triggers of one")
        return value

    @field_validator("auth")
    @classmethod
    def _fits_organisation(
        cls, value: YandexTrackerOAuth | YandexTrackerIam | PassThrough, info: ValidationInfo
    ) -> YandexTrackerOAuth | YandexTrackerIam | PassThrough:
        if value.type == "iam" and info.data.get("org_id"):
            raise ValueError('of type "iam" needs cloud_org_id in place of org_id')
        return value


class LanguageWeaverApiKey(Table, title="Language Weaver: an API key"):
    """An API key of a user who is an administrator."""

    type: Literal["api-key"]
    """The form of authentication."""
    key: HeaderSecret
    """The API key."""


class LanguageWeaverLogin(Table, title="Language Weaver: a user"):
    """Tokens are fetched with the password of an administrator, and renewed."""

    type: Literal["login"]
    """The form of authentication."""
    username: Text
    """The name of the user."""
    password: Secret
    """The password of the user."""


class LanguageWeaverSettings(_Source, title="RWS Language Weaver Edge"):
    """Webhook logs of one Language Weaver Edge controller."""

    provider: Literal["language-weaver"]
    """Which vendor's system this is; the other keys depend on it."""
    auth: Annotated[
        LanguageWeaverApiKey | LanguageWeaverLogin | PassThrough, Field(discriminator="type")
    ]
    """How to authenticate."""


class ElasticPathClientCredentials(Table, title="Elastic Path: client credentials"):
    """Tokens are fetched with an application key of the store, and renewed."""

    type: Literal["client-credentials"]
    """The form of authentication."""
    client_id: Secret
    """The client id of the application key."""
    client_secret: Secret
    """The client secret of the application key."""


class ElasticPathSettings(_Source, title="Elastic Path Commerce Cloud"):
    """Webhook logs of the integrations of one store."""

    provider: Literal["elastic-path"]
    """Which vendor's system this is; the other keys depend on it."""
    base_url: Address = "https://euwest.api.elasticpath.com"
    """The address of the store's region, with a path prefix if it has one."""
    integrations: ListOf[Integration] = ()
    """The integrations to read, by id; when left out or empty, the whole store."""
    auth: Annotated[ElasticPathClientCredentials | PassThrough, Field(discriminator="type")]
    """How to authenticate."""


SourceSettings = Annotated[
    CodeArtsSettings | YandexTrackerSettings | LanguageWeaverSettings | ElasticPathSettings,
    Field(discriminator="provider"),
]
