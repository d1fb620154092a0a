"""HTTP as uvicorn speaks it with httptools, with the bounds that this lacks.

They are for all but the body, of which the application takes no more than it wants: for the head,
and for the extensions of chunks and the trailers that may come with the body.

Nor is another protocol spoken, to which some clients offer to change with a request like any other
(RFC 9110, 7.8). httptools takes such a request to end with its head, so what follows is given to it
as the body that it is.

And uvicorn keeps an answer until it has been read, however long that takes.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from gateway.errors import ErrorCode
from gateway.web import header_limit as head
from gateway.web.answer import refused

if TYPE_CHECKING:
    from typing import Any

    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

SECONDS = 10.0
"""How long a head may take to arrive, the first of a connection from its beginning."""
READING = 60.0
"""How long an answer may take to be read, in seconds; of one in parts, what there is of it."""
FRAMING = {b"content-length", b"transfer-encoding"}
"""The headers that tell where a body ends."""


class BoundedProtocol(HttpToolsProtocol):
    """Closes connections whose head has no end, or is slow to come, or whose answer is not read.

    Trailers are left out.
    """

    _late: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None
    _in_body = False
    # Whether the parser is told anew, for the sake of its body, of a request that has begun.
    _again = False
    # What is being answered, of the requests that came one behind the other.
    _answering: RequestResponseCycle | None = None
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
        self._stop_reading()
        super().connection_lost(exc)
        if self._answering:
            # uvicorn tells it the one that came last.
            self._answering.disconnected = True
            self._answering.message_event.set()

    def on_message_begin(self) -> None:
        """Give the next head its time."""
        if self._again:
            return
        super().on_message_begin()
        self._unset_keepalive_if_required()
        self._begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a line of the head; one behind the body is for nobody, and never a header."""
        if self._late:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Wait no longer: the head is here."""
        if self._again:
            self._again = False
            return
        super().on_headers_complete()
        if not self.pipeline:
            self._answering = self.cycle
        # An answer before it may have begun that while the head came.
        self._unset_keepalive_if_required()
        self._end()
        self._in_body = True
        self._again = self.parser.should_upgrade()

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body, which the application counts."""
        super().on_body(body)
        self._taken -= len(body)

    def on_message_complete(self) -> None:
        """See another head in what comes next."""
        if self._again:
            return
        super().on_message_complete()
        self._in_body = False

    def data_received(self, data: bytes) -> None:
        """Take what came, and count what is of no body.

        The rest of a body that was answered already does not keep the connection.
        """
        part = self._part
        self._parse(data)
        if part != self._part:
            # What came at once with the beginning of a part is bounded already, by the event loop.
            self._taken = 0
            return
        self._taken += len(data)
        if self._taken > head.BYTES:
            where = "The address and the headers" if self._late else "The lines around the body"
            self._refuse(431, f"{where} are too large.")

    def _parse(self, data: bytes) -> None:
        while True:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as offer:
                (end,) = offer.args
                data = self._without_offer() + data[end:]
            except httptools.HttpParserError:
                self._refuse(400, "The request is not HTTP.", ErrorCode.BAD_REQUEST)
                return
            else:
                return

    def _without_offer(self) -> bytes:
        """Begin to parse anew, and give a head that tells of the body what the one before did."""
        self.parser = httptools.HttpRequestParser(self)
        # As uvicorn has it: what comes behind a last request is left, and not held against it.
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        lines = [b"%s: %s\r\n" % header for header in self.headers if header[0] in FRAMING]
        return b"".join([b"POST / HTTP/1.1\r\n", *lines, b"\r\n"])

    def on_response_complete(self) -> None:
        """Give the answer its time to be read, whether the connection goes on or not."""
        if self.pipeline:
            self._answering = self.pipeline[-1][0]
        super().on_response_complete()
        self._await_reading()

    def pause_writing(self) -> None:
        """Give what there is of an answer its time to be read."""
        super().pause_writing()
        self._await_reading()

    def resume_writing(self) -> None:
        """Wait no longer, unless this was the last of the answer, of which a rest is left."""
        super().resume_writing()
        if not self.cycle.response_complete:
            self._stop_reading()

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

    def _await_reading(self) -> None:
        self._stop_reading()
        self._unread = self.loop.call_later(READING, self._give_up)

    def _stop_reading(self) -> None:
        if self._unread:
            self._unread.cancel()
            self._unread = None

    def _give_up(self) -> None:
        if self.transport.get_write_buffer_size():
            # To close it would wait for the reader.
            self.transport.abort()

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
