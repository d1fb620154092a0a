"""The alerts: valid, tested, and about metrics, labels and values that there are."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
import yaml

from gateway.telemetry.instruments import INSTRUMENTS
from tests.observability.files import ALERTS, RULES, UNIT_TESTS, panels
from tests.telemetry.test_metrics import VALUES

SUFFIXES = {"counter": ("",), "gauge": ("",), "histogram": ("_bucket", "_count", "_sum")}
METRICS = {f"{it.name}{end}": it.labels for it in INSTRUMENTS for end in SUFFIXES[it.kind]}
METRICS |= {"up": ()}
TARGET = {"job", "instance"}
"""Labels that Prometheus adds."""
WORDS = {"and", "by", "group_left", "ignoring", "offset", "on", "or"}
WORDS |= {"absent", "histogram_quantile", "increase", "max", "rate", "sum"}
SELECTOR = re.compile(r"([a-z_]+)\{([^}]*)\}")
MATCHER = re.compile(r'([a-z_]+)(=~|!~|!=|=)"([^"]*)"')
EXPRESSIONS = {rule["alert"]: rule["expr"] for rule in RULES} | {
    f"{panel['id']} {panel['title']}": target["expr"]
    for panel in panels()
    for target in panel["targets"]
}


def unknown(expression: str) -> Iterator[str]:
    """Find what an expression names that there is not: metrics, labels, values, functions."""
    rest = SELECTOR.sub(lambda found: f" {found[1]} ", expression)
    labels = TARGET | {"le"}
    for name in re.findall(r"(?<![\w$])[a-z_]+(?![\w])", re.sub(r"\[.*?\]", "", rest)):
        labels |= set(METRICS.get(name, ()))
    for name in re.findall(r"(?<![\w$])[a-z_]+(?![\w])", re.sub(r"\[.*?\]", "", rest)):
        if name not in METRICS.keys() | labels | WORDS:
            yield name
    for metric, matchers in SELECTOR.findall(expression):
        for label, operator, value in MATCHER.findall(matchers):
            if label not in {*METRICS.get(metric, ()), *TARGET}:
                yield f"{metric}{{{label}}}"
            elif not value.startswith("$") and label in VALUES:
                yield from unknown_values(label, operator, value)


def unknown_values(label: str, operator: str, value: str) -> Iterator[str]:
    """Find the words of a label's value that no value of it has."""
    allowed = VALUES[label]
    if isinstance(allowed, re.Pattern):
        return
    matched = [it for it in allowed if "~" not in operator or re.fullmatch(value, it)]
    for word in re.findall(r"[A-Za-z/_]+", value):
        if not any(word == it if "~" not in operator else word in it for it in matched):
            yield f"{label}={word}"


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_expression_names_what_there_is(name: str) -> None:
    assert list(unknown(EXPRESSIONS[name])) == []


@pytest.mark.parametrize(
    "expression",
    [
        "sum(rate(webhook_gateway_retries_total[5m]))",
        'webhook_gateway_breaker_state{status="OPEN"}',
        'webhook_gateway_breaker_state{state=~"OPEN|HALF_CLOSED"}',
        'webhook_gateway_breaker_state{state="HALF"}',
        "sum by (outcome) (webhook_gateway_breaker_state)",
        "average(webhook_gateway_breaker_state)",
        "rate(webhook_gateway_upstream_wait_seconds[5m])",
    ],
)
def test_unknown_name_is_found(expression: str) -> None:
    assert list(unknown(expression))


def test_each_alert_says_how_bad_it_is_and_what_to_do() -> None:
    for rule in RULES:
        assert rule["labels"]["severity"] in {"critical", "warning"}, rule
        summary, description = (rule["annotations"][it] for it in ("summary", "description"))
        assert summary.endswith("."), rule
        assert "{{" not in summary, "it groups what belongs together"
        # The first sentence tells what is wrong, the second what to do.
        assert len(re.findall(r"[.;:] ", f"{description} ")) > 1, rule
        kept = re.findall(r"\bby \(([^)]*)\)", rule["expr"])
        labels = set(re.findall(r"\$labels\.(\w+)", description))
        assert labels <= ({it.strip() for by in kept for it in by.split(",")} or TARGET), rule


def test_each_alert_has_a_test_in_which_it_fires_and_one_in_which_not() -> None:
    tests: list[dict[str, Any]] = yaml.safe_load(UNIT_TESTS.read_text(encoding="utf-8"))["tests"]
    for rule in RULES:
        own = [test for test in tests if re.match(rf"{rule['alert']}\b", test["name"])]
        samples = [case["exp_samples"] for test in own for case in test["promql_expr_test"]]
        assert [] in samples, rule["alert"]
        assert any(f'"{rule["alert"]}"' in it["labels"] for each in samples for it in each)


@pytest.fixture(scope="module")
def promtool(absent: Callable[[str], NoReturn]) -> str:
    return shutil.which("promtool") or absent("promtool is not installed; prometheus has it")


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603


@pytest.mark.slow
def test_rules_are_valid(promtool: str) -> None:
    done = run(promtool, "check", "rules", ALERTS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(RULES)} rules found" in done.stdout


@pytest.mark.slow
def test_rules_fire_when_they_should(promtool: str) -> None:
    done = run(promtool, "test", "rules", UNIT_TESTS)
    assert done.returncode == 0, done.stdout + done.stderr
