"""Pages of hooks and of one source's logs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.schema.conftest import Demo


async def test_hooks_are_paged(demo: Demo) -> None:
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


async def test_cursors_are_shared_by_a_source_and_the_list_filtered_by_it(demo: Demo) -> None:
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
