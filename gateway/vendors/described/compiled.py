"""A description, and what is made of it once, when it is loaded."""

from __future__ import annotations

from gateway.model import Capability
from gateway.vendors.described.attempts import Attempts
from gateway.vendors.described.calls import RetryTable
from gateway.vendors.described.description import Description
from gateway.vendors.described.filters import STEPS, Filters
from gateway.vendors.described.listing import Listing
from gateway.vendors.described.outcomes import recorded
from gateway.vendors.described.parsing import error_reader, hook_parser, log_parser, read_id
from gateway.vendors.described.templates import variables_of
from gateway.vendors.described.terms import IdTable
from gateway.vendors.pages import Stream


class Compiled:
    """A description with its lists, its parsers and the lengths of its places."""

    def __init__(self, description: Description, provider: str) -> None:
        self.description = description
        self.parse_log = log_parser(description, provider)
        self.parse_hook = hook_parser(description)
        self.read_error = error_reader(description)
        self.pages = Listing(description.list)
        self.hook_pages = Listing(description.hooks) if description.hooks else None
        finders = {key: scope.find for key, scope in description.scopes.items() if scope.find}
        self.finders = {key: Listing(find) for key, find in finders.items()}
        attempts = description.attempts
        self.attempts = Attempts(attempts, description.log.failure) if attempts else None
        self.attempt_pages = Listing(description.attempts) if description.attempts else None
        self.filters = Filters(
            description.list, description.request.lists, recorded(description.log.status)
        )
        self.finder_ids = {key: read_id(find.id) for key, find in finders.items()}
        self.id_of = read_id(description.log.id)
        self.own_id = IdTable(path=("id",))
        """The form of the other ids in a place."""
        listed = (description.list.path, description.list.params, description.list.body)
        self.by_hook = "hook" in variables_of(listed)
        """Whether each hook has a list of its own."""
        self.scope_length = 2 if description.scopes else 0
        self.stream_length = self.scope_length + self.by_hook
        self.place_length = self.stream_length + len(description.log.place) + 1
        until = description.list.until
        self.windowed = until is not None
        self.appends_retries = _appends_retries(description.retry)
        self.granularity = STEPS[until.granularity if until else "millisecond"]
        self.capabilities = frozenset(_capabilities(description))
        self.lacks = frozenset(_lacking(description, by_hook=self.by_hook))

    def stream(self, place: tuple[str, ...], hook_id: str | None) -> Stream:
        """Return the stream at a place."""
        return Stream(
            key="/".join(place) or "logs",
            place=place,
            hook_id=hook_id,
            windowed=self.windowed,
            by_token=self.pages.by_token and not self.windowed,
            granularity=self.granularity,
        )


def _appends_retries(table: RetryTable | None) -> bool:
    """Return whether a retry makes a new log that the answer does not name."""
    return table is not None and table.makes == "NEW_LOG" and table.new_id is table.log is None


def _capabilities(description: Description) -> set[Capability]:
    log, list, filters = description.log, description.list, description.list.filters
    attempts = description.attempts
    can = {
        Capability.LIST: True,
        Capability.GET: description.detail is not None,
        Capability.ATTEMPTS: attempts is not None,
        Capability.RETRY: description.retry is not None,
        Capability.DELETE: description.delete is not None,
        Capability.FILTER_TIME: list.until is not None,
        Capability.FILTER_STATUS: filters.status is not None,
        Capability.FILTER_EVENT: filters.events is not None,
        Capability.COUNT: list.total is not None,
        Capability.REQUEST_BODY: log.request_body is not None,
        Capability.RESPONSE_BODY: log.response_body is not None
        or (attempts is not None and attempts.completes and attempts.response_body is not None),
    }
    return {capability for capability, able in can.items() if able}


def _lacking(description: Description, *, by_hook: bool) -> set[str]:
    """Return the attributes of the filter that no log has."""
    log = description.log
    has = {
        "event": log.event,
        "url": log.url,
        "http_status": log.response_status,
        "hook_id": log.hook or by_hook,
        "correlation_id": log.correlation_id,
        "triggered_at": log.triggered_at,
    }
    return {name for name, there in has.items() if not there}
