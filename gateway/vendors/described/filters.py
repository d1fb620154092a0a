"""The parameters that make a vendor leave rows out: time bounds and filters.

Each leaves in every row that the criteria want, and maybe more: the feed filters again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway.model import Timestamp
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


def criteria_params(table: ListTable, default_style: str, criteria: Criteria) -> Params:
    """Return the parameters of the vendor's filters, each name once."""
    filters = table.filters
    found: dict[str, Params] = {}

    def add(filter: ValuesFilter | StatusFilter | None, values: Sequence[str] | None) -> None:
        if filter is None or not values or filter.param in found:
            return
        style = filter.style or default_style
        if isinstance(filter, ValuesFilter) and len(values) > filter.max:
            return
        if not all(is_sendable(value) for value in values):
            return
        if params := styled(filter.param, values, style):
            found[filter.param] = params

    # Codes are the narrower ones, where a vendor has one parameter for both.
    add(filters.codes, _codes(filters.codes, criteria))
    add(filters.status, _statuses(filters.status, criteria))
    add(filters.events, criteria.events)
    add(filters.hooks, getattr(criteria, "hooks", None))
    add(
        filters.correlation_id,
        None if criteria.correlation_id is None else [criteria.correlation_id],
    )
    return tuple(param for params in found.values() for param in params)


def styled(name: str, values: Sequence[str], style: str) -> Params:
    """Return a parameter with several values; () if the vendor takes no such list."""
    if style == "comma":
        return () if any("," in value for value in values) else ((name, ",".join(values)),)
    if style == "single":
        return ((name, values[0]),) if len(values) == 1 else ()
    ends = {"repeat": "", "brackets": "[]", "index": "[{}]"}[style]
    return tuple((name + ends.format(index), value) for index, value in enumerate(values))


def _statuses(filter: StatusFilter | None, criteria: Criteria) -> list[str] | None:
    """Return all values that rows of the wanted statuses may have."""
    wanted: Any = getattr(criteria, "statuses", None)
    if filter is None or wanted is None:
        return None
    names = {status.name for status in wanted}
    if not names <= filter.values.keys():
        return None
    values = [value for name, values in filter.values.items() if name in names for value in values]
    return list(dict.fromkeys(values))


def _codes(filter: CodesFilter | None, criteria: Criteria) -> list[str] | None:
    wanted: tuple[int, int] | None = getattr(criteria, "status_codes", None)
    if filter is None or wanted is None or wanted[1] - wanted[0] > 600:
        return None
    least, most = wanted
    if filter.classes:
        return [str(code) for code in range(least // 100 * 100, most + 1, 100)]
    return [str(code) for code in range(least, most + 1)]
