"""The documents on the vendor's pages are parsed to the values stated there."""

from __future__ import annotations

import httpx
import pytest

from gateway.model import FailureCategory, WebhookLogStatus
from gateway.normalise import timestamps
from gateway.upstream.operation import Operation
from gateway.vendors.elastic_path.parsing import ElasticPathDetails
from gateway.vendors.pages import Criteria, Window
from tests.vendors.case import sample
from tests.vendors.elastic_path.case import CASE, INTEGRATION, JOB
from tests.vendors.samples import log_of
from tests.vendors.vendors import Vendor, answer, make, token


async def test_elastic_path_page_of_logs() -> None:
    """The specification's example calls a 404 a success; the log keeps that, with a warning."""
    log = await log_of("elastic-path", sample("elastic-path/seed-logs"))
    assert log.upstream_id == "ac8bb58e-2b9b-4ccf-9dd2-ecdf50417849"
    assert (log.status, log.failure) == (WebhookLogStatus.SUCCEEDED, None)
    assert log.warnings == ("The vendor says it succeeded, but the receiver answered 404.",)
    assert log.attempt == 1
    assert log.response is not None
    assert (log.response.status_code, log.response.body) == (404, "Not Found")
    assert log.response.headers is None
    assert log.correlation_id == "ff8634a8-a89e-4eac-baab-9b7b8c4f8720"
    assert log.details == ElasticPathDetails(
        integration_id="ff8634a8-a89e-4eac-baab-9b7b8c4f8720",
        job_id="ff8634a8-a89e-4eac-baab-9b7b8c4f8720",
    )
    assert (log.triggered_at, log.last_attempted_at, log.duration_ms) == (None, None, None)
    assert (log.event, log.request) == (None, None)
    assert log.raw == sample("elastic-path/seed-logs")["data"][0]


async def test_elastic_path_log_gets_event_and_address_from_its_integration() -> None:
    def vendor(request: httpx.Request) -> httpx.Response:
        name = "logs" if request.url.path.endswith("/logs") else "integrations"
        return token(request) or answer(sample(f"elastic-path/{name}"))

    source = make("elastic-path", Vendor(vendor))
    page = await source.vendor.read_page(CASE.stream, Window(limit=25), Criteria(), Operation(5))
    assert (page.total, page.more) == (61, True)
    (log,) = page.logs
    assert log.event == "order.paid"
    assert log.request is not None
    assert log.request.url == "https://erp.harbour.example/hook"
    assert log.failure is not None
    assert log.failure.category is FailureCategory.HTTP_SERVER_ERROR
    assert log.failure.message == "Received a status code outside of 2xx range"
    assert log.duration_ms == pytest.approx(812.1)
    assert log.attempt == 2
    assert log.triggered_at == 1_772_615_411_120_431_007
    assert log.details == ElasticPathDetails(integration_id=INTEGRATION, job_id=JOB)
    (hook,) = await source.hooks(Operation(5))
    assert (log.hook_id, hook.name, hook.enabled) == (hook.id, "Orders to ERP", True)
    assert hook.created_at == timestamps.parse("2025-01-02T03:04:05Z")
    assert "pW4nR8sT2v" not in repr(hook)
