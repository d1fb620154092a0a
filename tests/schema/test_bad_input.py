"""Invalid input gets an error code and a message, and costs no call to a vendor."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from gateway import ids
from gateway.feed import cursor, filters
from gateway.model import Timestamp
from tests.support.sources import SOURCES, VENDORS

if TYPE_CHECKING:
    from tests.schema.conftest import Demo


def made_cursor(document: Any = None) -> str:
    fingerprint = filters.prepare(document, Timestamp(0), SOURCES).fingerprint
    place = cursor.Cursor(
        version=cursor.VERSION,
        filter=fingerprint,
        time=Timestamp(1),
        returned=(b"123456",),
        known=(),
        horizon=cursor.UNDATED,
        positions={},
        layout=b"layout",
        since=Timestamp(1),
        hints=b"",
    )
    return cursor.encode(place)


def listed(arguments: str) -> str:
    return f"{{ webhookLogs({arguments}) {{ nodes {{ id }} }} }}"


LOG = "query ($id: ID!) { webhookLog(id: $id) { id } }"
NODE = "query ($id: ID!) { node(id: $id) { id } }"
NO_ID = (
    "INVALID_ID",
    "That id was not made by this gateway. Use the id of a webhook log, hook or source as a query"
    " gave it.",
)
NO_CURSOR = (
    "INVALID_CURSOR",
    "That cursor was not made by this gateway. Use one as a page or an edge has it, or begin"
    " without one.",
)
OTHER_FILTER = (
    "CURSOR_FILTER_MISMATCH",
    "That cursor belongs to a list with another filter. Repeat the filter of the query that gave"
    " it, or begin without a cursor.",
)
NO_SOURCE = (
    "UNKNOWN_SOURCE",
    "There is no source named 'nope'. The sources are: " + ", ".join(SOURCES) + ".",
)
NO_LOG = ("NOT_FOUND", "There is no such webhook log. It may have expired.")
NO_HOOK = ("NOT_FOUND", "There is no such hook. It may have expired.")
FIRST = ("INVALID_PAGE_SIZE", "That page can't be read: first must lie between 0 and 100.")
ALONE = (
    "INVALID_PAGE_SIZE",
    "That page can't be read: last needs the cursor that what is new is counted back from.",
)


def mixed(forward: str, backward: str) -> tuple[str, str]:
    return (
        "INVALID_PAGE_SIZE",
        f"That page can't be read: by {forward} it is read forward, by {backward} backward; use one"
        " direction.",
    )


def id_of(kind: str, *place: str, source: str = "repo-cn") -> str:
    return ids.encode(ids.Kind[kind], source, *place)


GRANTED = "a642c851d4dc4853b595e5c8a5e56df7"
BAD_INPUT: dict[str, tuple[str, dict[str, Any], Any, tuple[str, str]]] = {
    "first over 100": (listed("first: 101"), {}, None, FIRST),
    "first below 0": (listed("first: -1"), {}, None, FIRST),
    "last over 100": (
        listed(f'last: 101, before: "{made_cursor()}"'),
        {},
        None,
        ("INVALID_PAGE_SIZE", "That page can't be read: last must lie between 0 and 100."),
    ),
    "last alone": (listed("last: 5"), {}, None, ALONE),
    "first and last": (
        listed('first: 5, last: 5, before: "x"'),
        {},
        None,
        mixed("first", "last and before"),
    ),
    "first and before": (listed('first: 5, before: "x"'), {}, None, mixed("first", "before")),
    "after and before": (listed('after: "x", before: "x"'), {}, None, mixed("after", "before")),
    "after and last": (listed('after: "x", last: 5'), {}, None, mixed("after", "last")),
    "no cursor to read on from": (listed('after: "YXJyYXljb25uZWN0aW9uOjI0"'), {}, None, NO_CURSOR),
    "no cursor to read back from": (listed('before: "x"'), {}, None, NO_CURSOR),
    "an id as cursor": (listed(f'after: "{id_of("LOG", "1")}"'), {}, None, NO_CURSOR),
    "a cursor of another filter": (
        listed(f'after: "{made_cursor()}", filter: {{ event: {{ eq: "push" }} }}'),
        {},
        None,
        OTHER_FILTER,
    ),
    "a cursor of another source": (
        f'{{ source(name: "shop") {{ logs(after: "{made_cursor()}") {{ nodes {{ id }} }} }} }}',
        {},
        {"source": {"logs": None}},
        OTHER_FILTER,
    ),
    "an impossible filter": (
        listed("filter: { httpStatus: { gt: 500, lt: 400 } }"),
        {},
        None,
        (
            "INVALID_FILTER",
            "The filter can't be used: no httpStatus can meet all of its conditions at once.",
        ),
    ),
    "a filter of another source": (
        '{ source(name: "shop") { logs(filter: { source: { eq: "tracker" } }) { nodes { id } } } }',
        {},
        {"source": {"logs": None}},
        (
            "INVALID_FILTER",
            "The filter can't be used: no source can meet all of its conditions at once.",
        ),
    ),
    "a moment that is none": (
        listed('filter: { triggeredAt: { gte: "soon" } }'),
        {},
        None,
        (
            "INVALID_FILTER",
            "The filter can't be used: triggeredAt.gte: 'soon' is neither a date and time such as"
            " 2026-03-04T09:10:11Z nor a duration back from now such as PT1H, P1DT12H or P2W.",
        ),
    ),
    "a moment that is no text": (
        listed("filter: { triggeredAt: { gte: 5 } }"),
        {},
        ...,
        (
            "GRAPHQL_VALIDATION_FAILED",
            "A moment must be a string, such as '2026-03-04T09:10:11Z' or 'PT1H'.",
        ),
    ),
    "an unknown source in a filter": (
        listed('filter: { source: { in: ["shop", "nope"] } }'),
        {},
        None,
        NO_SOURCE,
    ),
    "a filter of a hook of an unknown source": (
        listed(f'filter: {{ hook: {{ eq: "{id_of("HOOK", "1", source="nope")}" }} }}'),
        {},
        None,
        NO_SOURCE,
    ),
    "an unknown source": ('{ source(name: "nope") { name } }', {}, {"source": None}, NO_SOURCE),
    "no id of a log": (LOG, {"id": "664201931"}, {"webhookLog": None}, NO_ID),
    "an empty id": (
        LOG,
        {"id": ""},
        {"webhookLog": None},
        (
            "INVALID_ID",
            "That id is empty. Give the id of a webhook log, hook or source as a query gave it.",
        ),
    ),
    "an id of a hook": (
        LOG,
        {"id": id_of("HOOK", "1")},
        {"webhookLog": None},
        ("INVALID_ID", "That id belongs to a hook, not to a webhook log."),
    ),
    "no id of anything": (NODE, {"id": "0"}, {"node": None}, NO_ID),
    "a log of an unknown source": (
        LOG,
        {"id": id_of("LOG", "1", source="nope")},
        {"webhookLog": None},
        NO_LOG,
    ),
    "a log of a project that is not granted": (
        LOG,
        {"id": id_of("LOG", "projects", "0" * 32, "990085", "664201931")},
        {"webhookLog": None},
        NO_LOG,
    ),
    "a log whose id leads elsewhere": (
        LOG,
        {"id": id_of("LOG", "projects", GRANTED, "990085", "../../1")},
        {"webhookLog": None},
        NO_LOG,
    ),
    "a log of a queue that is not granted": (
        LOG,
        {"id": id_of("LOG", "SECRET", "1", "2026-03-04T09:10:11.120Z", "x", source="tracker")},
        {"webhookLog": None},
        NO_LOG,
    ),
    "a log with no place": (LOG, {"id": id_of("LOG")}, {"webhookLog": None}, NO_LOG),
    "a hook that is not there": (NODE, {"id": id_of("HOOK", "1")}, {"node": None}, NO_HOOK),
    "a hook of an unknown source": (
        NODE,
        {"id": id_of("HOOK", "1", source="nope")},
        {"node": None},
        NO_HOOK,
    ),
    "a source that is not there": (
        NODE,
        {"id": id_of("SOURCE", source="nope")},
        {"node": None},
        NO_SOURCE,
    ),
    "101 ids": (
        "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }",
        {"ids": ["x"] * 101},
        None,
        ("INVALID_PAGE_SIZE", "101 ids are too many for one request. Send at most 100."),
    ),
    "first over 100 hooks": (
        '{ source(name: "shop") { hooks(first: 101) { nodes { id } } } }',
        {},
        {"source": {"hooks": None}},
        FIRST,
    ),
    "no cursor of hooks": (
        '{ source(name: "shop") { hooks(after: "x") { nodes { id } } } }',
        {},
        {"source": {"hooks": None}},
        (
            "INVALID_CURSOR",
            "That cursor is not of this source's hooks, or its hook is gone. Begin without one.",
        ),
    ),
}
PYTHON = re.compile(
    r"\b(None|NoneType|Traceback|\w+Error|self|base64|utf-?8|codec|msgpack|unpack\w*|ascii)\b|<class|0x"
)


@pytest.mark.slow
@pytest.mark.parametrize("case", BAD_INPUT)
async def test_bad_input_gets_a_code_and_a_message(demo: Demo, case: str) -> None:
    query, variables, data, (code, sentence) = BAD_INPUT[case]
    answer = await demo.answer(query, **variables)
    [error] = answer["errors"]
    assert (error["message"], error["extensions"]["code"]) == (sentence, code)
    assert PYTHON.search(error["message"]) is None
    assert answer.get("data", ...) == data
    # No call except for the list of hooks.
    for vendor in VENDORS.values():
        assert [path for path in await demo.calls(vendor) if "log" in path or "audit" in path] == []


@pytest.mark.slow
async def test_nodes_that_cannot_be_read_are_null_with_an_error_each(demo: Demo) -> None:
    data = await demo.data(
        """{
          webhookLogs(first: 2, filter: { provider: { eq: CODEARTS } }) { nodes { id } }
          source(name: "shop") { id hooks(first: 1) { nodes { id } } }
        }"""
    )
    logs = [log["id"] for log in data["webhookLogs"]["nodes"]]
    source = data["source"]["id"]
    [hook] = [hook["id"] for hook in data["source"]["hooks"]["nodes"]]
    missing = id_of("LOG", "projects", "0" * 32, "990085", "1")
    answer = await demo.answer(
        "query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }",
        ids=[logs[0], "x", source, missing, hook, logs[1]],
    )
    assert answer["data"]["nodes"] == [
        {"__typename": "WebhookLog", "id": logs[0]},
        None,
        {"__typename": "Source", "id": source},
        None,
        {"__typename": "Hook", "id": hook},
        {"__typename": "WebhookLog", "id": logs[1]},
    ]
    assert [
        (error["path"], error["extensions"]["code"], error["message"]) for error in answer["errors"]
    ] == [(["nodes", 1], *NO_ID), (["nodes", 3], *NO_LOG)]
