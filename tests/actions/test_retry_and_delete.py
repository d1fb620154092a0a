"""Retry and delete over the sandbox: responses to callers, and calls to vendors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from gateway import ids
from gateway.callers import Caller, Grant, Method, Role
from gateway.cli.demo_configuration import write_configuration
from gateway.sandbox import Sandbox
from gateway.service import Gateway
from gateway.settings import load
from tests.support.actions import (
    LOG_ID,
    Controller,
    Schema,
    answering,
    gateway_over,
)
from tests.support.moment import stopped

NOWHERE = "http://127.0.0.1:1"


class Demo(Schema):
    """The demo's gateway over the sandbox in process."""

    def __init__(self, gateway: Gateway, control: httpx.AsyncClient) -> None:
        super().__init__(gateway)
        self._control = control

    async def inventory(self) -> set[str]:
        """Return the ids of the vendor's audit entries."""
        logs = (await self._control.get("/control/inventory")).json()
        return {log["id"] for log in logs if log["vendor"] == "language-weaver"}

    async def acts(self) -> list[str]:
        """Return the calls to all vendors that changed something."""
        calls = (await self._control.get("/control/calls")).json()["calls"]
        return [
            f"{call['method']} {call['path'].rpartition('/audit/webhooks/')[2]}"
            for call in calls
            if call["method"] in {"PUT", "DELETE", "PATCH"}
        ]

    async def clear_calls(self) -> None:
        await self._control.delete("/control/calls")

    async def calls(self) -> int:
        return len((await self._control.get("/control/calls")).json()["calls"])


@pytest.fixture
async def demo(tmp_path: Path) -> AsyncIterator[Demo]:
    sandbox = Sandbox(clock=stopped, logs=400, latency=(0.001, 0.003))
    settings = load(write_configuration(tmp_path, sandbox, NOWHERE, port=0), {})
    vendors = httpx.ASGITransport(sandbox.app)
    async with (
        httpx.AsyncClient(transport=vendors, base_url=NOWHERE) as control,
        Gateway(settings, transport=vendors) as gateway,
    ):
        yield Demo(gateway, control)


@pytest.mark.slow
async def test_failed_log_is_retried(demo: Demo) -> None:
    for failed in await demo.logs("translations", "FAILED"):
        payload = await demo.retry(failed["id"])
        assert payload["userErrors"] == []
        retried = payload["webhookLog"]
        assert (retried["id"], retried["attempt"]) == (failed["id"], failed["attempt"] + 1)
        now = {log["id"]: log for log in await demo.logs("translations")}
        assert now[failed["id"]] == retried
        if retried["status"] == "SUCCEEDED":
            break
    else:
        pytest.fail("No retry of the sandbox ever succeeds.")
    assert retried["id"] not in {log["id"] for log in await demo.logs("translations", "FAILED")}
    assert (await demo.acts())[-1] == f"PUT {retried['upstreamId']}/retry"

    newest = (await demo.journal())[0]
    assert newest["completedAt"] >= newest["requestedAt"]
    del newest["id"], newest["completedAt"], newest["requestedAt"]
    assert newest.pop("answer")["retryAttempts"] == retried["attempt"] - 1
    assert newest == {
        "kind": "RETRY",
        "outcome": "SUCCEEDED",
        "logId": retried["id"],
        "source": "translations",
        "upstreamId": retried["upstreamId"],
        "caller": "none:anonymous",
        "idempotencyKey": None,
        "errorCode": None,
        "message": None,
    }


