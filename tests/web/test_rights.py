"""Every role against every field and mutation, over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from gateway import ids
from gateway.callers import Role
from gateway.sandbox import Sandbox
from tests.callers.issuer import token
from tests.support.moment import stopped
from tests.support.sources import SOURCES
from tests.web.protected import (
    ADMIN,
    CALLERS,
    NOBODY,
    Caller,
    Grant,
    Protected,
    protected_gateway,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

READ = "repo-cn"
"""The source whose vendor has headers and bodies of requests and responses."""
ACT = "translations"
"""The only source whose vendor can both retry and delete."""

ABLE = {"RETRY": ["github", "gitlab", "hookdeck", "svix", ACT], "DELETE": [ACT]}
"""The sources whose vendors support each action."""

VIEWER, READER, OPERATOR, ADMINISTRATOR = Role

TAKES = {
    "id": VIEWER,
    "status": VIEWER,
    "triggeredAt": VIEWER,
    "request.url": VIEWER,
    "request.headers.name": VIEWER,
    "request.headers.value": READER,
    "request.body": READER,
    "request.bodyJson": READER,
    "response.statusCode": VIEWER,
    "response.headers.name": VIEWER,
    "response.headers.value": READER,
    "response.body": READER,
    "response.bodyJson": READER,
    "raw": ADMINISTRATOR,
}
"""The role that each field of a log needs; for lower ones it is null, with one FORBIDDEN."""

LOG = """{
  id status triggeredAt raw
  request { url headers { name value } body bodyJson }
  response { statusCode headers { name value } body bodyJson }
}"""
EXACTLY = "first: 1, filter: { source: { eq: $name }, triggeredAt: { gte: $at, lte: $at } }"
WAYS = {
    f"webhookLogs({EXACTLY}) {{ nodes {LOG} }}": "UNKNOWN_SOURCE",
    f"webhookLogs({EXACTLY}) {{ edges {{ node {LOG} }} }}": "UNKNOWN_SOURCE",
    f"source(name: $name) {{ logs({EXACTLY}) {{ nodes {LOG} }} }}": "UNKNOWN_SOURCE",
    f"webhookLog(id: $log) {LOG}": "NOT_FOUND",
    f"node(id: $log) {{ ... on WebhookLog {LOG} }}": "NOT_FOUND",
    f"nodes(ids: [$log]) {{ ... on WebhookLog {LOG} }}": "NOT_FOUND",
    '_entities(representations: [{ __typename: "WebhookLog", id: $log }])'
    f" {{ ... on WebhookLog {LOG} }}": "NOT_FOUND",
}
"""Every path to a log, with the error if its source is not granted."""

PLACES = {
    "source(name: $name) { id name provider capabilities health { status } }": "UNKNOWN_SOURCE",
    "source(name: $name) { hooks { totalCount nodes { id url } } }": "UNKNOWN_SOURCE",
    "source(name: $name) { logs(first: 1) { totalCount nodes { id } } }": "UNKNOWN_SOURCE",
    "node(id: $source) { id ... on Source { name } }": "UNKNOWN_SOURCE",
    "nodes(ids: [$source]) { id }": "UNKNOWN_SOURCE",
    "node(id: $hook) { id ... on Hook { url } }": "NOT_FOUND",
    "nodes(ids: [$hook]) { id }": "NOT_FOUND",
    '_entities(representations: [{ __typename: "Hook", id: $hook }]) { ... on Hook { url } }': (
        "NOT_FOUND"
    ),
    '_entities(representations: [{ __typename: "Source", id: $source }]) { __typename }': (
        "UNKNOWN_SOURCE"
    ),
    '_entities(representations: [{ __typename: "Source", name: $name }]) { __typename }': (
        "UNKNOWN_SOURCE"
    ),
    "webhookLog(id: $log) { hook { id } availableActions { action available } }": "NOT_FOUND",
    "webhookLogs(first: 1, filter: { hook: { eq: $hook } }) { totalCount }": "UNKNOWN_SOURCE",
    "webhookLogs(first: 1, filter: { source: { in: [$name] } }) { totalCount }": "UNKNOWN_SOURCE",
    "webhookLogs(filter: { not: { source: { eq: $name } } }) { totalCount }": "UNKNOWN_SOURCE",
}
"""Other fields of a source that need no role, with the error if it is not granted."""


class Example(NamedTuple):
    """A log with all optional fields, and the ids around it."""

    name: str
    log: str
    at: str
    hook: str
    source: str

    def values(self) -> dict[str, str]:
        return self._asdict()


@pytest.fixture(scope="module")
async def protected(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Protected]:
    async with protected_gateway(
        tmp_path_factory.mktemp("rights"), Sandbox(clock=stopped, logs=400)
    ) as made:
        yield made


@pytest.fixture(scope="module")
async def example(protected: Protected) -> Example:
    data = await protected.data(
        ADMIN,
        "{ webhookLogs(first: 100, filter: { source: { eq: $name } }) { nodes {"
        " id triggeredAt hook { id } source { id } request { headers { value } body bodyJson }"
        " response { headers { value } body bodyJson } } } }",
        name=READ,
    )
    log = next(
        log
        for log in data["webhookLogs"]["nodes"]
        if log["hook"]
        and all(log[side] and all(log[side].values()) for side in ("request", "response"))
    )
    return Example(
        READ,
        log["id"],
        log["triggeredAt"],
        log["hook"]["id"],
        log["source"]["id"],
    )


def callers(*grants: Grant) -> pytest.MarkDecorator:
    """Parametrize a test over all callers, or over those with the grants."""
    chosen = [caller for caller in CALLERS if not grants or caller.grant in grants]
    return pytest.mark.parametrize("caller", chosen, ids=str)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], str, Any]]:
    """Find the fields of ``TAKES`` in a result: their paths, names and values."""
    dotted = "." + ".".join(step for step in path if isinstance(step, str))
    name = next((name for name in TAKES if dotted.endswith(f".{name}")), None)
    if name:
        yield path, name, value
    elif isinstance(value, dict | list):
        steps = value.items() if isinstance(value, dict) else enumerate(value)
        for step, inner in steps:
            yield from leaves(inner, (*path, step))


def refusals(document: dict[str, Any]) -> dict[tuple[Any, ...], str]:
    """Return the code of the only error at each path."""
    told = [
        (tuple(error["path"]), error["extensions"]["code"]) for error in document.get("errors", ())
    ]
    assert len(dict(told)) == len(told)
    return dict(told)


def assert_does_not_exist(document: dict[str, Any], code: str, grant: Grant, name: str) -> None:
    """Check that the only error names the caller's sources and no others."""
    assert list(refusals(document).values()) == [code]
    root = document["data"] and next(iter(document["data"].values()))
    assert root in (None, [None])
    [error] = document["errors"]
    assert error["extensions"].keys() == {"code", "requestId"}
    if code == "UNKNOWN_SOURCE":
        known = f" The sources are: {', '.join(grant.sources)}." if grant.sources else ""
        assert error["message"] == f"There is no source named {name!r}.{known}"
    else:
        assert not any(one in error["message"] for one in (*SOURCES, name))


