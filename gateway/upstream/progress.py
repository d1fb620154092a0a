"""The progress of a request, so that a timeout can name the step that took too long."""

from __future__ import annotations

import enum

from gateway.upstream.network_errors import Peer


class Step(enum.Enum):
    """A step of a request; sending it is part of ``ANSWER``."""

    CONNECT = enum.auto()
    PROXY = enum.auto()
    TLS = enum.auto()
    ANSWER = enum.auto()
    BODY = enum.auto()


class Progress:
    """The current step of a request, as reported by its transport."""

    def __init__(self) -> None:
        self._step = Step.ANSWER

    def reached(self, step: Step) -> None:
        """Record the step that begins."""
        self._step = step

    @property
    def sent(self) -> bool:
        """Whether the request may have reached the vendor."""
        return self._step not in {Step.CONNECT, Step.PROXY, Step.TLS}

    def timed_out(self, peer: Peer, seconds: float) -> str:
        """Return the message for a request that timed out after some seconds."""
        within = f"within {seconds:g} seconds"
        match self._step:
            case Step.CONNECT:
                return (
                    f"{peer.name} could not be connected to {within}. Check host and port of"
                    f" {peer.address}, and any firewall in between."
                )
            case Step.PROXY:
                return (
                    f"{peer.name} could not be reached {within}: its proxy did not open a way to"
                    f" it. Check {peer.address}, and what the proxy allows."
                )
            case Step.TLS:
                return (
                    f"{peer.name} accepted a connection, but did not agree on TLS {within}."
                    f" Check scheme and port of {peer.address}, and any proxy in between."
                )
            case Step.BODY:
                return (
                    f"{peer.name} did not finish its answer {within}. Try again, lower its"
                    " page_size, or raise its timeout or the server's deadline."
                )
        return (
            f"{peer.name} did not answer {within}. Try again, or raise its timeout or the"
            " server's deadline."
        )
