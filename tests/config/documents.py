"""Configurations for tests, made from example.toml, and the mistakes found in them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from gateway.errors import ConfigurationError
from gateway.settings import Settings, SourceSettings, load

DATA = Path(__file__).parent
EXAMPLE = (DATA / "example.toml").read_text(encoding="utf-8")
SOURCES = {
    json.loads(keys["name"]): keys
    for keys in (
        dict(line.split(" = ", 1) for line in section.splitlines() if line and line[0] != "#")
        for section in EXAMPLE.split("[[sources]]\n")[1:]
    )
}
SOURCES["translations"].pop("ca_bundle")

# Values with "pla1nted" must never be shown. Only some secrets may contain non-ASCII text.
SECRETS = {
    "CODEARTS_TOKEN": "pla1nted-codearts",
    "TRACKER_TOKEN": "pla1nted-tracker",
    "LW_KEY": "pla1nted-key",
    "EP_ID": "pla1nted-id",
    "EP_SECRET": "pla1nted-secret",
    "PASSWORD": "pla1nted пароль",
}


def table(source: str, **changes: str) -> str:
    """Return a source of the example with other TOML values for some keys; "" omits a key."""
    keys = {**SOURCES[source], **changes}
    return "".join(["[[sources]]\n", *(f"{key} = {keys[key]}\n" for key in keys if keys[key])])


def read(document: str, **environ: str) -> Settings:
    Path("gateway.toml").write_text(document, encoding="utf-8")
    return load(None, {**SECRETS, **environ})


def read_source(source: str, **changes: str) -> SourceSettings:
    (settings,) = read(table(source, **changes)).sources
    return settings


def problems(document: str, **environ: str) -> list[str]:
    """Return the complaints about a document."""
    with pytest.raises(ConfigurationError) as caught:
        read(document, **environ)
    assert caught.value.__context__ is None  # a traceback would show its values
    return list(caught.value.problems)


def problems_without_file(environ: Mapping[str, str]) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load(None, environ)
    return list(caught.value.problems)


def api_key(reference: str) -> str:
    return f'{{ type = "api-key", key = {reference} }}'
