"""Retry and delete: over the sandbox, and over a vendor whose answers get lost."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway import ids, service
from gateway.actions.actions import MAX_KEY
from gateway.actions.problems import OutcomeUnknown
from gateway.callers import Caller, Grant, Method, Role
from gateway.cli.demo_configuration import write_configuration
from gateway.errors import JournalError
from gateway.journal import ActionKind
from gateway.sandbox import Sandbox
from gateway.service import Gateway
from gateway.settings import ServerSettings, load
from tests.support.actions import (
    LOG_ID,
    LOGIN,
    OTHER_ID,
    PASSED,
    RETRY,
    Controller,
    Schema,
    gateway_over,
)
from tests.support.moment import stopped
from tests.upstream.network import Body

NOWHERE = "http://127.0.0.1:1"


class Demo(Schema):
    """The demo's gateway over the sandbox in process."""

    def __init__(self, gateway: Gateway, control: httpx.AsyncClient) -> None:
        super().__init__(gateway)
        self._control = control

    async def inventory(self) -> set[str]:
        """Give the ids of the audit entries that the vendor has."""
        logs = (await self._control.get("/control/inventory")).json()
        return {log["id"] for log in logs if log["vendor"] == "language-weaver"}

    async def acts(self) -> list[str]:
        """Give what was asked of all vendors that was more than reading, or for a token."""
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


async def test_a_failed_log_is_retried(demo: Demo) -> None:
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


async def test_a_log_is_deleted(demo: Demo) -> None:
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


async def test_the_journal_tells_how_a_vendor_refused(tmp_path: Path) -> None:
    body = {"error": {"code": 409, "message": "It is under way, see https://a:b@vendor.example"}}
    vendor = Controller(lambda _: httpx.Response(409, json=body, headers={"X-Request-Id": "r-1"}))
    async with gateway_over(tmp_path, vendor) as gateway:
        await Schema(gateway).retry(LOG_ID)
        (entry,) = await Schema(gateway).journal()
    assert entry["answer"] == {
        "httpStatus": 409,
        "vendorCode": "409",
        "vendorMessage": "It is under way, see https://***@vendor.example",
        "vendorRequestId": "r-1",
    }


async def test_the_journal_is_read_in_pages_and_filtered(demo: Demo) -> None:
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


ACTIONS_PAGE = "{ actions(first: 1) { pageInfo { hasNextPage endCursor } } }"


@pytest.mark.parametrize("source", ["repo-cn", "shop", "tracker"])
async def test_what_a_vendor_can_not_do_is_said_before_any_call(demo: Demo, source: str) -> None:
    log = (await demo.logs(source))[0]
    await demo.clear_calls()
    retried, deleted = await demo.retry(log["id"], "key"), await demo.delete(log["id"])
    assert await demo.calls() == 0
    for action, payload in (("RETRY", retried), ("DELETE", deleted)):
        assert payload["webhookLog"] is None
        (error,) = payload["userErrors"]
        assert error == {
            "__typename": "ActionNotSupported",
            "code": "ACTION_NOT_SUPPORTED",
            "message": f"The vendor of source {source} can't {action.lower()} webhook logs."
            " Sources that can: translations.",
            "path": ["id"],
            "action": action,
            "sources": ["translations"],
        }
        told = {each["action"]: each for each in log["availableActions"]}[action]
        assert told == {"action": action, "available": False, "reason": error["message"]}
    assert await demo.journal() == []


CAPABILITIES = "{ sources { name capabilities } }"


async def test_what_can_be_done_is_told_ahead(demo: Demo) -> None:
    able = {
        source["name"]: {"RETRY", "DELETE"} & set(source["capabilities"])
        for source in (await demo.data(CAPABILITIES))["sources"]
    }
    assert able == {
        "repo-cn": set(),
        "shop": set(),
        "tracker": set(),
        "translations": {"RETRY", "DELETE"},
    }
    log = (await demo.logs("translations"))[0]
    assert log["availableActions"] == [
        {"action": "RETRY", "available": True, "reason": None},
        {"action": "DELETE", "available": True, "reason": None},
    ]


async def test_what_can_be_done_is_told_by_the_caller_s_rights(demo: Demo) -> None:
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


