"""Commands that print: keys, schemas and the version."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway import __version__
from gateway.callers import Role
from gateway.callers.keys import KeyRing
from gateway.schema import build_schema
from gateway.settings import json_schema, load
from tests.cli.command import run

pytestmark = pytest.mark.usefixtures("configuration")


@pytest.mark.parametrize("sources", [[], ["shop", "translations"]])
def test_key_create_prints_a_key_and_its_configuration(
    configuration: Path, sources: list[str]
) -> None:
    words = [word for source in sources for word in ("--source", source)]
    made = run("key", "create", "--name", "ada", "--role", "operator", *words)
    assert made.code == 0
    key, *lines = made.lines()
    assert key not in made.complaints
    assert key not in "\n".join(lines)
    configuration.write_text(
        configuration.read_text() + "\n".join(["\n[auth]", 'methods = ["api-keys"]', *lines, ""])
    )
    (settings,) = load(configuration, {}).auth.keys
    assert (settings.name, settings.role, sorted(settings.sources)) == ("ada", "operator", sources)
    caller = KeyRing([settings]).find(key)
    assert caller is not None
    assert caller.role_on("shop") is Role.OPERATOR
    assert caller.sees("tracker") is not bool(sources)
    assert run("key", "create", "--name", "ada", "--role", "operator").lines()[0] != key


def test_schema_command_prints_the_schema() -> None:
    assert run("schema") == (0, build_schema().as_str() + "\n", "")


def test_config_schema_command_prints_the_json_schema() -> None:
    printed = run("config", "schema")
    assert printed.code == 0
    assert json.loads(printed.output) == json_schema()


def test_version() -> None:
    assert run("--version") == (0, f"webhook-log-gateway {__version__}\n", "")
