"""Persisted queries of Apollo Client, and trusted documents from compilers' manifests."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from gateway.cli.demo_configuration import write_configuration
from gateway.sandbox import Sandbox
from gateway.settings import load
from gateway.web.app import create_app
from tests.docs.pages import USER_PAGES
from tests.node.conftest import URL
from tests.node.test_clients import newest

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from tests.node.conftest import Run

PAGE = USER_PAGES[".github/docs/trusted-documents.md"]


def test_apollo_client_sends_a_document_once(run: Run, url: str, frontend: Path) -> None:
    module = str(frontend / "src/apollo.js")
    answer = json.loads(run("node", "apollo-persisted.mjs", module).stdout)
    by_hash = ["extensions", "operationName", "variables"]
    assert answer["sent"] == [
        ["GET", by_hash],
        ["POST", sorted([*by_hash, "query"])],
        ["GET", by_hash],
    ]
    assert answer["lists"] == [newest(url, 2), newest(url, 3)]


def test_documented_commands_trust_and_refuse(
    run: Run, serve: Callable[[ASGIApp], str], frontend: Path
) -> None:
    [table] = PAGE.block_texts("toml")
    compile_, serve_, trusted, refused = commands()
    run(*compile_, folder=frontend)
    assert serve_ == ["gateway", "serve", "&"]
    gateway = serve(trusting(frontend, table))

    answer = curl(trusted, gateway)
    assert len(answer["data"]["webhookLogs"]["nodes"]) == 3
    [error] = curl(refused, gateway)["errors"]
    assert error["extensions"]["code"] == "DOCUMENT_NOT_TRUSTED"
    assert "`DOCUMENT_NOT_TRUSTED`" in PAGE.text


def test_relays_manifest_is_trusted(
    run: Run, serve: Callable[[ASGIApp], str], frontend: Path
) -> None:
    (option,) = re.findall(r'`("persistConfig": .*?)`', PAGE.text)
    config = frontend / "relay.config.json"
    config.write_text(config.read_text().replace("{", f"{{ {option},", 1))
    file = json.loads(config.read_text())["persistConfig"]["file"]
    (frontend / file).write_text("{}")
    run("npx", "relay-compiler", folder=frontend)
    gateway = serve(trusting(frontend, f'[documents]\ntrusted = ["{file}"]\n'))

    code = (frontend / "src/__generated__/LogsPageQuery.graphql.ts").read_text()
    (id_,) = re.findall(r'"id": "(\w{32})"', code)
    body = {"documentId": id_, "variables": {"count": 2}}
    answer = httpx.post(f"{gateway}/graphql", json=body).json()
    assert len(answer["data"]["webhookLogs"]["edges"]) == 2


def commands() -> list[list[str]]:
    text = "".join(PAGE.block_texts("bash"))
    return [shlex.split(line) for line in text.replace("\\\n", "").splitlines()]


def trusting(folder: Path, table: str) -> ASGIApp:
    """Create a gateway over the sandbox, with a further table in its configuration."""
    sandbox = Sandbox(logs=20)
    file = write_configuration(folder, sandbox, "http://127.0.0.1:1", port=0)
    file.write_text(f"{table}\n{file.read_text()}")
    return create_app(load(file, {}), transport=httpx.ASGITransport(sandbox.app))


def curl(words: list[str], gateway: str) -> Any:
    command, url, header, content_type, data, body = words
    assert (command, header, data) == ("curl", "-H", "-d")
    assert url == URL
    name, _, value = content_type.partition(": ")
    return httpx.post(f"{gateway}/graphql", headers={name: value}, content=body).json()
