"""The attempts of a delivery."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from msgspec.structs import replace

from gateway.model import Attempt, Failure, HttpResponse, WebhookLog, WebhookLogStatus
from gateway.normalise.fields import Fields, HeaderPlaces, UnreadableError
from gateway.vendors.described.outcomes import (
    count,
    duration,
    failure,
    nothing,
    read,
    status,
    status_code,
)
from gateway.vendors.described.paths import reader
from gateway.vendors.described.records import AttemptsTable, FailureTable


class Outcome(NamedTuple):
    """An attempt, and the rest of its outcome."""

    attempt: Attempt
    failure: Failure | None
    response: HttpResponse | None


class Attempts:
    """Parses lists of attempts, whose failures are told like those ``of_logs`` by default."""

    def __init__(self, table: AttemptsTable, of_logs: FailureTable) -> None:
        self._table = table
        self._status = status(table.status)
        own = "failure" in table.model_fields_set
        self._failure = failure(table.failure if own else of_logs, tells_response=True)
        self._code, self._duration = status_code(table.response_status), duration(table.duration)
        self._number, self._at = count(table.number), read(table.at, "time")
        self._body = read(table.response_body, "body")
        path = table.response_headers
        self._headers = reader((path,), "headers") if path else nothing
        self._places = HeaderPlaces.of([path] if path else [])

    def parse(self, rows: Sequence[object], *, more: bool) -> list[Outcome]:
        """Return the attempts, the first one first; items that are not objects are left out.

        ``more`` is true if the list goes on after these rows.
        """
        found = []
        for row in rows:
            try:
                found.append(self._outcome(Fields(row)))
            except UnreadableError:
                more = True
        if self._table.newest_first:
            found.reverse()
        if more or (self._table.most is not None and len(rows) >= self._table.most):
            return found
        return [
            each
            if each.attempt.number is not None
            else each._replace(attempt=replace(each.attempt, number=number))
            for number, each in enumerate(found, 1)
        ]

    def _outcome(self, row: Fields) -> Outcome:
        shown = row.redacted(self._places)
        result, code = self._status(row), self._code(row)
        headers, body = self._headers(shown), self._body(shown)
        failed = self._failure(row, code) if result is WebhookLogStatus.FAILED else None
        attempt = Attempt(
            number=self._number(row),
            at=self._at(row),
            status=result,
            status_code=code,
            duration_ms=self._duration(row),
            error=failed.message if failed else None,
            response_body=body,
        )
        found = (code, headers, body) != (None, None, None)
        response = HttpResponse(status_code=code, headers=headers, body=body) if found else None
        return Outcome(attempt, failed, response)


def completed(log: WebhookLog, newest: Outcome) -> WebhookLog:
    """Return a log with what the newest attempt has of its outcome."""
    attempt = newest.attempt
    return replace(
        log,
        failure=newest.failure or log.failure if log.failure else None,
        duration_ms=log.duration_ms if attempt.duration_ms is None else attempt.duration_ms,
        response=newest.response or log.response,
    )
