"""The conditions that vendors get of a filter; a random test is in ``test_filters``."""

from __future__ import annotations

import itertools
import math
from typing import Any

import msgspec
import pytest

from gateway import ids
from gateway.feed import filters
from gateway.feed.filter_tests import Partial
from gateway.feed.filters import Filter
from gateway.feed.push_down import criteria_of
from gateway.model import WebhookLogStatus
from gateway.normalise import timestamps
from gateway.vendors.pages import MAX_STATUS_CODE, Criteria

SHOP = Partial(source="shop", provider="elastic-path")
FIRST, SECOND = (ids.encode(ids.Kind.HOOK, "shop", place) for place in "12")
OTHER = ids.encode(ids.Kind.HOOK, "tracker", "2")
GROUP = ids.encode(ids.Kind.GROUP, "shop", "HTTP_CLIENT_ERROR", "404", "digest", "1")
OTHER_GROUP = ids.encode(ids.Kind.GROUP, "shop", "DNS", "", "digest")
FAILED, PENDING = WebhookLogStatus.FAILED, WebhookLogStatus.PENDING
NOT_FAILED = frozenset(WebhookLogStatus) - {FAILED}


def ready(document: Any) -> Filter:
    return filters.prepare(document, timestamps.parse("2026-03-04T09:10:11Z"), ("shop", "tracker"))


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"status": {"eq": FAILED}}, {"statuses": {FAILED}}),
        ({"status": {"neq": FAILED}}, {"statuses": NOT_FAILED}),
        ({"not": {"status": {"eq": FAILED}}}, {"statuses": NOT_FAILED}),
        ({"status": {"in": [FAILED, PENDING], "neq": PENDING}}, {"statuses": {FAILED}}),
        (
            {"or": [{"status": {"eq": FAILED}}, {"status": {"eq": PENDING}, "search": "x"}]},
            {"statuses": {FAILED, PENDING}},
        ),
        ({"or": [{"status": {"eq": FAILED}}, {"search": "x"}]}, {}),
        ({"not": {"status": {"eq": FAILED}, "url": {"eq": "x"}}}, {}),
        ({"status": {"nin": []}}, {}),
        # Only one of the alternatives is about this source.
        (
            {
                "or": [
                    {"status": {"eq": FAILED}, "source": {"eq": "shop"}},
                    {"status": {"eq": PENDING}, "source": {"eq": "tracker"}},
                ]
            },
            {"statuses": {FAILED}},
        ),
        ({"httpStatus": {"gte": 500}}, {"status_codes": (500, MAX_STATUS_CODE)}),
        ({"httpStatus": {"lt": 300}}, {"status_codes": (0, 299)}),
        ({"httpStatus": {"gt": 399, "lt": 500, "neq": 400}}, {"status_codes": (401, 499)}),
        ({"httpStatus": {"in": [503, 404]}}, {"status_codes": (404, 503)}),
        (
            {"or": [{"httpStatus": {"eq": 404}}, {"not": {"httpStatus": {"lt": 500}}}]},
            {},
        ),
        (
            {"or": [{"httpStatus": {"eq": 404}}, {"httpStatus": {"gt": 500, "lte": 502}}]},
            {"status_codes": (404, 502)},
        ),
        ({"httpStatus": {"neq": 404}}, {}),
        ({"httpStatus": {"gt": -5}}, {"status_codes": (0, MAX_STATUS_CODE)}),
        ({"hook": {"eq": FIRST}}, {"hooks": ("1",)}),
        ({"hook": {"in": [SECOND, FIRST], "neq": FIRST}}, {"hooks": ("2",)}),
        ({"hook": {"in": [SECOND, FIRST]}}, {"hooks": ("1", "2")}),
        ({"hook": {"in": [FIRST, OTHER]}}, {"hooks": ("1",)}),
        ({"or": [{"hook": {"eq": FIRST}}, {"hook": {"eq": SECOND}}]}, {"hooks": ("1", "2")}),
        ({"or": [{"hook": {"eq": FIRST}}, {"event": {"eq": "push"}}]}, {}),
        ({"hook": {"neq": FIRST}}, {}),
        ({"not": {"hook": {"nin": [FIRST]}}}, {"hooks": ("1",)}),
        (
            {"failureGroup": {"eq": GROUP}},
            {"statuses": {FAILED}, "hooks": ("1",), "status_codes": (404, 404)},
        ),
        ({"failureGroup": {"in": [GROUP, OTHER_GROUP]}}, {"statuses": {FAILED}}),
        ({"failureGroup": {"neq": GROUP}}, {}),
        ({"event": {"in": ["b", "a"]}}, {"events": ("a", "b")}),
        ({"correlationId": {"eq": "c"}}, {"correlation_id": "c"}),
        ({"search": "x"}, {}),
        (None, {}),
    ],
)
def test_vendors_get_what_every_match_meets(document: Any, expected: dict[str, Any]) -> None:
    if "statuses" in expected:
        expected = expected | {"statuses": frozenset(expected["statuses"])}
    assert criteria_of(ready(document), SHOP) == Criteria(**expected)


def test_list_of_one_hook_is_not_asked_for_hooks() -> None:
    """Its pages are the same for every filter by hook."""
    made = ready({"hook": {"in": [FIRST, SECOND]}})
    assert criteria_of(made, SHOP, of_one_hook=True) == Criteria()


def test_source_without_codes_is_not_asked_for_codes() -> None:
    shop = msgspec.structs.replace(SHOP, lacks=frozenset({"http_status"}))
    assert criteria_of(ready({"httpStatus": {"neq": 404}}), shop) == Criteria()


def test_equal_criteria_have_equal_names() -> None:
    """Pages are cached by them, in a cache that processes may share."""
    orders = itertools.permutations(WebhookLogStatus, 3)
    named = {Criteria(statuses=frozenset(order)).encoded() for order in orders}
    assert len(named) == math.comb(len(WebhookLogStatus), 3)
    assert Criteria(hooks=("1",)).encoded() != Criteria(events=("1",)).encoded()
