"""The filter of a list: a tree of comparators, as callers write it, made ready to use.

It arrives as plain dictionaries with the field names of ``WebhookLogFilter``, so the GraphQL
schema and the command line share one meaning. What is null counts as not given, and so does a
comparator object or ``and`` that holds nothing else.

A field that a log does not have matches only negations: an absent event is not equal to ``push``,
so ``neq`` holds, and ``eq``, ``contains``, ``gt`` and the like do not.

A filter that plainly matches nothing is a mistake, and refused. So is a source that is not
configured, where ``eq`` or ``in`` names it, and a hook's id of such a source: wherever in the tree
it stands, even inside ``not``. ``neq`` and ``nin`` may leave out what is not there any more.
"""

from __future__ import annotations

import enum
import json
import operator
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from gateway import ids
from gateway.errors import ErrorCode, RequestError
from gateway.model import FailureCategory, Timestamp, WebhookLog, WebhookLogStatus
from gateway.normalise import timestamps

MAX_DEPTH = 10
MAX_PARTS = 200
"""How many comparators, searches, and filters below ``and``, ``or`` and ``not`` there may be."""
MAX_OPERANDS = 100
MAX_TEXT = 1000

Document = Mapping[str, Any]
Test = Callable[[Any], bool | None]
"""Whether a log matches; None when it depends on a field that is not known yet."""


