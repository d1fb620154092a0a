"""The parameters that make a vendor leave rows out: time bounds and filters.

Each leaves in every row that the criteria want, and maybe more: the feed filters again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from gateway.model import Timestamp, WebhookLogStatus
from gateway.normalise import timestamps
from gateway.vendors.calls import Params, is_sendable
from gateway.vendors.described.calls import (
    BoundTable,
    CodesFilter,
    ListTable,
    StatusFilter,
    ValuesFilter,
)
from gateway.vendors.pages import Criteria, Window

STEPS = {
    "second": 1_000_000_000,
    "millisecond": 1_000_000,
    "microsecond": 1_000,
    "nanosecond": 1,
}
"""Nanoseconds of each granularity."""
_DIGITS = {"second": 0, "millisecond": 3, "microsecond": 6, "nanosecond": 9}


def bounds(table: ListTable, window: Window, criteria: Criteria) -> Params:
    """Return the parameters of the time bounds, rounded outwards."""
    found = []
    untils = [moment for moment in (window.until, criteria.until) if moment is not None]
    if table.until and untils:
        step = STEPS[table.until.granularity]
        until = min(untils)
        whole = -(-until // step) * step
        if not table.until.inclusive:
            whole = until // step * step + step
        found.append((table.until.param, _written(table.until, min(whole, timestamps.LATEST))))
    if table.since and criteria.since is not None and (table.since.alone or found):
        step = STEPS[table.since.granularity]
        whole = criteria.since // step * step
        if not table.since.inclusive:
            whole = -(-criteria.since // step) * step - step
        found.append((table.since.param, _written(table.since, max(whole, 0))))
    return tuple(found)


def _written(bound: BoundTable, moment: int) -> str:
    if bound.format == "epoch-s":
        return str(moment // STEPS["second"])
    if bound.format == "epoch-ms":
        return str(moment // STEPS["millisecond"])
    text = timestamps.format_rfc3339(Timestamp(moment // STEPS["second"] * STEPS["second"]))[:-1]
    if digits := _DIGITS[bound.granularity]:
        text += f".{moment % STEPS['second']:09}"[: digits + 1]
    return text if bound.format == "no-zone" else f"{text}Z"


class Filters:
    """The filters of a list; ``style`` is how parameters with several values are sent.

    ``recorded`` are the statuses that logs may have.
    """

    def __init__(
        self, table: ListTable, style: str, recorded: Collection[WebhookLogStatus]
    ) -> None:
        self._table = table
        self._style = style
        self._recorded = frozenset(recorded)

    def applicable(self, criteria: Criteria) -> Criteria:
        """Return the criteria without those that the vendor can't apply."""
        table, applied = self._table, self._applied(criteria)
        return Criteria(
            since=criteria.since if table.since else None,
            until=criteria.until if table.until else None,
            **{name: getattr(criteria, name) for name in applied},
        )

    def counts(self, criteria: Criteria) -> bool:
        """Return whether the total of the filtered list counts just what meets the criteria."""
        filter, statuses = self._table.filters.status, criteria.statuses
        return criteria == Criteria(statuses=statuses) and (
            statuses is None
            or (filter is not None and {status.name for status in statuses} <= set(filter.exact))
        )

    def params(self, criteria: Criteria) -> Params:
        """Return the parameters of the filters."""
        return tuple(param for params in self._applied(criteria).values() for param in params)

    def _applied(self, criteria: Criteria) -> dict[str, Params]:
        """Return the parameters by the name of the criterion; a parameter is used for one only."""
        filters = self._table.filters
        correlation_id = criteria.correlation_id
        # Codes are the narrower ones, where a vendor has one parameter for both.
        wanted: tuple[tuple[str, ValuesFilter | StatusFilter | None, Sequence[str] | None], ...] = (
            ("status_codes", filters.codes, _codes(filters.codes, criteria)),
            ("statuses", filters.status, self._statuses(criteria)),
            ("events", filters.events, criteria.events),
            ("hooks", filters.hooks, criteria.hooks),
            ("correlation_id", filters.correlation_id, correlation_id and [correlation_id]),
        )
        found: dict[str, Params] = {}
        names: set[str] = set()
        for criterion, filter, values in wanted:
            if filter is None or not values or filter.param in names:
                continue
            if params := _sendable(filter, values, self._style):
                found[criterion] = params
                names.add(filter.param)
        return found

    def _statuses(self, criteria: Criteria) -> list[str] | None:
        """Return all values that rows of the wanted statuses may have."""
        filter = self._table.filters.status
        if filter is None or criteria.statuses is None:
            return None
        names = {status.name for status in criteria.statuses & self._recorded}
        if not names <= filter.values.keys():
            return None
        lists = [values for name, values in filter.values.items() if name in names]
        return list(dict.fromkeys(value for values in lists for value in values))


def _sendable(filter: ValuesFilter | StatusFilter, values: Sequence[str], style: str) -> Params:
    """Return the parameters of a filter; () if these values can't be sent."""
    if isinstance(filter, CodesFilter) and filter.most:
        return (filter.param, values[0]), (filter.most, values[-1])
    if isinstance(filter, ValuesFilter) and len(values) > filter.max:
        return ()
    if not all(is_sendable(value) for value in values):
        return ()
    return styled(filter.param, values, filter.style or style)


def styled(name: str, values: Sequence[str], style: str) -> Params:
    """Return a parameter with several values; () if the vendor takes no such list."""
    if style == "comma":
        return () if any("," in value for value in values) else ((name, ",".join(values)),)
    if style == "single":
        return ((name, values[0]),) if len(values) == 1 else ()
    ends = {"repeat": "", "brackets": "[]", "index": "[{}]"}[style]
    return tuple((name + ends.format(index), value) for index, value in enumerate(values))


def _codes(filter: CodesFilter | None, criteria: Criteria) -> list[str] | None:
    if filter is None or criteria.status_codes is None:
        return None
    least, most = max(criteria.status_codes[0], 100), min(criteria.status_codes[1], 599)
    if filter.ranges:
        return _ranges(filter, range(least, most + 1))
    if filter.classes:
        return [str(code) for code in range(least // 100 * 100, most + 1, 100)]
    return [str(code) for code in range(least, most + 1)]


def _ranges(filter: CodesFilter, codes: range) -> list[str] | None:
    """Return the values that stand for all of the codes; None if some codes have none."""
    found, missing = [], set(codes)
    for text, value in filter.ranges.items():
        covered = missing.intersection(range(int(text[:3]), int(text[-3:]) + 1))
        if covered:
            found.append(value)
            missing -= covered
    return None if missing else found
