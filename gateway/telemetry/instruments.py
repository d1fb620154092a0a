"""The metrics: their names, labels and meanings.

Names and labels are those of the OpenTelemetry conventions where there are any, as Prometheus
writes them: https://opentelemetry.io/docs/specs/semconv/http/http-metrics/, and for GraphQL the
draft of https://github.com/graphql/otel-wg. Durations are in seconds.

Every label has few values: names of the configuration, codes, or templates of paths.
"""

from __future__ import annotations

from typing import NamedTuple

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
"""The upper bounds of durations in seconds, which the conventions recommend."""


class Instrument(NamedTuple):
    """A metric: its ``kind`` is ``counter``, ``gauge`` or ``histogram``."""

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str


REQUESTS = Instrument(
    "http_server_request_duration_seconds",
    "histogram",
    ("http_request_method", "http_route", "http_response_status_code"),
    "HTTP requests, with those that were refused.",
)
ACTIVE_REQUESTS = Instrument(
    "http_server_active_requests", "gauge", (), "HTTP requests that are being answered."
)
OPERATIONS = Instrument(
    "graphql_server_request_duration_seconds",
    "histogram",
    ("graphql_operation_type", "error_type"),
    "Operations; error_type is the code of the first error, or empty.",
)
ACTIVE_OPERATIONS = Instrument(
    "graphql_server_active_requests", "gauge", (), "Operations that are being executed."
)
REUSED = Instrument(
    "webhook_gateway_answers_reused_total",
    "counter",
    ("outcome",),
    "Operations that got the answer of an equal one, which was KEPT, or COLLAPSED with them.",
)
SCANNED = Instrument(
    "webhook_gateway_rows_scanned_total", "counter", (), "Webhook logs examined for lists."
)
RETURNED = Instrument(
    "webhook_gateway_rows_returned_total", "counter", (), "Webhook logs returned in lists."
)
INCOMPLETE = Instrument(
    "webhook_gateway_lists_incomplete_total",
    "counter",
    ("error_type",),
    "Failures of sources that lists were returned without.",
)
CALLS = Instrument(
    "http_client_request_duration_seconds",
    "histogram",
    ("source", "http_request_method", "url_template", "http_response_status_code", "error_type"),
    "Calls to vendors; error_type is the code of the failure, or empty.",
)
WAITS = Instrument(
    "webhook_gateway_upstream_wait_seconds",
    "histogram",
    ("source", "url_template"),
    "Waits of calls for the rate limit of the source and for a connection.",
)
RETRIES = Instrument(
    "webhook_gateway_upstream_retries_total",
    "counter",
    ("source", "url_template"),
    "Calls that were sent again after a temporary failure.",
)
UNSENT = Instrument(
    "webhook_gateway_upstream_unsent_total",
    "counter",
    ("source", "error_type"),
    "Calls that were not sent, since the breaker was open, a limit reached, or the time up.",
)
BREAKERS = Instrument(
    "webhook_gateway_breaker_state",
    "gauge",
    ("source", "state"),
    "Workers whose circuit breaker for the source is in the state.",
)
TRANSITIONS = Instrument(
    "webhook_gateway_breaker_transitions_total",
    "counter",
    ("source", "state"),
    "Changes of a circuit breaker into the state.",
)
LOOKUPS = Instrument(
    "webhook_gateway_cache_lookups_total",
    "counter",
    ("source", "outcome"),
    "Looks into the cache.",
)
STORE_FAILURES = Instrument(
    "webhook_gateway_cache_store_failures_total",
    "counter",
    ("error_type",),
    "Reads and writes that the cache's Redis did not do; error_type is UNREACHABLE, REFUSED or"
    " INVALID.",
)
ACTIONS = Instrument(
    "webhook_gateway_actions_total",
    "counter",
    ("source", "action", "outcome"),
    "Retries and deletes.",
)
LIMITS = Instrument(
    "webhook_gateway_limits_met_total",
    "counter",
    ("limit", "mode"),
    "Requests beyond a limit: refused where the mode is enforce.",
)
DELIVERIES = Instrument(
    "webhook_gateway_deliveries_total",
    "counter",
    ("source", "status", "failure"),
    "Webhook deliveries since the start that were seen in lists, once for each status.",
)
BUILD = Instrument("webhook_gateway_build_info", "gauge", ("version",), "1 for the version.")

COUNTED = tuple(value for value in vars().copy().values() if isinstance(value, Instrument))
"""Metrics of what happens, which each worker counts."""

WORKERS = Instrument("webhook_gateway_workers", "gauge", (), "Workers that answer requests.")
MEMORY = Instrument(
    "process_resident_memory_bytes", "gauge", ("process",), "Memory; what processes share counts."
)
CPU = Instrument(
    "process_cpu_seconds_total", "counter", ("process",), "Processor time, of user and system."
)
DESCRIPTORS = Instrument("process_open_fds", "gauge", ("process",), "Open file descriptors.")
MAX_DESCRIPTORS = Instrument("process_max_fds", "gauge", ("process",), "Most of them at a time.")
STARTED = Instrument("process_start_time_seconds", "gauge", ("process",), "Unix time of the start.")
PROCESSES = (MEMORY, CPU, DESCRIPTORS, MAX_DESCRIPTORS, STARTED)
"""Metrics of the processes, on Linux; the process is the number of a worker, or supervisor."""

RELOADS = Instrument(
    "webhook_gateway_config_reloads_total",
    "counter",
    ("outcome",),
    "Times that the configuration was read anew: TAKEN over, REFUSED or UNCHANGED.",
)
LAST_RELOAD = Instrument(
    "webhook_gateway_config_last_reload_success_timestamp_seconds",
    "gauge",
    (),
    "When the configuration in force was read, or was last found to be unchanged, in Unix time.",
)
OF_RELOADS = (RELOADS, LAST_RELOAD)
"""Metrics of the process that reads the configuration."""

INSTRUMENTS = (*COUNTED, *OF_RELOADS, WORKERS, *PROCESSES)
