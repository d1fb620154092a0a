"""A vendor in memory, with retries of every kind, attempts and a list."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import httpx
from msgspec.structs import replace

from gateway import ids
from gateway.errors import ErrorCode, UpstreamError
from gateway.model import Attempt, Capability, Timestamp, WebhookLog, WebhookLogStatus
from gateway.service import Gateway
from gateway.sources import Source
from gateway.upstream.operation import Operation
from gateway.vendors.language_weaver.parsing import LanguageWeaverDetails
from gateway.vendors.language_weaver.vendor import LanguageWeaver
from gateway.vendors.pages import Criteria, Found, Page, Stream, Window
from gateway.vendors.retried import Retried, RetryKind
from tests.support.actions import API_KEY, gateway_over

SOURCE = "translations"
SECOND = 10**9
START = 1_772_615_411 * SECOND


def log_id(number: int) -> str:
    """Return the id of the log with a number."""
    return ids.encode(ids.Kind.LOG, SOURCE, str(number))


class RetryingVendor(LanguageWeaver):
    """One list, newest first. A retry makes what ``retried`` says.

    A new log appears ``after`` seconds of the loop's clock. ``calls`` are the reads and acts.
    """

    capabilities: ClassVar = LanguageWeaver.capabilities | {Capability.GET, Capability.ATTEMPTS}

    def prepare(self) -> None:
        self.rows: list[WebhookLog] = []
        self.retried = Retried(RetryKind.NEW_LOG)
        self.after = 0.0
        self.calls: list[str] = []
        self.failing: set[str] = set()
        self.hanging: set[str] = set()
        self.attempts: Sequence[Attempt] | None = None
        self.streams = [Stream(key="all")]
        self.appends_retries = True  # type: ignore[misc]
        self._later: list[tuple[float, WebhookLog]] = []

    def add(self, number: int, correlation_id: str | None = "event", **values: Any) -> WebhookLog:
        """Add a log as the newest one."""
        made = self.made(number, correlation_id, **values)
        self.rows.insert(0, made)
        return made

    def made(self, number: int, correlation_id: str | None, **values: Any) -> WebhookLog:
        known: dict[str, Any] = {
            "status": WebhookLogStatus.FAILED,
            "triggered_at": Timestamp(START + number * SECOND),
            "raw": {"id": number},
        }
        return WebhookLog(
            id=log_id(number),
            upstream_id=str(number),
            source=self.name,
            provider=self.provider,
            correlation_id=correlation_id,
            details=LanguageWeaverDetails(),
            **known | values,
        )

    async def find_streams(self, operation: Operation) -> Found:
        del operation
        return Found(self.streams)

    async def read_page(
        self, stream: Stream, window: Window, criteria: Criteria, operation: Operation
    ) -> Page:
        del criteria
        await self._call(f"list {stream.key}", operation)
        logs = self.rows[window.offset : window.offset + window.limit]
        return Page(logs=logs, read=len(logs), offset=window.offset, more=bool(logs))

    def scan_for(self, place: tuple[str, ...]) -> None:
        del place

    async def read_log(self, place: tuple[str, ...], operation: Operation) -> WebhookLog | None:
        await self._call(f"log {place[0]}", operation)
        return next((log for log in self.rows if log.upstream_id == place[0]), None)

    async def read_attempts(
        self, place: tuple[str, ...], operation: Operation
    ) -> Sequence[Attempt] | None:
        await self._call(f"attempts {place[0]}", operation)
        return self.attempts

    async def retry(self, place: tuple[str, ...], operation: Operation) -> Retried:
        await self._call(f"retry {place[0]}", operation)
        (log,) = [log for log in self.rows if log.upstream_id == place[0]]
        if self.retried.kind is RetryKind.NEW_LOG:
            number = 1 + max(int(each.upstream_id) for each in self.rows)
            made = self.made(number, log.correlation_id, hook_id=log.hook_id, redelivery_of=log.id)
            made = replace(made, is_redelivery=True)
            self._later.append((asyncio.get_running_loop().time() + self.after, made))
        else:
            self.rows[self.rows.index(log)] = replace(log, attempt=2)
        return self.retried

    async def _call(self, what: str, operation: Operation) -> None:
        self.calls.append(what)
        operation.calls[self.name] += 1
        kind = what.partition(" ")[0]
        if kind in self.hanging:
            await asyncio.Event().wait()
        if kind in self.failing:
            raise UpstreamError(ErrorCode.UPSTREAM_ERROR, "It is down.", source=self.name)
        now = asyncio.get_running_loop().time()
        for at, made in [each for each in self._later if each[0] <= now]:
            self._later.remove((at, made))
            self.rows.insert(0, made)


async def _refuse(_: httpx.Request) -> httpx.Response:
    raise AssertionError("The vendor is in memory.")


def retrying_gateway(folder: Path, *, auth: str = API_KEY) -> tuple[Gateway, RetryingVendor]:
    """Return a gateway with the vendor as its only source."""
    gateway = gateway_over(folder, httpx.MockTransport(_refuse), auth=auth)
    source = gateway.sources[SOURCE]
    settings = gateway.settings.sources[0]
    vendor = RetryingVendor(settings, source.client, source.vendor.cached_hooks)  # type: ignore[arg-type]
    vendor.prepare()
    made = Source(SOURCE, vendor, source.client, source._cache)
    gateway.sources[SOURCE] = made  # type: ignore[index]
    return gateway, vendor
