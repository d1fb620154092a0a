"""A failing source leaves the data of the others intact."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.sources import SOURCES

if TYPE_CHECKING:
    from tests.schema.conftest import Demo


@pytest.mark.slow
async def test_failed_source_is_reported_along_with_rows_of_others(demo: Demo) -> None:
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
        name: "FAILED" if name == "translations" else "OK" for name in SOURCES
    }
    assert sum(report["returned"] for report in reports.values()) == 5
    failed = reports["translations"]
    assert (failed["error"]["code"], failed["error"]["httpStatus"]) == ("UPSTREAM_ERROR", 503)
    assert failed["fetchedAt"] is None
    assert reports["shop"]["error"] is None


async def test_list_is_an_error_only_if_every_source_failed(demo: Demo) -> None:
    await demo.fault("language-weaver", kind="status", status=401)
    answer = await demo.answer(
        '{ webhookLogs(filter: { source: { eq: "translations" } }) { nodes { id } } }'
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


@pytest.mark.slow
async def test_failed_vendor_nulls_only_the_fields_of_its_source(demo: Demo) -> None:
    await demo.fault("codearts", kind="status", status=403)
    document = await demo.answer(
        "{ sources { name hooks { totalCount } logs(first: 1) { nodes { id } } } }"
    )
    sources = document["data"]["sources"]
    failed = [source["name"] for source in sources if None in (source["hooks"], source["logs"])]
    assert (len(sources), failed) == (len(SOURCES), ["repo-cn"])
    place = SOURCES.index("repo-cn")
    assert sorted(error["path"] for error in document["errors"]) == [
        ["sources", place, "hooks"],
        ["sources", place, "logs"],
    ]