async def test_log_is_deleted(demo: Demo) -> None:
    failed = (await demo.logs("translations", "FAILED"))[0]
    before = await demo.inventory()
    payload = await demo.delete(failed["id"])
    assert payload == {
        "deletedWebhookLogId": failed["id"],
        "webhookLog": failed,
        "userErrors": [],
    }
    assert before - await demo.inventory() == {failed["upstreamId"]}
    assert failed["id"] not in {log["id"] for log in await demo.logs("translations")}

    again = await demo.delete(failed["id"])
    assert (again["deletedWebhookLogId"], again["webhookLog"]) == (None, None)
    assert [error["__typename"] for error in again["userErrors"]] == ["NotFound"]
    assert (await demo.retry(failed["id"]))["userErrors"] == again["userErrors"]
    *refused, deletion = await demo.journal()
    told = [(entry["kind"], entry["outcome"], entry["answer"]) for entry in refused]
    assert told == [("RETRY", "REJECTED", None), ("DELETE", "REJECTED", None)]
    assert (deletion["kind"], deletion["outcome"]) == ("DELETE", "SUCCEEDED")
    assert str(deletion["answer"]["id"]) == failed["upstreamId"]


async def test_deletion_may_have_an_empty_response(tmp_path: Path) -> None:
    vendor = Controller(answering(204))
    async with gateway_over(tmp_path, vendor) as gateway:
        payload = await Schema(gateway).delete(LOG_ID)
    assert payload == {"deletedWebhookLogId": LOG_ID, "webhookLog": None, "userErrors": []}
    assert [f"{one.method} {one.url.path}" for one in vendor.acts] == [
        "DELETE /api/v2/audit/webhooks/42"
    ]


ACTIONS_PAGE = "{ actions(first: 1) { pageInfo { hasNextPage endCursor } } }"


@pytest.mark.slow
async def test_journal_is_paged_and_filtered(demo: Demo) -> None:
    first, second = (await demo.logs("translations"))[:2]
    await demo.retry(first["id"], "a")
    await demo.delete(second["id"])
    await demo.retry(first["id"], "b")
    everything = await demo.journal()
    assert [entry["idempotencyKey"] for entry in everything] == ["b", None, "a"]
    page = (await demo.data(ACTIONS_PAGE))["actions"]
    assert page["pageInfo"]["hasNextPage"]
    assert await demo.journal(after=page["pageInfo"]["endCursor"]) == everything[1:]
    assert await demo.journal(filter={"kind": "DELETE"}) == everything[1:2]
    assert await demo.journal(filter={"outcome": "UNKNOWN"}) == []


async def test_actions_of_a_removed_source_are_for_admins_of_all_sources(
    tmp_path: Path,
) -> None:
    vendor = Controller(answering(200))
    async with gateway_over(tmp_path, vendor) as gateway:
        await Schema(gateway).retry(LOG_ID)
    async with gateway_over(tmp_path, vendor, name="others") as gateway:
        (entry,) = await Schema(gateway).journal()
        assert entry["source"] == "translations"
        limited = Caller("ada", Method.JWT, (Grant(Role.ADMIN, frozenset({"others"})),))
        assert await Schema(gateway.seen_by(limited)).journal() == []


RETRYING = ["github", "gitlab", "hookdeck", "svix", "translations"]
NEITHER = ["repo-cn", "shop", "tracker"]
ABLE = {"RETRY": RETRYING, "DELETE": ["translations"]}
"""The sources that support each action."""


@pytest.mark.slow
@pytest.mark.parametrize("source", NEITHER + RETRYING[:-1])
async def test_unsupported_action_calls_no_vendor(demo: Demo, source: str) -> None:
    log = (await demo.logs(source))[0]
    await demo.clear_calls()
    refused = {"DELETE": await demo.delete(log["id"])}
    if source in NEITHER:
        refused["RETRY"] = await demo.retry(log["id"], "key")
    assert await demo.calls() == 0
    for action, payload in refused.items():
        assert payload["webhookLog"] is None
        (error,) = payload["userErrors"]
        assert error == {
            "__typename": "ActionNotSupported",
            "code": "ACTION_NOT_SUPPORTED",
            "message": f"The vendor of source {source} can't {action.lower()} webhook logs."
            f" Sources that can: {', '.join(ABLE[action])}.",
            "path": ["id"],
            "action": action,
            "sources": ABLE[action],
        }
        told = {each["action"]: each for each in log["availableActions"]}[action]
        assert told == {"action": action, "available": False, "reason": error["message"]}
    assert await demo.journal() == []


CAPABILITIES = "{ sources { name capabilities } }"


