"""Pages of lists: what callers may ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.errors import ErrorCode, RequestError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.model import Hook

PAGE_SIZE = 25
"""How many a page has of whom nobody says."""
MAX_PAGE_SIZE = 100


def check(first: int | None, after: str | None, last: int | None, before: str | None) -> None:
    """Raise RequestError for a page that can't be read."""
    forward, backward = (
        first is not None or after is not None,
        last is not None or before is not None,
    )
    if forward and backward:
        problem = "first and after read forward, last and before backward; use one of the pairs"
    elif last is not None and before is None:
        problem = "last needs before: give the cursor that what is new is counted back from"
    else:
        name, size = ("last", last) if backward else ("first", first)
        if size is None or 0 <= size <= MAX_PAGE_SIZE:
            return
        problem = f"{name} must lie between 0 and {MAX_PAGE_SIZE}"
    raise RequestError(ErrorCode.INVALID_PAGE_SIZE, f"That page can't be read: {problem}.")


def part(hooks: Sequence[Hook], first: int, after: str | None) -> tuple[int, int]:
    """Tell where the page behind the hook ``after`` begins and ends; RequestError for another's."""
    begin = 0
    if after is not None:
        places = [hook.id for hook in hooks]
        if after not in places:
            raise RequestError(
                ErrorCode.INVALID_CURSOR,
                "That cursor is not of this source's hooks, or its hook is gone. Begin without"
                " one.",
            )
        begin = places.index(after) + 1
    return begin, min(begin + first, len(hooks))