@pytest.mark.slow
@callers()
@pytest.mark.parametrize("way", WAYS)
async def test_log_is_visible_by_role_and_source(
    protected: Protected, example: Example, caller: Caller, way: str
) -> None:
    document = await protected.answer(caller, f"{{ {way} }}", **example.values())
    if caller.grant.role_on(READ) is None:
        assert_does_not_exist(document, WAYS[way], caller.grant, READ)
        return
    found = list(leaves(document["data"]))
    assert {name for _, name, _ in found} == set(TAKES)
    hidden = {path: name for path, name, _ in found if not caller.grant.may(TAKES[name], READ)}
    assert {path for path, _, value in found if value is None} == set(hidden)
    assert refusals(document) == dict.fromkeys(hidden, "FORBIDDEN")
    for error in document.get("errors", ()):
        role = TAKES[hidden[tuple(error["path"])]]
        assert error["message"].endswith(f"you need the role {role.name.lower()}.")


@pytest.mark.slow
@callers()
@pytest.mark.parametrize("place", PLACES)
async def test_context_of_a_log_is_visible_by_role_and_source(
    protected: Protected, example: Example, caller: Caller, place: str
) -> None:
    document = await protected.answer(caller, f"{{ {place} }}", **example.values())
    if caller.grant.role_on(READ) is None:
        assert_does_not_exist(document, PLACES[place], caller.grant, READ)
    else:
        assert "errors" not in document
        assert all(document["data"].values())


