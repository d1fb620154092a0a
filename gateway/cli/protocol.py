"""HTTP as uvicorn speaks it with httptools, with the bounds that this lacks.

They are for all but the body, of which the application takes no more than it wants: for the head,
and for the extensions of chunks and the trailers that may come with the body.

Nor is another protocol spoken, to which some clients offer to change with a request like any other.
httptools would give that no body, and take the body for the next request.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from gateway.errors import ErrorCode
from gateway.web import head
from gateway.web.answer import refused

if TYPE_CHECKING:
    from typing import Any

OFFER = re.compile(rb"(?<=\n)Upgrade(?=[ \t]*:)", re.IGNORECASE)
"""The header that offers another protocol, which a server may leave aside (RFC 9110, 7.8)."""
SECONDS = 10.0
"""How long a head may take to arrive, the first of a connection from its beginning."""


class BoundedProtocol(HttpToolsProtocol):
    """Closes connections whose head has no end, or is slow to come, and leaves trailers out."""

    _late: asyncio.TimerHandle | None = None
    _in_body = False
    # How often a head began or ended, and the bytes since then that were of no body.
    _part = 0
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

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a line of the head; one behind the body is for nobody, and never a header."""
        if self._late:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Wait no longer: the head is here."""
        super().on_headers_complete()
        self._end()
        self._in_body = True
        if self.parser.should_upgrade():
            # An offer that came in pieces; what follows is its body, and no second request.
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body, which the application counts."""
        super().on_body(body)
        self._taken -= len(body)

    def on_message_complete(self) -> None:
        """See another head in what comes next."""
        super().on_message_complete()
        self._in_body = False

    def data_received(self, data: bytes) -> None:
        """Take what came, and count what is of no body."""
        part = self._part
        if not self._in_body:
            data = OFFER.sub(b"Ignored", data)
        super().data_received(data)
        if part != self._part:
            # What came at once with the beginning of a part is bounded already, by the event loop.
            self._taken = 0
            return
        self._taken += len(data)
        if self._taken > head.BYTES:
            where = "The address and the headers" if self._late else "The lines around the body"
            self._refuse(431, f"{where} are too large.")

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP."""
        self._refuse(400, msg, ErrorCode.BAD_REQUEST)

    def _begin(self) -> None:
        self._end()
        self._late = self.loop.call_later(
            SECONDS, self._refuse, 408, "The request did not arrive in time."
        )

    def _end(self) -> None:
        self._part += 1
        self._taken = 0
        if self._late:
            self._late.cancel()
            self._late = None

    def _refuse(
        self, status: int, message: str, code: ErrorCode = ErrorCode.LIMIT_EXCEEDED
    ) -> None:
        if not self._late and self.cycle.response_started:
            # The request has its answer already; another would be that of the next.
            self.transport.close()
            return
        self._end()
        # What came of the head may lack its id.
        answer = refused({"headers": []}, status, message, code=code)
        answer.headers["Connection"] = "close"
        lines = [STATUS_LINE[status]]
        lines += [name + b": " + value + b"\r\n" for name, value in answer.raw_headers]
        self.transport.write(b"".join([*lines, b"\r\n", bytes(answer.body)]))
        self.transport.close()
