"""How many workers there are, and what each of them may take of what a vendor allows."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.errors import ConfigurationError

if TYPE_CHECKING:
    from gateway.config.source import SourceTable
    from gateway.settings import Settings

QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""The processor time of a container: microseconds in a period, or "max", and the period."""


def workers_of(settings: Settings) -> int:
    """Return the number of workers; ConfigurationError if a source has not a call for each.

    ``auto`` is one for each core, but no more than there are calls for.
    """
    wanted = settings.server.workers
    least = min(settings.sources, key=lambda source: source.concurrency)
    if wanted == "auto":
        return 1 if sys.platform == "win32" else min(usable_cores(), least.concurrency)
    if wanted > 1 and sys.platform == "win32":
        raise _refusal(
            "Windows can't share a port between processes. Give 1, and start several gateways"
            " behind a proxy"
        )
    if wanted > least.concurrency:
        raise _refusal(
            f"{wanted} workers can't share the concurrency of source {least.name}, which is"
            f" {least.concurrency}. Give {least.concurrency} workers at most, or raise that"
            " concurrency"
        )
    return wanted


def _refusal(why: str) -> ConfigurationError:
    return ConfigurationError([f"server.workers: {why}"])


def usable_cores() -> int:
    """Return the number of cores that this process may use, by its affinity and its container."""
    if sys.platform == "linux":
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    try:
        quota, period = QUOTA.read_text(encoding="ascii").split()
        cores = min(cores, int(quota) // int(period))
    except (OSError, ValueError, ZeroDivisionError):
        # There is no quota.
        pass
    return max(1, cores)


def share(settings: Settings, index: int, workers: int) -> Settings:
    """Return the settings of one of the workers, who together keep to the limits of each vendor.

    A rate limit is divided only where each caller has its own; others are counted together.
    """

    def update(source: SourceTable) -> dict[str, Any]:
        passed = source.auth.type == "pass-through"
        return {
            "concurrency": (source.concurrency + workers - 1 - index) // workers,
            "rate_limit": source.rate_limit / (workers if passed else 1),
        }

    sources = tuple(source.model_copy(update=update(source)) for source in settings.sources)
    return settings.model_copy(update={"sources": sources})