@pytest.mark.slow
@callers()
async def test_lists_hold_granted_sources_only(protected: Protected, caller: Caller) -> None:
    data = await protected.data(
        caller,
        """{
          viewer { name method grants { role sources } }
          sources { name capabilities }
          webhookLogs(first: 100) {
            totalCount nodes { source { name } availableActions { action available reason } }
            sourceReports { source { name } outcome }
          }
        }""",
    )
    counts = [
        (await protected.data(ADMIN, "{ source(name: $name) { logs { totalCount } } }", name=name))[
            "source"
        ]["logs"]["totalCount"]
        for name in caller.grant.sources
    ]
    grant, role = caller.grant, caller.grant.role
    assert data["viewer"] == {
        "name": str(grant) if caller.method == "key" else "ada",
        "method": "API_KEYS" if caller.method == "key" else "JWT",
        "grants": [
            {"role": role.name, "sources": [grant.source] if grant.source else None}
            for role in [role]
            if role
        ],
    }
    assert [source["name"] for source in data["sources"]] == grant.sources
    page = data["webhookLogs"]
    assert page["totalCount"] == (None if None in counts else sum(counts))
    assert {log["source"]["name"] for log in page["nodes"]} <= set(grant.sources)
    assert [(one["source"]["name"], one["outcome"]) for one in page["sourceReports"]] == [
        (name, "OK") for name in grant.sources
    ]
    can = {
        name: {
            kind for kind, least in NEEDS.items() if name in ABLE[kind] and grant.may(least, name)
        }
        for name in SOURCES
    }
    for source in data["sources"]:
        assert set(source["capabilities"]) & set(NEEDS) == can[source["name"]]
    for log in page["nodes"]:
        name = log["source"]["name"]
        for action in log["availableActions"]:
            assert action["available"] is (action["action"] in can[name])
            if action["available"]:
                assert action["reason"] is None
            elif name in ABLE[action["action"]]:
                least = NEEDS[action["action"]].name.lower()
                assert action["reason"].endswith(f"you need the role {least}.")
            else:
                assert (ACT in action["reason"]) is (ACT in grant.sources)


NEEDS = {"RETRY": OPERATOR, "DELETE": ADMINISTRATOR}
MUTATION = """mutation {
  %sWebhookLog(id: $log) {
    webhookLog { id }
    userErrors {
      __typename message path
      ... on NotAuthorized { requiredRole } ... on ActionNotSupported { sources }
    }
  }
}"""


@pytest.mark.sampled(17)
@callers()
@pytest.mark.parametrize("kind", NEEDS)
async def test_actions_need_a_role(protected: Protected, caller: Caller, kind: str) -> None:
    newest = await protected.data(
        ADMIN,
        "{ webhookLogs(first: 1, filter: { source: { eq: $name } }) { nodes { id } } }",
        name=ACT,
    )
    [log] = newest["webhookLogs"]["nodes"]
    data = await protected.data(caller, MUTATION % kind.lower(), log=log["id"])
    [payload] = data.values()
    held = caller.grant.role_on(ACT)
    if held is not None and held >= NEEDS[kind]:
        assert payload == {"webhookLog": log, "userErrors": []}
        return
    assert payload["webhookLog"] is None
    [error] = payload["userErrors"]
    assert error.pop("path") == ["id"]
    message = error.pop("message")
    if held is None:
        assert error == {"__typename": "NotFound"}
        assert ACT not in message
    else:
        assert error == {"__typename": "NotAuthorized", "requiredRole": NEEDS[kind].name}
        assert NEEDS[kind].name.lower() in message
    kept = await protected.data(ADMIN, "{ webhookLog(id: $log) { id } }", log=log["id"])
    assert kept == {"webhookLog": log}


@pytest.mark.sampled(17)
@callers()
@pytest.mark.parametrize("kind", NEEDS)
async def test_unsupported_actions_hide_sources_not_granted(
    protected: Protected, example: Example, caller: Caller, kind: str
) -> None:
    data = await protected.data(caller, MUTATION % kind.lower(), log=example.log)
    [[error]] = [payload["userErrors"] for payload in data.values()]
    if caller.grant.role_on(READ) is None:
        assert error["__typename"] == "NotFound"
        assert READ not in error["message"]
    else:
        assert error["__typename"] == "ActionNotSupported"
        assert error["sources"] == [name for name in ABLE[kind] if name in caller.grant.sources]
        assert (ACT in error["message"]) is (ACT in caller.grant.sources)


@pytest.mark.sampled(9)
@callers()
async def test_journal_needs_admin(protected: Protected, caller: Caller) -> None:
    forged = ids.encode(ids.Kind.LOG, ACT, "999999")
    await protected.data(ADMIN, MUTATION % "retry", log=forged)
    document = await protected.answer(
        caller, "{ actions { nodes { kind source } } viewer { method } }"
    )
    assert document["data"]["viewer"]
    if caller.grant.role is not ADMINISTRATOR:
        assert document["data"]["actions"] is None
        assert refusals(document) == {("actions",): "FORBIDDEN"}
        assert document["errors"][0]["message"].endswith("you need the role admin.")
    else:
        told = {action["source"] for action in document["data"]["actions"]["nodes"]}
        assert told == ({ACT} if ACT in caller.grant.sources else set())


