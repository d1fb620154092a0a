"""The progress of a request, so that a timeout can name the step that took too long."""

from __future__ import annotations

from typing import Any

from gateway.upstream.network_errors import Peer

_STEPS = {
    "connection.connect_tcp.started": "connect",
    "connection.start_tls.started": "tls",
    "connection.start_tls.complete": "send",
    "http11.send_request_headers.started": "send",
    "http11.receive_response_headers.started": "answer",
    "http11.receive_response_headers.complete": "body",
}


class Progress:
    """The current step of a request, as reported by its transport.

    https://www.python-httpx.org/advanced/extensions/#trace
    """

    def __init__(self) -> None:
        self._step = "answer"
        self._connection: Any = None

    async def trace(self, event: str, info: dict[str, Any]) -> None:
        """Record an event of httpcore."""
        self._step = _STEPS.get(event, self._step)
        if event == "connection.connect_tcp.complete":
            self._connection = info["return_value"]

    async def close(self) -> None:
        """Close the connection of a request that was cancelled in its TLS handshake.

        httpcore closes it after an error, but not after a cancellation.
        """
        if self._step == "tls" and self._connection is not None:
            await self._connection.aclose()

    @property
    def sent(self) -> bool:
        """Whether the request may have reached the vendor."""
        return self._step not in {"connect", "tls"}

    def timed_out(self, peer: Peer, seconds: float) -> str:
        """Return the message for a request that timed out after some seconds."""
        within = f"within {seconds:g} seconds"
        match self._step:
            case "connect":
                return (
                    f"{peer.name} could not be connected to {within}. Check host and port of"
                    f" {peer.address}, and any firewall in between."
                )
            case "tls":
                return (
                    f"{peer.name} accepted a connection, but did not agree on TLS {within}."
                    f" Check scheme and port of {peer.address}, and any proxy in between."
                )
            case "body":
                return (
                    f"{peer.name} did not finish its answer {within}. Try again, lower its"
                    " page_size, or raise its timeout or the server's deadline."
                )
        return (
            f"{peer.name} did not answer {within}. Try again, or raise its timeout or the"
            " server's deadline."
        )
