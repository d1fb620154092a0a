"""The configuration and the credential of sources whose vendor is described."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union

from pydantic import Field, create_model

from gateway.config.secret import HeaderSecret, Secret
from gateway.config.source import PassThrough, SourceTable
from gateway.config.values import Address, ListOf, Rate, Table, Text, error_message
from gateway.normalise.fields import Fields
from gateway.upstream.auth import (
    Credential,
    FixedCredential,
    PassedCredential,
    Token,
    basic,
)

if TYPE_CHECKING:
    from gateway.vendors.base import MakeEndpoint
    from gateway.vendors.described.calls import AuthTable, ScopeTable
    from gateway.vendors.described.description import Description

TOKEN_SECONDS = 3600
_SCOPE = r"^[^\x00-\x20\x7f?#%\\]{1,200}$"


class TokenAuth(Table, title="A token of the vendor"):
    """A token or key, sent in the header that the vendor expects it in."""

    type: Literal["token"]
    """The form of authentication."""
    token: HeaderSecret
    """The token."""


class BearerAuth(Table, title="A bearer token"):
    """A token, sent as ``Authorization: Bearer``."""

    type: Literal["bearer"]
    """The form of authentication."""
    token: HeaderSecret
    """The token."""


class BasicAuth(Table, title="A user and a password"):
    """A user and a password, sent by HTTP Basic."""

    type: Literal["basic"]
    """The form of authentication."""
    username: Text
    """The name of the user."""
    password: Secret
    """The password of the user."""


class ClientCredentialsAuth(Table, title="Client credentials"):
    """Tokens are fetched with a client id and secret, and refreshed."""

    type: Literal["client-credentials"]
    """The form of authentication."""
    client_id: Secret
    """The client id."""
    client_secret: Secret
    """The client secret."""


AUTH_FORMS: Mapping[str, type[Table]] = {
    "token": TokenAuth,
    "bearer": BearerAuth,
    "basic": BasicAuth,
    "client-credentials": ClientCredentialsAuth,
}
"""The tables of ``auth`` by their type, apart from the caller's own credential."""


def auth_forms(auth: AuthTable) -> list[str]:
    """Return the types of ``auth`` that a description allows."""
    return [name for name in AUTH_FORMS if getattr(auth, name.replace("-", "_")) is not None]


def settings_of(description: Description, provider: str) -> type[SourceTable]:
    """Return the table of a source in the configuration."""
    forms: Any = (*(AUTH_FORMS[name] for name in auth_forms(description.auth)), PassThrough)
    fields: dict[str, Any] = {
        "provider": (
            Literal[provider],
            Field(description="The vendor, which determines the other keys."),
        ),
        "rate_limit": (
            Rate,
            Field(
                default=description.rate_limit,
                description=SourceTable.model_fields["rate_limit"].description,
            ),
        ),
        **_own_fields(description),
        "auth": (
            Annotated[Union[forms], Field(discriminator="type")],  # noqa: UP007 - made at run time
            Field(description="How to authenticate."),
        ),
    }
    if description.base_url:
        about = SourceTable.model_fields["base_url"].description
        fields["base_url"] = (Address, Field(default=description.base_url, description=about))
    return create_model(
        f"{provider.title().replace('-', '')}Settings",
        __base__=_titled(description.title),
        __doc__=f"Webhook logs of {description.title}, read by a description.",
        **fields,
    )


def _titled(title: str) -> type[SourceTable]:
    # Made classes have no docstrings of fields; pydantic would take long to look for them.
    class Titled(SourceTable, title=title, use_attribute_docstrings=False):
        pass

    return Titled


def _own_fields(description: Description) -> dict[str, Any]:
    """Return the keys that only this vendor has."""
    fields: dict[str, Any] = {}
    for name, setting in description.settings.items():
        about = Field(description=setting.about)
        kind = Text if setting.required else Text | None
        fields[name] = (Annotated[kind, about], ... if setting.required else None)
    for name, scope in description.scopes.items():
        fields[name] = (Annotated[ListOf[_scope_value(scope)], Field(description=scope.about)], ())  # type: ignore[misc]
    return fields


def _scope_value(scope: ScopeTable) -> Any:
    return Annotated[
        str,
        Field(pattern=scope.pattern or _SCOPE),
        error_message(
            f"must be the {scope.name} as the vendor names it, in quotes"
            + (f", such as {scope.pattern}" if scope.pattern else "")
        ),
    ]


def credential_of(description: Description) -> Callable[[Any, MakeEndpoint], Credential]:
    """Return the function that makes a source's credential."""
    auth = description.auth
    others = dict(description.request.headers)

    def credential(settings: Any, endpoint: MakeEndpoint) -> Credential:
        given = settings.auth
        token = auth.token
        match given.type:
            case "pass-through":
                sent_as = token.header if token else "Authorization"
                return PassedCredential(settings.name, given.header, sent_as, others)
            case "basic":
                return FixedCredential(
                    basic(given.username, given.password.get_secret_value()), others
                )
            case "token" if token and token.as_user:
                return FixedCredential(basic(given.token.get_secret_value(), ""), others)
            case "token" if token:
                prefix = token.prefix
                if prefix is None:
                    prefix = "Bearer " if token.header.lower() == "authorization" else ""
                return FixedCredential(
                    {token.header: prefix + given.token.get_secret_value()}, others
                )
            case "client-credentials":
                return _issued(description, settings, endpoint, others)
            case _:
                bearer = f"Bearer {given.token.get_secret_value()}"
                return FixedCredential({"Authorization": bearer}, others)

    return credential


def _issued(
    description: Description, settings: Any, endpoint: MakeEndpoint, others: Mapping[str, str]
) -> Credential:
    """Return tokens that are issued to a client id and secret (RFC 6749, 4.4)."""
    table, given = description.auth.client_credentials, settings.auth
    assert table is not None  # noqa: S101 - the settings allow the form only with it
    tokens = endpoint(f"{settings.base_url}{table.path}")

    async def fetch() -> Token:
        form = {
            "grant_type": "client_credentials",
            "client_id": given.client_id.get_secret_value(),
            "client_secret": given.client_secret.get_secret_value(),
        }
        if table.scope:
            form["scope"] = table.scope
        document, _ = await tokens.post(form=form)
        seconds = Fields(document).number("expires_in") or 0
        usual = 0 < seconds < 100 * TOKEN_SECONDS
        return tokens.token(document.get("access_token"), seconds if usual else TOKEN_SECONDS)

    return tokens.credential(fetch, lambda token: {"Authorization": f"Bearer {token}", **others})
