"""Events: what happens at the seams of the gateway, for those who subscribe.

The code that emits an event does not know who hears it. Logs, metrics and traces subscribe before
the application is built (``gateway.telemetry``).

- An event is built only if somebody has subscribed to its kind: ``if events.wants(Kind)``. Without
  a subscriber this costs a tenth of a microsecond. If it has a span, it is built in any case.
- A subscriber is called in the middle of the work, so it must not wait. If it fails, that is
  logged, and the work goes on.
- Events hold no body, no header, no query of a URL and no credential.

Durations are in seconds. Codes are names of ``ErrorCode``, or ``CANCELLED`` for work that nobody
waits for any more. Events that end some work have its ``span``, unless its trace is not recorded;
they are emitted at once when it ends.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from gateway.model import WebhookLog

log = logging.getLogger(__name__)

CANCELLED = "CANCELLED"
"""The code of work that was cancelled, since the client had disconnected or the server stopped."""

KEPT, COLLAPSED, FAILED = "KEPT", "COLLAPSED", "FAILED"
"""Outcomes of a look into a cache that are no ``CacheStatus``."""
STORE_FAILURES = UNREACHABLE, REFUSED, INVALID = "UNREACHABLE", "REFUSED", "INVALID"
"""Why Redis did not do what the cache asked for; REFUSED is mostly for lack of memory."""

TAKEN, REFUSED, UNCHANGED = "TAKEN", "REFUSED", "UNCHANGED"
"""Outcomes of a reload."""


class Event(msgspec.Struct, frozen=True):
    """Something that has happened."""


class Span(msgspec.Struct, frozen=True):
    """A piece of work in a trace that is recorded; ids are hexadecimal, as in W3C trace context.

    ``parent_id`` is that of the work that it is a part of, and None for the whole.
    """

    trace_id: str
    id: str
    parent_id: str | None


class RequestBegan(Event, frozen=True):
    """An HTTP request has arrived."""


class RequestEnded(Event, frozen=True):
    """An HTTP request has been answered; ``status`` is None if its client has disconnected.

    ``route`` is one of the paths that the gateway serves, or empty. ``span`` is that of its last
    operation.
    """

    method: str
    route: str
    status: int | None
    seconds: float
    span: Span | None = None


class OperationBegan(Event, frozen=True):
    """An operation is about to be executed; an ``OperationEnded`` follows."""

    request_id: str | None


class OperationEnded(Event, frozen=True, kw_only=True):
    """An operation has been executed, or refused.

    ``name``, ``kind`` ("query", "mutation") and ``document``, the SHA-256 of the document, are None
    if it could not be read. ``role`` is the caller's highest. ``calls`` are those to vendors that
    it made itself; ``upstream_seconds`` adds them up, even where they ran at the same time.
    ``cache`` is the worst outcome of its ``lookups`` in the cache. ``scanned`` logs were examined
    to return ``returned`` of them in lists. ``codes`` are those of the errors in the response;
    those of sources that are missing in a list are in ``lost``.
    """

    name: str | None
    kind: str | None
    document: str | None
    caller: str
    role: str
    seconds: float
    calls: int = 0
    upstream_seconds: float = 0.0
    cache: str | None = None
    lookups: int = 0
    scanned: int = 0
    returned: int = 0
    codes: Sequence[str] = ()
    lost: Sequence[str] = ()
    request_id: str | None = None
    trace_id: str | None = None
    span: Span | None = None


class OperationFailed(OperationEnded, frozen=True, kw_only=True):
    """An operation has ended with ``codes`` or ``lost``; its ``OperationEnded`` came before.

    It is for those who need not hear of the others.
    """


class AnswerReused(OperationEnded, frozen=True, kw_only=True):
    """An operation got the answer of an equal one, and was not executed itself.

    ``cache`` is ``KEPT`` if that one had ended before, ``COLLAPSED`` if it was in flight. ``by`` is
    the span of the latter.
    """

    by: Span | None = None


class UpstreamCallEnded(Event, frozen=True, kw_only=True):
    """A call to a vendor has ended, or was not ``sent``.

    ``endpoint`` is the path with names in the place of values, such as ``/hooks/{id}``.
    ``status`` is that of the HTTP response, if there was one; ``code`` is None if the call
    succeeded. ``seconds`` begin when it is sent, after it ``waited`` for the rate limit and for a
    connection. ``attempt`` is above 1 for a retry. The vendor was called in the ``background`` if
    no caller waits for it.
    """

    source: str
    method: str
    endpoint: str
    status: int | None
    code: str | None
    seconds: float
    waited: float
    attempt: int
    sent: bool
    background: bool
    request_id: str | None
    trace_id: str | None
    span: Span | None = None


class CacheLookedUp(Event, frozen=True):
    """A value of a source was looked up in the cache, and read from the vendor if it had to be.

    ``outcome`` is a ``CacheStatus``, or ``COLLAPSED`` if another caller was already reading it, or
    ``FAILED`` if it could not be read, or ``CANCELLED``. ``by`` is the span of the read that
    another caller began.
    """

    source: str
    outcome: str
    seconds: float = 0.0
    span: Span | None = None
    by: Span | None = None


class SourceRead(Event, frozen=True, kw_only=True):
    """A value of a source was read for the cache, once for all callers who wait for it.

    ``background`` is that of its calls; ``code`` is None if it was read.
    """

    source: str
    seconds: float
    background: bool
    code: str | None = None
    span: Span | None = None


class CacheStoreFailed(Event, frozen=True):
    """The cache's Redis did not do what it was asked for.

    ``reason`` is in ``STORE_FAILURES``. It is ``INVALID`` if an entry can't be encoded or decoded.
    """

    reason: str


class PageRefreshed(Event, frozen=True):
    """A page of logs has been read from a vendor; ``background`` as for a call."""

    source: str
    logs: Sequence[WebhookLog]
    background: bool


class BreakerChanged(Event, frozen=True):
    """The circuit breaker of a source has another ``BreakerState``.

    It is ``personal`` if it concerns the calls with one caller's own credential only. ``code`` is
    that of the failure that opened it.
    """

    source: str
    before: str
    after: str
    personal: bool = False
    code: str | None = None


class LimitMet(Event, frozen=True):
    """A request exceeds a limit: it is refused, or only counted if the mode is "warn".

    ``value`` is None if counting stopped at the limit. The ``caller`` is known where the limit is
    one of its own.
    """

    name: str
    value: float | None
    maximum: float
    mode: str
    caller: str | None = None


class ActionRecorded(Event, frozen=True, kw_only=True):
    """The outcome of a retry or delete is known; ``code`` is that of the failure.

    ``action_id`` is its id in the journal, ``log_id`` that of the webhook log.
    """

    action_id: str
    kind: str
    source: str
    log_id: str
    caller: str
    outcome: str
    code: str | None
    seconds: float
    request_id: str | None


class ConfigurationReloaded(Event, frozen=True, kw_only=True):
    """The configuration was read anew, and TAKEN over, REFUSED or found UNCHANGED.

    ``changed`` are the tables and sources that are others now, as "limits" or "sources.shop".
    ``problems`` are the reasons for a refusal. The changed settings in ``restart`` take effect at
    the next start only.
    """

    outcome: str
    seconds: float
    changed: Sequence[str] = ()
    problems: Sequence[str] = ()
    restart: Sequence[str] = ()


class SourcesReplaced(Event, frozen=True):
    """A new configuration is in force, for which the sources ``made`` were made anew.

    They have the base URLs of their vendors; their circuit breakers are closed. Those ``dropped``
    are in it no more.
    """

    made: Mapping[str, str]
    dropped: Sequence[str]


E = TypeVar("E", bound=Event)
Listener = Callable[[Any], None]


class Events:
    """Passes events on to those who have subscribed to their kind."""

    def __init__(self) -> None:
        self._listeners: dict[type[Event], list[Listener]] = {}
        self._recorders: dict[type[Event], Listener] = {}
        self.wants = self._listeners.__contains__
        """Return whether anybody has subscribed to a kind of event."""
        self.samples: Callable[[], bool] | None = None
        """Return whether to record an operation whose caller sends no trace.

        It is None if no traces are recorded: then no event has a span.
        """

    def subscribe(self, kind: type[E], listener: Callable[[E], None]) -> None:
        """Call a listener with each event of a kind; not with those of its subclasses."""
        self._listeners.setdefault(kind, []).append(listener)

    def record(self, kind: type[E], recorder: Callable[[E], None]) -> None:
        """Call a recorder with each event of a kind that has a span."""
        self._recorders[kind] = recorder

    def emit(self, event: Event) -> None:
        """Call those who have subscribed to the kind of an event."""
        for listener in self._listeners.get(type(event), ()):
            _call(listener, event)
        recorder = self._recorders.get(type(event))
        if recorder is not None and getattr(event, "span", None) is not None:
            _call(recorder, event)


def _call(listener: Listener, event: Event) -> None:
    try:
        listener(event)
    except Exception:
        log.exception("A listener to %s has failed.", type(event).__name__)
