"""Metrics count what happens, and every label has few values."""

from __future__ import annotations

import re
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from gateway.config import LimitSettings
from gateway.errors import ErrorCode
from gateway.events import (
    CANCELLED,
    REFUSED,
    STORE_FAILURES,
    TAKEN,
    UNCHANGED,
    ActionRecorded,
    AnswerReused,
    BreakerChanged,
    CacheLookedUp,
    CacheStoreFailed,
    ConfigurationReloaded,
    Event,
    Events,
    LimitMet,
    OperationBegan,
    OperationEnded,
    PageRefreshed,
    RequestBegan,
    RequestEnded,
    SourcesReplaced,
    UpstreamCallEnded,
)
from gateway.journal import ActionKind, Outcome
from gateway.model import CacheStatus, FailureCategory, WebhookLogStatus
from gateway.telemetry.instruments import COUNTED, LAST_RELOAD, RELOAD_SUCCEEDED, RELOADS
from gateway.telemetry.metrics import METHODS, OTHER, STATES, Metrics, ReloadMetrics
from gateway.telemetry.seen import BUCKETS, SeenDeliveries
from gateway.upstream.breaker import BreakerState
from gateway.web.observed import ROUTES
from tests.telemetry.whole_run import running

CODES = {code.name for code in ErrorCode} | {CANCELLED, *STORE_FAILURES, ""}
CACHE = {status.name for status in CacheStatus} | {"COLLAPSED", "FAILED", CANCELLED}
VALUES: dict[str, Any] = {
    "http_request_method": METHODS | {OTHER},
    "http_route": {*ROUTES, ""},
    "http_response_status_code": re.compile(r"[1-5][0-9]{2}|"),
    "graphql_operation_type": {"query", "mutation", ""},
    "error_type": CODES,
    "url_template": re.compile(r"token|(\{scope\})?(/(v[0-9]|[a-z_]+|\{[a-z_]+\}))*"),
    "outcome": CACHE | {"KEPT", TAKEN, REFUSED, UNCHANGED} | {outcome.name for outcome in Outcome},
    "state": {state.name for state in BreakerState},
    "action": {kind.name for kind in ActionKind},
    "limit": {*LimitSettings.model_fields, "deadline"},
    "mode": {"warn", "enforce"},
    "status": {status.name for status in WebhookLogStatus},
    "failure": {category.name for category in FailureCategory} | {""},
    "process": re.compile(r"[0-9]{1,3}|supervisor"),
    "version": re.compile(r"[0-9.]+"),
    "le": re.compile(r"[0-9.]+|\+Inf"),
}
"""The values that each label may have; those of ``source`` are in the configuration."""


LABELS = {each.name.removesuffix("_total"): each.labels for each in COUNTED}


