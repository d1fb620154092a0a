"""Types of single settings, and the base class of the tables."""

from __future__ import annotations

import ipaddress
import re
import ssl
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    HttpUrl,
    ValidationError,
    ValidationInfo,
)
from pydantic_core import PydanticCustomError

from gateway.config.files import UnreadableFileError, read_bytes

Item = TypeVar("Item")

MAX_WORKERS = 100
_NO_WORKERS = f'must be a whole number from 1 to {MAX_WORKERS}, or "auto"'
_NO_ADDRESS = 'must be an http or https address, such as "https://vendor.example:8001"'
_NO_ORIGIN = (
    'must be an origin as browsers write it, such as "https://app.example.com", or'
    ' "capacitor://localhost" for an app: a scheme and a host in lower case, a port only where it'
    " is not the default, and nothing after it"
)
_SHARED_ORIGIN = (
    "is shared by all local files and sandboxed frames, no matter whose they are; give the app's"
    " pages a scheme or a server of their own, or send the requests from outside of the page"
)
_APP_ORIGIN = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://[a-z0-9._-]+(:[0-9]{1,5})?", re.ASCII)
_NO_PAGES = {"about", "blob", "data", "file", "ftp", "http", "https", "javascript", "ws", "wss"}
"""Schemes that no app's pages have; those of the web are checked as addresses."""


def error_message(words: str) -> Any:
    """Set the message for a value of the wrong type. It is a predicate that follows the key.

    ``errorMessage`` is not a keyword of JSON schema, but editors show it.
    """
    return Field(json_schema_extra={"errorMessage": words})


def _workers(value: object) -> object:
    if value != "auto" and not (type(value) is int and 1 <= value <= MAX_WORKERS):
        raise ValueError(_NO_WORKERS)
    return value


def is_loopback(host: str) -> bool:
    """Return whether a host, as a URL or an option has it, is always this machine."""
    host = host.strip().strip("[]").lower().removesuffix(".")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _address(value: str) -> str:
    try:
        url = HttpUrl(value)
    except ValidationError:
        raise ValueError(_NO_ADDRESS) from None
    if url.username or url.password:
        raise ValueError("must not hold a user name or password: they belong under auth")
    if "?" in value or "#" in value:
        raise ValueError("must end before any ? or #")
    if url.scheme == "http" and not is_loopback(url.host or ""):
        raise ValueError(
            "must begin with https://, or the credential would cross the network unencrypted; "
            "a server without TLS can be reached through a tunnel that ends on localhost"
        )
    return str(url).rstrip("/")


def _origin(value: str) -> str:
    if "*" in value:
        raise ValueError("must be the name of one origin: with * any page could read what you may")
    if value == "null" or value.startswith("file:"):
        raise ValueError(_SHARED_ORIGIN)
    app = _APP_ORIGIN.fullmatch(value)
    if app and app["scheme"] not in _NO_PAGES:
        return value
    try:
        url = HttpUrl(value)
    except ValidationError:
        raise ValueError(_NO_ORIGIN) from None
    port = "" if url.port == {"http": 80, "https": 443}[url.scheme] else f":{url.port}"
    if value != f"{url.scheme}://{url.host}{port}":
        raise ValueError(_NO_ORIGIN)
    return value


def _certificates(value: Path, info: ValidationInfo) -> Path:
    path: Path = info.context.folder / value if info.context else value
    check_certificates(path)
    return path


def check_certificates(path: Path) -> None:
    """Check that a file holds certificates in PEM form; ValueError, a predicate, if it does not."""
    try:
        content = read_bytes(path)
    except UnreadableFileError as error:
        raise ValueError(f"names a file that {error}") from None
    if not re.search(rb"-----BEGIN (X509 |TRUSTED )?CERTIFICATE-----", content):
        raise ValueError(
            "names a file that holds no certificates in PEM form, which begin with"
            ' "-----BEGIN CERTIFICATE-----"'
        )
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except OSError:
        raise ValueError("names a file with a certificate that is damaged") from None


def _distinct(values: tuple[Item, ...]) -> tuple[Item, ...]:
    if len(set(values)) < len(values):
        raise ValueError("holds the same entry twice")
    return values


Name = Annotated[
    str,
    Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$"),
    error_message(
        "must be 1 to 63 lower-case letters, digits and hyphens, and not begin with a hyphen"
    ),
]
Text = Annotated[str, Field(min_length=1)]
Seconds = Annotated[float, Field(strict=True, gt=0, le=300)]
Rate = Annotated[float, Field(strict=True, gt=0, le=100_000)]
UpToHundred = Annotated[int, Field(strict=True, ge=1, le=100)]
StreamCount = Annotated[int, Field(strict=True, ge=1, le=10_000)]
PageSize = Annotated[int, Field(strict=True, ge=10, le=100)]
Workers = Annotated[
    Annotated[int, Field(ge=1, le=MAX_WORKERS)] | Literal["auto"],
    BeforeValidator(_workers),
    error_message(_NO_WORKERS),
]
Address = Annotated[str, AfterValidator(_address), error_message(_NO_ADDRESS)]
RootPath = Annotated[
    str,
    Field(pattern=r"^((/[A-Za-z0-9._~-]+)+)?$"),
    error_message(
        'must be a path such as "/hooks", which begins with a slash and does not end with one'
    ),
]
Origin = Annotated[str, AfterValidator(_origin), error_message(_NO_ORIGIN)]
Certificates = Annotated[Path, AfterValidator(_certificates)]
ListOf = Annotated[
    tuple[Item, ...], AfterValidator(_distinct), Field(json_schema_extra={"uniqueItems": True})
]
HeaderName = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9-]{1,64}$"),
    error_message("must be the name of an HTTP header: letters, digits and hyphens"),
]


class Table(BaseModel):
    """An immutable table of the file that refuses unknown keys."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        validate_default=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )


def check_alternative(info: ValidationInfo, first: str, second: object) -> None:
    """Require exactly one of the field ``first`` and the field under validation."""
    if first not in info.data:  # it has a mistake of its own
        return
    names = {"key": first, "other": info.field_name}
    if info.data[first] and second:
        raise PydanticCustomError("sibling", "can't stand beside {other}: give one of them", names)
    if not info.data[first] and not second:
        raise PydanticCustomError("sibling", "is missing: give {key} or {other}", names)
