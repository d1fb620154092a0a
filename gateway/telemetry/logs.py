"""The entries of the log: for each operation, action, limit, change of a breaker, and reload.

An entry is ``info``, or ``warning`` if the gateway or a vendor is the cause of a failure, and not
its caller. It holds no body, no header and no URL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.events import (
    REFUSED,
    ActionRecorded,
    AnswerReused,
    BreakerChanged,
    ConfigurationReloaded,
    LimitMet,
    OperationEnded,
    OperationFailed,
    UpstreamCallEnded,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.config import LogSettings
    from gateway.events import Events

OUTAGES = frozenset({"ALL_SOURCES_FAILED", "JOURNAL_UNAVAILABLE", "KEYS_UNAVAILABLE", "OVERLOADED"})
"""Codes that are not for a mistake of the caller, besides those of vendors."""
DEFECT = "INTERNAL_ERROR"
MAX_NAME = 100
"""Characters of an operation's name, which its caller has chosen."""


class Logs:
    """Writes entries to a logger of structlog that has the configured level."""

    def __init__(self, logger: Any, settings: LogSettings) -> None:
        self._log = logger
        self._level = settings.level
        self._wants_info = settings.level in {"debug", "info"}

    def subscribe(self, events: Events) -> None:
        """Hear of all that may be written."""
        # Of those that succeed, nothing is written above info, and each event takes its time.
        events.subscribe(OperationEnded if self._wants_info else OperationFailed, self.operation)
        events.subscribe(BreakerChanged, self.breaker)
        events.subscribe(LimitMet, self.limit)
        events.subscribe(ActionRecorded, self.action)
        events.subscribe(ConfigurationReloaded, self.reload)
        if self._wants_info:
            # It has no errors.
            events.subscribe(AnswerReused, self.operation)
        if self._level == "debug":
            events.subscribe(UpstreamCallEnded, self.call)

    def operation(self, event: OperationEnded) -> None:
        """Write an operation."""
        codes = (*event.codes, *event.lost)
        if DEFECT in codes:
            write = self._log.error
        elif any(map(is_outage, codes)):
            write = self._log.warning
        elif self._wants_info:
            write = self._log.info
        else:
            return
        write(
            "operation",
            **_without_none(
                name=event.name and event.name[:MAX_NAME],
                type=event.kind,
                document=event.document,
                caller=event.caller,
                role=event.role,
                duration_ms=_milliseconds(event.seconds),
                upstream_calls=event.calls,
                upstream_ms=_milliseconds(event.upstream_seconds),
                cache=event.cache,
                scanned=event.scanned,
                rows=event.returned,
                errors=_distinct(event.codes),
                lost=_distinct(event.lost),
                request_id=event.request_id,
                trace_id=event.trace_id,
            ),
        )

    def action(self, event: ActionRecorded) -> None:
        """Write an action."""
        write = self._log.info if event.code is None else self._log.warning
        write(
            "action",
            **_without_none(
                action=event.kind,
                source=event.source,
                outcome=event.outcome,
                error=event.code,
                caller=event.caller,
                duration_ms=_milliseconds(event.seconds),
                action_id=event.action_id,
                log_id=event.log_id,
                request_id=event.request_id,
            ),
        )

    def breaker(self, event: BreakerChanged) -> None:
        """Write a change of a circuit breaker; of an outage, its beginning and end are warnings."""
        is_probe = event.after == "HALF_OPEN"
        has_failed_again = (event.before, event.after) == ("HALF_OPEN", "OPEN")
        write = self._log.info if is_probe or has_failed_again else self._log.warning
        write(
            "breaker",
            **_without_none(
                source=event.source,
                before=event.before,
                after=event.after,
                error=event.code,
                personal=event.personal,
            ),
        )

    def limit(self, event: LimitMet) -> None:
        """Write an excess: a refusal is the caller's matter, but who only warns wants to know."""
        write = self._log.warning if event.mode == "warn" else self._log.info
        write(
            "limit",
            **_without_none(
                limit=event.name,
                value=None if event.value is None else round(event.value, 3),
                maximum=event.maximum,
                mode=event.mode,
                caller=event.caller,
            ),
        )

    def reload(self, event: ConfigurationReloaded) -> None:
        """Write a reload: a refusal needs somebody, and so does what waits for the next start."""
        if event.outcome == REFUSED:
            write = self._log.error
        else:
            write = self._log.warning if event.restart else self._log.info
        write(
            "configuration",
            **_without_none(
                outcome=event.outcome,
                changed=list(event.changed) or None,
                problems=list(event.problems) or None,
                restart=list(event.restart) or None,
                duration_ms=_milliseconds(event.seconds),
            ),
        )

    def call(self, event: UpstreamCallEnded) -> None:
        """Write a call to a vendor."""
        self._log.debug(
            "call",
            **_without_none(
                source=event.source,
                method=event.method,
                endpoint=event.endpoint,
                status=event.status,
                error=event.code,
                duration_ms=_milliseconds(event.seconds),
                waited_ms=_milliseconds(event.waited),
                attempt=event.attempt,
                sent=event.sent,
                background=event.background,
                request_id=event.request_id,
                trace_id=event.trace_id,
            ),
        )


def is_outage(code: str) -> bool:
    """Return whether a code is not for a mistake of the caller, other than ``DEFECT``."""
    return code.startswith("UPSTREAM_") or code in OUTAGES


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)


def _distinct(codes: Iterable[str]) -> list[str] | None:
    return list(dict.fromkeys(codes)) or None


def _without_none(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
