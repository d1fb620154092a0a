"""The settings of the callers: how they show who they are, and what each may do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

from joserfc.jws import JWSRegistry
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    HttpUrl,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from gateway.config.mistakes import Keys, Problem
from gateway.config.public_key import PublicKey, public_key
from gateway.config.values import (
    ListOf,
    Name,
    Table,
    Text,
    check_alternative,
    is_loopback,
    or_else,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

Item = TypeVar("Item")

_NO_AUDIENCE = "must be text in quotes, or a list of such texts, and not empty"
_NO_ADDRESS = 'must be an https address, such as "https://id.example.com/keys.json"'


def _keys_address(value: str) -> str:
    try:
        url = HttpUrl(value)
    except ValidationError:
        raise ValueError(_NO_ADDRESS) from None
    if url.username or url.password:
        raise ValueError("must not hold a user name or password: public keys need none")
    if url.scheme == "http" and not is_loopback(url.host or ""):
        raise ValueError(
            "must begin with https://, or someone on the way could put in keys of their own"
        )
    return str(url)


def _audience(value: object) -> object:
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list | tuple) or not values:
        raise ValueError(_NO_AUDIENCE)
    if not all(isinstance(each, str) and each for each in values):
        raise ValueError(_NO_AUDIENCE)
    return value if isinstance(value, str) else tuple(values)


def _limited(values: tuple[Item, ...]) -> tuple[Item, ...]:
    if not values:
        raise ValueError("must not be empty: leave it out for all sources")
    return values


def _not_empty(values: tuple[Item, ...]) -> tuple[Item, ...]:
    if not values:
        raise ValueError("must not be empty")
    return values


Method = Annotated[
    Literal["none", "api-keys", "jwt"], or_else('must be "none", "api-keys" or "jwt", in quotes')
]
RoleName = Annotated[
    Literal["viewer", "reader", "operator", "admin"],
    or_else('must be "viewer", "reader", "operator" or "admin"'),
]
KeyHash = Annotated[
    str,
    Field(pattern=r"^sha256:[0-9a-f]{64}$"),
    or_else('must be "sha256:" and 64 hexadecimal digits, as gateway key create prints it'),
]
Algorithm = Annotated[
    Literal[
        "RS256",
        "RS384",
        "RS512",
        "PS256",
        "PS384",
        "PS512",
        "ES256",
        "ES384",
        "ES512",
        "EdDSA",
        "Ed25519",
    ],
    or_else(
        "must be an algorithm of public keys: RS256, RS384, RS512, PS256, PS384, PS512, ES256, "
        "ES384, ES512, EdDSA or Ed25519"
    ),
]
Audience = Annotated[str | tuple[str, ...], BeforeValidator(_audience), or_else(_NO_AUDIENCE)]
KeysAddress = Annotated[str, AfterValidator(_keys_address), or_else(_NO_ADDRESS)]
ClaimValue = Annotated[str, Field(pattern=r"^.+$")]


class GrantSettings(Table, title="A role, maybe limited to sources"):
    """What a caller may do, and where."""

    role: RoleName
    """What is allowed: to see logs without bodies (viewer), whole (reader), to retry (operator)
    and to delete (admin); each role may do what those before it may."""
    sources: Annotated[ListOf[Name], AfterValidator(_limited), Field(validate_default=False)] = ()
    """The sources it is for, by name; when left out, all."""


class KeySettings(GrantSettings, title="An API key"):
    """A key that a caller sends; the gateway keeps only its hash."""

    name: Name
    """Whose key it is, as the journal tells it; no two keys share one."""
    hash: KeyHash
    """The hash of the key, as ``gateway key create`` prints it."""


class JwtSettings(Table, title="JSON Web Tokens"):
    """The tokens of one issuer, such as the company's login. jwks_url or public_key is needed."""

    issuer: Text
    """Who must have issued the token: its claim iss, letter for letter."""
    audience: Audience
    """The claim aud of a token, or one of those listed there; several may be accepted. For access
    tokens of Cognito, which have no aud, it is the claim client_id."""
    algorithms: Annotated[ListOf[Algorithm], AfterValidator(_not_empty)] = ("RS256",)
    """The algorithms that a token may be signed with, whatever it says of itself."""
    jwks_url: KeysAddress | None = None
    """Where the issuer publishes its keys; they are fetched anew every ten minutes."""
    public_key: PublicKey | None = None
    """The issuer's one key, when it publishes none; a certificate is as good."""
    roles_claim: Text = "roles"
    """The claim that holds the roles: a list, a text that separates them by spaces, or an object by
    role as Zitadel has it. Dots lead into nested claims, as in "realm_access.roles". The claim
    "email" counts only if email_verified is true."""
    leeway: Annotated[int, Field(strict=True, ge=0, le=300)] = 30
    """How far the issuer's clock may differ from this one, in seconds."""
    id_tokens: Annotated[bool, Field(strict=True)] = False
    """Accept ID tokens, too, for an issuer whose access tokens are no JSON Web Tokens, such as
    Google. Any application that a person signs in to then could act in that person's name, if its
    client id were the audience."""
    roles: Annotated[
        dict[ClaimValue, GrantSettings],
        or_else('must be a table of grants, such as "shop-support" = { role = "operator" }'),
    ] = Field(
        default_factory=lambda: {
            role: GrantSettings(role=role) for role in ("viewer", "reader", "operator", "admin")
        }
    )
    """What each value of the claim grants; when left out, the names of the roles do."""

    @field_validator("public_key")
    @classmethod
    def _has_keys(cls, value: str | None, info: ValidationInfo) -> str | None:
        check_alternative(info, "jwks_url", value)
        algorithms = list(info.data.get("algorithms", ()))
        if (
            value
            and algorithms
            and not JWSRegistry.filter_algorithms(public_key(value), algorithms)
        ):
            raise ValueError("is a key for none of the algorithms")
        return value