async def test_capabilities_show_which_actions_are_supported(demo: Demo) -> None:
    able = {
        source["name"]: {"RETRY", "DELETE"} & set(source["capabilities"])
        for source in (await demo.data(CAPABILITIES))["sources"]
    }
    assert able == {
        source: {action for action in ABLE if source in ABLE[action]}
        for source in NEITHER + RETRYING
    }
    log = (await demo.logs("translations"))[0]
    assert log["availableActions"] == [
        {"action": "RETRY", "available": True, "reason": None},
        {"action": "DELETE", "available": True, "reason": None},
    ]


async def test_available_actions_depend_on_the_caller(demo: Demo) -> None:
    """A frontend shows only the buttons that will work."""
    operator = Caller("ops", Method.API_KEYS, (Grant(Role.OPERATOR),))
    seen = Schema(demo.gateway.seen_by(operator))
    log = (await seen.logs("translations"))[0]
    await demo.clear_calls()
    (error,) = (await seen.delete(log["id"]))["userErrors"]
    assert (error["__typename"], error["requiredRole"]) == ("NotAuthorized", "ADMIN")
    assert await demo.calls() == 0
    assert log["availableActions"] == [
        {"action": "RETRY", "available": True, "reason": None},
        {"action": "DELETE", "available": False, "reason": error["message"]},
    ]
    (source,) = [
        each
        for each in (await seen.data(CAPABILITIES))["sources"]
        if each["name"] == "translations"
    ]
    assert {"RETRY", "DELETE"} & set(source["capabilities"]) == {"RETRY"}
    assert (await seen.retry(log["id"]))["userErrors"] == []


@pytest.mark.slow
async def test_fifty_retries_with_one_key_are_sent_once(demo: Demo) -> None:
    """Clients repeat requests; the receiver must see one delivery."""
    log = (await demo.logs("translations", "FAILED"))[0]
    answers = await asyncio.gather(*(demo.retry(log["id"], "key") for _ in range(50)))
    assert answers == [answers[0]] * 50
    assert answers[0]["webhookLog"]["attempt"] == log["attempt"] + 1
    assert await demo.acts() == [f"PUT {log['upstreamId']}/retry"]
    assert len(await demo.journal()) == 1


DETAILS = """
mutation($id: ID!) {
  retryWebhookLog(id: $id, idempotencyKey: "key") { webhookLog { id details { __typename } } }
}
"""


@pytest.mark.parametrize(
    ("source", "details"),
    [("translations", "LanguageWeaverDetails"), ("hookdeck", "DescribedDetails")],
)
async def test_result_from_the_journal_has_the_details_of_the_vendor(
    demo: Demo, source: str, details: str
) -> None:
    """Whoever repeats a request gets the same answer, and no defect."""
    log = (await demo.logs(source, "FAILED"))[0]
    for _ in range(2):
        payload = (await demo.data(DETAILS, id=log["id"]))["retryWebhookLog"]
        assert payload["webhookLog"] == {"id": log["id"], "details": {"__typename": details}}


@pytest.mark.sampled(5)
@pytest.mark.parametrize(
    ("id", "kind"),
    [
        ("", "InvalidInput"),
        ("42", "InvalidInput"),
        (LOG_ID[:-1], "InvalidInput"),
        (ids.encode(ids.Kind.HOOK, "translations", "42"), "InvalidInput"),
        (ids.encode(ids.Kind.LOG, "nope", "42"), "NotFound"),
        (ids.encode(ids.Kind.LOG, "translations", "../system"), "NotFound"),
        (ids.encode(ids.Kind.LOG, "translations", "42", "43"), "NotFound"),
    ],
)
async def test_invalid_id(tmp_path: Path, id: str, kind: str) -> None:
    vendor = Controller(answering(200))
    async with gateway_over(tmp_path, vendor) as gateway:
        for payload in (await Schema(gateway).retry(id), await Schema(gateway).delete(id)):
            (error,) = payload["userErrors"]
            assert (error["__typename"], error["path"]) == (kind, ["id"])
        assert await Schema(gateway).journal() == []
    assert vendor.acts == []
