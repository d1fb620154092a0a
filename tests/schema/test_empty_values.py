"""Empty strings, lists and objects, and nulls, which clients send for values that are not set.

Apollo Client and Relay send a null for each variable without a value; other clients begin a list
with an empty cursor. None of that may be an error or change the result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.schema.conftest import Demo

PAGE = """
query ($first: Int, $after: String, $last: Int, $before: String, $filter: WebhookLogFilter,
       $cache: CacheDemand) {
  webhookLogs(
    first: $first, after: $after, last: $last, before: $before, filter: $filter, cache: $cache
  ) {
    edges { cursor node { id } } pageInfo { hasPreviousPage endCursor } totalCount
  }
  source(name: "shop") {
    logs(
      first: $first, after: $after, last: $last, before: $before, filter: $filter, cache: $cache
    ) {
      edges { cursor node { id } } pageInfo { hasPreviousPage endCursor } totalCount
    }
  }
}
"""
EVERYTHING: list[dict[str, Any]] = [
    {},
    {"source": None, "search": None, "and": None, "or": None, "not": None},
    {"event": {}, "httpStatus": {}, "hook": {}, "triggeredAt": {}, "provider": {}, "failure": {}},
    {"event": {"eq": None, "in": None}, "triggeredAt": {"gte": None}, "status": {"in": None}},
    {"and": []},
    {"and": [{}, {"event": {}}, {"and": [{"url": {"contains": None}}]}]},
]
"""Filters without any condition."""


@pytest.mark.slow
@pytest.mark.parametrize(
    "variables",
    [
        dict.fromkeys(("first", "after", "last", "before", "filter", "cache")),
        {"after": ""},
        {"before": ""},
        {"after": "", "before": ""},
        {"first": 25, "after": "", "last": None, "before": None},
        {"first": 25, "before": ""},
        *({"filter": wanted} for wanted in EVERYTHING),
    ],
    ids=str,
)
async def test_arguments_without_content_change_nothing(
    demo: Demo, variables: dict[str, Any]
) -> None:
    assert await demo.data(PAGE, **variables) == await demo.data(PAGE)


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    "query",
    ["{ list: webhookLogs%s }", '{ source(name: "shop") { list: logs%s } }'],
    ids=["webhookLogs", "Source.logs"],
)
async def test_empty_cursor_beside_another_cursor_is_null(demo: Demo, query: str) -> None:
    """A client that keeps both cursors in its state sends the unused one as an empty string."""
    query = "query ($first: Int, $after: String, $last: Int, $before: String) " + query % (
        "(first: $first, after: $after, last: $last, before: $before)"
        " { nodes { id } edges { cursor } }"
    )

    async def page(**variables: Any) -> Any:
        data = await demo.data(query, **variables)
        return data.get("list") or data["source"]["list"]

    cursor = (await page(first=3))["edges"][2]["cursor"]
    following = await page(first=3, after=cursor)
    assert await page(first=3, after=cursor, before="", last=None) == following
    newer = await page(last=2, before=cursor)
    assert len(newer["nodes"]) == 2
    assert await page(last=2, before=cursor, after="", first=None) == newer


async def test_cursor_without_filter_is_valid_with_an_empty_filter(demo: Demo) -> None:
    """A frontend may omit its filter at first, and send an empty one from then on."""
    query = """query ($after: String, $filter: WebhookLogFilter) { source(name: "shop") {
                 logs(first: 3, after: $after, filter: $filter) {
                   nodes { id } pageInfo { endCursor } } } }"""
    first = (await demo.data(query))["source"]["logs"]
    after = first["pageInfo"]["endCursor"]
    second = await demo.data(query, after=after)
    for wanted in EVERYTHING:
        assert await demo.data(query, after=after, filter=wanted) == second


@pytest.mark.slow
async def test_empty_before_costs_nothing(demo: Demo) -> None:
    """Reading back to a cursor is priced as a scan, and could push a page over the limit."""

    query = "query ($before: String) {{ webhookLogs({}) {{ nodes {{ id }} }} }}"

    async def cost(variables: dict[str, Any], written: str = "before: $before") -> int:
        response = await demo.client.post(
            "/graphql",
            json={
                "query": query.format(written),
                "variables": variables,
                "extensions": {"cost": True},
            },
        )
        requested: int = response.json()["extensions"]["cost"]["requested"]
        return requested

    none = await cost({})
    assert await cost({"before": "x"}) > none
    assert await cost({"before": ""}) == none
    assert await cost({"before": "x"}) > none
    assert await cost({"before": None}, 'before: $before, after: ""') == none
    assert await cost({"before": None}, "first: 25, after: $before") == none


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("written", "code"),
    [
        ('{ webhookLogs(last: 5, before: "") { nodes { id } } }', "INVALID_PAGE_SIZE"),
        ('{ webhookLogs(after: " ") { nodes { id } } }', "INVALID_CURSOR"),
        ('{ webhookLog(id: "") { id } }', "INVALID_ID"),
        ('{ node(id: "") { id } }', "INVALID_ID"),
        ('{ nodes(ids: [""]) { id } }', "INVALID_ID"),
        ('{ source(name: "") { id } }', "UNKNOWN_SOURCE"),
        ('{ webhookLogs(filter: { source: { eq: "" } }) { nodes { id } } }', "UNKNOWN_SOURCE"),
        ('{ webhookLogs(filter: { hook: { eq: "" } }) { nodes { id } } }', "INVALID_ID"),
        ('{ webhookLogs(filter: { triggeredAt: { gte: "" } }) { nodes { id } } }',
         "INVALID_FILTER"),
        ("{ webhookLogs(filter: { event: { in: [] } }) { nodes { id } } }", "INVALID_FILTER"),
        ("{ webhookLogs(filter: { status: { in: [] } }) { nodes { id } } }", "INVALID_FILTER"),
        ("{ webhookLogs(filter: { or: [] }) { nodes { id } } }", "INVALID_FILTER"),
        ("{ webhookLogs(filter: { not: {} }) { nodes { id } } }", "INVALID_FILTER"),
        ("{ webhookLogs(filter: { event: { in: [null] } }) { nodes { id } } }",
         "GRAPHQL_VALIDATION_FAILED"),
        ("{ webhookLogs(filter: { and: [null] }) { nodes { id } } }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ webhookLogs(cache: {}) { nodes { id } } }", "GRAPHQL_VALIDATION_FAILED"),
    ],
)  # fmt: skip
async def test_meaningless_empty_value_is_refused(demo: Demo, written: str, code: str) -> None:
    [error] = (await demo.answer(written))["errors"]
    assert error["extensions"]["code"] == code


@pytest.mark.slow
@pytest.mark.parametrize(
    "wanted",
    [
        {"event": {"nin": []}},
        {"failure": {"nin": []}},
        {"or": [{}]},
        {"or": [{"event": {"eq": None}}, {"event": {"eq": "push_hooks"}}]},
        {"search": ""},
    ],
)
async def test_condition_met_by_every_log_excludes_none(demo: Demo, wanted: Any) -> None:
    query = """query ($filter: WebhookLogFilter) {
                 webhookLogs(first: 50, filter: $filter) { nodes { id } } }"""
    assert await demo.data(query, filter=wanted) == await demo.data(query)


async def test_empty_list_arguments_are_accepted(demo: Demo) -> None:
    assert await demo.data("{ nodes(ids: []) { id } }") == {"nodes": []}
    dropped = await demo.data(
        "mutation { invalidateCache(tags: []) { entries userErrors { code } } }"
    )
    assert dropped == {"invalidateCache": {"entries": 0, "userErrors": []}}


@pytest.mark.parametrize("field", ["hooks", "actions"])
async def test_other_lists_accept_an_empty_cursor(demo: Demo, field: str) -> None:
    page = "{ nodes { id } pageInfo { hasPreviousPage endCursor } }"
    query = (
        f'query ($first: Int, $after: String) {{ source(name: "shop") {{ list: hooks('
        f"first: $first, after: $after) {page} }} }}"
        if field == "hooks"
        else f"query ($first: Int, $after: String) {{ list: actions(first: $first, after: $after,"
        f" filter: {{ kind: null, outcome: null, caller: null }}) {page} }}"
    )
    assert await demo.data(query, after="") == await demo.data(query)
    assert await demo.data(query, first=None, after=None) == await demo.data(query)
