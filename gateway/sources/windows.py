"""Continue a list with time windows after a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.model import Timestamp


def continuations(times: Sequence[Timestamp], size: int) -> Iterator[Timestamp]:
    """Yield the possible ends of the next window, best first.

    ``times`` are those of the rows of a page, newest first, and ``size`` is the number of its rows.
    Windows overlap by two rows, unless too many share a moment.
    """
    if len(times) > 1:
        overlap = sum(time <= times[-2] for time in times)
        if 2 * overlap <= size:
            yield times[-2]
    yield times[-1]
