"""The tests that a filter is compiled to: functions that return whether a log matches."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from gateway import ids
from gateway.feed.filter_fields import FIELDS, IGNORE_CASE, LISTING, NEGATIONS, Field
from gateway.model import WebhookLog

Test = Callable[[Any], bool | None]
"""Returns whether a log matches; None if that depends on a field that is not known yet."""


class Partial(msgspec.Struct, frozen=True, kw_only=True):
    """The values that all logs of a source or stream have, known before any is read.

    ``lacks`` are the attributes that none of them has; ``supposed`` are values of other attributes
    that some of them may have.
    """

    source: str
    provider: str
    hook_id: str | None = None
    lacks: frozenset[str] = frozenset()
    supposed: Mapping[str, Any] = {}


class Term(msgspec.Struct, frozen=True):
    """A comparator with its operand; ``matches`` returns whether a value satisfies it."""

    comparator: str
    operand: Any
    matches: Callable[[Any], bool]


def field_tests(name: str, terms: Sequence[Term]) -> list[Test]:
    """Return the tests for the comparators of one field."""
    tests = [_field_test(FIELDS[name], term) for term in terms]
    if name == "hook":
        tests += [_of_source(term) for term in terms if term.comparator in LISTING]
    return tests


def _of_source(term: Term) -> Test:
    """Return a test that rules out whole sources, since a hook's id names its source."""
    hooks = [term.operand] if term.comparator == "eq" else term.operand
    sources = {ids.decode(hook).source for hook in hooks}
    return lambda log: log.source in sources


def _field_test(field: Field, term: Term) -> Test:
    absent = term.comparator.removesuffix(IGNORE_CASE) in NEGATIONS

    def test_partial(known: Partial) -> bool | None:
        if field.attribute in known.lacks:
            return absent
        value = known.supposed.get(field.attribute)
        if value is None and field.early:
            value = field.value(known)
        return None if value is None else term.matches(value)

    def test(log: Any) -> bool | None:
        if isinstance(log, Partial):
            return test_partial(log)
        value = field.value(log)
        return absent if value is None else term.matches(value)

    return test


def search_test(sought: str, readable: Collection[str]) -> Test:
    """Return a test that searches for a text, ignoring case, in the fields that lists contain.

    ``sought`` is case-folded; bodies are searched only for ``readable`` sources.
    """

    def test(log: Any) -> bool | None:
        if isinstance(log, Partial):
            return None
        return any(sought in part.casefold() for part in _searchable(log, readable) if part)

    return test


def _searchable(log: WebhookLog, readable: Collection[str]) -> Iterable[str | None]:
    yield from (log.upstream_id, log.event, log.correlation_id)
    if log.failure:
        yield log.failure.message
    if log.request:
        yield log.request.url
    if log.source not in readable:
        return
    if log.request:
        yield log.request.body
    if log.response:
        yield log.response.body


def all_of(tests: Sequence[Test]) -> Test:
    """Return the conjunction of tests."""

    def test(log: Any) -> bool | None:
        unknown = False
        for one in tests:
            result = one(log)
            if result is False:
                return False
            unknown = unknown or result is None
        return None if unknown else True

    return test


def negated(test: Test) -> Test:
    """Return the negation of a test."""

    def opposite(log: Any) -> bool | None:
        result = test(log)
        return None if result is None else not result

    return opposite
