"""The ``[auth]`` table: authentication methods and roles of the callers."""

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
    error_message,
    is_loopback,
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
            "must begin with https://, or others on the network could put in keys of their own"
        )
    return str(url)


def _audience(value: object) -> object:
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list | tuple) or not values:
        raise ValueError(_NO_AUDIENCE)
    if not all(isinstance(each, str) and each for each in values):
        raise ValueError(_NO_AUDIENCE)
    return value if isinstance(value, str) else tuple(values)


def _not_empty_if_given(values: tuple[Item, ...]) -> tuple[Item, ...]:
    if not values:
        raise ValueError("must not be empty: leave it out for all sources")
    return values


def _not_empty(values: tuple[Item, ...]) -> tuple[Item, ...]:
    if not values:
        raise ValueError("must not be empty")
    return values


Method = Annotated[
    Literal["none", "api-keys", "jwt"],
    error_message('must be "none", "api-keys" or "jwt", in quotes'),
]
RoleName = Annotated[
    Literal["viewer", "reader", "operator", "admin"],
    error_message('must be "viewer", "reader", "operator" or "admin"'),
]
KeyHash = Annotated[
    str,
    Field(pattern=r"^sha256:[0-9a-f]{64}$"),
    error_message('must be "sha256:" and 64 hexadecimal digits, as gateway key create prints it'),
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
    error_message(
        "must be an algorithm of public keys: RS256, RS384, RS512, PS256, PS384, PS512, ES256, "
        "ES384, ES512, EdDSA or Ed25519"
    ),
]
Audience = Annotated[str | tuple[str, ...], BeforeValidator(_audience), error_message(_NO_AUDIENCE)]
KeysAddress = Annotated[str, AfterValidator(_keys_address), error_message(_NO_ADDRESS)]
ClaimValue = Annotated[str, Field(pattern=r"^.+$")]


class GrantSettings(Table, title="A role, maybe limited to sources"):
    """A role, on some sources or on all."""

    role: RoleName
    """A viewer sees logs without bodies, a reader sees all of them, an operator may also retry and
    an admin delete. Each role has the rights of those before it."""
    sources: Annotated[
        ListOf[Name], AfterValidator(_not_empty_if_given), Field(validate_default=False)
    ] = ()
    """The names of the sources it is for; the default is all."""


class KeySettings(GrantSettings, title="An API key"):
    """An API key; the file holds only its hash."""

    name: Name
    """The owner's name, as the journal shows it; unique."""
    hash: KeyHash
    """The hash, as ``gateway key create`` prints it."""


class JwtSettings(Table, title="JSON Web Tokens"):
    """Access tokens of one issuer, such as the company's login; with jwks_url or public_key."""

    issuer: Text
    """The claim iss of every token, letter for letter."""
    audience: Audience
    """The claim aud of a token, or one of those listed there; several may be accepted. For access
    tokens of Cognito, which have no aud, it is the claim client_id."""
    algorithms: Annotated[ListOf[Algorithm], AfterValidator(_not_empty)] = ("RS256",)
    """The accepted signature algorithms; a token can't choose another."""
    jwks_url: KeysAddress | None = None
    """The URL of the issuer's public keys, fetched every ten minutes."""
    public_key: PublicKey | None = None
    """The issuer's public key or certificate, if it publishes none."""
    roles_claim: Text = "roles"
    """The claim that holds the roles: a list, a text that separates them by spaces, or an object by
    role as Zitadel has it. Dots lead into nested claims, as in "realm_access.roles". The claim
    "email" counts only if email_verified is true."""
    leeway: Annotated[int, Field(strict=True, ge=0, le=300)] = 30
    """Tolerated difference between the issuer's clock and this one, in seconds."""
    id_tokens: Annotated[bool, Field(strict=True)] = False
    """Accept ID tokens, too, for issuers without access tokens in this form, such as Google. An
    application whose client id is the audience may then act for everybody who signs in to it."""
    roles: Annotated[
        dict[ClaimValue, GrantSettings],
        error_message('must be a table of grants, such as "shop-support" = { role = "operator" }'),
    ] = Field(
        default_factory=lambda: {
            role: GrantSettings(role=role) for role in ("viewer", "reader", "operator", "admin")
        }
    )
    """The grant for each value of the claim; by default for the names of the roles."""

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
    """Authentication. Without it, everyone who can reach the gateway may do everything."""

    methods: Annotated[ListOf[Method], AfterValidator(_not_empty)] = ("none",)
    """The accepted methods. "none" must be the only one, and allows everyone everything."""
    keys: Annotated[
        tuple[KeySettings, ...], error_message("must be a list of tables, each under [[auth.keys]]")
    ] = ()
    """The accepted API keys."""
    jwt: JwtSettings | None = None
    """The accepted tokens."""

    @field_validator("methods")
    @classmethod
    def _none_stands_alone(cls, value: tuple[Method, ...]) -> tuple[Method, ...]:
        if "none" in value and len(value) > 1:
            raise ValueError('holds "none" beside others: with it no credential is needed')
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
    """Require the settings of a method, and refuse settings of a method that is not listed.

    Otherwise a gateway with a configured key could be open to everyone by mistake.
    """
    if "methods" not in info.data:  # reported already
        return
    if method in info.data["methods"] and not settings:
        raise ValueError(f'is missing: methods has "{method}"')
    if settings and method not in info.data["methods"]:
        raise ValueError(f'is of no use: add "{method}" to methods')


def unknown_sources(auth: AuthSettings, names: Collection[str]) -> Iterator[Problem]:
    """Yield a problem for every source named in a grant that is not among ``names``."""
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
