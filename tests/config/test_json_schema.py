"""The JSON schema of the configuration file, for editors."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import jsonschema_rs
import pytest

from gateway.settings import json_schema
from tests.config.documents import EXAMPLE, api_key, table

VALIDATOR = jsonschema_rs.Draft202012Validator(json_schema())


def test_example_conforms_to_the_json_schema() -> None:
    VALIDATOR.validate(tomllib.loads(EXAMPLE))
    for limit in ("5", '"off"', '{ max = 1, mode = "warn" }'):
        VALIDATOR.validate(tomllib.loads(f"[limits]\ndepth = {limit}\n" + table("shop")))
    VALIDATOR.validate(tomllib.loads(table("tracker", queues="", triggers="{ DEV = [41] }")))


@pytest.mark.parametrize(
    "document",
    [
        "",
        "[sever]\n" + table("shop"),
        "[limits]\ndepth = 0\n" + table("shop"),
        "[limits]\ndepth = { max = 1 }\n" + table("shop"),
        table("shop", name=""),
        table("shop", provider='"github"'),
        table("shop", page_size="101"),
        table("shop", hooks="[1]"),
        table("translations", auth=api_key('"pla1nted"')),
        table("translations", auth=api_key('{ env = "A", file = "B" }')),
    ],
)
def test_json_schema_refuses(document: str) -> None:
    assert not VALIDATOR.is_valid(tomllib.loads(document))


def test_json_schema_describes_every_key_without_null() -> None:
    schema = json_schema()
    jsonschema_rs.meta.validate(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    tables: list[dict[str, Any]] = [schema, *schema["$defs"].values()]
    for form in tables:
        assert form["title"]
        assert form["description"]
        for key, value in form["properties"].items():
            assert value.get("description", "").endswith("."), (form["title"], key)
    assert "null" not in json.dumps(schema)