def samples(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """Return the values by name and labels, without the buckets of histograms."""
    text, media_type = metrics.text("")
    assert media_type.startswith("text/plain")
    return {
        (one.name, *(one.labels[name] for name in LABELS[family.name])): one.value
        for family in text_string_to_metric_families(text.decode())
        for one in family.samples
        if not one.name.endswith(("_bucket", "_created"))
    }


def counted(*told: Event, since: int = 0) -> dict[tuple[str, ...], float]:
    """Return what is counted for some events, apart from zeros."""
    metrics, events = Metrics(["shop"], SeenDeliveries(since)), Events()
    before = samples(metrics)
    metrics.subscribe(events)
    for event in told:
        assert events.wants(type(event))
        events.emit(event)
    return {
        key: value
        for key, value in samples(metrics).items()
        if value != before.get(key, 0) and not key[0].endswith("_sum")
    }


def operation(event: type[OperationEnded] = OperationEnded, **changes: Any) -> OperationEnded:
    usual: dict[str, Any] = {"name": "A", "kind": "query", "document": "d", "seconds": 0.2}
    return event(**usual | {"caller": "none:anonymous", "role": "admin"} | changes)


def call(**changes: Any) -> UpstreamCallEnded:
    usual: dict[str, Any] = {
        "source": "shop",
        "method": "GET",
        "endpoint": "/logs",
        "status": 200,
        "code": None,
        "seconds": 0.1,
        "waited": 0.5,
        "attempt": 1,
        "sent": True,
        "background": False,
        "request_id": None,
        "trace_id": None,
    }
    return UpstreamCallEnded(**usual | changes)


def log(id: str, status: str = "FAILED", failure: str | None = "DNS", at: int = 9) -> Any:
    """Return what is read of a record."""
    category = SimpleNamespace(category=FailureCategory[failure]) if failure else None
    return SimpleNamespace(
        id=id, status=WebhookLogStatus[status], failure=category, triggered_at=at
    )


def test_requests_and_operations() -> None:
    assert counted(
        RequestBegan(),
        RequestBegan(),
        RequestEnded("POST", "/graphql", 200, 0.1),
        OperationBegan("1"),
        OperationBegan("2"),
        operation(scanned=50, returned=25),
        operation(AnswerReused, returned=25, cache="KEPT"),
        operation(kind="mutation", codes=["FORBIDDEN", "NOT_FOUND"], lost=["UPSTREAM_TIMEOUT"]),
        operation(kind=None, codes=["GRAPHQL_PARSE_FAILED"]),
    ) == {
        ("http_server_request_duration_seconds_count", "POST", "/graphql", "200"): 1,
        ("http_server_active_requests",): 1,
        ("graphql_server_active_requests",): -1,
        ("graphql_server_request_duration_seconds_count", "query", ""): 2,
        ("graphql_server_request_duration_seconds_count", "mutation", "FORBIDDEN"): 1,
        ("graphql_server_request_duration_seconds_count", "", "GRAPHQL_PARSE_FAILED"): 1,
        ("webhook_gateway_answers_reused_total", "KEPT"): 1,
        ("webhook_gateway_rows_scanned_total",): 50,
        ("webhook_gateway_rows_returned_total",): 50,
        ("webhook_gateway_lists_incomplete_total", "UPSTREAM_TIMEOUT"): 1,
    }


def test_method_of_no_standard_has_no_label() -> None:
    (key,) = (key for key in counted(RequestEnded("X" * 99, "", None, 0.1)) if len(key) > 1)
    assert key == ("http_server_request_duration_seconds_count", OTHER, "", "")


def test_calls() -> None:
    assert counted(
        call(),
        call(attempt=2, status=503, code="UPSTREAM_ERROR"),
        call(sent=False, status=None, code="UPSTREAM_CIRCUIT_OPEN"),
    ) == {
        ("http_client_request_duration_seconds_count", "shop", "GET", "/logs", "200", ""): 1,
        (
            "http_client_request_duration_seconds_count",
            *("shop", "GET", "/logs", "503", "UPSTREAM_ERROR"),
        ): 1,
        ("webhook_gateway_upstream_wait_seconds_count", "shop", "/logs"): 3,
        ("webhook_gateway_upstream_retries_total", "shop", "/logs"): 1,
        ("webhook_gateway_upstream_unsent_total", "shop", "UPSTREAM_CIRCUIT_OPEN"): 1,
    }


def test_breakers_caches_limits_and_actions() -> None:
    action = ActionRecorded(
        action_id="1",
        kind="RETRY",
        source="shop",
        log_id="2",
        caller="none:anonymous",
        outcome="SUCCEEDED",
        code=None,
        seconds=0.1,
        request_id=None,
    )
    assert counted(
        BreakerChanged("shop", "CLOSED", "OPEN"),
        BreakerChanged("shop", "OPEN", "HALF_OPEN"),
        BreakerChanged("shop", "CLOSED", "OPEN", personal=True),
        CacheLookedUp("shop", "HIT"),
        CacheStoreFailed("REFUSED"),
        LimitMet("depth", 9, 8, "warn"),
        action,
    ) == {
        ("webhook_gateway_breaker_state", "shop", "CLOSED"): 0,
        ("webhook_gateway_breaker_state", "shop", "HALF_OPEN"): 1,
        ("webhook_gateway_breaker_transitions_total", "shop", "OPEN"): 2,
        ("webhook_gateway_breaker_transitions_total", "shop", "HALF_OPEN"): 1,
        ("webhook_gateway_cache_lookups_total", "shop", "HIT"): 1,
        ("webhook_gateway_cache_store_failures_total", "REFUSED"): 1,
        ("webhook_gateway_limits_met_total", "depth", "warn"): 1,
        ("webhook_gateway_actions_total", "shop", "RETRY", "SUCCEEDED"): 1,
    }


def test_deliveries_are_counted_once_for_each_status() -> None:
    pages = [
        [log("a", "PENDING", None), log("b"), log("old", at=4), log("old", at=4)],
        [log("a", "SUCCEEDED", None), log("b"), log("c", failure="TLS")],
        [log("a", "SUCCEEDED", None), log("b"), log("c", failure="TLS")],
    ]
    assert counted(*(PageRefreshed("shop", page, False) for page in pages), since=5) == {
        ("webhook_gateway_deliveries_total", "shop", "PENDING", ""): 1,
        ("webhook_gateway_deliveries_total", "shop", "SUCCEEDED", ""): 1,
        ("webhook_gateway_deliveries_total", "shop", "FAILED", "DNS"): 1,
        ("webhook_gateway_deliveries_total", "shop", "FAILED", "TLS"): 1,
    }


def test_new_sources_begin_with_closed_breakers() -> None:
    """One that was made anew has no failures, and one that was dropped has no breaker."""
    made = dict.fromkeys(["shop", "new"], "https://vendor.example")
    assert counted(BreakerChanged("shop", "CLOSED", "OPEN"), SourcesReplaced(made, ["old"])) == {
        ("webhook_gateway_breaker_transitions_total", "shop", "OPEN"): 1,
        ("webhook_gateway_breaker_state", "new", "CLOSED"): 1,
    }
    assert counted(SourcesReplaced({}, ["shop"])) == {
        ("webhook_gateway_breaker_state", "shop", "CLOSED"): 0
    }


def test_reloads_are_counted_and_a_refusal_is_no_success() -> None:
    registry, events = CollectorRegistry(), Events()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", lambda: 5.0)
        ReloadMetrics(registry).subscribe(events)
        assert registry.get_sample_value(LAST_RELOAD.name) == 5.0
        assert registry.get_sample_value(RELOAD_SUCCEEDED.name) == 1
        for at, outcome in ((6.0, "TAKEN"), (7.0, "UNCHANGED"), (8.0, "REFUSED"), (9.0, "REFUSED")):
            patch.setattr(time, "time", lambda at=at: at)
            events.emit(ConfigurationReloaded(outcome=outcome, seconds=0.1))
            assert registry.get_sample_value(RELOAD_SUCCEEDED.name) == (outcome != "REFUSED")
    assert registry.get_sample_value(LAST_RELOAD.name) == 7.0
    counts = {"TAKEN": 1, "UNCHANGED": 1, "REFUSED": 2}
    for outcome, count in counts.items():
        assert registry.get_sample_value(RELOADS.name, {"outcome": outcome}) == count


def test_counters_that_alerts_look_at_begin_at_zero() -> None:
    """Prometheus does not take the first value of a counter for an increase."""
    shown = samples(Metrics(["shop"], SeenDeliveries(0)))
    outcomes = [outcome.name for outcome in Outcome if outcome is not Outcome.PENDING]
    for key in (
        *(("webhook_gateway_breaker_transitions_total", "shop", it.name) for it in BreakerState),
        *(
            ("webhook_gateway_actions_total", "shop", kind.name, outcome)
            for kind in ActionKind
            for outcome in outcomes
        ),
        *(
            ("webhook_gateway_deliveries_total", "shop", "FAILED", category.name)
            for category in FailureCategory
        ),
        ("webhook_gateway_deliveries_total", "shop", "SUCCEEDED", ""),
        *(("webhook_gateway_cache_store_failures_total", reason) for reason in STORE_FAILURES),
        *(
            ("graphql_server_request_duration_seconds_count", kind, "JOURNAL_UNAVAILABLE")
            for kind in ("query", "mutation")
        ),
    ):
        assert shown.pop(key) == 0, key
    states = {
        state: shown.pop(("webhook_gateway_breaker_state", "shop", state)) for state in STATES
    }
    assert states == {state.name: state is BreakerState.CLOSED for state in BreakerState}


def test_many_deliveries_are_remembered() -> None:
    """Those of all first pages are listed anew every few seconds."""
    seen = SeenDeliveries(0)
    logs = [log(f"{number}") for number in range(BUCKETS // 2)]
    assert sum(map(seen.add, logs)) == len(logs)
    assert sum(map(seen.add, logs)) == 0


@pytest.mark.slow
async def test_labels_are_bounded_over_a_whole_run(tmp_path: Path) -> None:
    """No id, name of a hook, address, or text of a caller becomes a label."""
    metrics, events = Metrics((), SeenDeliveries(0)), Events()
    metrics.subscribe(events)
    async with running(tmp_path, events) as run:
        await run.all()
        sources = set(run.sources)
    text, _ = metrics.text("")
    used = set()
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            if sample.value:
                used.add(family.name)
            for label, value in sample.labels.items():
                allowed = sources if label == "source" else VALUES[label]
                if isinstance(allowed, re.Pattern):
                    assert allowed.fullmatch(value), (sample.name, label, value)
                else:
                    assert value in allowed, (sample.name, label, value)
    expected = set(LABELS)
    # All requests have ended, and none is like another or beyond a limit.
    expected -= {"http_server_active_requests", "graphql_server_active_requests"}
    assert used >= expected - {
        "webhook_gateway_answers_reused",
        "webhook_gateway_cache_store_failures",
        "webhook_gateway_limits_met",
    }
    assert len(text) < 500_000
