"""The ``[metrics]`` table."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from gateway.config.values import Table, Text


class MetricsSettings(Table):
    """Metrics for Prometheus: /metrics on a port of its own, where no credential is needed."""

    port: Annotated[int, Field(strict=True, ge=0, le=65535)] | None = None
    """The port to listen on, 0 for any free one; left out: none, and nothing is counted."""
    host: Text = "127.0.0.1"
    """The address to listen on."""
