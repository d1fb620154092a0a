"""Enforces the configured limits on requests."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING

from gateway.config import TimeLimit
from gateway.errors import ErrorCode, RequestError

if TYPE_CHECKING:
    from gateway.config import Limit, LimitSettings

log = logging.getLogger(__name__)

_WORDS = {
    "body": ("The body has {} bytes", "Send less at once."),
    "document": ("The document has {} characters", "Split it into several."),
    "tokens": ("The document has {} tokens or comments", "Split it into several."),
    "depth": (
        "The operation has fields at depth {}",
        "Ask for what lies deeper by its id, in another operation.",
    ),
    "aliases": ("The operation renames or repeats {} fields", "Split it into several."),
    "root_fields": ("The operation has {} fields of the root", "Split it into several."),
    "directives": ("The operation has {} directives", "Leave some out."),
    "cost": (
        "The operation may cost {}",
        "Ask for smaller pages, or for fewer fields of them.",
    ),
    "variables": ("The variables have {} bytes", "Send less at once."),
    "variables_depth": ("The variables hold values at depth {}", "Make them flatter."),
    "answer": (
        "The answer has {} bytes",
        "It was executed all the same; ask for smaller pages, or for fewer fields of them.",
    ),
}
"""The excess and the way out in the message of each limit."""


class LimitError(RequestError):
    """A request exceeds a limit.

    ``value`` is None if counting stopped at the limit.
    """

    def __init__(self, name: str, value: int | None, maximum: int) -> None:
        what, way_out = _WORDS[name]
        excess = what.format("too many" if value is None else value)
        super().__init__(
            ErrorCode.LIMIT_EXCEEDED, f"{excess}; the limit {name} is {maximum}. {way_out}"
        )


class Limits:
    """The configured limits; ``exceeded`` counts how often each was exceeded.

    ``deadline``, in seconds, is only counted and logged here; the calls that an operation waits for
    enforce it.
    """

    def __init__(self, settings: LimitSettings, deadline: TimeLimit | None = None) -> None:
        self._limits: dict[str, Limit] = dict(settings)
        self._deadline = deadline or TimeLimit()
        self.exceeded: Counter[str] = Counter()

    def of(self, name: str) -> Limit:
        """Return the setting of a limit."""
        return self._limits[name]

    def maximum(self, name: str) -> int | None:
        """Return the maximum of a limit; None if it is not enforced."""
        limit = self.of(name)
        return limit.max if limit.refuses else None

    def refuses(self, name: str, value: float) -> bool:
        """Compare a value with a limit, count and log an excess; return True to refuse it."""
        limit = self._deadline if name == "deadline" else self.of(name)
        if value <= limit.max or limit.mode == "off":
            return False
        self.exceeded[name] += 1
        if limit.mode == "warn":
            log.warning(
                "A request is beyond the limit %s: %s, with %s allowed. It is number %d since the"
                " start.",
                name,
                round(value, 3),
                limit.max,
                self.exceeded[name],
            )
        return limit.mode == "enforce"

    def check(self, name: str, value: int) -> None:
        """Raise LimitError if a value exceeds an enforced limit."""
        if self.refuses(name, value):
            raise LimitError(name, value, self.of(name).max)

    def refusal(self, name: str) -> LimitError:
        """Return the error for an excess whose value is unknown, and count it."""
        self.exceeded[name] += 1
        return LimitError(name, None, self.of(name).max)
