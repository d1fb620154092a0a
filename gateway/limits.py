"""Enforces the configured limits on requests."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from gateway.config import TimeLimit
from gateway.errors import ErrorCode, RequestError
from gateway.events import Events, LimitMet

if TYPE_CHECKING:
    from gateway.config import Limit, LimitSettings

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
    """The configured limits.

    ``exceeded`` counts how often each was exceeded, and ``excesses`` all together.
    ``deadline``, in seconds, is only counted here; the calls that an operation waits for
    enforce it. ``events`` are told of each excess.
    """

    def __init__(
        self,
        settings: LimitSettings,
        deadline: TimeLimit | None = None,
        events: Events | None = None,
    ) -> None:
        self._limits: dict[str, Limit] = dict(settings)
        self._deadline = deadline or TimeLimit()
        self._events = events or Events()
        self.exceeded: Counter[str] = Counter()
        self.excesses = 0

    def of(self, name: str) -> Limit:
        """Return the setting of a limit."""
        return self._limits[name]

    def maximum(self, name: str) -> int | None:
        """Return the maximum of a limit; None if it is not enforced."""
        limit = self._limits[name]
        return limit.max if limit.refuses else None

    def allows(self, name: str, value: int) -> bool:
        """Return whether a value needs neither counting nor refusing."""
        limit = self._limits[name]
        return value <= limit.max or limit.mode == "off"

    def refuses(self, name: str, value: float, caller: str | None = None) -> bool:
        """Compare a value with a limit, and count an excess; return True to refuse it.

        ``caller`` is whose limit it is, if it is one of a caller.
        """
        limit = self._deadline if name == "deadline" else self._limits[name]
        if value <= limit.max or limit.mode == "off":
            return False
        self._count(name, value, limit, caller)
        return limit.mode == "enforce"

    def check(self, name: str, value: int) -> None:
        """Raise LimitError if a value exceeds an enforced limit."""
        if self.refuses(name, value):
            raise LimitError(name, value, self.of(name).max)

    def refusal(self, name: str) -> LimitError:
        """Return the error for an excess whose value is unknown, and count it."""
        self._count(name, None, self.of(name))
        return LimitError(name, None, self.of(name).max)

    def _count(
        self,
        name: str,
        value: float | None,
        limit: Limit | TimeLimit,
        caller: str | None = None,
    ) -> None:
        self.exceeded[name] += 1
        self.excesses += 1
        if self._events.wants(LimitMet):
            self._events.emit(LimitMet(name, value, limit.max, limit.mode, caller))