class Partial(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the logs of a source or stream before any is read.

    ``lacks`` are the attributes that none of them has.
    """

    source: str
    provider: str
    hook_id: str | None = None
    lacks: frozenset[str] = frozenset()


class Term(msgspec.Struct, frozen=True):
    """A comparator with its operand; ``matches`` tells whether a value, not None, satisfies it."""

    comparator: str
    operand: Any
    matches: Callable[[Any], bool]


class Filter(msgspec.Struct, frozen=True):
    """A filter made ready.

    ``test`` tells whether a log matches. ``terms`` are the comparators that every match satisfies,
    by the attribute of the log, for the vendors that can apply them. ``fingerprint`` is the same
    for equal filters.
    """

    test: Test
    terms: Mapping[str, Sequence[Term]]
    fingerprint: bytes

    def may_match(self, partial: Partial) -> bool:
        """Tell whether any log of a source or stream can match."""
        return self.test(partial) is not False

    def bounds(self, attribute: str) -> tuple[Any, Any]:
        """Give the least and the greatest whole number that a match can have, both included.

        ``triggered_at`` counts nanoseconds. None stands for no bound.
        """
        least: list[int] = []
        greatest: list[int] = []
        for term in self.terms.get(attribute, ()):
            match term.comparator:
                case "gt" | "gte":
                    least.append(term.operand + (term.comparator == "gt"))
                case "lt" | "lte":
                    greatest.append(term.operand - (term.comparator == "lt"))
        return max(least, default=None), min(greatest, default=None)

    def only(self, attribute: str) -> frozenset[Any] | None:
        """Give the values that a match can have, where the filter lists them."""
        values: frozenset[Any] | None = None
        for term in self.terms.get(attribute, ()):
            if term.comparator in LISTING:
                listed = frozenset([term.operand] if term.comparator == "eq" else term.operand)
                values = listed if values is None else values & listed
        return values

    def failed(self) -> bool | None:
        """Tell whether every match has failed, or every match has succeeded."""
        match list(self.only("status") or ()):
            case [WebhookLogStatus.FAILED]:
                return True
            case [WebhookLogStatus.SUCCEEDED]:
                return False
        return None


def prepare(
    document: Document | None,
    now: Timestamp,
    sources: Collection[str],
    readable: Collection[str] | None = None,
) -> Filter:
    """Check a filter and make it ready; RequestError when it makes no sense.

    ``now`` is where durations count back from, ``sources`` the names that there are, ``readable``
    those whose bodies the caller may see: what is found tells what was looked through.
    """
    given = _given(document or {})
    builder = _Builder(now, frozenset(sources), sources if readable is None else readable)
    test = builder.node(given, depth=1, conjoined=True)
    ready = Filter(test, builder.terms, ids.mark(json.dumps(given, sort_keys=True, default=_name)))
    for name, field in FIELDS.items():
        least, greatest = ready.bounds(field.attribute)
        values = ready.only(field.attribute)
        if (least is not None and greatest is not None and least > greatest) or (
            values is not None
            and not any(
                all(term.matches(value) for term in ready.terms[field.attribute])
                for value in values
            )
        ):
            raise _impossible(f"no {name} can be all that it asks for at once")
    return ready


def _given(document: Document) -> Document:
    """Drop what is null, at every level, and what then says nothing."""
    inner = {name: _inner(name, value) for name, value in document.items()}
    return {name: value for name, value in inner.items() if value is not None}


def _inner(name: str, value: Any) -> Any:
    if name == "and" and value is not None:
        return [part for part in map(_given, value) if part] or None
    if name == "or" and value is not None:
        return list(map(_given, value))
    if isinstance(value, Mapping):
        # All comparators left out allow everything, but a negation of everything nothing.
        return _given(value) or ({} if name == "not" else None)
    return value


def _name(value: enum.Enum) -> str:
    return value.name


class _Field(msgspec.Struct, frozen=True):
    """A field of the filter: the kind of its operands, and how a log's value is got.

    ``early`` tells that the value is known of a whole source or stream.
    """

    kind: str
    attribute: str
    value: Callable[[Any], Any]
    early: bool = False


def _url(log: WebhookLog) -> str | None:
    return log.request.url if log.request else None


def _status_code(log: WebhookLog) -> int | None:
    return log.response.status_code if log.response else None


def _category(log: WebhookLog) -> FailureCategory | None:
    return log.failure.category if log.failure else None


FIELDS = {
    "source": _Field("text", "source", operator.attrgetter("source"), early=True),
    "provider": _Field("enum", "provider", operator.attrgetter("provider"), early=True),
    "status": _Field("enum", "status", operator.attrgetter("status")),
    "event": _Field("text", "event", operator.attrgetter("event")),
    "url": _Field("text", "url", _url),
    "httpStatus": _Field("number", "http_status", _status_code),
    "failure": _Field("enum", "failure", _category),
    "hook": _Field("id", "hook_id", operator.attrgetter("hook_id"), early=True),
    "correlationId": _Field("text", "correlation_id", operator.attrgetter("correlation_id")),
    "triggeredAt": _Field("time", "triggered_at", operator.attrgetter("triggered_at")),
}

Comparison = Callable[[Any, Any], bool]
EQUALITY: dict[str, Comparison] = {
    "eq": operator.eq,
    "neq": operator.ne,
    "in": lambda value, operands: value in operands,
    "nin": lambda value, operands: value not in operands,
}
ORDER: dict[str, Comparison] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}
TEXT: dict[str, Comparison] = {
    **EQUALITY,
    "contains": lambda value, operand: operand in value,
    "notContains": lambda value, operand: operand not in value,
    "startsWith": str.startswith,
    "endsWith": str.endswith,
}
IGNORE_CASE = "IgnoreCase"
COMPARISONS: dict[str, dict[str, Comparison]] = {
    "text": TEXT,
    "enum": EQUALITY,
    "id": EQUALITY,
    "number": {**EQUALITY, **ORDER},
    "time": ORDER,
}
LISTING = frozenset({"eq", "in"})
NEGATIONS = frozenset({"neq", "nin", "notContains"})


class _Builder:
    """Turns the tree into one function, and gathers the ``terms`` of its conjunction on the way."""

    def __init__(self, now: Timestamp, sources: frozenset[str], readable: Collection[str]) -> None:
        self._readable = readable
        self.terms: dict[str, list[Term]] = {}
        self._now = now
        self._sources = sources
        self._parts = 0

    def node(self, document: Document, depth: int, *, conjoined: bool) -> Test:
        """Build a filter of the tree; every match satisfies it if it is ``conjoined``."""
        if depth > MAX_DEPTH:
            raise _impossible(f"it nests more than {MAX_DEPTH} levels deep")
        tests: list[Test] = []
        for name, value in document.items():
            match name:
                case "and":
                    tests += [self._nested(part, depth, conjoined=conjoined) for part in value]
                case "or":
                    if not value:
                        raise _impossible("or lists nothing, so nothing could match")
                    alternatives = [self._nested(part, depth) for part in value]
                    tests.append(_not(_all([_not(test) for test in alternatives])))
                case "not":
                    if not value:
                        raise _impossible("not holds nothing, so nothing could match")
                    tests.append(_not(self._nested(value, depth)))
                case "search":
                    self._count()
                    tests.append(_search(_text(name, value).casefold(), self._readable))
                case _:
                    terms = [self._term(name, key, given) for key, given in value.items()]
                    tests += _tests(name, terms)
                    if conjoined:
                        self.terms.setdefault(FIELDS[name].attribute, []).extend(terms)
        return tests[0] if len(tests) == 1 else _all(tests)

    def _nested(self, document: Document, depth: int, *, conjoined: bool = False) -> Test:
        self._count()
        return self.node(document, depth + 1, conjoined=conjoined)

    def _count(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise _impossible(f"it has more than {MAX_PARTS} comparators and nested filters")

    def _term(self, name: str, comparator: str, given: Any) -> Term:
        self._count()
        field = FIELDS[name]
        plain = comparator.removesuffix(IGNORE_CASE)
        folds = plain != comparator
        where = f"{name}.{comparator}"
        listed = given if isinstance(given, list) else [given]
        if plain == "in" and not listed:
            raise _impossible(f"{where} lists nothing, so nothing could match")
        if len(listed) > MAX_OPERANDS:
            raise _impossible(f"{where} lists more than {MAX_OPERANDS} values")
        operands = [self._operand(where, field, item, folds=folds) for item in listed]
        if name == "source" and plain in {"eq", "in"}:
            for item in listed:
                self._require(item, folds=folds)
        compare = COMPARISONS[field.kind][plain]
        operand = frozenset(operands) if isinstance(given, list) else operands[0]

        def matches(value: Any) -> bool:
            return compare(value.casefold() if folds else value, operand)

        return Term(comparator, operand, matches)

    def _operand(self, where: str, field: _Field, given: Any, *, folds: bool) -> Any:
        """Check an operand and turn it into what a log's value can be compared with."""
        if isinstance(given, str):
            _text(where, given)
        match field.kind:
            case "time":
                try:
                    return timestamps.parse_moment(given, self._now)
                except ValueError as error:
                    raise _impossible(f"{where}: {error}") from None
            case "id":
                self._require(ids.decode(given, ids.Kind.HOOK).source)
        return given.casefold() if folds else given

    def _require(self, source: str, *, folds: bool = False) -> None:
        same = str.casefold if folds else str
        if same(source) not in map(same, self._sources):
            raise unknown_source(source, self._sources)


def _tests(name: str, terms: Sequence[Term]) -> list[Test]:
    tests = [_test(FIELDS[name], term) for term in terms]
    if name == "hook":
        tests += [_of_source(term) for term in terms if term.comparator in LISTING]
    return tests


def _of_source(term: Term) -> Test:
    """Test what a hook's id tells of a whole source: no log of another one is that hook's."""
    hooks = [term.operand] if term.comparator == "eq" else term.operand
    sources = {ids.decode(hook).source for hook in hooks}
    return lambda log: log.source in sources


def _test(field: _Field, term: Term) -> Test:
    absent = term.comparator.removesuffix(IGNORE_CASE) in NEGATIONS

    def test(log: Any) -> bool | None:
        early = isinstance(log, Partial)
        if early and field.attribute in log.lacks:
            return absent
        if early and not field.early:
            return None
        value = field.value(log)
        if value is None:
            return None if early else absent
        return term.matches(value)

    return test


def _text(where: str, given: str) -> str:
    if len(given) > MAX_TEXT:
        raise _impossible(f"{where} is longer than {MAX_TEXT} characters")
    return given


def _search(sought: str, readable: Collection[str]) -> Test:
    """Look for a text, in any case, in what a log shows without a detail call."""

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


def _all(tests: Sequence[Test]) -> Test:
    def test(log: Any) -> bool | None:
        unknown = False
        for one in tests:
            result = one(log)
            if result is False:
                return False
            unknown = unknown or result is None
        return None if unknown else True

    return test


def _not(test: Test) -> Test:
    def opposite(log: Any) -> bool | None:
        result = test(log)
        return None if result is None else not result

    return opposite


def unknown_source(name: str, sources: Iterable[str]) -> RequestError:
    """Make the error for a source that is not configured, naming those that are."""
    known = ", ".join(sorted(sources))
    return RequestError(
        ErrorCode.UNKNOWN_SOURCE,
        f"There is no source named {name[:64]!r}."
        + (f" The sources are: {known}." if known else ""),
    )


def _impossible(why: str) -> RequestError:
    return RequestError(
        ErrorCode.INVALID_FILTER, f"The filter can't be used: {why.removesuffix('.')}."
    )
