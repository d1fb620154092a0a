"""The gateway in a supergraph, composed and queried with Apollo's own tools."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from tests.docs.pages import FILES, USER_PAGES
from tests.node.conftest import HERE, ROOT, SCHEMA

if TYPE_CHECKING:
    from tests.node.conftest import Run

PAGE = USER_PAGES[".github/docs/supergraphs.md"]
NOWHERE = "http://127.0.0.1:1/"
OTHERS = [f"{name}={NOWHERE}={HERE / name}.graphql" for name in ("incidents", "translations")]


def logs(url: str, file: Path = SCHEMA) -> str:
    return f"logs={url}={file}"


def test_documented_command_composes(run: Run, tmp_path: Path) -> None:
    name = "tests/node/incidents.graphql"
    assert FILES[name] == (ROOT / name).read_text(encoding="utf-8")
    [command] = PAGE.block_texts("bash")
    for each in ("schema.graphql", "tests"):
        (tmp_path / each).symlink_to(ROOT / each)
    run("bash", "-c", command, folder=tmp_path)
    supergraph = (tmp_path / "supergraph.graphql").read_text(encoding="utf-8")
    for key in ('key: "id"', 'key: "name"', 'key: "source { name } upstreamId"'):
        assert f"@join__type(graph: LOGS, {key})" in supergraph


def test_invalid_subgraph_does_not_compose(run: Run, tmp_path: Path) -> None:
    alone = tmp_path / "schema.graphql"
    text = SCHEMA.read_text(encoding="utf-8")
    alone.write_text(text.replace("type PageInfo @shareable", "type PageInfo"), encoding="utf-8")
    complaint = run("node", "compose.mjs", logs(NOWHERE, alone), *OTHERS, fails=True).stderr
    assert 'Non-shareable field "PageInfo.hasNextPage"' in complaint


def test_query_crosses_subgraphs_by_both_keys(run: Run, url: str, tmp_path: Path) -> None:
    query = """{ shop: source(name: "shop") { ...Newest }
                 translations: source(name: "translations") { ...Newest } }
               fragment Newest on Source {
                 logs(first: 1) { nodes { id upstreamId status source { provider } } } }"""
    data = httpx.post(url, json={"query": query}).json()["data"]
    ordered, translated = (data[name]["logs"]["nodes"][0] for name in ("shop", "translations"))

    composed = run("node", "compose.mjs", logs(url), *OTHERS).stdout
    (tmp_path / "supergraph.graphql").write_text(composed, encoding="utf-8")
    known = {
        "incidents": [
            {"id": "1", "log": {"id": ordered["id"]}},
            {"id": "2", "log": {"id": "of another gateway"}},
            {"id": "3", "log": {"id": ordered["id"]}},
        ],
        "translations": [
            {"title": "known", "callback": by_upstream_id("translations", translated)},
            {"title": "unclear", "callback": by_upstream_id("shop", ordered)},
        ],
    }
    answer = json.loads(
        run(
            "node",
            "supergraph.mjs",
            str(tmp_path / "supergraph.graphql"),
            json.dumps(known),
            """{ incidents { id log { upstreamId status source { provider } } }
                 translations { title callback { id status source { provider } } } }""",
        ).stdout
    )
    assert answer["data"] == {
        "incidents": [
            {"id": "1", "log": without(ordered, "id")},
            {"id": "2", "log": None},
            {"id": "3", "log": without(ordered, "id")},
        ],
        "translations": [
            {"title": "known", "callback": without(translated, "upstreamId")},
            {"title": "unclear", "callback": None},
        ],
    }
    assert {(*error["path"], error["extensions"]["code"]) for error in answer["errors"]} == {
        ("incidents", 1, "log", "INVALID_ID"),
        ("translations", 1, "callback", "INVALID_REPRESENTATION"),
    }


def by_upstream_id(source: str, log: dict[str, Any]) -> dict[str, Any]:
    return {"source": {"name": source}, "upstreamId": log["upstreamId"]}


def without(log: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in log.items() if key != name}


def test_page_says_which_directives_are_used() -> None:
    table = PAGE.text.partition("| in the list | here |")[2].partition("\n\n")[0]
    told = {
        directive: not cell.startswith("Not used")
        for names, cell in re.findall(r"^\| (.*?) \| (.*?) \|$", table, re.MULTILINE)
        for directive in re.findall(r"@\w+", names)
    }
    text = SCHEMA.read_text(encoding="utf-8")
    assert told == {directive: directive in text for directive in told}
    assert {"@key", "@shareable", "@tag", "@inaccessible", "@override", "@link"} <= told.keys()
