"""Statistics and groups of failures over the simulated vendors."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from strawberry.types import ExecutionResult

from gateway.callers import Role
from gateway.sandbox import Sandbox
from gateway.schema.context import Context
from tests.schema.sides import caller
from tests.support.demo import SCHEMA, Demo, demo_settings
from tests.support.moment import MOMENT, stopped

NOW = MOMENT * 10**9
STATS = """
query($filter: WebhookLogFilter, $bucket: String, $by: [StatsDimension!], $cache: CacheDemand) {
  webhookLogStats(filter: $filter, bucket: $bucket, by: $by, first: 100, cache: $cache) {
    count found complete sampled scanned from to groupCount
    durations { count p50 p95 max }
    buckets { start end count found }
    groups {
      source { name } hook { id } hookId status failure event statusCode
      count found bucketCounts bucketFound
    }
    sourceReports { source { name } outcome error { code } }
  }
}
"""
GROUPS = """
query($filter: WebhookLogFilter, $first: Int) {
  failureGroups(filter: $filter, first: $first) {
    groupCount complete
    groups {
      id source { name } hook { id } category statusCode message
      count found firstSeen lastSeen share retryable
      sample { id failure { category message } response { statusCode body } freshness { age } }
    }
  }
}
"""


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    return Sandbox(clock=stopped, logs=400)


@pytest.fixture
async def demo(sandbox: Sandbox, tmp_path: Path) -> AsyncIterator[Demo]:
    async with Demo(demo_settings(tmp_path, sandbox), sandbox, clock=lambda: NOW) as demo:
        yield demo
        await demo.heal()


async def stats(demo: Demo, **variables: Any) -> dict[str, Any]:
    found: dict[str, Any] = (await demo.data(STATS, **variables))["webhookLogStats"]
    return found


def codes(result: ExecutionResult) -> set[str]:
    return {(error.extensions or {})["code"] for error in result.errors or ()}


async def test_numbers_are_those_of_the_vendors(demo: Demo) -> None:
    inventory = await demo.inventory()
    found = await stats(demo, bucket="P1D", by=["SOURCE"])
    assert found["complete"]
    assert not found["sampled"]
    assert found["count"] == found["found"] == len(inventory)
    assert sum(bucket["count"] for bucket in found["buckets"]) == len(inventory)
    groups = {group["source"]["name"]: group for group in found["groups"]}
    assert sum(group["count"] for group in groups.values()) == len(inventory)
    for group in groups.values():
        assert sum(group["bucketCounts"]) == group["count"]
        assert len(group["bucketCounts"]) == len(found["buckets"])
    assert found["buckets"][0]["start"].endswith("T00:00:00Z")
    assert found["to"] == "2026-03-04T09:10:11Z"
    assert found["from"] is None


async def all_logs(demo: Demo, wanted: Any = None) -> list[dict[str, Any]]:
    """Return all logs that match a filter, by pages of the list."""
    logs: list[dict[str, Any]] = []
    after = None
    while True:
        page = (
            await demo.data(
                """query($after: String, $filter: WebhookLogFilter) {
                  webhookLogs(first: 100, after: $after, filter: $filter) {
                    nodes { hook { id } status failure { category } event response { statusCode } }
                    pageInfo { hasNextPage endCursor } } }""",
                after=after,
                filter=wanted,
            )
        )["webhookLogs"]
        logs += page["nodes"]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            return logs


@pytest.mark.parametrize(
    ("dimension", "key"),
    [
        ("HOOK", "hookId"),
        ("STATUS", "status"),
        ("FAILURE", "failure"),
        ("EVENT", "event"),
        ("STATUS_CODE", "statusCode"),
    ],
)
async def test_groups_agree_with_the_list(demo: Demo, dimension: str, key: str) -> None:
    logs = await all_logs(demo)
    values = {
        "hookId": lambda log: log["hook"] and log["hook"]["id"],
        "status": lambda log: log["status"],
        "failure": lambda log: log["failure"] and log["failure"]["category"],
        "event": lambda log: log["event"],
        "statusCode": lambda log: log["response"] and log["response"]["statusCode"],
    }
    found = await stats(demo, by=[dimension])
    expected = Counter(map(values[key], logs))
    assert {group[key]: group["count"] for group in found["groups"]} == expected
    assert found["groupCount"] == len(expected) > 1


async def test_failed_source_leaves_gaps(demo: Demo) -> None:
    await demo.fault("language-weaver", kind="status", status=503)
    found = await stats(demo, bucket="P7D", by=["SOURCE"])
    assert not found["complete"]
    assert found["count"] is None
    assert {bucket["count"] for bucket in found["buckets"]} == {None}
    assert sum(bucket["found"] for bucket in found["buckets"]) == found["found"]
    counts = {group["source"]["name"]: group["count"] for group in found["groups"]}
    assert counts.keys() == demo.gateway.sources.keys() - {"translations"}
    assert None not in counts.values()
    outcomes = {one["source"]["name"]: one["outcome"] for one in found["sourceReports"]}
    assert outcomes["translations"] == "FAILED"


async def test_answer_is_no_error_if_all_sources_fail(demo: Demo) -> None:
    await demo.fault("language-weaver", kind="status", status=503)
    found = await stats(demo, filter={"source": {"eq": "translations"}}, bucket="PT1H")
    assert (found["count"], found["found"], found["from"], found["to"]) == (None,) * 4
    assert [bucket["count"] for bucket in found["buckets"]] == [None]
    assert found["sourceReports"][0]["error"]["code"] == "UPSTREAM_ERROR"


async def test_vendor_counts_what_was_not_read(sandbox: Sandbox, tmp_path: Path) -> None:
    settings = demo_settings(tmp_path, sandbox, GATEWAY_SERVER__SCAN_LIMIT="1")
    async with Demo(settings, sandbox, clock=lambda: NOW) as demo:
        inventory = await demo.inventory("language-weaver")
        wanted = {"source": {"eq": "translations"}}
        found = await stats(demo, filter=wanted, by=["SOURCE"], bucket="P7D")
        assert found["sampled"]
        assert found["found"] < len(inventory)
        assert found["count"] == found["groups"][0]["count"] == len(inventory)
        assert found["buckets"][0]["count"] is None
        # The vendor does not count by the gateway's categories.
        found = await stats(demo, filter=wanted, by=["FAILURE"])
        assert {group["count"] for group in found["groups"]} == {None}


async def reads(demo: Demo) -> list[str]:
    """Return the calls that read lists, and forget them."""
    made = [call for call in await demo.calls() if call["method"] == "GET"]
    await demo.forget_calls()
    return sorted(f"{call['path']} {sorted(call['query'].items())}" for call in made)


async def test_vendor_counts_by_status_what_was_not_read(sandbox: Sandbox, tmp_path: Path) -> None:
    settings = demo_settings(tmp_path, sandbox, GATEWAY_SERVER__SCAN_LIMIT="1")
    async with Demo(settings, sandbox, clock=lambda: NOW) as demo:
        hooks = (await stats(demo, filter={"source": {"eq": "gitlab"}}, by=["HOOK"]))["groups"]
        # The vendor counts the logs of some of its hooks only.
        hook = max(hooks, key=lambda one: one["count"] or 0)["hookId"]
        wanted: dict[str, Any] = {"hook": {"eq": hook}}
        logs = [log for log in await all_logs(demo, wanted) if log["status"] == "SUCCEEDED"]
        found = await stats(demo, filter=wanted, by=["STATUS"])
        assert found["sampled"]
        counts = {group["status"]: group["count"] for group in found["groups"]}
        # Failures with some codes are in no list that the vendor filters.
        assert counts == {"SUCCEEDED": len(logs), "FAILED": None}
        succeeded = wanted | {"status": {"eq": "SUCCEEDED"}}
        found = await stats(demo, filter=succeeded)
        assert (found["sampled"], found["count"]) == (True, len(logs))
        found = await stats(demo, filter=succeeded | {"event": {"neq": "push_hooks"}})
        assert found["count"] is None


async def test_fields_with_one_filter_read_once(demo: Demo) -> None:
    await demo.forget_calls()
    await demo.data(
        """{
          a: webhookLogStats(bucket: "P1D") { buckets { count } }
          b: webhookLogStats(by: [STATUS]) { found groups { count } }
          failureGroups { groups { id } }
        }"""
    )
    calls = await reads(demo)
    assert len(calls) == len(set(calls)) > 8


async def test_pages_are_shared_with_the_list(demo: Demo) -> None:
    await demo.forget_calls()
    await demo.data("{ webhookLogs(first: 1) { nodes { id } } }")
    first = await reads(demo)
    await stats(demo)
    further = await reads(demo)
    assert set(first).isdisjoint(further)
    await stats(demo, bucket="PT6H", by=["EVENT"])
    await demo.data("{ webhookLogs(first: 100) { nodes { id } } }")
    assert await reads(demo) == []
    await stats(demo, cache={"maxAge": 0})
    # Their lists of hooks are not asked for again.
    assert len(set(first).intersection(await reads(demo))) > 8


async def test_failure_groups_agree_with_the_filter_by_their_id(demo: Demo) -> None:
    found = (await demo.data(GROUPS))["failureGroups"]
    assert found["complete"]
    assert found["groupCount"] > len(found["groups"]) == 25
    seen = [group["lastSeen"] for group in found["groups"]]
    assert seen == sorted(seen, reverse=True)
    failed = (await stats(demo, by=["STATUS"]))["groups"]
    everything = (await demo.data(GROUPS, first=100))["failureGroups"]
    total = {group["status"]: group["count"] for group in failed}["FAILED"]
    if everything["groupCount"] <= 100:
        assert sum(group["count"] for group in everything["groups"]) == total
    for group in found["groups"][:5]:
        chosen = {"failureGroup": {"eq": group["id"]}}
        page = (
            await demo.data(
                """query($filter: WebhookLogFilter) { webhookLogs(first: 100, filter: $filter) {
                  nodes { id status triggeredAt failure { category } source { name } } } }""",
                filter=chosen,
            )
        )["webhookLogs"]["nodes"]
        assert len(page) == group["count"]
        assert page[0]["id"] == group["sample"]["id"]
        assert (page[-1]["triggeredAt"], page[0]["triggeredAt"]) == (
            group["firstSeen"],
            group["lastSeen"],
        )
        assert {log["failure"]["category"] for log in page} == {group["category"]}
        [again] = (await demo.data(GROUPS, filter=chosen))["failureGroups"]["groups"]
        # A filter by the result does not tell of how many deliveries it is a share.
        ages = {"sample": None, "share": None}
        assert again | ages == group | ages
        assert again["share"] is None
        hook = {"hook": {"eq": group["hook"]["id"]}} if group["hook"] else None
        if hook:
            deliveries = (await stats(demo, filter=hook))["count"]
            assert group["share"] == group["count"] / deliveries


async def test_callers_see_their_sources_and_no_bodies(demo: Demo) -> None:
    async def execute(query: str, *grants: Any, **variables: Any) -> Any:
        gateway = demo.gateway.seen_by(caller(*grants))
        return await SCHEMA.execute(
            query,
            variable_values=variables,
            context_value=Context(gateway, gateway.operation()),
        )

    shop = (Role.VIEWER, frozenset({"repo-cn"}))
    result = await execute(STATS, shop, by=["SOURCE"])
    assert result.errors is None
    assert result.data is not None
    found = result.data["webhookLogStats"]
    assert [group["source"]["name"] for group in found["groups"]] == ["repo-cn"]
    assert [one["source"]["name"] for one in found["sourceReports"]] == ["repo-cn"]
    result = await execute(GROUPS, shop, first=3)
    groups = result.data["failureGroups"]["groups"]
    assert {group["source"]["name"] for group in groups} == {"repo-cn"}
    assert codes(result) == {"FORBIDDEN"}
    assert all(error.path[-2:] == ["response", "body"] for error in result.errors or ())
    # A link to a group of another source says no more than that the source is unknown.
    other = (Role.VIEWER, frozenset({"shop"}))
    chosen = {"failureGroup": {"eq": groups[0]["id"]}}
    result = await execute(GROUPS, other, filter=chosen)
    assert result.data["failureGroups"] is None
    assert codes(result) == {"UNKNOWN_SOURCE"}


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ('bucket: "hour"', "INVALID_BUCKET"),
        ('bucket: "PT1S", filter: { triggeredAt: { gte: "P1D" } }', "INVALID_BUCKET"),
        ("first: 101", "INVALID_PAGE_SIZE"),
        ('filter: { source: { eq: "nope" } }', "UNKNOWN_SOURCE"),
    ],
)
async def test_wrong_arguments_null_the_field_only(demo: Demo, arguments: str, code: str) -> None:
    result = await SCHEMA.execute(
        f"{{ webhookLogStats({arguments}) {{ found }} sources {{ name }} }}",
        context_value=Context(demo.gateway, demo.gateway.operation()),
    )
    assert result.data is not None
    assert result.data["webhookLogStats"] is None
    assert len(result.data["sources"]) > 1
    assert codes(result) == {code}


async def test_group_is_no_node(demo: Demo) -> None:
    [group] = (await demo.data(GROUPS, first=1))["failureGroups"]["groups"]
    result = await SCHEMA.execute(
        "query($id: ID!) { node(id: $id) { id } }",
        variable_values={"id": group["id"]},
        context_value=Context(demo.gateway, demo.gateway.operation()),
    )
    assert codes(result) == {"INVALID_ID"}


async def test_empty_by_and_null_arguments_are_none(demo: Demo) -> None:
    found = await stats(demo, filter=None, bucket=None, by=[])
    assert found["buckets"] == found["groups"] == []
    assert found["groupCount"] == 0