async def test_fifty_retries_with_one_key_happen_once(demo: Demo) -> None:
    log = (await demo.logs("translations", "FAILED"))[0]
    answers = await asyncio.gather(*(demo.retry(log["id"], "key") for _ in range(50)))
    assert answers == [answers[0]] * 50
    assert answers[0]["webhookLog"]["attempt"] == log["attempt"] + 1
    assert await demo.acts() == [f"PUT {log['upstreamId']}/retry"]
    assert len(await demo.journal()) == 1


def raising(error: Exception) -> Callable[[httpx.Request], httpx.Response]:
    def act(_: httpx.Request) -> httpx.Response:
        raise error

    return act


def answering(status: int, **parts: Any) -> Callable[[httpx.Request], httpx.Response]:
    return lambda _: httpx.Response(status, **parts)


async def never(_: httpx.Request) -> httpx.Response:
    await asyncio.Event().wait()
    raise AssertionError


def cut(status: int) -> Callable[[httpx.Request], httpx.Response]:
    end = httpx.RemoteProtocolError("peer closed connection")
    return lambda _: httpx.Response(status, stream=Body([b'{"id": 4'], end))


def words(code: int) -> dict[str, Any]:
    return {"error": {"code": code, "message": "no", "details": "not while it runs"}}


UNKNOWN = ("UNKNOWN", {"__typename": "OutcomeUnknown", "code": "OUTCOME_UNKNOWN", "path": None})
UNAVAILABLE = (
    "FAILED",
    {
        "__typename": "UpstreamUnavailable",
        "code": "UPSTREAM_UNAVAILABLE",
        "path": None,
        "retryAfter": None,
    },
)
NOT_FOUND = ("REJECTED", {"__typename": "NotFound", "code": "NOT_FOUND", "path": ["id"]})
DONE = ("SUCCEEDED", None)


def told_to_wait(seconds: float) -> tuple[str, dict[str, Any]]:
    return "FAILED", UNAVAILABLE[1] | {"retryAfter": seconds}


def rejected(status: int, code: str | None = None) -> tuple[str, dict[str, Any]]:
    return (
        "REJECTED",
        {
            "__typename": "UpstreamRejected",
            "code": "UPSTREAM_REJECTED",
            "path": None,
            "httpStatus": status,
            "vendorCode": code,
            "vendorMessage": code and "no: not while it runs",
            "vendorRequestId": code and "r-1",
        },
    )


NAMED = {"X-Request-Id": "r-1"}

ANSWERS = {
    "no answer in time": (never, UNKNOWN),
    "no answer, says the network": (raising(httpx.ReadTimeout("")), UNKNOWN),
    "reset after sending": (raising(httpx.ReadError("")), UNKNOWN),
    "reset while sending": (raising(httpx.WriteError("")), UNKNOWN),
    "closed without an answer": (raising(httpx.RemoteProtocolError("")), UNKNOWN),
    "cut body": (cut(200), UNKNOWN),
    "cut refusal": (cut(400), UNKNOWN),
    "too large": (answering(200, content=b" " * (2**24 + 1)), UNKNOWN),
    "500": (answering(500, json=words(500)), UNKNOWN),
    "502": (answering(502), UNKNOWN),
    "504": (answering(504, html="<h1>Gateway Timeout</h1>"), UNKNOWN),
    "connection refused": (raising(httpx.ConnectError("")), UNAVAILABLE),
    "no connection in time": (raising(httpx.ConnectTimeout("")), UNAVAILABLE),
    "429": (answering(429, json=words(429)), UNAVAILABLE),
    "429 with a time": (answering(429, headers={"Retry-After": "7"}), told_to_wait(7.0)),
    "503": (answering(503), UNAVAILABLE),
    "503 with a time": (answering(503, headers={"Retry-After": "1.5"}), told_to_wait(1.5)),
    "302": (answering(302, headers={"Location": "/login"}), rejected(302)),
    "400": (
        answering(400, json=words(400), headers={"X-Request-Id": "r-1"}),
        rejected(400, "400"),
    ),
    "401": (answering(401), rejected(401)),
    "403": (
        answering(403, json=words(403), headers={"X-Request-Id": "r-1"}),
        rejected(403, "403"),
    ),
    "404": (answering(404, json=words(404)), NOT_FOUND),
    "409": (
        answering(409, json=words(409), headers={"X-Request-Id": "r-1"}),
        rejected(409, "409"),
    ),
    "empty": (answering(200), DONE),
    "no content": (answering(204), DONE),
    "JSON without words": (answering(202, json={}), DONE),
    "JSON with a message": (answering(200, json={"message": "Retry scheduled."}), DONE),
    "null": (answering(200, json=None, content=b"null"), DONE),
    # Whatever can't be an answer of this API says nothing about what the vendor did.
    "HTML": (answering(200, html="<title>Sign in</title>"), UNKNOWN),
    "text": (answering(200, text="OK"), UNKNOWN),
    "half of JSON": (answering(200, content=b'{"id": 4'), UNKNOWN),
    "other packing": (answering(200, content=b"x", headers={"Content-Encoding": "br"}), UNKNOWN),
    # An error is one, whatever the status says.
    "200 with an error": (answering(200, json=words(409), headers=NAMED), rejected(200, "409")),
    "200 with an error of 500": (answering(200, json=words(500)), UNKNOWN),
    "200 with an error of 404": (answering(200, json=words(404)), NOT_FOUND),
    "200 with an error of 429": (answering(200, json=words(429)), UNAVAILABLE),
}
"""What a vendor may answer to a retry; what the journal then tells, and the caller."""


