"""The number of workers, and their shares of a vendor's limits."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from gateway.cli import shares
from gateway.cli.shares import share, usable_cores, workers_of
from gateway.errors import ConfigurationError
from gateway.settings import Settings, load
from gateway.sources.caching import fingerprint
from tests.cli.command import run


def settings(workers: Any = 1, *concurrency: int, passed: bool = False) -> Settings:
    key = {"type": "api-key", "key": SecretStr("key")}
    sources = [
        {
            "name": f"source-{number}",
            "provider": "language-weaver",
            "base_url": "http://127.0.0.1:1",
            "auth": {"type": "pass-through", "header": "X-Key"} if passed else key,
            "concurrency": calls,
            "rate_limit": 50.0,
        }
        for number, calls in enumerate(concurrency or [10])
    ]
    return Settings.model_validate({"server": {"workers": workers}, "sources": sources})


@pytest.mark.parametrize("workers", [1, 2, 3, 7, 10])
def test_shares_add_up_to_the_limits_of_each_source(workers: int) -> None:
    whole = settings(workers, 10, 13, 100)
    parts = [share(whole, index, workers) for index in range(workers)]
    for number, source in enumerate(whole.sources):
        own = [part.sources[number] for part in parts]
        assert sum(one.concurrency for one in own) == source.concurrency
        assert min(one.concurrency for one in own) >= 1
        # Their calls are counted together.
        assert {one.rate_limit for one in own} == {50.0}
    assert parts[0].server == whole.server


def test_rate_limits_of_callers_own_credentials_are_divided() -> None:
    """Workers know nothing of the credentials that were sent to the others."""
    whole = settings(3, 10, passed=True)
    parts = [share(whole, index, 3).sources[0] for index in range(3)]
    assert sum(part.rate_limit for part in parts) == pytest.approx(50.0)


@pytest.mark.parametrize("passed", [True, False])
def test_workers_find_each_others_entries_in_redis(passed: bool) -> None:
    """Even if their shares of a source differ, as do those of replicas with more workers."""
    whole = settings(4, 10, passed=passed)
    parts = [share(whole, index, workers) for workers in (1, 4) for index in range(workers)]
    assert len({part.sources[0].concurrency for part in parts}) == 3
    assert len({fingerprint(part.sources[0]) for part in parts}) == 1


def test_each_worker_needs_a_call_to_each_source() -> None:
    assert workers_of(settings(2, 10, 2)) == 2
    with pytest.raises(ConfigurationError) as caught:
        workers_of(settings(3, 10, 2))
    assert list(caught.value.problems) == [
        "server.workers: 3 workers can't share the concurrency of source source-1, which is 2."
        " Give 2 workers at most, or raise that concurrency"
    ]


def test_auto_is_bounded_by_what_vendors_allow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shares, "usable_cores", lambda: 64)
    assert workers_of(settings("auto", 10, 3)) == 3
    monkeypatch.setattr(shares, "usable_cores", lambda: 1)
    assert workers_of(settings("auto", 10, 3)) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="needs the affinity of processes")
@pytest.mark.parametrize(
    ("quota", "cores"),
    [
        (None, 8),
        ("max 100000", 8),
        ("200000 100000", 2),
        ("350000 100000", 3),
        ("50000 100000", 1),
        ("1600000 100000", 8),
        ("nonsense", 8),
        ("100000 0", 8),
    ],
)
def test_auto_heeds_the_quota_of_a_container(
    quota: str | None, cores: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container with two of 64 cores must not start 64 workers."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    monkeypatch.setattr(shares, "QUOTA", tmp_path / "cpu.max")
    if quota is not None:
        (tmp_path / "cpu.max").write_text(f"{quota}\n")
    assert usable_cores() == cores


@pytest.mark.parametrize("text", ["0", "x", "-1", "1.5", "101", "9" * 5000, "\N{SUPERSCRIPT TWO}"])
def test_option_is_a_number_or_auto(text: str) -> None:
    told = run("serve", f"--workers={text}")
    assert told.code == 2
    assert "is not a whole number from 1 to 100, or auto" in " ".join(
        told.complaints.replace("\u2502", " ").split()
    )


@pytest.mark.parametrize(("text", "workers"), [("auto", "auto"), ("7", 7), ("", 1)])
def test_number_of_workers_in_a_variable(text: str, workers: Any) -> None:
    sources = (
        '[{"name": "a", "provider": "language-weaver", "base_url": "http://127.0.0.1:1",'
        ' "auth": {"type": "api-key", "key": {"env": "KEY"}}}]'
    )
    environ = {"GATEWAY_SOURCES": sources, "KEY": "k", "GATEWAY_SERVER__WORKERS": text}
    assert load(None, environ).server.workers == workers
