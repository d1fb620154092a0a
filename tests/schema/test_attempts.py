"""Attempts of a delivery are read where they are selected, and once for each log."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.callers import ANONYMOUS, Caller, Role
from gateway.model import Attempt, Timestamp, WebhookLogStatus
from gateway.schema import build_schema
from gateway.schema.context import Context
from gateway.service import Gateway
from tests.schema.sides import caller
from tests.support.retrying_vendor import START, RetryingVendor, log_id, retrying_gateway

SCHEMA = build_schema()
FIELDS = "number at status statusCode durationMs error responseBody"
LIST = f"{{ webhookLogs {{ nodes {{ id attempts {{ {FIELDS} }} }} }} }}"
ONE = f"query($id: ID!) {{ webhookLog(id: $id) {{ attempts {{ {FIELDS} }} }} }}"
ATTEMPTS = [
    Attempt(
        number=1,
        at=Timestamp(START),
        status=WebhookLogStatus.FAILED,
        status_code=503,
        duration_ms=1.5,
        error="unavailable",
        response_body="sorry",
    ),
    Attempt(status=WebhookLogStatus.SUCCEEDED),
]
GIVEN = [
    {
        "number": 1,
        "at": "2026-03-04T09:10:11Z",
        "status": "FAILED",
        "statusCode": 503,
        "durationMs": 1.5,
        "error": "unavailable",
        "responseBody": "sorry",
    },
    dict.fromkeys(FIELDS.split()) | {"status": "SUCCEEDED"},
]


class Side:
    """A gateway over a vendor with attempts."""

    def __init__(self, gateway: Gateway, vendor: RetryingVendor) -> None:
        self.gateway = gateway
        self.vendor = vendor

    async def answer(
        self, text: str, *, seen_by: Caller = ANONYMOUS, writes: bool = True, **variables: Any
    ) -> tuple[dict[str, Any], bool]:
        """Return the response, and whether it was written without graphql-core."""
        gateway = self.gateway.seen_by(seen_by)
        context = Context(gateway, gateway.operation())
        SCHEMA.documents.get(text)
        written = writes and await SCHEMA.write(
            text, variables=variables, operation_name=None, extensions=None, context=context
        )
        if written:
            return msgspec.json.decode(written), True
        result = await SCHEMA.execute(text, variable_values=variables, context_value=context)
        errors = [{"path": one.path, **(one.extensions or {})} for one in result.errors or ()]
        return {"data": result.data} | ({"errors": errors} if errors else {}), False

    async def data(self, text: str, **variables: Any) -> dict[str, Any]:
        answer, _ = await self.answer(text, **variables)
        assert "errors" not in answer
        data: dict[str, Any] = answer["data"]
        return data

    @property
    def reads(self) -> list[str]:
        return [call for call in self.vendor.calls if call.startswith("attempts")]


@pytest.fixture
async def side(tmp_path: Path) -> AsyncIterator[Side]:
    gateway, vendor = retrying_gateway(tmp_path)
    vendor.attempts = ATTEMPTS
    for number in (1, 2):
        vendor.add(number)
    async with gateway:
        yield Side(gateway, vendor)


async def test_attempts_are_read_once_for_each_log(side: Side) -> None:
    """Each is a call, and a vendor allows only so many."""
    text = LIST.replace(" attempts", " again: attempts { number } attempts")
    for _ in range(2):
        nodes = (await side.data(text))["webhookLogs"]["nodes"]
        assert [node["attempts"] for node in nodes] == [GIVEN] * 2
        assert sorted(side.reads) == ["attempts 1", "attempts 2"]
    assert (await side.data(ONE, id=log_id(1)))["webhookLog"]["attempts"] == GIVEN
    assert len(side.reads) == 2


async def test_attempts_cost_no_call_unless_they_are_selected(side: Side) -> None:
    await side.data("query($id: ID!) { webhookLog(id: $id) { id attempt } }", id=log_id(1))
    assert side.reads == []


@pytest.mark.parametrize("attempts", [None, []])
async def test_attempts_of_a_vendor_that_has_none(side: Side, attempts: Any) -> None:
    """Null says that the vendor records none, an empty list that there was none yet."""
    side.vendor.attempts = attempts
    assert (await side.data(ONE, id=log_id(1)))["webhookLog"]["attempts"] == attempts


async def test_vendor_without_the_capability_is_not_asked(
    side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = side.gateway.sources["translations"]
    monkeypatch.setattr(source, "capabilities", frozenset())
    assert (await side.data(ONE, id=log_id(1)))["webhookLog"]["attempts"] is None
    assert side.reads == []


@pytest.mark.parametrize("text", [LIST, LIST.replace(" responseBody", "")])
@pytest.mark.parametrize("role", Role)
async def test_both_ways_of_execution_give_the_same(side: Side, text: str, role: Role) -> None:
    """Bodies are for readers, whether the answer is written or made by graphql-core."""
    seen_by = caller((role, None))
    found, is_written = await side.answer(text, seen_by=seen_by)
    expected, _ = await side.answer(text, seen_by=seen_by, writes=False)
    assert found == expected
    hidden = role is Role.VIEWER and text is LIST
    assert is_written != hidden
    codes = [error["code"] for error in found.get("errors", ())]
    assert codes == ["FORBIDDEN"] * 4 * hidden
    assert "sorry" not in str(found) or not hidden
    nodes = found["data"]["webhookLogs"]["nodes"]
    assert [attempt["error"] for attempt in nodes[0]["attempts"]] == ["unavailable", None]


async def test_failure_is_an_error_of_the_field_alone(side: Side) -> None:
    side.vendor.failing.add("attempts")
    found, _ = await side.answer(LIST)
    assert found["data"]["webhookLogs"]["nodes"] == [
        {"id": log_id(2), "attempts": None},
        {"id": log_id(1), "attempts": None},
    ]
    assert [error["code"] for error in found["errors"]] == ["UPSTREAM_ERROR"] * 2
    side.vendor.failing.clear()
    assert (await side.data(ONE, id=log_id(1)))["webhookLog"]["attempts"] == GIVEN


async def test_attempts_are_read_again_after_a_retry(side: Side) -> None:
    await side.data(ONE, id=log_id(1))
    retry = "mutation($id: ID!) { retryWebhookLog(id: $id) { userErrors { code } } }"
    await side.data(retry, id=log_id(1))
    await side.data(ONE, id=log_id(1))
    assert side.reads == ["attempts 1"] * 2
