"""The schema against the sandbox: every field of every type, and every refusal."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from graphql import (
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLUnionType,
    get_named_type,
    is_leaf_type,
)

from gateway import ids
from gateway.feed import cursor, filters
from gateway.model import Timestamp
from gateway.normalise import timestamps
from gateway.schema import build_schema

if TYPE_CHECKING:
    from tests.schema.conftest import Demo

CORE = build_schema()._schema
TYPES = [named for name, named in CORE.type_map.items() if not name.startswith("__")]
SOURCES = {
    "repo-cn": "CodeArtsDetails",
    "tracker": "YandexTrackerDetails",
    "translations": "LanguageWeaverDetails",
    "shop": "ElasticPathDetails",
}


# Every field resolves


def everything(named: GraphQLNamedType, visited: set[tuple[str, str]], depth: int) -> str:
    """Write a selection of every field, as deep as ``depth``; all its fields are ``visited``."""
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
    able = name == "translations"
    assert [payload["userErrors"] == [] for payload in done.values()] == [able, able]
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
    assert kinds == (["DELETE", "RETRY"] if able else [])
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


# What bad input gets

PLAIN = filters.prepare(None, Timestamp(0), SOURCES)


def made_cursor(document: Any = None) -> str:
    fingerprint = filters.prepare(document, Timestamp(0), SOURCES).fingerprint
    place = cursor.Cursor(
        version=cursor.VERSION,
        filter=fingerprint,
        time=Timestamp(1),
        given=(b"123456",),
        known=(),
        horizon=cursor.UNDATED,
        places={},
    )
    return cursor.encode(place)


def listed(arguments: str) -> str:
    return f"{{ webhookLogs({arguments}) {{ nodes {{ id }} }} }}"


LOG = "query ($id: ID!) { webhookLog(id: $id) { id } }"
NODE = "query ($id: ID!) { node(id: $id) { id } }"
NO_ID = (
    "INVALID_ID",
    "That id was not made by this gateway. Use the id of a webhook log, hook or source as a query"
    " gave it.",
)
NO_CURSOR = (
    "INVALID_CURSOR",
    "That cursor was not made by this gateway. Use one as a page or an edge has it, or begin"
    " without one.",
)
OTHER_FILTER = (
    "CURSOR_FILTER_MISMATCH",
    "That cursor belongs to a list with another filter. Repeat the filter of the query that gave"
    " it, or begin without a cursor.",
)
NO_SOURCE = (
    "UNKNOWN_SOURCE",
    "There is no source named 'nope'. The sources are: repo-cn, shop, tracker, translations.",
)
NO_LOG = ("NOT_FOUND", "There is no such webhook log. It may have expired.")
NO_HOOK = ("NOT_FOUND", "There is no such hook. It may have expired.")
FIRST = ("INVALID_PAGE_SIZE", "That page can't be read: first must lie between 0 and 100.")
ALONE = (
    "INVALID_PAGE_SIZE",
    "That page can't be read: last needs the cursor that what is new is counted back from.",
)


def mixed(forward: str, backward: str) -> tuple[str, str]:
    return (
        "INVALID_PAGE_SIZE",
        f"That page can't be read: by {forward} it is read forward, by {backward} backward; use one"
        " direction.",
    )


def id_of(kind: str, *place: str, source: str = "repo-cn") -> str:
    return ids.encode(ids.Kind[kind], source, *place)


GRANTED = "a642c851d4dc4853b595e5c8a5e56df7"
BAD_INPUT: dict[str, tuple[str, dict[str, Any], Any, tuple[str, str]]] = {
    "first over 100": (listed("first: 101"), {}, None, FIRST),
    "first below 0": (listed("first: -1"), {}, None, FIRST),
    "last over 100": (
        listed(f'last: 101, before: "{made_cursor()}"'),
        {},
        None,
        ("INVALID_PAGE_SIZE", "That page can't be read: last must lie between 0 and 100."),
    ),
    "last alone": (listed("last: 5"), {}, None, ALONE),
    "first and last": (
        listed('first: 5, last: 5, before: "x"'),
        {},
        None,
        mixed("first", "last and before"),
    ),
    "first and before": (listed('first: 5, before: "x"'), {}, None, mixed("first", "before")),
    "after and before": (listed('after: "x", before: "x"'), {}, None, mixed("after", "before")),
    "after and last": (listed('after: "x", last: 5'), {}, None, mixed("after", "last")),
    "no cursor to read on from": (listed('after: "YXJyYXljb25uZWN0aW9uOjI0"'), {}, None, NO_CURSOR),
    "no cursor to read back from": (listed('before: ""'), {}, None, NO_CURSOR),
    "an id as cursor": (listed(f'after: "{id_of("LOG", "1")}"'), {}, None, NO_CURSOR),
    "a cursor of another filter": (
        listed(f'after: "{made_cursor()}", filter: {{ event: {{ eq: "push" }} }}'),
        {},
        None,
        OTHER_FILTER,
    ),
    "a cursor of another source": (
        f'{{ source(name: "shop") {{ logs(after: "{made_cursor()}") {{ nodes {{ id }} }} }} }}',
        {},
        {"source": {"logs": None}},
        OTHER_FILTER,
    ),
    "an impossible filter": (
        listed("filter: { httpStatus: { gt: 500, lt: 400 } }"),
        {},
        None,
        (
            "INVALID_FILTER",
            "The filter can't be used: no httpStatus can be all that it asks for at once.",
        ),
    ),
    "a filter of another source": (
        '{ source(name: "shop") { logs(filter: { source: { eq: "tracker" } }) { nodes { id } } } }',
        {},
        {"source": {"logs": None}},
        (
            "INVALID_FILTER",
            "The filter can't be used: no source can be all that it asks for at once.",
        ),
    ),
    "a moment that is none": (
        listed('filter: { triggeredAt: { gte: "soon" } }'),
        {},
        None,
        (
            "INVALID_FILTER",
            "The filter can't be used: triggeredAt.gte: 'soon' is neither a date and time such as"
            " 2026-03-04T09:10:11Z nor a duration back from now such as PT1H, P1DT12H or P2W.",
        ),
    ),
    "a moment that is no text": (
        listed("filter: { triggeredAt: { gte: 5 } }"),
        {},
        ...,
        ("GRAPHQL_VALIDATION_FAILED", "A moment is given as text."),
    ),
    "an unknown source in a filter": (
        listed('filter: { source: { in: ["shop", "nope"] } }'),
        {},
        None,
        NO_SOURCE,
    ),
    "a filter of a hook of an unknown source": (
        listed(f'filter: {{ hook: {{ eq: "{id_of("HOOK", "1", source="nope")}" }} }}'),
        {},
        None,
        NO_SOURCE,
    ),
    "an unknown source": ('{ source(name: "nope") { name } }', {}, {"source": None}, NO_SOURCE),
    "no id of a log": (LOG, {"id": "664201931"}, {"webhookLog": None}, NO_ID),
    "an empty id": (LOG, {"id": ""}, {"webhookLog": None}, NO_ID),
    "an id of a hook": (
        LOG,
        {"id": id_of("HOOK", "1")},
        {"webhookLog": None},
        ("INVALID_ID", "That id belongs to a hook, not to a webhook log."),
    ),
    "no id of anything": (NODE, {"id": "0"}, {"node": None}, NO_ID),
    "a log of an unknown source": (
        LOG,
        {"id": id_of("LOG", "1", source="nope")},
        {"webhookLog": None},
        NO_LOG,
    ),
    "a log of a project that is not granted": (
        LOG,
        {"id": id_of("LOG", "projects", "0" * 32, "990085", "664201931")},
        {"webhookLog": None},
        NO_LOG,
    ),
    "a log whose id leads elsewhere": (
        LOG,
        {"id": id_of("LOG", "projects", GRANTED, "990085", "../../1")},
        {"webhookLog": None},
        NO_LOG,
    ),
    "a log of a queue that is not granted": (
        LOG,
        {"id": id_of("LOG", "SECRET", "1", "2026-03-04T09:10:11.120Z", "x", source="tracker")},
        {"webhookLog": None},
        NO_LOG,
    ),
    "a log with no place": (LOG, {"id": id_of("LOG")}, {"webhookLog": None}, NO_LOG),
    "a hook that is not there": (NODE, {"id": id_of("HOOK", "1")}, {"node": None}, NO_HOOK),
    "a hook of an unknown source": (
        NODE,
        {"id": id_of("HOOK", "1", source="nope")},
        {"node": None},
        NO_HOOK,
    ),
    "a source that is not there": (
        NODE,
        {"id": id_of("SOURCE", source="nope")},
        {"node": None},
        NO_SOURCE,
    ),
    "101 ids": (
        "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }",
        {"ids": ["x"] * 101},
        None,
        ("INVALID_PAGE_SIZE", "101 ids are too many at once; ask for 100 at most."),
    ),
    "first over 100 hooks": (
        '{ source(name: "shop") { hooks(first: 101) { nodes { id } } } }',
        {},
        {"source": {"hooks": None}},
        FIRST,
    ),
    "no cursor of hooks": (
        '{ source(name: "shop") { hooks(after: "x") { nodes { id } } } }',
        {},
        {"source": {"hooks": None}},
        (
            "INVALID_CURSOR",
            "That cursor is not of this source's hooks, or its hook is gone. Begin without one.",
        ),
    ),
}
PYTHON = re.compile(
    r"\b(None|NoneType|Traceback|\w+Error|self|base64|utf-?8|codec|msgpack|unpack\w*|ascii)\b|<class|0x"
)


@pytest.mark.parametrize("case", BAD_INPUT)
async def test_bad_input_gets_a_code_and_a_sentence(demo: Demo, case: str) -> None:
    query, variables, data, (code, sentence) = BAD_INPUT[case]
    answer = await demo.answer(query, **variables)
    [error] = answer["errors"]
    assert (error["message"], error["extensions"]["code"]) == (sentence, code)
    assert PYTHON.search(error["message"]) is None
    assert answer.get("data", ...) == data
    # Nothing of it is worth a call to a vendor, but to find the hooks.
    for vendor in ("codearts", "yandex-tracker", "language-weaver", "elastic-path"):
        assert [path for path in await demo.calls(vendor) if "log" in path or "audit" in path] == []


async def test_what_can_not_be_read_is_null_at_its_own_place(demo: Demo) -> None:
    data = await demo.data(
        """{
          webhookLogs(first: 2, filter: { provider: { eq: CODEARTS } }) { nodes { id } }
          source(name: "shop") { id hooks(first: 1) { nodes { id } } }
        }"""
    )
    logs = [log["id"] for log in data["webhookLogs"]["nodes"]]
    source = data["source"]["id"]
    [hook] = [hook["id"] for hook in data["source"]["hooks"]["nodes"]]
    missing = id_of("LOG", "projects", "0" * 32, "990085", "1")
    answer = await demo.answer(
        "query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }",
        ids=[logs[0], "x", source, missing, hook, logs[1]],
    )
    assert answer["data"]["nodes"] == [
        {"__typename": "WebhookLog", "id": logs[0]},
        None,
        {"__typename": "Source", "id": source},
        None,
        {"__typename": "Hook", "id": hook},
        {"__typename": "WebhookLog", "id": logs[1]},
    ]
    assert [
        (error["path"], error["extensions"]["code"], error["message"]) for error in answer["errors"]
    ] == [(["nodes", 1], *NO_ID), (["nodes", 3], *NO_LOG)]


async def test_a_failed_source_is_told_beside_the_rows_of_the_others(demo: Demo) -> None:
    await demo.fault("language-weaver", kind="status", status=503)
    data = await demo.data(
        """{
          webhookLogs(first: 5) {
            nodes { source { name } }
            sourceReports {
              source { name } outcome returned scanned upstreamCalls fetchedAt unreadable
              error { code httpStatus message vendorMessage vendorRequestId }
            }
          }
        }"""
    )
    reports = {report["source"]["name"]: report for report in data["webhookLogs"]["sourceReports"]}
    assert {name: report["outcome"] for name, report in reports.items()} == {
        "repo-cn": "OK",
        "shop": "OK",
        "tracker": "OK",
        "translations": "FAILED",
    }
    assert sum(report["returned"] for report in reports.values()) == 5
    failed = reports["translations"]
    assert (failed["error"]["code"], failed["error"]["httpStatus"]) == ("UPSTREAM_ERROR", 503)
    assert failed["fetchedAt"] is None
    assert reports["shop"]["error"] is None


async def test_only_when_every_source_failed_the_list_is_an_error(demo: Demo) -> None:
    await demo.fault("language-weaver", kind="status", status=401)
    answer = await demo.answer(
        listed('filter: { source: { eq: "translations" } }'),
    )
    assert answer["data"] is None
    [error] = answer["errors"]
    assert error["extensions"]["code"] == "ALL_SOURCES_FAILED"
    [told] = error["extensions"]["sources"]
    assert (told["code"], told["source"], told["httpStatus"]) == (
        "UPSTREAM_UNAUTHORIZED",
        "translations",
        401,
    )
    assert error["message"].startswith("No source could be read. Source translations answered 401")


async def test_a_vendor_that_fails_takes_nothing_from_the_other_sources(demo: Demo) -> None:
    await demo.fault("codearts", kind="status", status=403)
    document = await demo.answer(
        "{ sources { name hooks { totalCount } logs(first: 1) { nodes { id } } } }"
    )
    sources = document["data"]["sources"]
    failed = [source["name"] for source in sources if None in (source["hooks"], source["logs"])]
    assert (len(sources), failed) == (4, ["repo-cn"])
    assert sorted(error["path"] for error in document["errors"]) == [
        ["sources", 0, "hooks"],
        ["sources", 0, "logs"],
    ]


async def test_hooks_come_in_pages(demo: Demo) -> None:
    query = """
    query Hooks($first: Int, $after: String) {
      source(name: "repo-cn") {
        hooks(first: $first, after: $after) {
          edges { cursor node { id } } nodes { id }
          pageInfo { hasNextPage hasPreviousPage startCursor endCursor } totalCount
        }
      }
    }
    """
    whole = (await demo.data(query, first=None))["source"]["hooks"]
    expected = [hook["id"] for hook in whole["nodes"]]
    assert len(expected) == len(set(expected)) == whole["totalCount"] > 4
    assert not whole["pageInfo"]["hasNextPage"]

    seen: list[str] = []
    after = None
    while True:
        page = (await demo.data(query, first=2, after=after))["source"]["hooks"]
        info = page["pageInfo"]
        ids = [hook["id"] for hook in page["nodes"]]
        assert [edge["node"]["id"] for edge in page["edges"]] == ids
        assert [edge["cursor"] for edge in page["edges"]][:: len(ids) - 1 or 1] == (
            [info["startCursor"], info["endCursor"]][: len(ids)]
        )
        assert info["hasPreviousPage"] is bool(seen)
        assert page["totalCount"] == len(expected)
        seen += ids
        if not info["hasNextPage"]:
            break
        after = info["endCursor"]
    assert seen == expected

    none = (await demo.data(query, first=0))["source"]["hooks"]
    assert (none["nodes"], none["pageInfo"]["endCursor"]) == ([], None)
    assert none["pageInfo"]["hasNextPage"]


async def test_pages_of_one_source_and_of_the_filtered_list_are_the_same(demo: Demo) -> None:
    query = """
    query Shop($after: String) {
      source(name: "shop") { logs(first: 3, after: $after) { nodes { id } pageInfo { endCursor } } }
    }
    """
    first = (await demo.data(query))["source"]["logs"]
    after = first["pageInfo"]["endCursor"]
    second = (await demo.data(query, after=after))["source"]["logs"]
    filtered = await demo.data(
        """query ($after: String) {
          webhookLogs(first: 3, after: $after, filter: { source: { eq: "shop" } }) {
            nodes { id } edges { node { id } cursor }
          }
        }""",
        after=after,
    )
    assert filtered["webhookLogs"]["nodes"] == second["nodes"]
    back = await demo.data(
        """query ($before: String) {
          source(name: "shop") { logs(last: 3, before: $before) { nodes { id } } }
        }""",
        before=filtered["webhookLogs"]["edges"][0]["cursor"],
    )
    assert back["source"]["logs"]["nodes"] == first["nodes"]


HEALTH = """
query ($name: String!) {
  source(name: $name) {
    health { status lastSuccessAt lastFailureAt lastError { code httpStatus message } }
  }
}
"""


async def test_health_tells_how_the_latest_call_went(demo: Demo) -> None:
    async def health() -> Any:
        return (await demo.data(HEALTH, name="translations"))["source"]["health"]

    listing = listed('first: 1, filter: { source: { eq: "translations" } }, cache: { maxAge: 0 }')
    nothing = dict.fromkeys(("lastSuccessAt", "lastFailureAt", "lastError"))
    assert await health() == {"status": "UNKNOWN", **nothing}

    await demo.data(listing)
    up = await health()
    assert up["status"] == "UP"
    assert up["lastSuccessAt"].endswith("Z")
    assert (up["lastFailureAt"], up["lastError"]) == (None, None)

    await demo.fault("language-weaver", kind="status", status=503)
    await demo.answer(listing)
    down = await health()
    assert down["status"] == "DOWN"
    assert (down["lastError"]["code"], down["lastError"]["httpStatus"]) == ("UPSTREAM_ERROR", 503)
    assert timestamps.parse(down["lastFailureAt"]) > timestamps.parse(down["lastSuccessAt"])

    await demo.control.delete("/control/faults")
    await demo.data(listing)
    again = await health()
    assert again["status"] == "UP"
    assert again["lastError"] == down["lastError"]


async def test_health_tells_of_an_open_breaker(demo: Demo) -> None:
    listing = listed('first: 1, filter: { source: { eq: "translations" } }')
    asked = """{ source(name: "translations") {
      health { status breaker retryAt lastError { code } } } }"""
    quiet = {"status": "UNKNOWN", "breaker": "CLOSED", "retryAt": None, "lastError": None}
    assert (await demo.data(asked))["source"]["health"] == quiet

    await demo.fault("language-weaver", kind="status", status=500)
    for _ in range(10):
        await demo.answer(listing)
    # Though the vendor is well again, nobody looks yet.
    await demo.control.delete("/control/faults")
    answer = await demo.answer(listing)
    assert answer["errors"][0]["extensions"]["sources"][0]["code"] == "UPSTREAM_CIRCUIT_OPEN"
    health = (await demo.data(asked))["source"]["health"]
    assert (health["status"], health["breaker"]) == ("DOWN", "OPEN")
    assert health["lastError"] == {"code": "UPSTREAM_ERROR"}
    assert timestamps.parse(health["retryAt"]) > 0
