"""Sources that are read by a description of the user's own: ``provider = "described"``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BeforeValidator,
    Field,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from gateway.config.source import PassThrough, SourceTable
from gateway.config.values import ListOf, Text, error_message
from gateway.errors import ConfigurationError
from gateway.upstream.auth import Credential
from gateway.upstream.errors import VendorError
from gateway.vendors.base import MakeEndpoint, Vendor
from gateway.vendors.described.description import Description, load
from gateway.vendors.described.kits import kit_of
from gateway.vendors.described.parsing import DescribedDetails
from gateway.vendors.described.settings import (
    BasicAuth,
    BearerAuth,
    ClientCredentialsAuth,
    TokenAuth,
    auth_forms,
)
from gateway.vendors.described.terms import Key
from gateway.vendors.described.vendor import DescribedVendor

PROVIDER = "described"
_FORM = "must be the path of a description, in quotes"


def _load(value: object, info: ValidationInfo) -> Description:
    if isinstance(value, Description):
        return value
    if not isinstance(value, str | Path) or value == "":
        raise ValueError(_FORM)
    path: Path = info.context.folder / value if info.context else Path(value)
    try:
        return load(path)
    except ConfigurationError as error:
        mistakes = "".join(f"\n  {problem}" for problem in error.problems)
        raise ValueError(f"names a file that can't be used:{mistakes}") from None


DescriptionFile = Annotated[
    Description, BeforeValidator(_load), WithJsonSchema({"type": "string", "errorMessage": _FORM})
]


class DescribedSettings(SourceTable, title="A vendor that you describe"):
    """Webhook logs of a vendor that is described in a TOML file."""

    provider: Literal["described"]
    """The vendor, which determines the other keys."""
    description: DescriptionFile
    """The file with the description; a relative path starts at the folder of this file."""
    scopes: Annotated[
        dict[Key, ListOf[Text]],
        error_message('must be a table of lists, such as { projects = ["shop"] }'),
    ] = Field(default_factory=dict)
    """What to cover, by the keys under [scopes] of the description."""
    settings: Annotated[
        dict[Key, Text], error_message('must be a table of texts, such as { region = "eu" }')
    ] = Field(default_factory=dict)
    """Values for the keys under [settings] of the description."""
    auth: Annotated[
        TokenAuth | BearerAuth | BasicAuth | ClientCredentialsAuth | PassThrough,
        Field(discriminator="type"),
    ]
    """How to authenticate, in one of the forms that the description has."""

    @model_validator(mode="before")
    @classmethod
    def _with_defaults(cls, values: Any, info: ValidationInfo) -> Any:
        """Add the keys that the description has defaults for."""
        if not isinstance(values, dict):
            return values
        try:
            description = _load(values.get("description"), info)
        except ValueError:  # reported for the key itself
            return values
        defaults: dict[str, Any] = {"rate_limit": description.rate_limit}
        if description.base_url:
            defaults["base_url"] = description.base_url
        return {**defaults, **values, "description": description}

    @field_validator("scopes", "settings")
    @classmethod
    def _are_described(cls, value: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        description = info.data.get("description")
        if description is None:  # it has a mistake of its own
            return value
        known = getattr(description, str(info.field_name))
        if unknown := [name for name in value if name not in known]:
            there = f"it has {', '.join(known)}" if known else "it has none"
            raise ValueError(f"holds {unknown[0]}, which the description does not have: {there}")
        if info.field_name == "settings":
            missing = [name for name, it in known.items() if it.required and name not in value]
            if missing:
                raise ValueError(f"lacks {missing[0]}, which the description requires")
        return value

    @field_validator("auth")
    @classmethod
    def _is_described(cls, value: Any, info: ValidationInfo) -> Any:
        description = info.data.get("description")
        forms = auth_forms(description.auth) if description else [value.type]
        if value.type not in {*forms, "pass-through"}:
            listed = " or ".join(f'"{form}"' for form in (*forms, "pass-through"))
            raise ValueError(f"must be of the type {listed}: the description has no other")
        return value


class OwnVendor(DescribedVendor):
    """The vendor of a user's description, which each source has in its settings."""

    provider: ClassVar = PROVIDER
    title: ClassVar = "Any other, by description"
    settings: ClassVar = DescribedSettings
    details: ClassVar = DescribedDetails
    capabilities: ClassVar = frozenset()

    @classmethod
    def for_settings(cls, settings: Any) -> type[Vendor[Any]]:
        """Return the vendor of the description in the settings."""
        return kit_of(settings.description, PROVIDER, settings=DescribedSettings)

    @staticmethod
    def read_error(body: Any) -> VendorError:
        """Return nothing: each description says where it is."""
        del body
        return VendorError()

    @staticmethod
    def credential(settings: Any, endpoint: MakeEndpoint) -> Credential:
        """Return the credential of the description in the settings."""
        return OwnVendor.for_settings(settings).credential(settings, endpoint)
