"""Alerts fire on faults of the sandbox, and every panel of the dashboard shows something."""

from __future__ import annotations

import contextlib
import json
import math
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, NoReturn

import httpx
import pytest
from starlette.types import ASGIApp

from gateway.sandbox import Sandbox
from tests.observability.files import ALERTS, RULES, panels
from tests.observability.recording import Recording, Series, record
from tests.support.redis import Redis

pytestmark = pytest.mark.slow

SEEN = ("hookdeck", "repo-cn", "shop", "svix", "tracker", "translations")
"""Sources whose lists can still be read."""
AFTER_ACTIONS = 5
"""Minutes after the actions in which their alerts are looked for; they end by themselves."""
ONE_TIME = {
    ("WebhookGatewayActionsUnknown", "translations"),
    ("WebhookGatewayJournalUnavailable", ""),
}
LASTING = {
    ("WebhookGatewayCacheStoreFails", ""),
    ("WebhookGatewayListsIncomplete", ""),
    ("WebhookGatewayOperationsFail", ""),
    ("WebhookGatewayOperationsSlow", ""),
    ("WebhookGatewayOverloaded", ""),
    ("WebhookGatewaySourceBreakerOpen", "github"),
    ("WebhookGatewaySourceCallsWait", "hookdeck"),
    ("WebhookGatewaySourceCredentialRefused", "gitlab"),
    ("WebhookGatewaySourceFails", "github"),
    ("WebhookGatewaySourceRateLimited", "svix"),
    *(("WebhookGatewayDeliveriesFail", source) for source in SEEN),
}
DOWN = "WebhookGatewayDown"
ELSEWHERE = {
    "WebhookGatewayConfigurationRefused",
    "WebhookGatewayDeliveriesStopped",
    "WebhookGatewayNoWorkers",
}
"""Alerts that no fault of the sandbox causes; alerts.test.yml shows when they fire."""
QUIET = {"Answers used again"}
"""Panels with nothing to show: with the cache in Redis, no answer is used again."""


@pytest.fixture(scope="module")
def recording(
    serve: Callable[[ASGIApp], str],
    redis: Redis,
    absent: Callable[[str], NoReturn],
    tmp_path_factory: pytest.TempPathFactory,
) -> Recording:
    """Run a gateway with faults; without the programs that look at it, there is no need."""
    if shutil.which("prometheus") is None or shutil.which("promtool") is None:
        absent("Prometheus is not installed")
    sandbox = Sandbox(logs=1500)
    redis.flush()
    try:
        return record(tmp_path_factory.mktemp("gateway"), sandbox, serve(sandbox.app), redis)
    finally:
        redis.restart()


def selector(series: Series) -> str:
    """Return a series as Prometheus writes it."""
    name, labels = series
    return f"{name}{{{of(**dict(labels))}}}"


def of(**labels: str) -> str:
    """Return labels as Prometheus writes them; one that is empty is none."""
    return ",".join(f"{name}={json.dumps(value)}" for name, value in labels.items() if value)


def firing(alerts: set[tuple[str, str]], minute: int, which: str = "") -> dict[str, Any]:
    """Return the expectation that just these alerts fire, by name and source."""
    samples = [
        {"labels": f"{{{of(alertname=name, source=source)}}}", "value": 1}
        for name, source in alerts
    ]
    return {
        "expr": f'group by (alertname, source) (ALERTS{{alertstate="firing"{which}}})',
        "eval_time": f"{minute}m",
        "exp_samples": samples,
    }


def test_alerts_fire_on_faults_and_not_before(recording: Recording, tmp_path: Path) -> None:
    """promtool evaluates the rules over what was seen, one look a minute."""
    alerted = {name for name, _ in ONE_TIME | LASTING}
    assert alerted | {DOWN} | ELSEWHERE == {rule["alert"] for rule in RULES}
    minutes = range(recording.minutes)
    after = recording.healthy + AFTER_ACTIONS
    names = "|".join(name for name, _ in ONE_TIME)
    test = {
        "interval": "1m",
        "input_series": [
            {
                "series": selector(series),
                "values": " ".join(f"{seen[it]:g}" if it in seen else "_" for it in minutes),
            }
            for series, seen in recording.series.items()
            if series[0] in ALERTS.read_text(encoding="utf-8")
        ],
        "promql_expr_test": [
            firing(set(), recording.healthy),
            firing(ONE_TIME, after, f', alertname=~"{names}"'),
            firing(LASTING, recording.faulty),
            firing({(DOWN, "")}, recording.minutes - 1, f', alertname="{DOWN}"'),
        ],
    }
    file = tmp_path / "faults.test.yml"
    # JSON is YAML, too.
    whole = {"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": [test]}
    file.write_text(json.dumps(whole), encoding="utf-8")
    done = subprocess.run(  # noqa: S603 - its own files
        ["promtool", "test", "rules", file],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@contextlib.contextmanager
def prometheus(data: Path) -> Iterator[httpx.Client]:
    """Start Prometheus on a free port over data that it has; it reads no metrics."""
    configuration = data.parent / "prometheus.yml"
    configuration.write_text("global: {}\n")
    with subprocess.Popen(  # noqa: S603 - its own files
        [  # noqa: S607
            "prometheus",
            f"--config.file={configuration}",
            f"--storage.tsdb.path={data}",
            "--web.listen-address=127.0.0.1:0",
        ],
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stderr is not None
            with httpx.Client(base_url=f"http://{address(process.stderr)}/api/v1") as client:
                yield client
        finally:
            process.kill()


def address(output: IO[str]) -> str:
    """Wait until Prometheus serves, and return where."""
    found, told = "", []
    for line in output:
        told.append(line)
        if match := re.search(r'"?Listening on"? address=(\S+)', line):
            found = match[1]
        if "Server is ready to receive web requests" in line:
            return found
    raise AssertionError("".join(told))


def test_each_panel_shows_something(recording: Recording, tmp_path: Path) -> None:
    """Prometheus itself executes the queries, over a run in which all that is counted happens."""
    start = int(time.time()) - 60 * recording.minutes
    lines = [
        f"{selector(series)} {value} {start + 60 * minute}\n"
        for series, seen in recording.series.items()
        for minute, value in seen.items()
    ]
    file, data = tmp_path / "metrics", tmp_path / "data"
    file.write_text("".join([*lines, "# EOF\n"]), encoding="utf-8")
    done = subprocess.run(  # noqa: S603 - its own files
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", file, data],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    empty = set()
    with prometheus(data) as client:
        for panel in panels():
            for target in panel["targets"]:
                query = target["expr"].replace("$__rate_interval", "5m")
                query = re.sub(r"\$(instance|source)", ".+", query)
                moment = start + 60 * recording.faulty
                answer = client.get("/query", params={"query": query, "time": moment}).json()
                assert answer["status"] == "success", (query, answer)
                values = [float(it["value"][1]) for it in answer["data"]["result"]]
                if not [value for value in values if not math.isnan(value)]:
                    empty.add(panel["title"])
    assert empty == QUIET
