"""The filter of a list: a tree of comparators, as callers write it, made ready to use.

It arrives as plain dictionaries with the field names of ``WebhookLogFilter``, so the GraphQL
schema and the command line share one meaning. A null comparator or operand counts as not given.

A field that a log does not have matches only negations: an absent event is not equal to ``push``,
so ``neq`` holds, and ``eq``, ``contains``, ``gt`` and the like do not.
"""

from __future__ import annotations

import enum
import hashlib
import json
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from gateway import ids, timestamps
from gateway.errors import ErrorCode, RequestError
from gateway.model import Provider, Timestamp, WebhookLog, WebhookLogStatus
from gateway.redaction import MASK

if TYPE_CHECKING:
    from gateway.model import Failure

MAX_DEPTH = 10
MAX_COMPARATORS = 200
MAX_OPERANDS = 100
MAX_TEXT = 1000

Document = Mapping[str, Any]
Test = Callable[[Any], bool | None]
"""Whether a log matches; None when it depends on a field that is not known yet."""


class Partial(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the logs of a source or stream before any is read."""

    source: str
    provider: Provider
    hook_id: str | None = None


class Filter(msgspec.Struct, frozen=True):
    """A filter made ready.

    ``test`` tells whether a log matches. ``terms`` are the comparators that every match satisfies,
    by field, for the vendors that can apply them. ``fingerprint`` is the same for equal filters,
    and ``selects_sources_only`` tells that no log of a chosen stream can be refused.
    """

    test: Test
    terms: Mapping[str, Sequence[Document]]
    fingerprint: bytes
    selects_sources_only: bool

    def may_match(self, partial: Partial) -> bool:
        """Tell whether any log of a source or stream can match."""
        return self.test(partial) is not False

    def bounds(self, field: str) -> tuple[Any, Any]:
        """Give the least and the greatest whole number a match can have in a field, both included.

        ``triggered_at`` counts nanoseconds. None stands for no bound.
        """
        least, greatest = None, None
        for term in self.terms.get(field, ()):
            for name, number in term.items():
                if name in {"gt", "gte"}:
                    low = number + (name == "gt")
                    least = low if least is None else max(least, low)
                elif name in {"lt", "lte"}:
                    high = number - (name == "lt")
                    greatest = high if greatest is None else min(greatest, high)
        return least, greatest

    def only(self, field: str) -> frozenset[Any] | None:
        """Give the values that a match can have in a field, where the filter lists them."""
        values: frozenset[Any] | None = None
        for term in self.terms.get(field, ()):
            for name in ("eq", "in"):
                if name in term:
                    listed = frozenset(term[name] if name == "in" else [term[name]])
                    values = listed if values is None else values & listed
        return values

    def failed(self) -> bool | None:
        """Tell whether every match has failed, or every match has succeeded."""
        match self.only("status"):
            case frozenset() as statuses if statuses == {WebhookLogStatus.FAILED}:
                return True
            case frozenset() as statuses if statuses == {WebhookLogStatus.SUCCEEDED}:
                return False
        return None

    def url_part(self) -> str | None:
        """Give a text that the URL of every match holds, as the vendor knows the URL."""
        for term in self.terms.get("url", ()):
            for name in ("eq", "contains", "startsWith", "endsWith"):
                # A masked URL is not what the vendor has.
                if term.get(name) and MASK not in term[name]:
                    part: str = term[name]
                    return part
        return None


def prepare(document: Document | None, now: Timestamp, sources: Iterable[str]) -> Filter:
    """Check a filter and make it ready; RequestError when it makes no sense.

    ``now`` is where durations count back from, ``sources`` the names that there are.
    """
    builder = _Builder(now, frozenset(sources))
    given = _given(document or {})
    test = builder.node(given, depth=1)
    terms: dict[str, list[Document]] = {}
    _collect(given, builder, terms)
    ready = Filter(
        test=test,
        terms=terms,
        fingerprint=_fingerprint(given),
        selects_sources_only=_fields(given) <= {"source", "provider", "hook"},
    )
    for field in ("triggered_at", "http_status"):
        least, greatest = ready.bounds(field)
        if least is not None and greatest is not None and least > greatest:
            raise _impossible(f"no {field} lies both above and below what it asks for")
    for field, values in ((name, ready.only(name)) for name in terms):
        if values is not None and not values:
            raise _impossible(f"{field} can't equal two different values at once")
    return ready


def _given(document: Any) -> Any:
    """Drop what is null, at every level."""
    if isinstance(document, Mapping):
        return {name: _given(value) for name, value in document.items() if value is not None}
    if isinstance(document, list | tuple):
        return [_given(item) for item in document if item is not None]
    return document


def _fields(document: Document) -> set[str]:
    names: set[str] = set()
    for name, value in document.items():
        if name in {"and", "or"}:
            names.update(*map(_fields, value))
        elif name == "not":
            names |= _fields(value)
        else:
            names.add(name)
    return names


def _collect(document: Document, builder: _Builder, terms: dict[str, list[Document]]) -> None:
    """Gather the comparators that stand in the tree's conjunction."""
    for name, value in document.items():
        if name == "and":
            for part in value:
                _collect(part, builder, terms)
        elif name not in {"or", "not"}:
            field = FIELDS[name]
            operands = {key: builder.operand(name, field, key, it) for key, it in value.items()}
            terms.setdefault(field.attribute, []).append(operands)


def _fingerprint(document: Document) -> bytes:
    text = json.dumps(document, sort_keys=True, default=_plain)
    return hashlib.blake2b(text.encode(), digest_size=6).digest()


def _plain(value: object) -> str:
    return value.name if isinstance(value, enum.Enum) else str(value)


class _Field(msgspec.Struct, frozen=True):
    """A field of the filter: the kind of its operands, and how a log's value is got."""

    kind: str
    attribute: str
    value: Callable[[WebhookLog], Any]


def _url(log: WebhookLog) -> str | None:
    return log.request.url if log.request else None


def _status_code(log: WebhookLog) -> int | None:
    return log.response.status_code if log.response else None


def _category(log: WebhookLog) -> Any:
    failure: Failure | None = log.failure
    return failure.category if failure else None


FIELDS = {
    "source": _Field("text", "source", operator.attrgetter("source")),
    "provider": _Field("enum", "provider", operator.attrgetter("provider")),
    "status": _Field("enum", "status", operator.attrgetter("status")),
    "event": _Field("text", "event", operator.attrgetter("event")),
    "url": _Field("text", "url", _url),
    "httpStatus": _Field("number", "http_status", _status_code),
    "failure": _Field("enum", "failure", _category),
    "hook": _Field("id", "hook_id", operator.attrgetter("hook_id")),
    "correlationId": _Field("text", "correlation_id", operator.attrgetter("correlation_id")),
    "triggeredAt": _Field("time", "triggered_at", operator.attrgetter("triggered_at")),
}
KNOWN_EARLY = frozenset({"source", "provider", "hook"})

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
NEGATIONS = frozenset({"neq", "nin", "notContains"})


class _Builder:
    """Turns the tree into one function, counting what it finds on the way."""

    def __init__(self, now: Timestamp, sources: frozenset[str]) -> None:
        self._now = now
        self._sources = sources
        self._comparators = 0

    def node(self, document: Document, depth: int) -> Test:
        if depth > MAX_DEPTH:
            raise _impossible(f"it nests more than {MAX_DEPTH} levels deep")
        tests: list[Test] = []
        for name, value in document.items():
            if name == "and":
                tests.extend(self.node(part, depth + 1) for part in value)
            elif name == "or":
                if not value:
                    raise _impossible("or has no alternatives; leave it out to allow everything")
                tests.append(_any([self.node(part, depth + 1) for part in value]))
            elif name == "not":
                tests.append(_not(self.node(value, depth + 1)))
            elif name == "search":
                tests.append(self._search(value))
            else:
                tests.extend(self._comparisons(name, value))
        return tests[0] if len(tests) == 1 else _all(tests)

    def _comparisons(self, name: str, operands: Document) -> Iterable[Test]:
        field = FIELDS[name]
        for key, given in operands.items():
            self._comparators += 1
            if self._comparators > MAX_COMPARATORS:
                raise _impossible(f"it has more than {MAX_COMPARATORS} comparators")
            operand = self.operand(name, field, key, given)
            plain = key.removesuffix(IGNORE_CASE)
            compare = COMPARISONS[field.kind][plain]
            fold = plain != key
            if fold:
                operand = (
                    [item.casefold() for item in operand]
                    if isinstance(operand, list)
                    else operand.casefold()
                )
            yield _test(name, field.value, compare, operand, absent=plain in NEGATIONS, fold=fold)

    def operand(self, name: str, field: _Field, key: str, given: Any) -> Any:
        """Check an operand and turn it into what a log's value can be compared with."""
        if isinstance(given, list):
            if not given and key.startswith("in"):
                raise _impossible(f"{name}.{key} lists nothing, so nothing could match")
            if len(given) > MAX_OPERANDS:
                raise _impossible(f"{name}.{key} lists more than {MAX_OPERANDS} values")
            return [self.operand(name, field, key, item) for item in given]
        if isinstance(given, str) and len(given) > MAX_TEXT:
            raise _impossible(f"{name}.{key} is longer than {MAX_TEXT} characters")
        if field.kind == "time":
            return self._moment(name, key, given)
        if field.kind == "id":
            source = ids.decode(given, ids.Kind.HOOK).source
        elif name == "source" and key in {"eq", "in"}:
            source = given
        else:
            return given
        if source not in self._sources:
            raise unknown_source(source, self._sources)
        return given

    def _moment(self, name: str, key: str, given: str) -> Timestamp:
        try:
            return timestamps.parse_moment(given, self._now)
        except ValueError as error:
            raise RequestError(
                ErrorCode.INVALID_FILTER, f"The filter can't be used: {name}.{key}: {error}"
            ) from None

    def _search(self, text: str) -> Test:
        """Look for a text, in any case, in what a log shows without a detail call."""
        if len(text) > MAX_TEXT:
            raise _impossible(f"search is longer than {MAX_TEXT} characters")
        sought = text.casefold()

        def test(log: Any) -> bool | None:
            if isinstance(log, Partial):
                return None
            return any(sought in part.casefold() for part in _searchable(log) if part)

        return test


def _searchable(log: WebhookLog) -> Iterable[str | None]:
    yield from (log.upstream_id, log.event, log.correlation_id)
    if log.failure:
        yield log.failure.message
    if log.request:
        yield from (log.request.url, log.request.body)
    if log.response:
        yield log.response.body


def _test(
    name: str,
    value_of: Callable[[Any], Any],
    compare: Comparison,
    operand: Any,
    *,
    absent: bool,
    fold: bool,
) -> Test:
    def test(log: Any) -> bool | None:
        if isinstance(log, Partial) and (
            name not in KNOWN_EARLY or (name == "hook" and log.hook_id is None)
        ):
            return None
        value = value_of(log)
        if value is None:
            return absent
        return compare(value.casefold() if fold else value, operand)

    return test


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


def _any(tests: Sequence[Test]) -> Test:
    opposite = _all([_not(test) for test in tests])
    return _not(opposite)


def _not(test: Test) -> Test:
    def opposite(log: Any) -> bool | None:
        result = test(log)
        return None if result is None else not result

    return opposite


def unknown_source(name: object, sources: Iterable[str]) -> RequestError:
    """Make the error for a source that is not configured, naming those that are."""
    known = ", ".join(sorted(sources))
    return RequestError(
        ErrorCode.UNKNOWN_SOURCE,
        f"There is no source named {str(name)[:64]!r}. The sources are: {known}.",
    )


def _impossible(why: str) -> RequestError:
    return RequestError(ErrorCode.INVALID_FILTER, f"The filter can't be used: {why}.")
