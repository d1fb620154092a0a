"""The configuration and the credential of Elastic Path sources."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gateway.config.secret import Secret
from gateway.config.source import PassThrough, SourceTable
from gateway.config.values import Address, ListOf, Rate, Table, error_message
from gateway.normalise.fields import Fields
from gateway.upstream.auth import Credential, PassedCredential, Token
from gateway.vendors.base import MakeEndpoint

TOKEN_SECONDS = 3600
Integration = Annotated[
    str,
    Field(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"),
    error_message("must be the id of an integration: a UUID in lower case, in quotes"),
]


class ElasticPathClientCredentials(Table, title="Elastic Path: client credentials"):
    """Tokens are fetched with an application key of the store, and refreshed."""

    type: Literal["client-credentials"]
    """The form of authentication."""
    client_id: Secret
    """The client id of the application key."""
    client_secret: Secret
    """The client secret of the application key."""


class ElasticPathSettings(SourceTable, title="Elastic Path Commerce Cloud"):
    """Webhook logs of the integrations of one store."""

    provider: Literal["elastic-path"]
    """The vendor, which determines the other keys."""
    base_url: Address = "https://euwest.api.elasticpath.com"
    """The address of the store's region, with a path prefix if it has one."""
    rate_limit: Rate = 100.0
    """The average number of calls to the vendor per second; per credential if callers bring their
    own. The vendor allows 100 for a production store and 25 for a development store."""
    integrations: ListOf[Integration] = ()
    """The integrations to read, by id; if left out or empty, the whole store."""
    auth: Annotated[ElasticPathClientCredentials | PassThrough, Field(discriminator="type")]
    """How to authenticate."""


def credential(settings: ElasticPathSettings, endpoint: MakeEndpoint) -> Credential:
    """Return the credential: tokens that are issued for an hour to a client id and secret.

    https://elasticpath.dev/docs/api/authentication/create-an-access-token
    """
    auth = settings.auth
    if auth.type == "pass-through":
        return PassedCredential(settings.name, auth.header, "Authorization")
    tokens = endpoint(f"{settings.base_url}/oauth/access_token")

    async def fetch() -> Token:
        document, _ = await tokens.post(
            form={
                "grant_type": "client_credentials",
                "client_id": auth.client_id.get_secret_value(),
                "client_secret": auth.client_secret.get_secret_value(),
            }
        )
        seconds = Fields(document).number("expires_in") or 0
        usual = 0 < seconds < 100 * TOKEN_SECONDS
        return tokens.token(document.get("access_token"), seconds if usual else TOKEN_SECONDS)

    return tokens.credential(fetch, lambda token: {"Authorization": f"Bearer {token}"})
