"""The paging arguments: first, after, last and before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.errors import ErrorCode, RequestError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.model import Hook

PAGE_SIZE = 25
"""Page size when neither first nor last is given."""
MAX_PAGE_SIZE = 100


def check(first: int | None, after: str | None, last: int | None, before: str | None) -> None:
    """Raise RequestError for invalid arguments."""
    if last is None and before is None and (first is None or 0 <= first <= MAX_PAGE_SIZE):
        return
    # Do not mention arguments that the caller did not send: the schema may be hidden.
    forward, backward = (
        " and ".join(name for name, value in pair.items() if value is not None)
        for pair in ({"first": first, "after": after}, {"last": last, "before": before})
    )
    if forward and backward:
        problem = f"by {forward} it is read forward, by {backward} backward; use one direction"
    elif last is not None and before is None:
        problem = "last needs the cursor that what is new is counted back from"
    else:
        name, size = ("last", last) if backward else ("first", first)
        if size is None or 0 <= size <= MAX_PAGE_SIZE:
            return
        problem = f"{name} must lie between 0 and {MAX_PAGE_SIZE}"
    raise RequestError(ErrorCode.INVALID_PAGE_SIZE, f"That page can't be read: {problem}.")


def hook_range(hooks: Sequence[Hook], first: int, after: str | None) -> tuple[int, int]:
    """Return the range of the page after the hook ``after``; RequestError for an unknown hook."""
    begin = 0
    if after is not None:
        hook_ids = [hook.id for hook in hooks]
        if after not in hook_ids:
            raise RequestError(
                ErrorCode.INVALID_CURSOR,
                "That cursor is not of this source's hooks, or its hook is gone. Begin without"
                " one.",
            )
        begin = hook_ids.index(after) + 1
    return begin, min(begin + first, len(hooks))
