"""The documents of connections, events and attempts."""

from __future__ import annotations

import base64
import datetime as dt
from typing import TYPE_CHECKING, Any

from gateway.sandbox.deliveries import MILLISECOND, digest, nanoseconds
from gateway.sandbox.hookdeck.attempts import PAUSED_FOR, Attempt, Progress, progress_of
from gateway.sandbox.hookdeck.exchange import request_data, response_body
from gateway.sandbox.vendor import timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gateway.sandbox.deliveries import Archive, Delivery
    from gateway.sandbox.hookdeck.connections import Connection

_TEAM = "tm_Xk4Rb9VfQe2W"
_CREATED = "2026-01-05T08:00:00.000Z"


class Documents:
    """Builds documents as of now, and remembers what users did with events."""

    def __init__(
        self,
        archive: Archive,
        connections: Sequence[Connection],
        seed: int,
        secrets: Mapping[str, str],
        clock: Callable[[], float],
    ) -> None:
        self._archive = archive
        self._connections = {connection.id: connection for connection in connections}
        self._seed = seed
        self._secrets = secrets
        self._clock = clock
        self._started = nanoseconds(clock())
        self._events: dict[str, Delivery] = {}
        self._retries: dict[int, list[int]] = {}
        self._cancelled: set[int] = set()

    def find(self, event_id: str) -> Delivery | None:
        """Return the event of an id."""
        for log in self._archive.deliveries[len(self._events) :]:
            self._events[self.event_id(log)] = log
        return self._events.get(event_id)

    def retry(self, log: Delivery, delay: int) -> None:
        """Have an event attempted again after so many nanoseconds."""
        due = (nanoseconds(self._clock()) + delay) // MILLISECOND * MILLISECOND
        self._retries.setdefault(log.number, []).append(due)

    def cancel(self, log: Delivery) -> None:
        """Make no more attempts."""
        self._cancelled.add(log.number)
        self._retries.pop(log.number, None)

    def connection_of(self, log: Delivery) -> Connection:
        """Return the connection of an event."""
        return self._connections[log.stream.id]

    def progress(self, log: Delivery) -> Progress:
        """Return the state of an event."""
        return progress_of(
            log,
            self.connection_of(log),
            self._retries.get(log.number, ()),
            started=self._started,
            now=nanoseconds(self._clock()),
            cancelled=log.number in self._cancelled,
        )

    def event(self, log: Delivery, *, with_data: bool) -> dict[str, Any]:
        """Return an event; ``with_data``, with the request, which a list does not have."""
        connection, progress = self.connection_of(log), self.progress(log)
        last = progress.attempts[-1] if progress.attempts else None
        event = {
            "id": self.event_id(log),
            "team_id": _TEAM,
            "webhook_id": connection.id,
            "source_id": connection.source_id,
            "destination_id": connection.destination_id,
            "event_data_id": self._id("edt", log.number),
            "request_id": self._id("req", log.number),
            "attempts": len(progress.attempts),
            "last_attempt_at": shown_time(last.time) if last else None,
            "next_attempt_at": shown_time(progress.next_attempt) if progress.next_attempt else None,
            "response_status": last.outcome.status if last else None,
            "error_code": progress.error_code,
            "status": progress.status,
            "successful_at": shown_time(last.ended) if last and last.succeeded else None,
            "cli_id": None,
            "created_at": shown_time(log.time),
            "updated_at": shown_time(last.ended if last else log.time),
        }
        if with_data:
            event["data"] = request_data(self._seed, self._secrets, log)
        return event

    def attempt(self, log: Delivery, attempt: Attempt) -> dict[str, Any]:
        """Return an attempt."""
        connection, status = self.connection_of(log), attempt.outcome.status
        ended = shown_time(attempt.ended)
        return {
            "id": self.attempt_id(log, attempt),
            "team_id": _TEAM,
            "event_id": self.event_id(log),
            "destination_id": connection.destination_id,
            "response_status": status,
            "attempt_number": attempt.number,
            "trigger": attempt.trigger,
            "error_code": attempt.error_code,
            "body": response_body(self._seed, self._secrets, log, attempt),
            "requested_url": connection.url,
            "http_method": "POST",
            "bulk_retry_id": None,
            "status": "SUCCESSFUL" if attempt.succeeded else "FAILED",
            "successful_at": ended if attempt.succeeded else None,
            "delivered_at": ended if status is not None else None,
            "responded_at": ended if status is not None else None,
            "delivery_latency": attempt.duration_ms,
            "response_latency": attempt.duration_ms if status is not None else None,
            "created_at": shown_time(attempt.time),
            "updated_at": ended,
        }

    def connection(self, connection: Connection) -> dict[str, Any]:
        """Return a connection."""
        return {
            "id": connection.id,
            "team_id": _TEAM,
            "name": connection.name,
            "full_name": f"{connection.source} -> {connection.name}",
            "description": None,
            "source": {"id": connection.source_id, "name": connection.source, "type": "WEBHOOK"},
            "destination": {
                "id": connection.destination_id,
                "name": connection.destination,
                "type": "HTTP",
                "config": {
                    "url": connection.url,
                    "auth_type": connection.auth.get("type", "HOOKDECK_SIGNATURE"),
                    "auth": connection.auth.get("auth", {}),
                },
            },
            "rules": [{"type": "delay", "delay": connection.delay}] if connection.delay else [],
            "disabled_at": None if connection.active else shown_time(self._started),
            "paused_at": shown_time(self._started - PAUSED_FOR) if connection.paused else None,
            "created_at": _CREATED,
            "updated_at": _CREATED,
        }

    def event_id(self, log: Delivery) -> str:
        """Return the id of an event."""
        return self._id("evt", log.number)

    def attempt_id(self, log: Delivery, attempt: Attempt) -> str:
        """Return the id of an attempt."""
        return self._id("atm", log.number * 1000 + attempt.number)

    def _id(self, prefix: str, number: int) -> str:
        noise = digest(self._seed, prefix, number)
        return f"{prefix}_{base64.b32encode(noise[:15]).decode().lower()}"


def shown_time(time: int) -> str:
    """Format a time as JavaScript does."""
    return timestamp(time, 3, zone=dt.UTC) + "Z"
