"""The deliveries of webhooks, the same for all owners: pages by cursor, details, redelivery.

https://docs.github.com/en/rest/repos/webhooks
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException

from gateway.sandbox.deliveries import SECOND, Archive, digest, nanoseconds
from gateway.sandbox.github.answers import links, page_size, respond
from gateway.sandbox.github.exchange import exchange
from gateway.sandbox.github.hooks import ACTIONS, REPOSITORIES
from gateway.sandbox.github.results import result
from gateway.sandbox.vendor import timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from gateway.sandbox.deliveries import Delivery
    from gateway.sandbox.github.hooks import Hook

_FIRST_ID = 9_007_199_254_740_993
"""Ids are 64-bit integers: a floating-point number can't hold every second one of these."""
_DAYS = 3
_INSTALLATION = 4_218_877
_EVENT_SPREAD = 300 * SECOND
"""How far apart two webhooks get the same event, at most."""
_CURSOR = "v1_"
_CODES = {"success": range(200, 400), "failure": range(400, 600)}


class Deliveries:
    """The deliveries of some webhooks, which GitHub lists for three days, the newest first.

    An event that two webhooks receive has one ``guid``, as have its redeliveries.

    Assumptions where the documentation is silent: an unknown cursor is a 422, and so is one whose
    delivery is no longer listed; an unknown delivery is a 404; without a response, ``status_code``
    is a gateway's code or 0; ``delivered_at`` has whole seconds.
    """

    def __init__(
        self,
        seed: int,
        secrets: Mapping[str, str],
        hooks: Sequence[Hook],
        clock: Callable[[], float],
    ) -> None:
        self._seed = seed
        self._secrets = secrets
        self._clock = clock
        self._by_id = {hook.id: hook for hook in hooks}
        self.archive = Archive(hooks, precision=SECOND, resends=True, days=_DAYS, listed_days=_DAYS)

    def page(self, request: Request, hook: Hook) -> Response:
        """Return the page that starts with the delivery that ``cursor`` names."""
        values = request.query_params
        size, start = page_size(request), 0
        logs = self._listed(hook)
        if (cursor := values.get("cursor")) is not None:
            names = [f"{_CURSOR}{_id(log)}" for log in logs]
            if cursor not in names:
                raise HTTPException(422, "cursor")
            start = names.index(cursor)
        newer, rest = logs[:start], logs[start:]
        if (status := values.get("status")) is not None:
            if status not in _CODES:
                raise HTTPException(422, "status")
            newer, rest = (
                [log for log in part if result(log.outcome)[0] in _CODES[status]]
                for part in (newer, rest)
            )
        pages = {}
        if newer:
            pages["prev"] = {"cursor": f"{_CURSOR}{_id(newer[-size:][0])}"}
        if rest[size:]:
            pages["next"] = {"cursor": f"{_CURSOR}{_id(rest[size])}"}
        content = [self._summary(log) for log in rest[:size]]
        return respond(content, headers=links(request, pages))

    def detail(self, request: Request, hook: Hook) -> Response:
        """Return a delivery with its headers and bodies."""
        log = self._find(request, hook)
        summary = self._summary(log)
        event, repository = self._event_number(log), self._repository(log)
        return respond(
            summary | exchange(self._seed, self._secrets, hook, log, summary, event, repository)
        )

    def redeliver(self, request: Request, hook: Hook, content: Any) -> Response:
        """Deliver again in a second, and respond at once with ``content``."""
        log = self._find(request, hook)
        self.archive.plan_resend(log, nanoseconds(self._clock()) + SECOND)
        return respond(content, 202)

    def last_response(self, hook: Hook) -> dict[str, Any]:
        """Return what a webhook's settings tell about its newest delivery."""
        logs = self._listed(hook)
        if not logs:
            return {"code": None, "status": "unused", "message": None}
        code, text = result(logs[0].outcome)
        return {"code": code, "status": "active", "message": text}

    def identify(self, log: Delivery) -> tuple[str, str]:
        """Return the id and the time of a delivery."""
        return str(_id(log)), _time(log.time)

    def _listed(self, hook: Hook) -> Sequence[Delivery]:
        return self.archive.listed(nanoseconds(self._clock()), hook.id)[::-1]

    def _find(self, request: Request, hook: Hook) -> Delivery:
        text = request.path_params["delivery"]
        for log in self._listed(hook):
            if str(_id(log)) == text:
                return log
        raise HTTPException(404, "")

    def _summary(self, log: Delivery) -> dict[str, Any]:
        code, text = result(log.outcome)
        event = self._event_number(log)
        kind = self._kind(log)
        actions = ACTIONS[kind]
        repository = self._repository(log)
        throttled = log.number % 53 == 0
        return {
            "id": _id(log),
            "guid": str(uuid.UUID(bytes=digest(self._seed, "github", event), version=4)),
            "delivered_at": _time(log.time),
            "redelivery": log.attempt > 1,
            "duration": log.duration_ms / 1000,
            "status": text,
            "status_code": code,
            "event": kind,
            "action": actions[event % len(actions)],
            "installation_id": None if self._by_id[log.stream.id].owner else _INSTALLATION,
            "repository_id": REPOSITORIES[repository] if repository else None,
            "throttled_at": _time(log.time - 7 * SECOND) if throttled else None,
        }

    def _event_number(self, log: Delivery) -> int:
        """Return the number of the delivery that was the first of its event.

        The second of two deliveries has the event of the one before it, if that went to another
        webhook for the same kind of event, and shortly before.
        """
        first = self.archive.deliveries[log.job]
        before = self.archive.deliveries[first.number - 1] if first.number % 2 else first
        shared = (
            before.stream is not first.stream
            and before.attempt == 1
            and self._kind(before) == self._kind(first)
            and self._repository(before) == self._repository(first)
            and first.time - before.time <= _EVENT_SPREAD
        )
        return before.number if shared else first.number

    def _kind(self, log: Delivery) -> str:
        events = self._by_id[log.stream.id].events
        return events[log.job // 2 % len(events)]

    def _repository(self, log: Delivery) -> str | None:
        """Return the name of the repository that the event is about, if it is about one."""
        if self._kind(log) in {"member", "installation"}:
            return None
        names = self._by_id[log.stream.id].repositories
        return names[log.job // 2 % len(names)]


def _id(log: Delivery) -> int:
    return _FIRST_ID + log.number


def _time(time: int) -> str:
    return timestamp(time, 1, zone=dt.UTC).partition(".")[0] + "Z"
