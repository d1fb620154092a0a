"""Which logs a filter matches, which terms vendors get, and which filters are refused."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway import ids
from gateway.errors import ErrorCode, RequestError
from gateway.feed import filter_fields, filters
from gateway.feed.failure_groups import document_of, group_of
from gateway.feed.filter_tests import Partial
from gateway.feed.filters import Filter
from gateway.feed.push_down import criteria_of
from gateway.model import (
    Failure,
    FailureCategory,
    HttpRequest,
    HttpResponse,
    Timestamp,
    WebhookLog,
    WebhookLogStatus,
)
from gateway.normalise import timestamps
from gateway.normalise.redaction import redact_url
from gateway.vendors.language_weaver.parsing import LanguageWeaverDetails
from gateway.vendors.pages import Criteria
from tests.support.examples import examples

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = timestamps.parse("2026-03-04T09:10:11Z")
SECOND = 10**9
SOURCES = ("shop", "straße")
HOOKS = {source: [ids.encode(ids.Kind.HOOK, source, place) for place in "12"] for source in SOURCES}
ALL_HOOKS = [hook for hooks in HOOKS.values() for hook in hooks]

FAILED, SUCCEEDED = WebhookLogStatus.FAILED, WebhookLogStatus.SUCCEEDED
DNS, TLS = FailureCategory.DNS, FailureCategory.TLS
SHOP, TRACKER = "elastic-path", "yandex-tracker"


NO_EVENT = {"lacks": frozenset({"event"})}


def log(**values: Any) -> WebhookLog:
    """Build a log from values by filter field; other fields are absent."""
    if group := values.pop("failureGroup", None):
        shared = document_of(group)
        values |= {name: comparator["eq"] for name, comparator in shared.items()}
    category = values.get("failure")
    status_code = values.get("httpStatus")
    url = values.get("url")
    return WebhookLog(
        id="log",
        upstream_id=values.get("upstream_id", "1"),
        source=values.get("source", "shop"),
        provider=values.get("provider", SHOP),
        status=values.get("status", SUCCEEDED),
        event=values.get("event"),
        hook_id=values.get("hook"),
        correlation_id=values.get("correlationId"),
        triggered_at=values.get("triggeredAt"),
        failure=category and Failure(category, values.get("message", ""), retryable=False),
        request=HttpRequest(url=url, body=values.get("sent")) if url is not None else None,
        response=HttpResponse(status_code=status_code, body=values.get("answered"))
        if status_code is not None
        else None,
        details=LanguageWeaverDetails(),
    )


def ready(document: Any) -> Filter:
    return filters.prepare(document, NOW, SOURCES)


def refusal(document: Any) -> tuple[str, str]:
    with pytest.raises(RequestError) as caught:
        ready(document)
    return caught.value.code.name, str(caught.value)


def at(seconds: int) -> str:
    return timestamps.format_rfc3339(Timestamp(NOW + seconds * SECOND))


GROUPS = [
    str(group_of(log(source=source, hook=hook, status=FAILED, failure=category, httpStatus=code)))
    for source, hook in [("shop", ALL_HOOKS[0]), ("shop", None), ("straße", ALL_HOOKS[2])]
    for category, code in [(DNS, None), (TLS, None), (DNS, 404)]
]


# Comparator, operand, whether it holds for each value, and whether it holds for an absent one.
TEXTS: list[tuple[str, Any, dict[str, bool], bool]] = [
    ("eq", "Push", {"Push": True, "push": False, "Pushed": False}, False),
    ("neq", "Push", {"Push": False, "push": True}, True),
    ("in", ["Push", "Tag"], {"Push": True, "Tag": True, "tag": False}, False),
    ("nin", ["Push", "Tag"], {"Push": False, "tag": True}, True),
    ("nin", [], {"Push": True}, True),
    ("contains", "us", {"Push": True, "PUSH": False, "us": True}, False),
    ("contains", "", {"Push": True, "": True}, False),
    ("notContains", "us", {"Push": False, "PUSH": True}, True),
    ("startsWith", "Pu", {"Push": True, "push": False, "x Push": False}, False),
    ("endsWith", "sh", {"Push": True, "PUSH": False, "Push x": False}, False),
    ("eqIgnoreCase", "STRASSE", {"straße": True, "Strasse": True, "strase": False}, False),
    ("neqIgnoreCase", "pUSH", {"Push": False, "tag": True}, True),
    ("inIgnoreCase", ["PUSH", "straße"], {"Push": True, "STRASSE": True, "tag": False}, False),
    ("ninIgnoreCase", ["PUSH", "TAG"], {"Push": False, "Tag": False, "x": True}, True),
    ("containsIgnoreCase", "SS", {"Straße": True, "less": True, "Push": False}, False),
    ("notContainsIgnoreCase", "US", {"Push": False, "tag": True}, True),
    ("startsWithIgnoreCase", "PU", {"push": True, "Push": True, "xpush": False}, False),
    ("endsWithIgnoreCase", "SH", {"push": True, "Push": True, "pushx": False}, False),
]
NUMBERS: list[tuple[str, Any, dict[int, bool], bool]] = [
    ("eq", 404, {404: True, 405: False}, False),
    ("neq", 404, {404: False, 405: True}, True),
    ("in", [404, 500], {404: True, 500: True, 501: False}, False),
    ("nin", [404, 500], {404: False, 501: True}, True),
    ("gt", 404, {404: False, 405: True}, False),
    ("gte", 404, {403: False, 404: True}, False),
    ("lt", 404, {404: False, 403: True}, False),
    ("lte", 404, {405: False, 404: True}, False),
]
MOMENTS: list[tuple[str, Any, dict[int, bool], bool]] = [
    ("gt", "2026-03-04T09:10:11Z", {NOW: False, NOW + 1: True}, False),
    ("gte", "2026-03-04T10:10:11+01:00", {NOW - 1: False, NOW: True}, False),
    ("lt", "2026-03-04T09:10:11.000000001Z", {NOW + 1: False, NOW: True}, False),
    ("lte", "2026-03-04T09:10:11Z", {NOW + 1: False, NOW: True}, False),
    ("gte", "PT1H", {NOW - 3600 * SECOND: True, NOW - 3600 * SECOND - 1: False}, False),
    ("gte", "-PT1H", {NOW - 3600 * SECOND: True, NOW - 3600 * SECOND - 1: False}, False),
    ("lt", "P1DT12H", {NOW - 36 * 3600 * SECOND: False, NOW - 37 * 3600 * SECOND: True}, False),
    ("gt", "P2W", {NOW - 14 * 86400 * SECOND: False, NOW: True}, False),
]


def equalities(one: Any, two: Any, other: Any) -> list[tuple[str, Any, dict[Any, bool], bool]]:
    return [
        ("eq", one, {one: True, two: False}, False),
        ("neq", one, {one: False, two: True}, True),
        ("in", [one, two], {one: True, two: True, other: False}, False),
        ("nin", [one, two], {one: False, other: True}, True),
    ]


TABLES: dict[str, list[tuple[str, Any, dict[Any, bool], bool]]] = {
    "event": TEXTS,
    "url": TEXTS,
    "correlationId": TEXTS,
    "httpStatus": NUMBERS,
    "triggeredAt": MOMENTS,
    "failure": equalities(DNS, TLS, FailureCategory.TIMEOUT),
    "hook": equalities(*ALL_HOOKS[:3]),
    "failureGroup": equalities(*GROUPS[:3]),
}
NAMED = {"eq", "in", "eqIgnoreCase", "inIgnoreCase"}
"""Comparators of ``source`` that accept names of configured sources only."""
ALWAYS_THERE: dict[str, list[tuple[str, Any, dict[Any, bool], bool]]] = {
    "source": [
        *(row for row in TEXTS if row[0] not in NAMED),
        ("eq", "shop", {"shop": True, "straße": False}, False),
        ("in", ["shop", "straße"], {"shop": True, "straße": True, "gone": False}, False),
        ("eqIgnoreCase", "SHOP", {"shop": True, "straße": False}, False),
        ("inIgnoreCase", ["SHOP"], {"shop": True, "straße": False}, False),
    ],
    "provider": equalities(SHOP, TRACKER, "codearts"),
    "status": equalities(FAILED, SUCCEEDED, WebhookLogStatus.PENDING),
}
ROWS = [(field, *row) for field, rows in (TABLES | ALWAYS_THERE).items() for row in rows]


@pytest.mark.parametrize(
    ("field", "comparator", "operand", "values", "absent"),
    ROWS,
    ids=[f"{field}.{comparator}-{number}" for number, (field, comparator, *_) in enumerate(ROWS)],
)
def test_comparator(
    field: str, comparator: str, operand: Any, values: dict[Any, bool], absent: bool
) -> None:
    test = ready({field: {comparator: operand}}).test
    assert {value: test(log(**{field: value})) for value in values} == values
    if field in TABLES:
        assert test(log()) is absent


def test_tables_cover_every_comparator_of_every_field() -> None:
    texts = {*filter_fields.TEXT, *(f"{name}IgnoreCase" for name in filter_fields.TEXT)}
    comparators = {kind: set(names) for kind, names in filter_fields.COMPARISONS.items()}
    assert {name: {row[0] for row in rows} for name, rows in (TABLES | ALWAYS_THERE).items()} == {
        name: texts if field.kind == "text" else comparators[field.kind]
        for name, field in filter_fields.FIELDS.items()
    }


@pytest.mark.parametrize(
    "values",
    [
        {"upstream_id": "a NEEDLE"},
        {"event": "needles"},
        {"correlationId": "xNeedle"},
        {"failure": DNS, "message": "no Needle"},
        {"url": "https://needle.test/"},
        {"url": "", "sent": '{"a": "needle"}'},
        {"httpStatus": 500, "answered": "NEEDLE"},
    ],
)
def test_search_finds_text_in_each_field_in_any_case(values: dict[str, Any]) -> None:
    test = ready({"search": "nEEdle"}).test
    assert test(log(**values)) is True
    assert test(log(event="haystack", url="https://hay.test/", httpStatus=200)) is False


def test_all_comparators_and_fields_must_hold() -> None:
    test = ready({"event": {"contains": "us", "startsWith": "p"}, "httpStatus": {"gte": 500}}).test
    assert test(log(event="push", httpStatus=500)) is True
    assert test(log(event="bush", httpStatus=500)) is False
    assert test(log(event="push", httpStatus=499)) is False


@pytest.mark.parametrize(
    "document",
    [
        None,
        {},
        {"event": None, "search": None, "and": None, "or": None, "not": None},
        {"search": ""},
        {"and": [{"search": ""}]},
        {"event": {}, "triggeredAt": {"gt": None}},
        {"and": []},
        {"and": [{}, {"and": [{"event": {"in": None}}]}]},
    ],
)
def test_null_and_empty_conditions_match_everything(document: Any) -> None:
    empty = ready(document)
    assert empty.test(log()) is True
    assert empty.terms == {}
    assert empty.fingerprint == ready(None).fingerprint


# A second, simpler implementation of the filter to compare with.
VALUES: dict[str, Any] = {
    "source": lambda log: log.source,
    "provider": lambda log: log.provider,
    "status": lambda log: log.status,
    "event": lambda log: log.event,
    "url": lambda log: log.request and log.request.url,
    "httpStatus": lambda log: log.response and log.response.status_code,
    "failure": lambda log: log.failure and log.failure.category,
    "hook": lambda log: log.hook_id,
    "correlationId": lambda log: log.correlation_id,
    "failureGroup": group_of,
    "triggeredAt": lambda log: log.triggered_at,
}


PLAINLY: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda value, operand: bool(value == operand),
    "in": lambda value, operand: any(value == item for item in operand),
    "contains": lambda value, operand: len(value.split(operand)) > 1 if operand else True,
    "startsWith": lambda value, operand: value[: len(operand)] == operand,
    "endsWith": lambda value, operand: value[len(value) - len(operand) :] == operand,
    "gt": lambda value, operand: bool(value > operand),
    "gte": lambda value, operand: bool(value >= operand),
    "lt": lambda value, operand: bool(value < operand),
    "lte": lambda value, operand: bool(value <= operand),
}
OPPOSITES = {"neq": "eq", "nin": "in", "notContains": "contains"}


def folded(value: Any) -> Any:
    if isinstance(value, list):
        return [item.casefold() for item in value]
    return value and value.casefold()


def holds(comparator: str, operand: Any, value: Any) -> bool:
    if comparator.endswith("IgnoreCase"):
        return holds(comparator.removesuffix("IgnoreCase"), folded(operand), folded(value))
    if comparator in OPPOSITES:
        return not holds(OPPOSITES[comparator], operand, value)
    if isinstance(value, int) and isinstance(operand, str):
        operand = timestamps.parse_moment(operand, NOW)
    return value is not None and PLAINLY[comparator](value, operand)


def matches(document: dict[str, Any], log: WebhookLog) -> bool:
    for name, inner in document.items():
        match name:
            case "and":
                good = all(matches(part, log) for part in inner)
            case "or":
                good = any(matches(part, log) for part in inner)
            case "not":
                good = not matches(inner, log)
            case "search":
                shown = [VALUES[field](log) or "" for field in ("event", "url", "correlationId")]
                good = inner.casefold() in "\n".join(shown).casefold()
            case _:
                good = all(holds(key, given, VALUES[name](log)) for key, given in inner.items())
        if not good:
            return False
    return True


EVENTS = ["", "push", "PUSH", "pushes", "straße", "STRASSE"]
URLS = [
    "https://a.test/hook",
    "https://a.test/HOOK?token=s3cr3t-value",
    "https://user:pass@b.test/x?q=a%20b%3Aann@corp.test&r=1",
    "https://b.test/***",
]
TIMES = st.integers(-4, 4)
OPERANDS: dict[str, st.SearchStrategy[Any]] = {
    "source": st.sampled_from(SOURCES),
    "provider": st.sampled_from([SHOP, TRACKER]),
    "status": st.sampled_from(list(WebhookLogStatus)),
    "event": st.sampled_from([*EVENTS, "us", "SS", "p"]),
    "url": st.sampled_from([*map(redact_url, URLS), "a.test", "*", "k?token=**", "/", "+", "HOOK"]),
    "httpStatus": st.sampled_from([200, 404, 500]),
    "failure": st.sampled_from([DNS, TLS]),
    "hook": st.sampled_from(ALL_HOOKS),
    "correlationId": st.sampled_from(EVENTS),
    "failureGroup": st.sampled_from(GROUPS),
    "triggeredAt": TIMES.map(at) | st.sampled_from(["PT1S", "-PT3S", "PT0S"]),
}


def comparators(name: str) -> st.SearchStrategy[dict[str, Any]]:
    one = OPERANDS[name]
    many = st.lists(one, min_size=1, max_size=3)
    kind = filter_fields.FIELDS[name].kind
    names = list(filter_fields.COMPARISONS[kind])
    names += [f"{name}IgnoreCase" for name in names] if kind == "text" else []
    return st.fixed_dictionaries(
        {}, optional={key: many if "in" in {key[:2], key[1:3]} else one for key in names}
    ).filter(lambda made: 0 < len(made) < 3)


FIELDS = st.sampled_from(sorted(OPERANDS)).flatmap(
    lambda name: comparators(name).map(lambda made: {name: made})
)
DOCUMENTS: st.SearchStrategy[dict[str, Any]] = st.recursive(
    FIELDS | st.sampled_from(["push", "A.TEST"]).map(lambda text: {"search": text}),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"and": parts}),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"or": parts}),
        inner.map(lambda part: {"not": part}),
        st.lists(inner, min_size=2, max_size=2).map(lambda two: two[0] | two[1]),
    ),
    max_leaves=6,
)
LOGS = st.builds(
    lambda source, hook, url, **values: (
        log(
            source=source,
            hook=None if hook is None else HOOKS[source][hook],
            url=url and redact_url(url),
            **values,
        ),
        url,
    ),
    source=st.sampled_from(SOURCES),
    provider=OPERANDS["provider"],
    hook=st.sampled_from([None, 0, 1]),
    status=OPERANDS["status"],
    event=st.none() | st.sampled_from(EVENTS),
    url=st.none() | st.sampled_from(URLS),
    httpStatus=st.none() | OPERANDS["httpStatus"],
    failure=st.none() | OPERANDS["failure"],
    correlationId=st.none() | st.sampled_from(EVENTS),
    triggeredAt=st.none() | TIMES.map(lambda seconds: NOW + seconds * SECOND),
    upstream_id=st.just(""),
)


def lies_within(value: Any, bounds: tuple[Any, Any]) -> bool:
    least, greatest = bounds
    if value is None:
        return bounds == (None, None)
    return (least is None or least <= value) and (greatest is None or value <= greatest)


def ready_or_refused(document: Any) -> Filter | RequestError:
    try:
        return ready(document)
    except RequestError as error:
        return error


@pytest.mark.slow
@examples(250)
@given(document=DOCUMENTS, logs=st.lists(LOGS, min_size=5, max_size=12))
def test_filter_agrees_with_a_simple_implementation(
    document: dict[str, Any], logs: list[tuple[WebhookLog, str | None]]
) -> None:
    found = [(one, url) for one, url in logs if matches(document, one)]
    made = ready_or_refused(document)
    if isinstance(made, RequestError):
        assert (made.code, found) == (ErrorCode.INVALID_FILTER, [])
        return
    assert [one for one, _ in found] == [one for one, _ in logs if made.test(one) is True]
    assert None not in {made.test(one) for one, _ in logs}
    for one, _ in found:
        assert made.may_match(Partial(source=one.source, provider=one.provider))
        assert made.may_match(
            Partial(
                source=one.source,
                provider=one.provider,
                hook_id=one.hook_id,
                lacks=frozenset(
                    field.attribute
                    for field in filter_fields.FIELDS.values()
                    if field.value(one) is None
                ),
            )
        )
        for field in filter_fields.FIELDS.values():
            only = made.only(field.attribute)
            assert only is None or field.value(one) in only
            assert lies_within(field.value(one), made.bounds(field.attribute))
        assert meets(one, criteria_of(made, Partial(source=one.source, provider=one.provider)))


def meets(log: WebhookLog, criteria: Criteria) -> bool:
    code = log.response.status_code if log.response else None
    codes, hooks = criteria.status_codes, criteria.hooks
    return bool(
        (criteria.statuses is None or log.status in criteria.statuses)
        and (codes is None or (code is not None and codes[0] <= code <= codes[1]))
        and (hooks is None or (log.hook_id and ids.decode(log.hook_id).place[-1] in hooks))
    )


def reordered(document: Any, draw: Callable[[Any], Any]) -> Any:
    """Return an equal filter with its keys in another order and with nulls."""
    if isinstance(document, list):
        return [reordered(item, draw) for item in document]
    if not isinstance(document, dict):
        return document
    names = draw(st.permutations(sorted(document)))
    nulls = dict.fromkeys(draw(st.lists(st.sampled_from(["eq", "url", "and", "not"]))))
    return nulls | {name: reordered(document[name], draw) for name in names}


@pytest.mark.slow
@examples(100)
@given(document=DOCUMENTS, other=DOCUMENTS, data=st.data())
def test_fingerprints_are_equal_only_for_equal_filters(
    document: dict[str, Any], other: dict[str, Any], data: st.DataObject
) -> None:
    again = reordered(document, data.draw)
    made = map(ready_or_refused, (document, again, other))
    fingerprints = [one.fingerprint for one in made if isinstance(one, Filter)]
    assume(len(fingerprints) == 3)
    assert fingerprints[0] == fingerprints[1]
    assert (fingerprints[0] == fingerprints[2]) == (document == other)


def test_fingerprint_does_not_depend_on_the_time() -> None:
    """Otherwise a cursor of a list with a relative time would expire at once."""
    document = {"triggeredAt": {"gte": "PT1H"}}
    later = filters.prepare(document, Timestamp(NOW + SECOND), SOURCES)
    assert later.fingerprint == ready(document).fingerprint
    assert later.bounds("triggered_at") == (NOW - 3599 * SECOND, None)


@pytest.mark.parametrize(
    ("document", "partial", "may"),
    [
        ({"source": {"eq": "shop"}}, {}, True),
        ({"source": {"neq": "shop"}}, {}, False),
        ({"provider": {"in": [TRACKER]}}, {}, False),
        ({"event": {"eq": "push"}}, {}, True),
        ({"not": {"event": {"eq": "push"}}}, {}, True),
        ({"not": {"provider": {"eq": SHOP}}}, {}, False),
        ({"event": {"eq": "push"}, "source": {"neq": "shop"}}, {}, False),
        ({"or": [{"source": {"neq": "shop"}}, {"event": {"eq": "push"}}]}, {}, True),
        ({"or": [{"source": {"neq": "shop"}}, {"provider": {"eq": TRACKER}}]}, {}, False),
        ({"not": {"source": {"eq": "shop"}, "event": {"eq": "push"}}}, {}, True),
        ({"not": {"or": [{"source": {"eq": "shop"}}, {"event": {"eq": "push"}}]}}, {}, False),
        ({"hook": {"eq": HOOKS["shop"][0]}}, {}, True),
        ({"hook": {"eq": HOOKS["shop"][0]}}, {"hook_id": HOOKS["shop"][0]}, True),
        ({"hook": {"eq": HOOKS["shop"][0]}}, {"hook_id": HOOKS["shop"][1]}, False),
        ({"hook": {"nin": HOOKS["shop"]}}, {"hook_id": HOOKS["shop"][1]}, False),
        ({"hook": {"eq": HOOKS["straße"][0]}}, {}, False),
        ({"hook": {"in": [HOOKS["straße"][0], HOOKS["shop"][0]]}}, {}, True),
        ({"hook": {"nin": HOOKS["straße"]}}, {}, True),
        ({"not": {"hook": {"eq": HOOKS["straße"][0]}}}, {}, True),
        ({"failureGroup": {"eq": GROUPS[0]}}, {}, True),
        ({"failureGroup": {"eq": GROUPS[0]}}, {"hook_id": HOOKS["shop"][1]}, False),
        ({"failureGroup": {"in": GROUPS[6:]}}, {}, False),
        ({"failureGroup": {"nin": GROUPS[6:]}}, {}, True),
        ({"search": "x"}, {}, True),
        ({"event": {"eq": "push"}}, NO_EVENT, False),
        ({"event": {"notContainsIgnoreCase": "PUSH"}}, NO_EVENT, True),
        ({"not": {"event": {"nin": ["push"]}}}, NO_EVENT, False),
        ({"or": [{"event": {"eq": "push"}}, {"url": {"eq": "x"}}]}, NO_EVENT, True),
        ({"httpStatus": {"lt": 500}}, NO_EVENT, True),
        ({"search": "x", "event": {"contains": ""}}, NO_EVENT, False),
    ],
)
def test_sources_and_streams_that_cannot_match_are_recognised(
    document: Any, partial: dict[str, Any], may: bool
) -> None:
    known = Partial(source="shop", provider=SHOP, **partial)
    assert ready(document).may_match(known) is may


def test_only_conjoined_comparators_become_terms() -> None:
    """Vendors apply the terms, and must not leave out a match."""
    made = ready(
        {
            "httpStatus": {"gt": 399},
            "and": [{"httpStatus": {"lte": 499}}, {"and": [{"event": {"in": ["a", "b"]}}]}],
            "or": [{"event": {"eq": "a"}}, {"status": {"eq": FAILED}}],
            "not": {"httpStatus": {"lt": 450}},
        }
    )
    assert made.bounds("http_status") == (400, 499)
    assert made.only("event") == frozenset({"a", "b"})
    assert made.only("status") is None
    assert made.bounds("triggered_at") == (None, None)


CONTRADICTIONS: list[tuple[str, Any]] = [
    ("triggeredAt", {"gt": "PT1H", "lt": "PT2H"}),
    ("triggeredAt", {"gte": at(1), "lt": at(1)}),
    ("httpStatus", {"gt": 400, "lt": 401}),
    ("httpStatus", {"eq": 404, "gte": 500}),
    ("httpStatus", {"in": [404, 410], "nin": [410], "neq": 404}),
    ("event", {"eq": "push", "startsWith": "tag"}),
    ("event", {"eq": "push", "neqIgnoreCase": "PUSH"}),
    ("status", {"eq": FAILED, "neq": FAILED}),
    ("failure", {"in": [DNS], "nin": [DNS]}),
    ("provider", {"eq": SHOP, "in": [TRACKER]}),
    ("source", {"eq": "shop", "contains": "x"}),
    ("hook", {"eq": ALL_HOOKS[0], "in": ALL_HOOKS[1:]}),
    ("correlationId", {"eq": "a", "eqIgnoreCase": "b"}),
    ("failureGroup", {"eq": GROUPS[0], "in": GROUPS[1:]}),
    ("url", {"eq": "a", "contains": "b"}),
]


@pytest.mark.parametrize(("name", "comparator"), CONTRADICTIONS)
def test_contradictions_are_refused(name: str, comparator: dict[str, Any]) -> None:
    expected = (
        "INVALID_FILTER",
        f"The filter can't be used: no {name} can meet all of its conditions at once.",
    )
    assert refusal({name: comparator}) == expected
    apart = [{name: {key: operand}} for key, operand in comparator.items()]
    assert refusal({"and": apart}) == expected
    assert ready({"or": apart}).terms == {}


def nested(depth: int, name: str) -> Any:
    document: Any = {"event": {"eq": "push"}}
    for _ in range(depth - 1):
        document = {name: document if name == "not" else [document]}
    return document


MANY = list(itertools.repeat({"event": {"eq": "push"}}, filters.MAX_PARTS // 2))
LOG_ID = ids.encode(ids.Kind.LOG, "shop", "1")
NO_ID = (
    "That id was not made by this gateway. Use the id of a webhook log, hook or source as a query"
    " gave it."
)


def impossible(why: str) -> tuple[str, str]:
    return "INVALID_FILTER", f"The filter can't be used: {why}."


def unknown(name: str) -> tuple[str, str]:
    return (
        "UNKNOWN_SOURCE",
        f"There is no source named {name!r}. The sources are: shop, straße.",
    )


REFUSALS: list[tuple[Any, tuple[str, str]]] = [
    ({"or": []}, impossible("or lists nothing, so nothing could match")),
    ({"not": {}}, impossible("not holds nothing, so nothing could match")),
    ({"not": {"event": {"eq": None}}}, impossible("not holds nothing, so nothing could match")),
    ({"event": {"in": []}}, impossible("event.in lists nothing, so nothing could match")),
    (
        {"url": {"inIgnoreCase": []}},
        impossible("url.inIgnoreCase lists nothing, so nothing could match"),
    ),
    ({"httpStatus": {"in": []}}, impossible("httpStatus.in lists nothing, so nothing could match")),
    (nested(11, "not"), impossible("it nests more than 10 levels deep")),
    (nested(11, "and"), impossible("it nests more than 10 levels deep")),
    (nested(11, "or"), impossible("it nests more than 10 levels deep")),
    (
        {"and": MANY, "event": {"eq": "push"}},
        impossible("it has more than 200 comparators and nested filters"),
    ),
    (
        {"or": [{"search": "x"}] * 101},
        impossible("it has more than 200 comparators and nested filters"),
    ),
    ({"or": [{}] * 201}, impossible("it has more than 200 comparators and nested filters")),
    ({"event": {"nin": ["x"] * 101}}, impossible("event.nin lists more than 100 values")),
    ({"httpStatus": {"in": [1] * 101}}, impossible("httpStatus.in lists more than 100 values")),
    ({"event": {"eq": "x" * 1001}}, impossible("event.eq is longer than 1000 characters")),
    ({"event": {"in": ["x" * 1001]}}, impossible("event.in is longer than 1000 characters")),
    ({"search": "x" * 1001}, impossible("search is longer than 1000 characters")),
    (
        {"triggeredAt": {"gt": "P" * 1001}},
        impossible("triggeredAt.gt is longer than 1000 characters"),
    ),
    (
        {"triggeredAt": {"gte": "yesterday"}},
        impossible(
            "triggeredAt.gte: 'yesterday' is neither a date and time such as 2026-03-04T09:10:11Z"
            " nor a duration back from now such as PT1H, P1DT12H or P2W"
        ),
    ),
    (
        {"triggeredAt": {"lt": "2026-03-04T09:10:11"}},
        impossible(
            "triggeredAt.lt: '2026-03-04T09:10:11' needs an offset from UTC at its end: Z, or one"
            " like +08:00"
        ),
    ),
    (
        {"triggeredAt": {"lt": "2026-02-30T09:10:11Z"}},
        impossible(
            "triggeredAt.lt: '2026-02-30T09:10:11Z' is not a day of the calendar between the years"
            " 1 and 9999"
        ),
    ),
    (
        {"not": {"triggeredAt": {"gt": "P1M"}}},
        impossible(
            "triggeredAt.gt: 'P1M' counts in years or months, whose length varies; give weeks,"
            " days, hours, minutes or seconds, such as P30D"
        ),
    ),
    ({"source": {"eq": "nope"}}, unknown("nope")),
    ({"source": {"in": ["shop", "nope"]}}, unknown("nope")),
    ({"source": {"eqIgnoreCase": "NOPE"}}, unknown("NOPE")),
    ({"source": {"inIgnoreCase": ["SHOP", "NOPE"]}}, unknown("NOPE")),
    ({"and": [{"source": {"eq": "nope"}}]}, unknown("nope")),
    ({"or": [{"source": {"eq": "shop"}}, {"source": {"eq": "nope"}}]}, unknown("nope")),
    ({"not": {"source": {"eq": "nope"}}}, unknown("nope")),
    ({"source": {"eq": "x" * 100}}, unknown("x" * 64)),
    ({"hook": {"eq": ids.encode(ids.Kind.HOOK, "nope", "1")}}, unknown("nope")),
    ({"hook": {"nin": [ids.encode(ids.Kind.HOOK, "nope", "1")]}}, unknown("nope")),
    ({"hook": {"eq": "990085"}}, ("INVALID_ID", NO_ID)),
    (
        {"hook": {"in": [ALL_HOOKS[0], ""]}},
        (
            "INVALID_ID",
            "That id is empty. Give the id of a webhook log, hook or source as a query gave it.",
        ),
    ),
    (
        {"hook": {"neq": LOG_ID}},
        ("INVALID_ID", "That id belongs to a webhook log, not to a hook."),
    ),
    (
        {"failureGroup": {"eq": ALL_HOOKS[0]}},
        ("INVALID_ID", "That id belongs to a hook, not to a failure group."),
    ),
    (
        {"failureGroup": {"eq": ids.encode(ids.Kind.GROUP, "shop", "NONE", "", "x")}},
        (
            "INVALID_ID",
            "That id was not made by this gateway. Use the id of a failure group as a query gave"
            " it.",
        ),
    ),
    (
        {"failureGroup": {"neq": ids.encode(ids.Kind.GROUP, "nope", "DNS", "", "x")}},
        unknown("nope"),
    ),
]


@pytest.mark.parametrize(("document", "expected"), REFUSALS)
def test_invalid_filter_is_refused_with_its_reason(
    document: Any, expected: tuple[str, str]
) -> None:
    assert refusal(document) == expected


@pytest.mark.parametrize(
    "document",
    [
        nested(10, "not"),
        {"and": MANY},
        {"event": {"nin": ["x"] * 100, "neq": "x" * 1000}},
        {"source": {"neq": "nope", "nin": ["gone"]}},
        {"event": {"nin": []}},
        {"or": [{}]},
    ],
)
def test_filter_at_the_limits_is_accepted(document: Any) -> None:
    assert ready(document).fingerprint != ready(None).fingerprint
