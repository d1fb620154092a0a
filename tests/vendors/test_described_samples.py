"""The sample documents of described vendors become the records that stand beside them."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from gateway.model import Capability, WebhookLog
from gateway.normalise import timestamps
from gateway.upstream.operation import Operation
from gateway.vendors import VENDORS
from gateway.vendors.described.paths import value_at
from gateway.vendors.described.vendor import DescribedVendor
from tests.vendors.cases import CASES
from tests.vendors.described_case import FOLDER, Samples
from tests.vendors.samples import page_of
from tests.vendors.vendors import Vendor, answer, make

DESCRIBED = [
    name
    for name, kit in VENDORS.items()
    if issubclass(kit, DescribedVendor) and "records" in Samples(name)
]


def facts(log: WebhookLog) -> dict[str, Any]:
    """Return a log's fields as they are written in ``records.json``."""
    times = {
        name: None if value is None else timestamps.format_rfc3339(value)
        for name in ("triggered_at", "last_attempted_at")
        for value in [getattr(log, name)]
    }
    request, response, failure = log.request, log.response, log.failure
    return {
        **{name: getattr(log, name) for name in WebhookLog.__struct_fields__},
        **times,
        "status": log.status.name,
        "failure": failure and failure.category.name,
        "message": failure and failure.message,
        "http_status": response and response.status_code,
        "url": request and request.url,
        "request_body": request and request.body,
        "response_body": response and response.body,
        "values": getattr(log.details, "values", None),
        "warnings": list(log.warnings),
    }


def test_every_shipped_description_has_samples() -> None:
    for name, kit in VENDORS.items():
        if issubclass(kit, DescribedVendor) and name != "described":
            folder = FOLDER / name.replace("-", "_")
            assert name in DESCRIBED or (folder / "case.py").exists(), name


@pytest.mark.parametrize("provider", DESCRIBED)
async def test_rows_become_records(provider: str) -> None:
    samples = Samples(provider)
    page = await page_of(provider, samples.read("list"))
    assert not page.unreadable
    expected = samples.read("records")
    found = [
        {name: facts(log)[name] for name in record}
        for log, record in zip(page.logs, expected, strict=True)
    ]
    assert found == expected


@pytest.mark.parametrize(
    "provider", [name for name in DESCRIBED if Capability.GET in VENDORS[name].capabilities]
)
async def test_detail_becomes_a_record(provider: str) -> None:
    samples = Samples(provider)
    kit = VENDORS[provider]
    assert issubclass(kit, DescribedVendor)
    description = kit.compiled.description
    assert description.detail is not None
    row = value_at(description.detail.item)(samples.read("detail"))
    place = (*CASES[provider].place[:-1], str(row[CASES[provider].log_id]))
    end = description.attempts.path.rpartition("/")[2] if description.attempts else "\0"

    def respond(request: httpx.Request) -> httpx.Response:
        name = "attempts" if request.url.path.endswith(end) else "detail"
        return answer(samples.read(name))

    source = make(provider, Vendor(respond))
    log = await source.read_log(place, Operation(5))
    assert log is not None
    expected = samples.read("case")
    assert log.complete
    assert facts(log).items() >= expected["detail"].items()
    if Capability.ATTEMPTS in kit.capabilities:
        attempts = await source.vendor.read_attempts(place, Operation(5))
        assert attempts is not None
        assert len(attempts) == len(expected["attempts"])
        for attempt, wanted in zip(attempts, expected["attempts"], strict=True):
            shown = {name: getattr(attempt, name) for name in wanted}
            shown |= {"status": attempt.status.name}
            shown |= {"at": attempt.at and timestamps.format_rfc3339(attempt.at)}
            assert shown == wanted


@pytest.mark.parametrize(
    "provider", [name for name in DESCRIBED if Capability.RETRY in VENDORS[name].capabilities]
)
async def test_answer_to_a_retry_is_understood(provider: str) -> None:
    samples = Samples(provider)
    source = make(provider, Vendor(lambda _: answer(samples.read("retry"), 201)))
    place = CASES[provider].place
    assert source.grants(place)
    retried = await source.retry(place, Operation(5))
    shown = {
        "kind": retried.kind.name,
        "place": retried.place and retried.place[-1],
        "status": retried.log and retried.log.status.name,
    }
    assert {name: value for name, value in shown.items() if value} == samples.read("case")["retry"]
