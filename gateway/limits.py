"""Holds requests to the configured limits."""

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
"""What is said of each limit: what there is, and the way out."""


class LimitError(RequestError):
    """A request is beyond a limit; the sentence tells what, by how much, and the way out.

    Without a ``value`` it was not counted to the end.
    """

    def __init__(self, name: str, value: int | None, most: int) -> None:
        what, way_out = _WORDS[name]
        said = what.format("too many" if value is None else value)
        super().__init__(ErrorCode.LIMIT_EXCEEDED, f"{said}; the limit {name} is {most}. {way_out}")


class Limits:
    """The configured limits; ``exceeded`` counts for each how often something was beyond it.

    ``deadline`` is the limit of that name, in seconds, of which nothing is refused: what enforces
    it is whatever an operation waits for.
    """

    def __init__(self, settings: LimitSettings, deadline: TimeLimit | None = None) -> None:
        self._limits: dict[str, Limit] = dict(settings)
        self._deadline = deadline or TimeLimit()
        self.exceeded: Counter[str] = Counter()

    def of(self, name: str) -> Limit:
        """Give the setting of a limit."""
        return self._limits[name]

    def most(self, name: str) -> int | None:
        """Give what a limit allows; None where nothing is refused."""
        limit = self.of(name)
        return limit.max if limit.refuses else None

    def refuses(self, name: str, value: float) -> bool:
        """Compare with a limit, and count and log what is beyond it; True for what is refused."""
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
        """Compare with a limit; LimitError for what is refused."""
        if self.refuses(name, value):
            raise LimitError(name, value, self.of(name).max)

    def refusal(self, name: str) -> LimitError:
        """Count what is refused, and was not counted to the end, and make the error for it."""
        self.exceeded[name] += 1
        return LimitError(name, None, self.of(name).max)
