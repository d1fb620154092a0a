"""Actions whose caller, deadline or process ends before the vendor has answered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway import resources
from gateway.actions.problems import OutcomeUnknown
from gateway.journal import ActionKind
from gateway.service import Gateway
from gateway.settings import ServerSettings
from tests.support.actions import (
    LOG_ID,
    RETRY,
    Controller,
    Schema,
    answering,
    gateway_over,
    raising,
)


async def test_action_is_recorded_before_it_is_sent(tmp_path: Path) -> None:
    """Otherwise a crash in between would leave an action without a record."""
    seen: list[dict[str, Any]] = []

    async def act(_: httpx.Request) -> httpx.Response:
        seen.extend(await Schema(gateway).journal())
        return httpx.Response(200)

    vendor = Controller(act)
    async with gateway_over(tmp_path, vendor) as gateway:
        await Schema(gateway).retry(LOG_ID, "key")
        (entry,) = await Schema(gateway).journal()
    assert [(each["outcome"], each["completedAt"]) for each in seen] == [("PENDING", None)]
    assert seen[0]["id"] == entry["id"]


async def test_action_outlasts_the_callers_deadline(
    tmp_path: Path,
) -> None:
    answered = asyncio.Event()

    async def act(_: httpx.Request) -> httpx.Response:
        await answered.wait()
        return httpx.Response(200)

    vendor = Controller(act)
    async with gateway_over(tmp_path, vendor) as gateway:
        for key, way_out in (("key", "ask again with the same"), (None, "look at the log again")):
            hurried = gateway.operation(seconds=0.05)
            problem = (await gateway.act(hurried, ActionKind.RETRY, LOG_ID, key)).problem
            assert isinstance(problem, OutcomeUnknown)
            assert way_out in problem.message
            (entry, *_) = await Schema(gateway).journal()
            assert (entry["id"], entry["outcome"]) == (problem.action_id, "PENDING")
        # A second call with a short deadline gets the same answer, and nothing is sent again.
        hurried = gateway.operation(seconds=0.05)
        again = (await gateway.act(hurried, ActionKind.RETRY, LOG_ID, "key")).problem
        assert isinstance(again, OutcomeUnknown)
        answered.set()
        assert (await Schema(gateway).retry(LOG_ID, "key"))["userErrors"] == []
    async with gateway_over(tmp_path, vendor) as gateway:
        entries = await Schema(gateway).journal()
    assert [entry["outcome"] for entry in entries] == ["SUCCEEDED"] * 2
    assert len(vendor.acts) == 2


@pytest.mark.parametrize("deadline", ["off", {"max": 0.05, "mode": "warn"}])
async def test_action_without_a_deadline(tmp_path: Path, deadline: Any) -> None:
    vendor = Controller(answering(200))
    settings = gateway_over(tmp_path, vendor).settings
    server = ServerSettings.model_validate({"deadline": deadline})
    unlimited = settings.model_copy(update={"server": server})
    async with Gateway(unlimited, transport=vendor) as gateway:
        assert (await Schema(gateway).retry(LOG_ID, "key"))["userErrors"] == []
        (entry,) = await Schema(gateway).journal()
        assert entry["outcome"] == "SUCCEEDED"
    assert len(vendor.acts) == 1


@pytest.mark.sampled(2)
@pytest.mark.parametrize("answer", [answering(200), raising(httpx.ReadError(""))])
async def test_action_outlasts_a_disconnect(
    tmp_path: Path, answer: Callable[[httpx.Request], httpx.Response]
) -> None:
    arrived, released = asyncio.Event(), asyncio.Event()

    async def act(request: httpx.Request) -> httpx.Response:
        arrived.set()
        await released.wait()
        return answer(request)

    vendor = Controller(act)
    async with gateway_over(tmp_path, vendor) as gateway:
        asked = asyncio.create_task(Schema(gateway).retry(LOG_ID, "key"))
        await arrived.wait()
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        released.set()
    async with gateway_over(tmp_path, vendor) as gateway:
        (entry,) = await Schema(gateway).journal()
        assert entry["outcome"] in {"SUCCEEDED", "UNKNOWN"}
        assert entry["completedAt"] is not None
        await Schema(gateway).retry(LOG_ID, "key")
    assert len(vendor.acts) == 1


@pytest.mark.parametrize(
    ("sent", "outcome", "problem"),
    [(True, "UNKNOWN", "OutcomeUnknown"), (False, "FAILED", "UpstreamUnavailable")],
    ids=["sent", "waiting for its turn"],
)
async def test_shutdown_ends_an_action_after_its_time_and_records_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: bool, outcome: str, problem: str
) -> None:
    arrived = asyncio.Event()

    async def wait(_: object) -> httpx.Response:
        arrived.set()
        never: asyncio.Future[httpx.Response] = asyncio.get_running_loop().create_future()
        return await never

    vendor = Controller(wait)
    gateway = gateway_over(tmp_path, vendor)
    monkeypatch.setattr(resources, "MARGIN", -gateway.settings.server.deadline.max)
    limit = gateway.sources["translations"].client._guard.limit
    async with gateway:
        if not sent:
            limit.pause(8)
            monkeypatch.setattr(limit, "_sleep", wait)
        asked = asyncio.create_task(Schema(gateway).retry(LOG_ID, "key"))
        await arrived.wait()
    (error,) = (await asked)["userErrors"]
    assert error["__typename"] == problem
    async with gateway_over(tmp_path, vendor) as after:
        (entry,) = await Schema(after).journal()
    assert (entry["outcome"], entry["errorCode"]) == (outcome, "UPSTREAM_TIMEOUT")
    assert entry["message"].startswith("The gateway was stopped before source translations had")
    assert len(vendor.acts) == sent


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("sent", "outcome", "problem", "message"),
    [
        (True, "UNKNOWN", "OutcomeUnknown", "details. It may have happened all the same: look at"),
        (False, "FAILED", "UpstreamUnavailable", "details."),
    ],
)
async def test_defect_completes_an_action(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    sent: bool,
    outcome: str,
    problem: str,
    message: str,
) -> None:
    def stumble(*_: object) -> Any:
        raise KeyError("planted")

    async with gateway_over(tmp_path, Controller(stumble)) as gateway:
        schema = Schema(gateway)
        if not sent:
            monkeypatch.setattr(gateway.sources["translations"], "retry", stumble)
        (error,) = await schema.errors(RETRY, id=LOG_ID, key="key")
        (entry,) = await schema.journal()
        (again,) = (await schema.retry(LOG_ID, "key"))["userErrors"]
    said = "Source translations returned something that the gateway failed to process."
    assert error["code"] == "INTERNAL_ERROR"
    assert error["message"].startswith(f"{said} The gateway's log has the {message}")
    assert (entry["outcome"], entry["errorCode"]) == (outcome, "INTERNAL_ERROR")
    assert entry["message"] == error["message"]
    assert entry["completedAt"] is not None
    assert again["__typename"] == problem
    assert f"Action {entry['id']} met a defect." in caplog.text
    assert "KeyError: 'planted'" in caplog.text
