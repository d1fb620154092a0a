"""The gateway as a subgraph: references to entities, good and bad, and the service document."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import httpx
import pytest

import gateway.schema
from gateway import ids
from gateway.callers import Role
from gateway.schema import build_schema
from tests.web.protected import ADMIN, CALLERS, NOWHERE, Grant, Protected, protected_gateway

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from gateway.sandbox import Sandbox
    from tests.schema.conftest import Demo

ENTITIES = """
query ($representations: [_Any!]!) {
  _entities(representations: $representations) {
    __typename
    ... on WebhookLog { id upstreamId source { name } }
    ... on Hook { id }
    ... on Source { id name }
  }
}
"""
UNUSABLE = "INVALID_REPRESENTATION"
NO_TYPES: list[Any] = ["Product", "Query", "PageInfo", "_Any", "Node", "", None, 5, ["Hook"], {}]
NO_OBJECTS: list[Any] = [{}, "Hook", 5, [], True, 0.5]
SOMEONE = next(one for one in CALLERS if one.grant == Grant(Role.VIEWER, "repo-cn"))
"""A caller for whom the other sources do not exist."""


@pytest.fixture
async def protected(sandbox: Sandbox, tmp_path: Path) -> AsyncIterator[Protected]:
    async with protected_gateway(tmp_path, sandbox) as protected:
        yield protected


@pytest.fixture
async def control(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(sandbox.app)
    async with httpx.AsyncClient(transport=transport, base_url=NOWHERE) as client:
        yield client


async def told(demo: Demo, *representations: Any) -> list[Any]:
    """Return the entity, or the code of the one error, at each position."""
    return at_each_position(await demo.answer(ENTITIES, representations=representations))


def at_each_position(answer: dict[str, Any]) -> list[Any]:
    positions: list[Any] = list(answer["data"]["_entities"])
    for error in answer.get("errors", ()):
        field, index = error["path"]
        assert field == "_entities"
        assert positions[index] is None
        positions[index] = error["extensions"]["code"]
    assert None not in positions
    return positions


def log(id: str) -> dict[str, Any]:
    return {"__typename": "WebhookLog", "id": id}


def by_upstream_id(source: str, upstream_id: Any) -> dict[str, Any]:
    return {"__typename": "WebhookLog", "source": {"name": source}, "upstreamId": upstream_id}


# A hundred representations


@pytest.mark.slow
async def test_hundred_representations_are_resolved_in_order(
    protected: Protected, control: httpx.AsyncClient
) -> None:
    data = await protected.data(
        ADMIN,
        """{ granted: source(name: "repo-cn") { id hooks { nodes { id } } logs(first: 10) {
               nodes { id upstreamId } } }
             hidden: source(name: "shop") { id hooks { nodes { id } } logs(first: 10) {
               nodes { id upstreamId } } } }""",
    )
    granted, hidden = data["granted"], data["hidden"]
    the_source = {"__typename": "Source", "id": granted["id"], "name": "repo-cn"}
    hook = granted["hooks"]["nodes"][0]["id"]
    cases: list[tuple[Any, Any]] = [
        *(
            (
                log(node["id"]),
                {"__typename": "WebhookLog", "source": {"name": "repo-cn"}, **node},
            )
            for node in granted["logs"]["nodes"]
            for _ in range(4)
        ),
        *(({"__typename": "Hook", "id": hook}, {"__typename": "Hook", "id": hook}),) * 4,
        *(({"__typename": "Source", "id": granted["id"]}, the_source),) * 2,
        *(({"__typename": "Source", "name": "repo-cn"}, the_source),) * 2,
        # Sources that are not granted to the caller
        *((log(node["id"]), "NOT_FOUND") for node in hidden["logs"]["nodes"]),
        ({"__typename": "Hook", "id": hidden["hooks"]["nodes"][0]["id"]}, "NOT_FOUND"),
        ({"__typename": "Source", "id": hidden["id"]}, "UNKNOWN_SOURCE"),
        ({"__typename": "Source", "name": "shop"}, "UNKNOWN_SOURCE"),
        (by_upstream_id("shop", "1"), "UNKNOWN_SOURCE"),
        # Types
        *(({"__typename": name, "id": hook}, UNUSABLE) for name in NO_TYPES),
        *((given, UNUSABLE) for given in NO_OBJECTS),
        ({"id": hook}, UNUSABLE),
        # Keys
        *((log(id), "INVALID_ID") for id in ("", "x", hook, granted["id"], "x" * 2000)),
        *(({**log(""), "id": id}, UNUSABLE) for id in (None, 5, [hook], {"id": hook}, False)),
        ({"__typename": "Hook", "id": granted["logs"]["nodes"][0]["id"]}, "INVALID_ID"),
        ({"__typename": "Source", "id": hook}, "INVALID_ID"),
        ({"__typename": "Source", "name": None}, UNUSABLE),
        ({"__typename": "Source"}, UNUSABLE),
        ({"__typename": "Hook", "upstreamId": "1"}, UNUSABLE),
        ({"__typename": "WebhookLog", "upstreamId": "1"}, UNUSABLE),
        ({"__typename": "WebhookLog", "source": {"name": "repo-cn"}}, UNUSABLE),
        ({"__typename": "WebhookLog", "source": "repo-cn", "upstreamId": "1"}, UNUSABLE),
        (by_upstream_id("repo-cn", 1), UNUSABLE),
        (by_upstream_id("repo-cn", granted["logs"]["nodes"][0]["upstreamId"]), UNUSABLE),
        (log(ids.encode(ids.Kind.LOG, "repo-cn", "no", "such", "place", "0")), "NOT_FOUND"),
    ]
    assert len(cases) == 100
    random.Random(7).shuffle(cases)
    representations = [given for given, _ in cases]

    await control.delete("/control/calls")
    response = await protected.client.post(
        "/graphql",
        json={"query": ENTITIES, "variables": {"representations": representations}},
        headers={"authorization": f"Bearer {SOMEONE.credential}"},
    )
    positions = at_each_position(response.json())
    for (given, expected), found in zip(cases, positions, strict=True):
        assert found == expected, given
    calls = (await control.get("/control/calls")).json()["calls"]
    # One call for each log, however often it is referred to; the hooks are cached.
    assert [call["vendor"] for call in calls] == ["codearts"] * 10
    assert len({call["path"] for call in calls}) == 10


async def test_more_than_a_hundred_representations_are_refused(demo: Demo) -> None:
    answer = await demo.answer(ENTITIES, representations=[{}] * 101)
    [error] = answer["errors"]
    assert error["extensions"]["code"] == "INVALID_PAGE_SIZE"
    assert error["message"] == "101 representations are too many for one request. Send at most 100."
    assert await demo.data(ENTITIES, representations=[]) == {"_entities": []}


# Keys


async def test_log_is_found_by_the_vendors_id_if_that_is_sufficient(demo: Demo) -> None:
    data = await demo.data(
        '{ source(name: "translations") { logs(first: 2) { nodes { id upstreamId } } } }'
    )
    one, other = data["source"]["logs"]["nodes"]
    same = by_upstream_id("translations", one["upstreamId"])
    found = await told(demo, same, log(other["id"]), log(one["id"]))
    assert [node["id"] for node in found] == [one["id"], other["id"], one["id"]]
    for upstream_id, code in [
        ("999999999", "NOT_FOUND"),
        ("no number", "NOT_FOUND"),
        ("", "NOT_FOUND"),
        ("1" * 2000, "INVALID_ID"),
    ]:
        assert await told(demo, by_upstream_id("translations", upstream_id)) == [code]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", ["repo-cn", "tracker", "shop"])
async def test_insufficient_vendors_id_is_refused(demo: Demo, name: str) -> None:
    answer = await demo.answer(ENTITIES, representations=[by_upstream_id(name, "1")])
    [error] = answer["errors"]
    assert error["message"] == (
        f"Logs of source {name} can't be found by upstreamId alone; refer to them by id."
    )
    assert error["extensions"]["code"] == UNUSABLE


async def test_equal_logs_are_read_once_whichever_key_is_used(demo: Demo) -> None:
    inventory = (await demo.control.get("/control/inventory")).json()
    newest = str(max(int(one["id"]) for one in inventory if one["vendor"] == "language-weaver"))
    id = ids.encode(ids.Kind.LOG, "translations", newest)
    found = await told(demo, *[log(id), by_upstream_id("translations", newest)] * 50)
    assert [one["id"] for one in found] == [id] * 100
    assert len(await demo.calls("language-weaver", "/audit/webhooks")) == 1


async def test_one_variable_serves_two_fields(demo: Demo) -> None:
    data = await demo.data("{ sources { __typename name } }")
    answer = await demo.data(
        """query ($all: [_Any!]!) {
             one: _entities(representations: $all) { __typename }
             other: _entities(representations: $all) { ... on Source { name } } }""",
        all=data["sources"],
    )
    assert answer["one"] == [{"__typename": "Source"}] * len(data["sources"])
    assert answer["other"] == [{"name": source["name"]} for source in data["sources"]]


async def test_representations_may_be_literals(demo: Demo) -> None:
    answer = await demo.data(
        """{ _entities(representations: [{ __typename: "Source", name: "shop" }]) {
               ... on Source { name } } }"""
    )
    assert answer == {"_entities": [{"name": "shop"}]}


@pytest.mark.slow
async def test_failed_vendor_fails_only_its_own_entities(demo: Demo) -> None:
    data = await demo.data(
        """{ one: source(name: "repo-cn") { logs(first: 1) { nodes { id } } }
             other: source(name: "shop") { logs(first: 1) { nodes { id } } } }"""
    )
    one, other = (data[name]["logs"]["nodes"][0]["id"] for name in ("one", "other"))
    await demo.fault("codearts", kind="status", status=403)
    refused, found = await told(demo, log(one), log(other))
    assert refused == "UPSTREAM_FORBIDDEN"
    assert found["id"] == other


# The schema for the router


async def test_service_returns_the_schema_and_prints_it_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gateway.schema._converted.cache_clear()  # another test may have printed this one
    schema = build_schema()
    text = schema.as_str()
    written: list[object] = []

    def write(self: object) -> str:
        written.append(self)
        return text

    monkeypatch.setattr(type(schema), "as_str", write)
    for _ in range(3):
        result = await schema.execute("{ _service { sdl } }")
        assert result.data == {"_service": {"sdl": text}}
    assert len(written) == 1


async def test_service_is_refused_without_introspection() -> None:
    schema = build_schema(introspection=False)
    result = await schema.execute("{ _service { sdl } }")
    assert result.data is None
    [error] = result.errors or []
    assert error.message == (
        "Introspection is switched off on this gateway. Compose the supergraph from the file"
        " schema.graphql."
    )
    assert error.extensions == {"code": "GRAPHQL_VALIDATION_FAILED"}