@pytest.mark.parametrize(("act", "expected"), ANSWERS.values(), ids=ANSWERS)
async def test_whatever_is_answered_it_is_sent_once(
    tmp_path: Path,
    act: Callable[[httpx.Request], Any],
    expected: tuple[str, dict[str, Any] | None],
) -> None:
    outcome, error = expected
    vendor = Controller(act)
    timeout = 0.1 if act is never else 8.0
    async with gateway_over(tmp_path, vendor, timeout=timeout) as gateway:
        schema = Schema(gateway)
        payload = await schema.retry(LOG_ID, "key")
        (entry,) = await schema.journal()
        assert entry["outcome"] == outcome
        if error is None:
            assert payload["userErrors"] == []
            assert payload["webhookLog"]["attempt"] == 2
            assert entry["errorCode"] is None
        else:
            assert payload["webhookLog"] is None
            (told,) = payload["userErrors"]
            advice = told.pop("message")
            assert ("a new idempotencyKey" in advice) is (outcome == "FAILED")
            assert ("look at the log before" in entry["message"]) is (outcome == "UNKNOWN")
            if outcome == "UNKNOWN":
                assert told.pop("actionId") == entry["id"]
            assert told == error
            assert entry["errorCode"].startswith("UPSTREAM_")
        again = await schema.retry(LOG_ID, "key")
        assert [one["__typename"] for one in again["userErrors"]] == [
            one["__typename"] for one in payload["userErrors"]
        ]
        assert again == await schema.retry(LOG_ID, "key")
    async with gateway_over(tmp_path, vendor) as gateway:
        assert await Schema(gateway).retry(LOG_ID, "key") == again
        (kept,) = await Schema(gateway).journal()
        assert kept == entry
    assert [f"{one.method} {one.url.path}" for one in vendor.acts] == [
        "PUT /api/v2/audit/webhooks/42/retry"
    ]


