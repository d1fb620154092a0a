"""Frontend clients and compilers, set up as documented."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from tests.docs.pages import USER_PAGES
from tests.node.conftest import HERE, gateway

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp

    from tests.node.conftest import Run


def ask(url: str, query: str, **variables: Any) -> Any:
    answer = httpx.post(url, json={"query": query, "variables": variables}).json()
    assert "errors" not in answer, answer["errors"]
    return answer["data"]


def newest(url: str, count: int, filter: dict[str, Any] | None = None) -> list[str]:
    query = """query ($first: Int, $filter: WebhookLogFilter) {
                 webhookLogs(first: $first, filter: $filter) { nodes { id } } }"""
    data = ask(url, query, first=count, filter=filter)
    return [log["id"] for log in data["webhookLogs"]["nodes"]]


def test_apollo_client_joins_pages(run: Run, url: str, frontend: Path) -> None:
    answer = run("node", "apollo-client.mjs", str(frontend / "src/apollo.js"), "shop").stdout
    everything, shop = json.loads(answer)
    assert everything == newest(url, 15)
    assert shop == newest(url, 15, {"source": {"eq": "shop"}})


def test_clients_accept_incremental_delivery(
    run: Run, url: str, frontend: Path, serve: Callable[[ASGIApp], str], tmp_path: Path
) -> None:
    in_parts = serve(gateway(tmp_path, GATEWAY_SERVER__INCREMENTAL="true")) + "/graphql"
    for name in ("apollo", "urql"):
        module = frontend / "src" / f"{name}.js"
        module.write_text(module.read_text().replace(url, in_parts))
        answer = json.loads(run("node", "parts.mjs", str(module)).stdout)
        assert answer["type"].startswith("multipart/mixed")
        assert answer["first"] == {"names": 8, "logs": 0}
        assert answer["last"] == {"names": 8, "logs": 16}


def test_urql_uses_get_and_post(run: Run, url: str, frontend: Path) -> None:
    answer = json.loads(run("node", "urql.mjs", str(frontend / "src/urql.js")).stdout)
    listed = newest(url, 2)
    assert answer == {
        "methods": ["GET", "POST", "GET"],
        "listed": listed,
        "one": listed[0],
        "refused": "INVALID_PAGE_SIZE",
    }


def documented_command(name: str) -> list[str]:
    text = USER_PAGES[".github/docs/frontends.md"].text
    (command,) = re.findall(rf"`(npx {name})`", text)
    return str(command).split()


def test_relay_compiles_and_its_queries_are_answered(run: Run, url: str, frontend: Path) -> None:
    run(*documented_command("relay-compiler"), folder=frontend)
    compiled = {
        file.name.partition(".")[0]: file.read_text()
        for file in (frontend / "src" / "__generated__").iterdir()
    }
    assert compiled.keys() == {"LogsPageQuery", "LogsBodiesQuery", "Logs_page", "Logs_bodies"}
    assert '"connection": [' in compiled["Logs_page"]
    texts = {
        name: json.loads(f'"{text}"')
        for name, code in compiled.items()
        for text in re.findall(r'"text": "(.*)"', code)
    }
    page = ask(url, texts["LogsPageQuery"], count=3, cursor=None)
    edges = page["webhookLogs"]["edges"]
    assert [edge["node"]["id"] for edge in edges] == newest(url, 3)
    cursor = page["webhookLogs"]["pageInfo"]["endCursor"]
    following = ask(url, texts["LogsPageQuery"], count=2, cursor=cursor)["webhookLogs"]["edges"]
    assert [edge["node"]["id"] for edge in (*edges, *following)] == newest(url, 5)
    again = ask(url, texts["LogsBodiesQuery"], id=edges[0]["node"]["id"])
    assert again["node"].keys() >= {"request", "response"}


def test_generated_types_are_correct(run: Run, frontend: Path) -> None:
    queries = [text for page in USER_PAGES.values() for text in page.block_texts("graphql")]
    (frontend / "queries").mkdir()
    (frontend / "queries" / "documented.graphql").write_text("\n".join(queries))
    run(*documented_command("graphql-codegen"), folder=frontend)
    shutil.copy(HERE / "queries.ts", frontend)
    options = ("--noEmit", "--strict", "--module", "esnext", "--moduleResolution", "bundler")
    run("npx", "tsc", *options, "queries.ts", folder=frontend)
