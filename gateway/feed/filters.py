"""Check and compile the filter of a list, a tree of comparators.

A filter is a plain dictionary with the field names of ``WebhookLogFilter``, so that the GraphQL
schema and the command line share one meaning. A null is ignored, and so is a comparator object or
an ``and`` that contains nothing else.

A log without a value for a field matches only negative comparators on it: a missing event is not
equal to ``push``, so ``neq`` matches, and ``eq``, ``contains``, ``gt`` and the like do not.

A filter that can't match anything is rejected as a mistake. So are ``eq`` and ``in`` with a source
that is not configured, or with a hook of such a source, anywhere in the tree. ``neq`` and ``nin``
may exclude sources that no longer exist.
"""

from __future__ import annotations

import enum
import functools
import itertools
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from gateway import ids
from gateway.errors import ErrorCode, RequestError
from gateway.feed import failure_groups
from gateway.feed.filter_fields import COMPARISONS, FIELDS, IGNORE_CASE, LISTING, Field
from gateway.feed.filter_tests import Partial, Term, Test, all_of, field_tests, negated, search_test
from gateway.model import Timestamp
from gateway.normalise import timestamps

if TYPE_CHECKING:
    from gateway.feed.ready import Row

MAX_DEPTH = 10
MAX_PARTS = 200
"""Maximum number of comparators, searches, and filters nested in ``and``, ``or`` and ``not``, all
together."""
MAX_OPERANDS = 100
MAX_TEXT = 1000

MAX_ROWS, ROWS_PER_TURN = 50, 10
"""Rows that are tested in one go, and those that are searched, which may take long."""
NAMES = {field.attribute: name for name, field in FIELDS.items()}
BOUNDS = {"gt", "gte", "lt", "lte"}
ENDLESS = 2**63
"""A moment later than any other."""

Document = Mapping[str, Any]
"""A filter as callers write it."""


MAX_KEPT, MAX_KEPT_LENGTH = 256, 4000
"""Compiled filters that are kept, and the length of their documents in characters."""


class Filter(msgspec.Struct, frozen=True, dict=True):
    """A compiled filter.

    ``test`` returns whether a log matches. ``terms`` are the comparators that every match
    satisfies, by the attribute of the log. ``operands`` are those of all comparators, anywhere in
    the tree. ``given`` is what was compiled, without nulls. ``matches_all`` is true for an empty
    filter, ``depends_on_now`` for one with a duration, which counts back from now. ``searches`` is
    true if bodies are looked through.
    """

    test: Test
    terms: Mapping[str, Sequence[Term]]
    operands: Mapping[str, Collection[Any]]
    given: Document
    matches_all: bool = False
    depends_on_now: bool = False
    searches: bool = False

    def rows_at_once(self, missing: int, tested: int) -> int:
        """Return how many rows to test in one go, if so many matches are missing.

        So many were ``tested`` before; each step ends at a multiple.
        """
        if self.matches_all:
            return missing
        step = ROWS_PER_TURN if self.searches else MAX_ROWS
        return step - tested % step

    def matches(self, rows: Sequence[Row], most: int) -> Sequence[int]:
        """Return the indices of the first rows that match, at most so many."""
        if self.matches_all:
            return range(min(len(rows), most))
        if window := self.window:
            first, last = window
            found = [
                index
                for index, row in enumerate(rows)
                if (time := row.log.triggered_at) is not None and first <= time <= last
            ]
            return found[:most]
        test = self.test
        matching = (index for index, row in enumerate(rows) if test(row.log) is True)
        return list(itertools.islice(matching, most))

    @functools.cached_property
    def fingerprint(self) -> bytes:
        """The same for equal filters; computed on access, as only cursors need it."""
        return ids.mark(json.dumps(self.given, sort_keys=True, default=_name))

    @property
    def window(self) -> tuple[int, int] | None:
        """The first and the last moment of matches; None if they depend on more than that."""
        given = self.given
        if given.keys() != {"triggeredAt"} or not given["triggeredAt"].keys() <= BOUNDS:
            return None
        first, last = self.bounds("triggered_at")
        return -ENDLESS if first is None else first, ENDLESS if last is None else last

    def may_match(self, partial: Partial) -> bool:
        """Return whether any log of a source or stream can match."""
        return self.test(partial) is not False

    def bounds(self, attribute: str) -> tuple[Any, Any]:
        """Return the smallest and the largest whole number that a match can have, inclusive.

        ``triggered_at`` is in nanoseconds. None is no bound.
        """
        found: tuple[Any, Any] | None = self.__dict__.get(attribute)
        if found is None:
            least: list[int] = []
            greatest: list[int] = []
            for term in self.terms.get(attribute, ()):
                match term.comparator:
                    case "gt" | "gte":
                        least.append(term.operand + (term.comparator == "gt"))
                    case "lt" | "lte":
                        greatest.append(term.operand - (term.comparator == "lt"))
            found = max(least, default=None), min(greatest, default=None)
            self.__dict__[attribute] = found
        return found

    def only(self, attribute: str) -> frozenset[Any] | None:
        """Return the values that a match can have if the filter lists them, else None."""
        values: frozenset[Any] | None = None
        for term in self.terms.get(attribute, ()):
            if term.comparator in LISTING:
                listed = frozenset([term.operand] if term.comparator == "eq" else term.operand)
                values = listed if values is None else values & listed
        return values


_compiled: dict[tuple[str, frozenset[str], frozenset[str]], Filter] = {}
"""The filters compiled last; one that is used all the time is compiled again now and then."""


