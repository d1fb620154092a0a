"""Every field of every type resolves against the simulated vendors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from graphql import (
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLUnionType,
    get_named_type,
    is_leaf_type,
)

from gateway.schema import build_schema

if TYPE_CHECKING:
    from tests.schema.conftest import Demo

CORE = build_schema()._schema
TYPES = [named for name, named in CORE.type_map.items() if not name.startswith("__")]
SOURCES = {
    **dict.fromkeys(("gitlab", "hookdeck", "svix"), "DescribedDetails"),
    "github": "GitHubDetails",
    "repo-cn": "CodeArtsDetails",
    "tracker": "YandexTrackerDetails",
    "translations": "LanguageWeaverDetails",
    "shop": "ElasticPathDetails",
}
RETRYING = {"github", "gitlab", "hookdeck", "svix", "translations"}


def everything(named: GraphQLNamedType, visited: set[tuple[str, str]], depth: int) -> str:
    """Return a selection of every field down to ``depth``, and add the fields to ``visited``."""
    if isinstance(named, GraphQLUnionType | GraphQLInterfaceType):
        kinds = CORE.get_possible_types(named)
        members = (f"... on {one.name} {everything(one, visited, depth)}" for one in kinds)
        return "{ __typename " + " ".join(members) + " }"
    assert isinstance(named, GraphQLObjectType)
    selected = ["__typename"]
    for name, field in named.fields.items():
        inner = get_named_type(field.type)
        if is_leaf_type(inner):
            selected.append(name)
            visited.add((named.name, name))
        elif depth:
            few = "(first: 2)" if "first" in field.args else ""
            selected.append(f"{name}{few} {everything(inner, visited, depth - 1)}")
            visited.add((named.name, name))
    return "{ " + " ".join(selected) + " }"


@pytest.mark.slow
@pytest.mark.parametrize("name", SOURCES)
async def test_every_field_of_every_type_resolves(demo: Demo, name: str) -> None:
    visited: set[tuple[str, str]] = set()
    page = everything(CORE.type_map["WebhookLogConnection"], visited, 3)
    source = everything(CORE.type_map["Source"], visited, 3)
    data = await demo.data(
        f"""
        query Everything($name: String!) {{
          webhookLogs(first: 2, filter: {{ source: {{ eq: $name }} }}) {page}
          source(name: $name) {source}
          sources {{ name }}
        }}
        """,
        name=name,
    )
    logs = data["webhookLogs"]["nodes"]
    assert len(logs) == 2
    assert {log["source"]["name"] for log in logs} == {name}
    assert {log["details"]["__typename"] for log in logs} == {SOURCES[name]}
    assert data["webhookLogs"]["edges"][0]["node"]["id"] == logs[0]["id"]
    assert data["webhookLogs"]["sourceReports"][0]["outcome"] == "OK"
    assert data["source"]["hooks"]["nodes"]
    assert [source["name"] for source in data["sources"]] == sorted(SOURCES)
    retried = everything(CORE.type_map["RetryWebhookLogPayload"], visited, 1)
    deleted = everything(CORE.type_map["DeleteWebhookLogPayload"], visited, 1)
    done = await demo.data(
        "mutation ($one: ID!, $other: ID!) {"
        f" retryWebhookLog(id: $one) {retried} deleteWebhookLog(id: $other) {deleted} }}",
        one=logs[0]["id"],
        other=logs[1]["id"],
    )
    retries, deletes = name in RETRYING, name == "translations"
    assert [payload["userErrors"] == [] for payload in done.values()] == [retries, deletes]
    actions = everything(CORE.type_map["ActionConnection"], visited, 2)
    viewer = everything(CORE.type_map["Viewer"], visited, 1)
    cache = everything(CORE.type_map["CacheState"], visited, 1)
    service = everything(CORE.type_map["_Service"], visited, 0)
    told = await demo.data(
        f"{{ actions {actions} viewer {viewer} cache {cache} _service {service} }}"
    )
    dropped = everything(CORE.type_map["InvalidateCachePayload"], visited, 1)
    gone = await demo.data(
        f"mutation ($tags: [String!]!) {{ invalidateCache(tags: $tags) {dropped} }}",
        tags=[f"source:{name}"],
    )
    assert gone["invalidateCache"]["entries"] > 0
    kinds = [action["kind"] for action in told["actions"]["nodes"]]
    assert kinds == ["DELETE"] * deletes + ["RETRY"] * retries
    declared = {
        (named.name, field)
        for named in TYPES
        if isinstance(named, GraphQLObjectType)
        and named not in (CORE.query_type, CORE.mutation_type)
        for field in named.fields
    }
    assert visited == declared

    found = {
        "WebhookLog": logs[0]["id"],
        "Source": data["source"]["id"],
        "Hook": data["source"]["hooks"]["nodes"][0]["id"],
    }
    for kind, id in found.items():
        node = everything(CORE.type_map[kind], set(), 1)
        again = await demo.data(
            "query ($id: ID!) {"
            f" node(id: $id) {{ ... on {kind} {node} }} nodes(ids: [$id, $id]) {{ id }} }}",
            id=id,
        )
        assert (again["node"]["__typename"], again["node"]["id"]) == (kind, id)
        assert again["nodes"] == [{"id": id}, {"id": id}]
    alone = await demo.data(
        "query ($id: ID!) { webhookLog(id: $id) { id upstreamId } }", id=logs[0]["id"]
    )
    assert alone["webhookLog"] == {"id": logs[0]["id"], "upstreamId": logs[0]["upstreamId"]}
