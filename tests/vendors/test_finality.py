"""How long a log is cached: logs that will not change any more are kept longest."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.model import Attempt, WebhookLogStatus
from gateway.upstream.operation import Operation
from tests.support.retrying_vendor import SECOND, SOURCE, RetryingVendor, retrying_gateway

FINAL = {WebhookLogStatus.SUCCEEDED, WebhookLogStatus.CANCELLED}


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("status", WebhookLogStatus)
async def test_log_is_final_by_its_status_unless_it_is_sent_again_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: WebhookLogStatus, in_place: bool
) -> None:
    """A stale success would hide that the delivery has failed since."""
    monkeypatch.setattr(RetryingVendor, "resends_in_place", in_place)
    gateway, vendor = retrying_gateway(tmp_path)
    vendor.add(1, status=status)
    vendor.attempts = [Attempt(status=WebhookLogStatus.FAILED), Attempt(status=status)]
    async with gateway:
        source, operation = gateway.sources[SOURCE], Operation(5)
        await source.log(("1",), operation)
        await source.attempts(("1",), operation)
        reads = operation.reads[SOURCE]
        lifetimes = gateway.settings.cache
        first_page, detail = lifetimes.first_page, lifetimes.detail
    assert first_page < detail
    expected = detail if status in FINAL and not in_place else first_page
    assert [(read.fresh_until - read.fetched_at) / SECOND for read in reads] == [expected] * 2
