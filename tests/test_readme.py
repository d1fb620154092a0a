"""The README is true: its blocks run, and it names what there is."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from graphql import parse, validate
from starlette.types import ASGIApp
from typer.testing import CliRunner

from gateway.callers.keys import KeyRing
from gateway.cli import app
from gateway.cli.demo_configuration import write_configuration
from gateway.config import LimitSettings
from gateway.config.cache import CacheSettings
from gateway.errors import ErrorCode
from gateway.model import Capability
from gateway.sandbox import Sandbox
from gateway.schema import build_schema
from gateway.schema.context import Context
from gateway.service import Gateway
from gateway.settings import Settings, load
from gateway.vendors import VENDORS
from gateway.vendors.base import Vendor
from tests.support.moment import MOMENT, stopped

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def blocks(kind: str) -> list[str]:
    return [text for language, text in BLOCKS if language == kind]


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    sandbox = Sandbox(clock=stopped)
    settings = load(write_configuration(tmp_path, sandbox, "http://127.0.0.1:1", port=0), {})
    transport = httpx.ASGITransport(sandbox.app)
    async with Gateway(settings, transport=transport, clock=lambda: MOMENT * 10**9) as made:
        yield made


async def ask(gateway: Gateway, document: str, **variables: Any) -> dict[str, Any]:
    context = Context(gateway, gateway.operation())
    result = await build_schema().execute(
        document, variable_values=variables, context_value=context
    )
    assert result.errors is None, result.errors
    assert result.data is not None
    return result.data


async def test_the_picture_is_a_real_answer(gateway: Gateway) -> None:
    answer = {"data": await ask(gateway, blocks("graphql")[0])}
    assert answer == json.loads(blocks("json")[0])


async def test_every_query_runs(gateway: Gateway) -> None:
    first = await ask(
        gateway,
        """{ webhookLogs(first: 3, filter: { source: { eq: "translations" } }) {
               nodes { id } } all: webhookLogs { pageInfo { startCursor endCursor } } }""",
    )
    page = first["all"]
    variables = {
        "id": first["webhookLogs"]["nodes"][0]["id"],
        "key": "of the README",
        "after": page["pageInfo"]["endCursor"],
        "before": page["pageInfo"]["startCursor"],
    }
    assert len(blocks("graphql")) >= 5
    for document in blocks("graphql"):
        declared = re.findall(r"\$(\w+)", document)
        answer = await ask(gateway, document, **{name: variables[name] for name in declared})
        assert answer


def test_the_configuration_is_good(tmp_path: Path) -> None:
    file = blocks("toml")[0]
    (tmp_path / "gateway.toml").write_text(file)
    environ = dict.fromkeys(re.findall(r'env = "(\w+)"', file), "secret")
    settings = load(tmp_path / "gateway.toml", environ)
    assert [source.provider for source in settings.sources] == list(VENDORS)
    assert len(tomllib.loads(file)["sources"]) == 4
    # The alternative that is commented out is good too.
    swapped = re.sub(r"^auth = .*\n# (auth = .*iam.*)$", r"\1", file, flags=re.MULTILINE)
    assert swapped != file
    swapped = swapped.replace("/run/secrets/iam", "secret")
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "gateway.toml").write_text(swapped)
    load(tmp_path / "gateway.toml", environ)


def test_the_cache_is_as_it_is_when_left_out() -> None:
    told = tomllib.loads(blocks("toml")[1])["cache"]
    usual = CacheSettings()
    assert told.pop("url") != usual.url.get_secret_value()
    assert told == {
        name: getattr(usual, name) for name in CacheSettings.model_fields if name != "url"
    }


def test_the_other_tables_are_good(tmp_path: Path) -> None:
    sources = blocks("toml")[0]
    environ = dict.fromkeys(re.findall(r'env = "(\w+)"', sources), "secret")
    environ["JOURNAL_URL"] = "postgresql://gateway:secret@db.example.com/gateway"
    manifest = tmp_path / "src" / "gql" / "persisted-documents.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_text('{"id": "{ sources { name } }"}')
    assert len(blocks("toml")) == 7
    for table in blocks("toml")[1:]:
        (tmp_path / "gateway.toml").write_text(f"{table}\n{sources}")
        settings = load(tmp_path / "gateway.toml", environ)
        # The limits are told as they are when they are left out.
        assert (settings != load_alone(tmp_path, sources, environ)) is ("[limits]" not in table)
        # Where it is taken over as it stands, it must open the gateway to nobody.
        keys = KeyRing(settings.auth.keys)
        assert not any(map(keys.find, ("", "dashboard", "key", "password", "secret", "test")))


def load_alone(folder: Path, text: str, environ: dict[str, str]) -> Settings:
    (folder / "gateway.toml").write_text(text)
    return load(folder / "gateway.toml", environ)


def test_every_command_runs(
    tmp_path: Path, serve: Callable[[ASGIApp], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = Sandbox(clock=stopped, logs=1000)
    path = write_configuration(tmp_path, sandbox, serve(sandbox.app), port=0)
    monkeypatch.setenv("GATEWAY_CONFIG", str(path))
    lines = [line.removeprefix("$ ") for block in blocks("console") for line in block.splitlines()]
    ran = []
    for line in lines:
        words = shlex.split(line)
        if words[0] == "gateway" and words[1] != "serve":
            result = CliRunner().invoke(app, words[1:])
            assert result.exit_code == 0, result.output
            assert result.output
            ran.append(words[1])
    assert {"check", "logs"} <= set(ran)
    assert all(line.startswith(("gateway ", "curl ")) for line in lines)


async def test_the_curl_line_is_answered(gateway: Gateway) -> None:
    (line,) = re.findall(r"^\$ (curl .*)$", README, re.MULTILINE)
    words = shlex.split(line)
    assert words[1] == "http://127.0.0.1:8000/graphql"
    body = json.loads(words[words.index("-d") + 1])
    assert validate(build_schema()._schema, parse(body["query"])) == []
    assert len((await ask(gateway, body["query"]))["webhookLogs"]["nodes"]) == 3


async def test_trouble_begins_and_ends_as_told() -> None:
    (command,) = re.findall(r"`(curl -X PUT .*?)`", README)
    _, _, method, url, _, body = shlex.split(command)
    transport = httpx.ASGITransport(Sandbox(clock=stopped, logs=1).app)
    async with httpx.AsyncClient(transport=transport) as control:
        logs = httpx.URL(url).join("/elastic-path/v2/integrations/logs")
        assert (await control.request(method, url, content=body)).is_success
        assert "Sign in" in (await control.get(logs)).text
        assert (await control.delete(url)).is_success
        assert "Sign in" not in (await control.get(logs)).text


def test_the_two_commands_are_what_ci_runs() -> None:
    install, tests = blocks("sh")
    script = (ROOT / ".ci" / "run").read_text()
    assert "pip install --editable '.[test]'" in install
    assert tests.strip() == ".venv/bin/pytest"
    assert "--editable '.[test]'" in script
    assert "pytest" in script


def test_every_error_code_is_explained() -> None:
    told = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", README, re.MULTILINE))
    assert told == {code.name: code.value for code in ErrorCode}


def test_what_a_vendor_has_to_have_is_named() -> None:
    extend = README.partition("## Extend")[2]
    for name in (*Vendor.__abstractmethods__, "retry", "delete"):
        assert f"`{name}`" in extend


def test_what_vendors_can_do_is_true() -> None:
    rows = re.findall(r"^\| (?!\||-)([A-Z][^|]*) \|(.*)\|$", README, re.MULTILINE)
    table = {name.strip(): [cell.strip() for cell in cells.split("|")] for name, cells in rows}
    names = {
        "codearts": "CodeArts Repo",
        "yandex-tracker": "Yandex Tracker",
        "language-weaver": "Language Weaver Edge",
        "elastic-path": "Elastic Path",
    }
    for provider, vendor in VENDORS.items():
        listed, one, retry, delete, filters, count = table[names[provider]]
        can = vendor.capabilities
        assert (listed == "✓") == (Capability.LIST in can)
        assert ("one call" in one) == (Capability.GET in can)
        assert (retry == "✓") == (Capability.RETRY in can)
        assert (delete == "✓") == (Capability.DELETE in can)
        assert ("time" in filters) == (Capability.FILTER_TIME in can)
        assert ("status" in filters) == (Capability.FILTER_STATUS in can)
        assert ("event" in filters) == (Capability.FILTER_EVENT in can)
        assert (count == "✓") == (Capability.COUNT in can)


def test_the_usual_limits_are_told() -> None:
    [table] = (tomllib.loads(text)["limits"] for text in blocks("toml") if "[limits]" in text)
    assert table == LimitSettings().model_dump()