def prepare(
    document: Document | None,
    now: Timestamp,
    sources: Collection[str],
    readable: Collection[str] | None = None,
) -> Filter:
    """Check and compile a filter, or return it as it was compiled for an equal document.

    Durations count back from ``now``. ``sources`` are the names of all sources, and ``readable`` of
    those whose bodies the caller may see: other bodies are not searched, since a match would reveal
    what they hold. RequestError if the filter makes no sense.
    """
    known = frozenset(sources)
    open_ones = known if readable is None else frozenset(readable)
    key = (repr(document), known, open_ones)
    found = _compiled.get(key)
    if found is None:
        builder = _Builder(now, known, open_ones)
        found = _compile(_given(document or {}), builder)
        if not found.depends_on_now and len(key[0]) <= MAX_KEPT_LENGTH:
            if len(_compiled) >= MAX_KEPT:
                del _compiled[next(iter(_compiled))]
            _compiled[key] = found
    return found


def _compile(given: Document, builder: _Builder) -> Filter:
    test = builder.node(given, depth=1, conjoined=True)
    ready = Filter(
        test,
        builder.terms,
        builder.operands,
        given,
        matches_all=not given,
        depends_on_now=builder.depends_on_now,
        searches=builder.searches,
    )
    for attribute in ready.terms:
        name = NAMES[attribute]
        field = FIELDS[name]
        least, greatest = ready.bounds(field.attribute)
        values = ready.only(field.attribute)
        if (least is not None and greatest is not None and least > greatest) or (
            values is not None
            and not any(
                all(term.matches(value) for term in ready.terms[field.attribute])
                for value in values
            )
        ):
            raise _impossible(f"no {name} can meet all of its conditions at once")
    return ready


def _given(document: Document) -> Document:
    """Remove nulls at every level, and objects that are empty without them."""
    inner = {name: _inner(name, value) for name, value in document.items()}
    return {name: value for name, value in inner.items() if value is not None}


def _inner(name: str, value: Any) -> Any:
    if name == "and" and value is not None:
        return [part for part in map(_given, value) if part] or None
    if name == "or" and value is not None:
        return list(map(_given, value))
    if isinstance(value, dict):
        # An empty comparator matches everything, so its negation would match nothing.
        return _given(value) or ({} if name == "not" else None)
    if name == "search":
        # Every log has the empty text, as what a search box holds before anything is typed.
        return value or None
    return value


def _name(value: enum.Enum) -> str:
    return value.name


class _Builder:
    """Compiles the tree to one function, and collects its ``terms`` and ``operands``."""

    def __init__(self, now: Timestamp, sources: frozenset[str], readable: Collection[str]) -> None:
        self._readable = readable
        self.terms: dict[str, list[Term]] = {}
        self.operands: dict[str, list[Any]] = {}
        self._now = now
        self._sources = sources
        self._parts = 0
        self.depends_on_now = False
        self.searches = False

    def node(self, document: Document, depth: int, *, conjoined: bool) -> Test:
        """Compile a subtree. If ``conjoined`` is true, every match satisfies it."""
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
                    tests.append(negated(all_of([negated(test) for test in alternatives])))
                case "not":
                    if not value:
                        raise _impossible("not holds nothing, so nothing could match")
                    tests.append(negated(self._nested(value, depth)))
                case "search":
                    self._count()
                    self.searches = True
                    tests.append(search_test(_text(name, value).casefold(), self._readable))
                case _:
                    tests += self._field(name, value, depth, conjoined=conjoined)
        return tests[0] if len(tests) == 1 else all_of(tests)

    def _field(
        self, name: str, given: Mapping[str, Any], depth: int, *, conjoined: bool
    ) -> list[Test]:
        terms = [self._term(name, key, operand) for key, operand in given.items()]
        if conjoined:
            self.terms.setdefault(FIELDS[name].attribute, []).extend(terms)
        # The ids of groups tell more of their logs, which vendors can be asked for.
        implied = failure_groups.implied(given) if name == "failureGroup" else ()
        tests = [self.node(document, depth, conjoined=conjoined) for document in implied]
        return [*tests, *field_tests(name, terms)]

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
        self.operands.setdefault(field.attribute, []).extend(operands)
        compare = COMPARISONS[field.kind][plain]
        operand = frozenset(operands) if isinstance(given, list) else operands[0]

        def matches(value: Any) -> bool:
            return compare(value.casefold() if folds else value, operand)

        return Term(comparator, operand, matches)

    def _operand(self, where: str, field: Field, given: Any, *, folds: bool) -> Any:
        """Check an operand and convert it to the type of the values that it is compared with."""
        if isinstance(given, str):
            _text(where, given)
        match field.kind:
            case "time":
                self.depends_on_now = self.depends_on_now or timestamps.is_duration(given)
                try:
                    return timestamps.parse_moment(given, self._now)
                except ValueError as error:
                    raise _impossible(f"{where}: {error}") from None
            case "id":
                self._require(ids.decode(given, field.id_kind).source)
        return given.casefold() if folds else given

    def _require(self, source: str, *, folds: bool = False) -> None:
        same = str.casefold if folds else str
        if same(source) not in map(same, self._sources):
            raise unknown_source(source, self._sources)


def _text(where: str, given: str) -> str:
    if len(given) > MAX_TEXT:
        raise _impossible(f"{where} is longer than {MAX_TEXT} characters")
    return given


def unknown_source(name: str, sources: Iterable[str]) -> RequestError:
    """Return the error for a source that is not configured. It lists those that are."""
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