async def test_what_was_sent_is_followed_to_its_end_when_the_callers_time_is_up(
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
        # Who asks again with little time is told the same, and nothing is sent again.
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
async def test_an_action_needs_no_deadline(tmp_path: Path, deadline: Any) -> None:
    vendor = Controller(answering(200))
    settings = gateway_over(tmp_path, vendor).settings
    server = ServerSettings.model_validate({"deadline": deadline})
    unlimited = settings.model_copy(update={"server": server})
    async with Gateway(unlimited, transport=vendor) as gateway:
        assert (await Schema(gateway).retry(LOG_ID, "key"))["userErrors"] == []
        (entry,) = await Schema(gateway).journal()
        assert entry["outcome"] == "SUCCEEDED"
    assert len(vendor.acts) == 1


async def test_an_expired_token_is_renewed_since_it_was_refused(tmp_path: Path) -> None:
    def act(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200 if request.headers["Authorization"] == "Bearer token-2" else 401)

    vendor = Controller(act)
    async with gateway_over(tmp_path, vendor, auth=LOGIN) as gateway:
        payload = await Schema(gateway).retry(LOG_ID, "key")
        assert payload["userErrors"] == []
        assert await Schema(gateway).retry(LOG_ID, "key") == payload
    assert (len(vendor.acts), vendor.tokens) == (2, 2)


async def test_a_renewed_token_that_is_refused_is_not_renewed_again(tmp_path: Path) -> None:
    vendor = Controller(answering(401))
    async with gateway_over(tmp_path, vendor, auth=LOGIN) as gateway:
        (error,) = (await Schema(gateway).retry(LOG_ID))["userErrors"]
    assert (error["__typename"], error["httpStatus"]) == ("UpstreamRejected", 401)
    assert len(vendor.acts) == 2


async def test_it_is_recorded_before_it_is_sent(tmp_path: Path) -> None:
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


async def test_without_a_journal_nothing_is_sent(tmp_path: Path) -> None:
    vendor = Controller(answering(200))
    (tmp_path / "journal.sqlite3").mkdir()
    async with gateway_over(tmp_path, vendor) as gateway:
        with pytest.raises(JournalError, match="can't be opened"):
            await gateway.act(gateway.operation(), ActionKind.RETRY, LOG_ID)
    assert vendor.acts == []


def break_journal(folder: Path) -> None:
    with sqlite3.connect(folder / "journal.sqlite3") as connection:
        connection.execute("DROP TABLE gateway_actions")
    connection.close()


async def test_an_outcome_that_can_not_be_recorded_is_told_all_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def act(_: httpx.Request) -> httpx.Response:
        break_journal(tmp_path)
        return httpx.Response(200)

    async with gateway_over(tmp_path, Controller(act)) as gateway:
        payload = await Schema(gateway).retry(LOG_ID)
    assert payload["webhookLog"]["attempt"] == 2
    assert payload["userErrors"] == []
    assert "can't be recorded" in caplog.text


async def test_a_call_that_waits_for_another_tells_nothing_that_may_be_untrue(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    begun, goes_on = asyncio.Event(), asyncio.Event()

    async def act(_: httpx.Request) -> httpx.Response:
        begun.set()
        await goes_on.wait()
        return httpx.Response(200)

    async with gateway_over(tmp_path, Controller(act)) as gateway:
        schema = Schema(gateway)
        first = asyncio.create_task(schema.retry(LOG_ID, "key"))
        await begun.wait()
        (entry,) = await schema.journal()
        waiting = asyncio.create_task(schema.retry(LOG_ID, "key"))
        # It has found the other one's entry once the two wait for nothing but the vendor.
        journal = await gateway._actions.journal()
        while entry["id"] not in journal._completed:  # noqa: ASYNC110
            await asyncio.sleep(0)
        break_journal(tmp_path)
        (problem,) = (await waiting)["userErrors"]
        goes_on.set()
        assert (await first)["userErrors"] == []
    assert (problem["__typename"], problem["actionId"]) == ("OutcomeUnknown", entry["id"])
    assert problem["message"].startswith("It was begun, and the journal can't tell now")
    assert f"What came of action {entry['id']} can't be read." in caplog.text


async def test_a_call_without_a_journal_speaks_for_itself_alone(tmp_path: Path) -> None:
    """The call that it repeats may have done something."""
    async with gateway_over(tmp_path, Controller(answering(200))) as gateway:
        schema = Schema(gateway)
        assert (await schema.retry(LOG_ID, "key"))["userErrors"] == []
        break_journal(tmp_path)
        (error,) = await schema.errors(RETRY, id=LOG_ID, key="key")
    assert error == {
        "message": "The gateway can't use its journal now, so this request started no retry or"
        " deletion. Try again later. If the error persists, the gateway's log has the cause.",
        "code": "JOURNAL_UNAVAILABLE",
    }


@pytest.mark.parametrize(
    ("sent", "outcome", "problem", "message"),
    [
        (True, "UNKNOWN", "OutcomeUnknown", "more. It may have happened all the same: look at"),
        (False, "FAILED", "UpstreamUnavailable", "more."),
    ],
)
async def test_a_defect_ends_an_action_at_once(
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
    said = "Source translations gave something that the gateway stumbled over; the gateway's log"
    assert error["code"] == "INTERNAL_ERROR"
    assert error["message"].startswith(f"{said} tells {message}")
    assert (entry["outcome"], entry["errorCode"]) == (outcome, "INTERNAL_ERROR")
    assert entry["message"] == error["message"]
    assert entry["completedAt"] is not None
    assert again["__typename"] == problem
    assert f"Action {entry['id']} met a defect." in caplog.text
    assert "KeyError: 'planted'" in caplog.text


@pytest.mark.parametrize("answer", [answering(200), raising(httpx.ReadError(""))])
async def test_a_caller_who_goes_away_stops_nothing(
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
async def test_a_stop_ends_what_has_had_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: bool, outcome: str, problem: str
) -> None:
    arrived = asyncio.Event()

    async def wait(_: object) -> httpx.Response:
        arrived.set()
        never: asyncio.Future[httpx.Response] = asyncio.get_running_loop().create_future()
        return await never

    vendor = Controller(wait)
    gateway = gateway_over(tmp_path, vendor)
    monkeypatch.setattr(service, "MARGIN", -gateway.settings.server.deadline.max)
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


async def test_an_empty_answer_to_a_deletion_will_do(tmp_path: Path) -> None:
    vendor = Controller(answering(204))
    async with gateway_over(tmp_path, vendor) as gateway:
        payload = await Schema(gateway).delete(LOG_ID)
    assert payload == {"deletedWebhookLogId": LOG_ID, "webhookLog": None, "userErrors": []}
    assert [f"{one.method} {one.url.path}" for one in vendor.acts] == [
        "DELETE /api/v2/audit/webhooks/42"
    ]


async def test_a_key_is_for_one_action_on_one_log(tmp_path: Path) -> None:
    vendor = Controller(answering(200))
    async with gateway_over(tmp_path, vendor) as gateway:
        schema = Schema(gateway)
        await schema.retry(LOG_ID, "key")
        (error,) = (await schema.retry(OTHER_ID, "key"))["userErrors"]
        assert error.pop("message")
        assert error == {
            "__typename": "IdempotencyKeyReused",
            "code": "IDEMPOTENCY_KEY_REUSED",
            "path": ["idempotencyKey"],
            "logId": LOG_ID,
        }
        act = gateway.act(gateway.operation(), ActionKind.DELETE, LOG_ID, "key")
        assert (await act).problem.__class__.__name__ == "IdempotencyKeyReused"
    assert len(vendor.acts) == 1


@pytest.mark.parametrize("answer", [b'{"problem": {"type": "Gone"}}', b"\x00"])
async def test_an_answer_of_another_version_is_told_in_short(tmp_path: Path, answer: bytes) -> None:
    cases = {200: [], 400: ["UpstreamRejected"], 500: ["OutcomeUnknown"]}
    for status, errors in cases.items():
        vendor, key = Controller(answering(status)), f"key {status}"
        async with gateway_over(tmp_path, vendor) as gateway:
            await Schema(gateway).retry(LOG_ID, key)
            with sqlite3.connect(tmp_path / "journal.sqlite3") as connection:
                change = "UPDATE gateway_actions SET answer = ? WHERE idempotency_key = ?"
                connection.execute(change, (answer, key))
            connection.close()
            payload = await Schema(gateway).retry(LOG_ID, key)
        told = [error["__typename"] for error in payload["userErrors"]]
        assert told == errors
        assert payload["webhookLog"] is None
        assert len(vendor.acts) == 1


async def test_a_key_is_the_caller_s_own(tmp_path: Path) -> None:
    vendor = Controller(answering(200))
    callers = [
        Caller("ada", Method.API_KEYS, (Grant(Role.ADMIN),)),
        Caller("bob", Method.API_KEYS, (Grant(Role.ADMIN),)),
        Caller("ada", Method.JWT, (Grant(Role.ADMIN),)),
    ]
    async with gateway_over(tmp_path, vendor) as gateway:
        for caller, id in zip(callers, (LOG_ID, LOG_ID, OTHER_ID), strict=True):
            schema = Schema(gateway.seen_by(caller))
            assert (await schema.retry(id, "key"))["userErrors"] == []
        told = [entry["caller"] for entry in await Schema(gateway).journal()]
    assert told == ["jwt:ada", "api-keys:bob", "api-keys:ada"]
    assert len(vendor.acts) == 3


BODY = """
mutation($id: ID!) {
  retryWebhookLog(id: $id, idempotencyKey: "key") {
    webhookLog { request { body } } userErrors { __typename message }
  }
}
"""


USERS = {"token-1": "ada", "token-2": "bob"}
"""The vendor's names for its credentials, which themselves would be masked."""


class Personal(httpx.AsyncBaseTransport):
    """A controller with one entry, which tells each credential something else."""

    def __init__(self, status: int) -> None:
        self.retries = 0
        self._status = status

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        name = USERS[request.headers["Authorization"]]
        if request.method == "PUT":
            self.retries += 1
            said = {"message": f"for {name} alone"}
            return httpx.Response(
                self._status, json=said if self._status == 200 else {"error": said}
            )
        entry = Controller.entry(42, self.retries) | {"data": f"for {name} alone"}
        return httpx.Response(200, json={"entries": [entry], "totalItems": 1})


@pytest.mark.parametrize("status", [200, 400])
async def test_what_was_said_to_one_credential_is_not_repeated_to_another(
    tmp_path: Path, status: int
) -> None:
    vendor = Personal(status)
    async with gateway_over(tmp_path, vendor, auth=PASSED) as gateway:
        told = [
            (await Schema(gateway, **headers).data(BODY, id=LOG_ID))["retryWebhookLog"]
            for headers in (
                {"mine": "token-1"},
                {"mine": "token-2"},
                {},
                {"mine": "token-1"},
            )
        ]
        (entry,) = await Schema(gateway).journal()
    assert entry["answer"] is None
    assert vendor.retries == 1
    assert "for ada alone" in str(told[0])
    assert "ada" not in str(told[1:3])
    if status == 200:
        bodies = [one["webhookLog"] and one["webhookLog"]["request"]["body"] for one in told]
        assert bodies == ["for ada alone", "for bob alone", None, "for ada alone"]
        assert [one["userErrors"] for one in told] == [[]] * 4
    else:
        kinds = [[error["__typename"] for error in one["userErrors"]] for one in told]
        assert kinds == [["UpstreamRejected"]] * 4


async def test_what_was_done_at_a_source_that_is_gone_is_told_to_admins_of_all(
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


async def test_without_a_key_each_call_is_an_action(tmp_path: Path) -> None:
    vendor = Controller(answering(200))
    async with gateway_over(tmp_path, vendor) as gateway:
        await Schema(gateway).retry(LOG_ID)
        await Schema(gateway).retry(LOG_ID)
    assert len(vendor.acts) == 2


@pytest.mark.parametrize("key", ["", "a" * (MAX_KEY + 1), "a\0", "a\nb"])
async def test_a_bad_key_is_told(tmp_path: Path, key: str) -> None:
    vendor = Controller(answering(200))
    async with gateway_over(tmp_path, vendor) as gateway:
        (error,) = (await Schema(gateway).retry(LOG_ID, key))["userErrors"]
        assert (error["__typename"], error["path"]) == ("InvalidInput", ["idempotencyKey"])
        assert await Schema(gateway).journal() == []
        longest = "é" * MAX_KEY
        assert (await Schema(gateway).retry(LOG_ID, longest))["userErrors"] == []
    assert len(vendor.acts) == 1


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
async def test_a_bad_id_is_told(tmp_path: Path, id: str, kind: str) -> None:
    vendor = Controller(answering(200))
    async with gateway_over(tmp_path, vendor) as gateway:
        for payload in (await Schema(gateway).retry(id), await Schema(gateway).delete(id)):
            (error,) = payload["userErrors"]
            assert (error["__typename"], error["path"]) == (kind, ["id"])
        assert await Schema(gateway).journal() == []
    assert vendor.acts == []


async def test_a_key_is_known_as_long_as_the_journal_is_kept(tmp_path: Path) -> None:
    days = [0]
    vendor = Controller(answering(200))

    def clock() -> int:
        return (1_772_615_411 + days[0] * 24 * 3600) * 10**9

    async with gateway_over(tmp_path, vendor, clock=clock) as gateway:
        schema = Schema(gateway)
        await schema.retry(LOG_ID, "key")
        days[0] = gateway.settings.journal.retention_days - 1
        await schema.retry(LOG_ID, "key")
        assert len(vendor.acts) == 1
        days[0] += 2
        await schema.retry(LOG_ID, "key")
        assert len(vendor.acts) == 2
        assert len(await schema.journal()) == 1
