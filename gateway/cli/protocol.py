"""HTTP as uvicorn speaks it with httptools, with the bound for heads that this lacks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from gateway.errors import ErrorCode
from gateway.web import head
from gateway.web.answer import refused

if TYPE_CHECKING:
    from typing import Any

SECONDS = 10.0
"""How long a head may take to arrive, the first of a connection from its beginning."""


class BoundedProtocol(HttpToolsProtocol):
    """Closes connections whose head has no end, or is slow to come."""

    _late: asyncio.TimerHandle | None = None
    _taken = 0

    def connection_made(self, transport: Any) -> None:
        """Give the first head its time."""
        super().connection_made(transport)
        self._begin()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._end()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Give the next head its time."""
        super().on_message_begin()
        self._begin()

    def on_headers_complete(self) -> None:
        """Wait no longer: the head is here."""
        self._end()
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Take what came, and count it as long as it belongs to a head."""
        waited = self._late
        super().data_received(data)
        # What came at once with the beginning of a head is bounded already, by the event loop.
        if waited and self._late is waited:
            self._taken += len(data)
            if self._taken > head.BYTES:
                self._refuse(431, "The address and the headers are too large.")

    def _begin(self) -> None:
        self._end()
        self._late = self.loop.call_later(
            SECONDS, self._refuse, 408, "The request did not arrive in time."
        )

    def _end(self) -> None:
        self._taken = 0
        if self._late:
            self._late.cancel()
            self._late = None

    def _refuse(self, status: int, message: str) -> None:
        self._end()
        # What came of the head may lack its id.
        answer = refused({"headers": []}, status, message, code=ErrorCode.LIMIT_EXCEEDED)
        answer.headers["Connection"] = "close"
        lines = [STATUS_LINE[status]]
        lines += [name + b": " + value + b"\r\n" for name, value in answer.raw_headers]
        self.transport.write(b"".join([*lines, b"\r\n", bytes(answer.body)]))
        self.transport.close()