class AuthSettings(Table, title="Callers"):
    """How callers show who they are. Without it everyone who reaches the gateway may do all."""

    methods: Annotated[ListOf[Method], AfterValidator(_not_empty)] = ("none",)
    """The ways a caller may show who it is; "none" stands alone and lets everybody do all."""
    keys: Annotated[
        tuple[KeySettings, ...], or_else("must be a list of tables, each under [[auth.keys]]")
    ] = ()
    """The API keys that are accepted."""
    jwt: JwtSettings | None = None
    """Whose JSON Web Tokens are accepted."""

    @field_validator("methods")
    @classmethod
    def _none_stands_alone(cls, value: tuple[Method, ...]) -> tuple[Method, ...]:
        if "none" in value and len(value) > 1:
            raise ValueError('holds "none" beside others: with it nobody is asked for a credential')
        return value

    @field_validator("keys")
    @classmethod
    def _keys_are_used(
        cls, value: tuple[KeySettings, ...], info: ValidationInfo
    ) -> tuple[KeySettings, ...]:
        _check_method(info, "api-keys", value)
        for what in ("name", "hash"):
            entries = [getattr(key, what) for key in value]
            for index, entry in enumerate(entries):
                if (first := entries.index(entry)) < index:
                    raise ValueError(f"has one {what} twice, in [{first}] and [{index}]")
        return value

    @field_validator("jwt")
    @classmethod
    def _jwt_is_used(cls, value: JwtSettings | None, info: ValidationInfo) -> JwtSettings | None:
        _check_method(info, "jwt", value)
        return value


def _check_method(info: ValidationInfo, method: Method, settings: object) -> None:
    """See to it that a method has its settings, and that no settings lie idle.

    A key that is configured but not asked for would leave the gateway open unnoticed.
    """
    if "methods" not in info.data:  # it has a mistake of its own
        return
    if method in info.data["methods"] and not settings:
        raise ValueError(f'is missing: methods has "{method}"')
    if settings and method not in info.data["methods"]:
        raise ValueError(f'is of no use: add "{method}" to methods')


def unknown_sources(auth: AuthSettings, names: Collection[str]) -> Iterator[Problem]:
    """Find the grants that are limited to sources which none of the ``names`` belongs to."""
    grants: dict[Keys, GrantSettings] = {
        ("auth", "keys", index): key for index, key in enumerate(auth.keys)
    }
    if auth.jwt:
        for value, grant in auth.jwt.roles.items():
            grants["auth", "jwt", "roles", value] = grant
    for keys, grant in grants.items():
        for index, name in enumerate(grant.sources):
            if name not in names:
                known = ", ".join(sorted(names))
                yield Problem((*keys, "sources", index), f"is not a source: there are {known}")
