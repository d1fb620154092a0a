"""Detail calls are made only for fields that are selected, and once for each log."""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from gateway.model import HttpRequest, WebhookLog, WebhookLogStatus
from gateway.schema.resolvers import _Masked, _OnDemand
from gateway.vendors.codearts.parsing import CodeArtsDetails
from tests.support.sources import VENDORS

if TYPE_CHECKING:
    from tests.schema.conftest import Demo

LIST = """
{ webhookLogs(first: 25, filter: { provider: { eq: CODEARTS } }) { nodes { %s } } }
%s
"""
LISTED = """
  id upstreamId event status triggeredAt lastAttemptedAt durationMs attempt correlationId raw
  warnings source { name } hook { name } details { __typename } failure { category }
  request { method url } response { statusCode }
"""
ALL_PARTS = "name headers { name value redacted } body bodyJson"


async def details(demo: Demo) -> list[str]:
    """Return the paths of the detail calls made so far."""
    return await demo.calls("codearts", "/logs/")


async def logs(demo: Demo, selection: str, fragments: str = "") -> list[dict[str, Any]]:
    data = await demo.data(LIST % (selection, fragments))
    nodes: list[dict[str, Any]] = data["webhookLogs"]["nodes"]
    assert len(nodes) == 25
    return nodes


async def test_listed_fields_need_no_detail_call(demo: Demo) -> None:
    await logs(demo, LISTED)
    assert await details(demo) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("selection", "fragments"),
    [
        ("request { headers { name } }", ""),
        ("request { body }", ""),
        ("request { bodyJson }", ""),
        ("response { headers { name } }", ""),
        ("response { body bodyJson }", ""),
        ("request { headers { name } body bodyJson } response { headers { name } body }", ""),
        ("one: request { url body } two: request { sent: body } response { body }", ""),
        (
            "...Log request { ... on HttpRequest { ...Part } }",
            "fragment Log on WebhookLog { request { ... { body } } response { ...Answer } }"
            " fragment Part on HttpRequest { headers { name } body }"
            " fragment Answer on HttpResponse { headers { name } body }",
        ),
    ],
)
async def test_headers_and_bodies_of_25_rows_need_25_detail_calls(
    demo: Demo, selection: str, fragments: str
) -> None:
    await logs(demo, selection, fragments)
    assert len(await details(demo)) == len(set(await details(demo))) == 25
    calls = (await demo.control.get("/control/calls")).json()
    limit = next(one.concurrency for one in demo.settings.sources if one.provider == "codearts")
    assert 1 < calls["simultaneous"]["codearts"] <= limit

    # They are cached for the next query.
    await logs(demo, selection, fragments)
    assert len(await details(demo)) == 25


@pytest.mark.slow
@pytest.mark.parametrize("wanted", [True, False])
@pytest.mark.parametrize(
    "selection",
    [
        "request { url body @include(if: $wanted) }",
        "request { url body @skip(if: $not) }",
        "request { url ... @include(if: $wanted) { headers { name } } }",
        "response { statusCode ...Answer @skip(if: $not) }",
        "request @include(if: $wanted) { body }",
    ],
)
async def test_skipped_fields_need_no_detail_call(demo: Demo, selection: str, wanted: bool) -> None:
    page = LIST % (selection, "")
    used = "" if "Answer" not in page else "fragment Answer on HttpResponse { body }"
    declared = "$wanted: Boolean!" if "$wanted" in page else "$not: Boolean!"
    await demo.data(f"query ({declared}) {page} {used}", wanted=wanted, **{"not": not wanted})
    assert len(await details(demo)) == (25 if wanted else 0)


@pytest.mark.slow
async def test_listed_log_equals_the_log_by_id(demo: Demo) -> None:
    parts = """
      id request { method url headers { name value redacted } body bodyJson }
      response { statusCode headers { name value redacted } body bodyJson }
    """
    listed = await logs(demo, parts)
    alone = await demo.data(
        f"query ($ids: [ID!]!) {{ nodes(ids: $ids) {{ ... on WebhookLog {{ {parts} }} }} }}",
        ids=[log["id"] for log in listed],
    )
    assert alone["nodes"] == listed
    assert all(log["request"]["headers"] for log in listed)


@pytest.mark.slow
async def test_failed_detail_call_nulls_only_its_own_fields(demo: Demo) -> None:
    await demo.fault("codearts", kind="status", status=403, paths="/logs/")
    answer = await demo.answer(
        LIST
        % (
            "request { url headers { name } body bodyJson }"
            " response { statusCode headers { name } body }",
            "",
        )
    )
    nodes = answer["data"]["webhookLogs"]["nodes"]
    assert len(nodes) == 25
    lost = {"headers": None, "body": None, "bodyJson": None}
    for log in nodes:
        assert log["request"] == {"url": log["request"]["url"], **lost}
        assert log["request"]["url"].startswith("http")
        assert log["response"].keys() == {"statusCode", "headers", "body"}
        assert (log["response"]["headers"], log["response"]["body"]) == (None, None)
    assert {log["response"]["statusCode"] for log in nodes} != {None}
    places = Counter(
        (error["path"][2], *error["path"][3:], error["extensions"]["code"])
        for error in answer["errors"]
    )
    assert places == Counter(
        (number, part, field, "UPSTREAM_FORBIDDEN")
        for number in range(25)
        for part, field in [
            ("request", "headers"),
            ("request", "body"),
            ("request", "bodyJson"),
            ("response", "headers"),
            ("response", "body"),
        ]
    )
    # A failure is not cached.
    await demo.control.delete("/control/faults")
    await logs(demo, "request { body }")


@pytest.mark.slow
async def test_other_vendors_need_no_detail_calls(demo: Demo) -> None:
    data = await demo.data(
        """{
          webhookLogs(first: 100, filter: { provider: { nin: [CODEARTS, GITHUB, HOOKDECK] } }) {
            nodes {
              request { url headers { name } body } response { statusCode headers { name } body }
            }
            sourceReports { source { name } upstreamCalls }
          }
        }"""
    )
    reports = data["webhookLogs"]["sourceReports"]
    made = {report["source"]["name"]: report["upstreamCalls"] for report in reports}
    assert made.keys() == VENDORS.keys() - {"repo-cn", "github", "hookdeck"}
    for name, count in made.items():
        calls = [path for path in await demo.calls(VENDORS[name]) if "oauth" not in path]
        assert len(calls) == count


async def test_masked_headers_start_no_call_before_they_are_awaited() -> None:
    """Otherwise a cancelled operation would leave a coroutine that was never awaited."""
    listed = HttpRequest()
    log = WebhookLog(
        id="log",
        upstream_id="1",
        source="repo-cn",
        provider="codearts",
        status=WebhookLogStatus.UNKNOWN,
        details=CodeArtsDetails(scope="project", scope_id="1"),
    )
    on_demand: Any = _OnDemand(log, "request", listed, None)  # type: ignore[arg-type]
    reading = asyncio.ensure_future(_Masked(on_demand).headers)
    reading.cancel()
    with warnings.catch_warnings(record=True) as complaints:
        warnings.simplefilter("always")
        with pytest.raises(asyncio.CancelledError):
            await reading
        gc.collect()
    assert [str(complaint.message) for complaint in complaints] == []
