"""The ``[traces]`` table."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, HttpUrl, ValidationError

from gateway.config.values import Table, error_message

_FORM = (
    'must be the address of a collector, such as "http://127.0.0.1:4318", without a user name,'
    " password or query: what the collector asks for belongs in OTEL_EXPORTER_OTLP_HEADERS"
)


def _collector(value: str) -> str:
    try:
        url = HttpUrl(value)
    except ValidationError:
        raise ValueError(_FORM) from None
    if url.username or url.password or "?" in value or "#" in value:
        raise ValueError(_FORM)
    return value.rstrip("/")


class TracesSettings(Table):
    """Traces for OpenTelemetry, which are sent to a collector by OTLP over HTTP."""

    endpoint: Annotated[str, AfterValidator(_collector), error_message(_FORM)] | None = None
    """The address of the collector, to which /v1/traces is added. Left out, it is that of the
    variable OTEL_EXPORTER_OTLP_ENDPOINT; without either, nothing is recorded."""
    sample: Annotated[float, Field(strict=True, ge=0, le=1)] = 0.05
    """The share of the operations without a caller's trace that are recorded, from 0 to 1. Where
    the caller sends one, its flag decides."""