@pytest.mark.sampled(4)
@callers()
async def test_cache_needs_admin_of_all_sources(
    protected: Protected, example: Example, caller: Caller
) -> None:
    assert example.log
    document = await protected.answer(caller, "{ cache { hits loads } viewer { method } }")
    assert document["data"]["viewer"]
    if caller.grant.role is ADMINISTRATOR and set(SOURCES) == set(caller.grant.sources):
        assert document["data"]["cache"]["loads"] > 0
    else:
        assert document["data"]["cache"] is None
        assert refusals(document) == {("cache",): "FORBIDDEN"}


@pytest.mark.sampled(9)
@callers()
async def test_invalidation_needs_admin(
    protected: Protected, example: Example, caller: Caller
) -> None:
    for tag in (f"source:{READ}", f"hook:{example.hook}", f"log:{example.log}"):
        await protected.data(ADMIN, "{ webhookLog(id: $log) { id } }", log=example.log)
        data = await protected.data(
            caller,
            "mutation { invalidateCache(tags: [$tag]) {"
            " entries userErrors { __typename message path } } }",
            tag=tag,
        )
        dropped = data["invalidateCache"]
        if caller.grant.role_on(READ) is ADMINISTRATOR:
            assert dropped["userErrors"] == []
            assert dropped["entries"] > 0
            continue
        assert dropped["entries"] == 0
        [error] = dropped["userErrors"]
        assert error["path"] == ["tags"]
        exists = caller.grant.role_on(READ) is not None
        assert error["__typename"] == ("NotAuthorized" if exists else "InvalidInput")
        assert (READ in error["message"]) is (exists or tag.startswith("source:"))


@pytest.mark.slow
@callers()
async def test_search_finds_granted_fields_only(protected: Protected, caller: Caller) -> None:
    newest = await protected.data(
        ADMIN,
        "{ webhookLogs(first: 1, filter: { source: { eq: $name } }) {"
        " nodes { id request { body } } } }",
        name=ACT,
    )
    [log] = newest["webhookLogs"]["nodes"]
    data = await protected.data(
        caller,
        "{ webhookLogs(filter: { search: $body }) { totalCount nodes { id } } }",
        body=log["request"]["body"],
    )
    found = [{"id": log["id"]}] if caller.grant.may(READER, ACT) else []
    assert data["webhookLogs"]["nodes"] == found
    assert data["webhookLogs"]["totalCount"] in (None, len(found))


@callers(NOBODY, Grant(VIEWER, "translations"), Grant(ADMINISTRATOR, "translations"))
async def test_forged_id_is_not_found(protected: Protected, caller: Caller) -> None:
    for kind, source in ((ids.Kind.LOG, READ), (ids.Kind.HOOK, READ), (ids.Kind.LOG, "nowhere")):
        forged = ids.encode(kind, source, "1")
        document = await protected.answer(caller, "{ node(id: $id) { id } }", id=forged)
        assert_does_not_exist(document, "NOT_FOUND", caller.grant, source)


@pytest.mark.slow
async def test_role_can_differ_by_source(protected: Protected) -> None:
    roles = [str(Grant(VIEWER)), str(Grant(ADMINISTRATOR, ACT))]
    both = Caller(Grant(ADMINISTRATOR), "jwt", token(roles=roles))
    document = await protected.answer(
        both,
        "{ webhookLogs(first: 100) { nodes { source { name } raw request { body } } } }",
    )
    logs = document["data"]["webhookLogs"]["nodes"]
    assert {log["source"]["name"] for log in logs} == set(SOURCES)
    hidden: set[tuple[Any, ...]] = set()
    for index, log in enumerate(logs):
        if log["source"]["name"] == ACT:
            assert log["raw"]
            assert log["request"]["body"]
        else:
            assert (log["raw"], log["request"]["body"]) == (None, None)
            place = ("webhookLogs", "nodes", index)
            hidden |= {(*place, "raw"), (*place, "request", "body")}
    assert refusals(document) == dict.fromkeys(hidden, "FORBIDDEN")


@pytest.mark.sampled(5)
@callers(NOBODY, Grant(ADMINISTRATOR, "translations"))
async def test_cursor_of_another_caller_grants_nothing(
    protected: Protected, caller: Caller
) -> None:
    page = "{ webhookLogs(first: 5) { pageInfo { endCursor } } }"
    end = (await protected.data(ADMIN, page))["webhookLogs"]["pageInfo"]["endCursor"]
    for rest in ("first: 100, after: $end", "last: 100, before: $end"):
        data = await protected.data(
            caller,
            f"{{ webhookLogs({rest}) {{ nodes {{ source {{ name }} }}"
            " sourceReports { source { name } } } }",
            end=end,
        )
        rows = [*data["webhookLogs"]["nodes"], *data["webhookLogs"]["sourceReports"]]
        assert {row["source"]["name"] for row in rows} == set(caller.grant.sources)
