"""The trace that an operation is a part of, as its vendors are told of it.

https://www.w3.org/TR/trace-context-2/
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence

import msgspec

STATE = 512
"""Characters of a tracestate that have to be passed on; a longer one is left out."""
MEMBERS = 32

_PARENT = re.compile(
    r"(?P<version>(?!ff)[0-9a-f]{2})-(?P<id>(?!0{32})[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}"
    r"-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?"
)
_MEMBER = re.compile(r"([a-z0-9][a-z0-9_*/@-]{0,255})=[ -+\--<>-~]{0,255}[!-+\--<>-~]")
_FLAGS = 0x03
"""Sampled, and that the id is random; those that are not known must not be passed on."""


class Trace(msgspec.Struct, frozen=True):
    """A trace that a caller told of."""

    id: str
    flags: int
    state: str = ""

    def headers(self) -> dict[str, str]:
        """Make the headers of one call, which is a span of its own."""
        parent = f"00-{self.id}-{secrets.token_hex(8)}-{self.flags:02x}"
        return {"traceparent": parent} | ({"tracestate": self.state} if self.state else {})


def read(parents: Sequence[str], states: Sequence[str]) -> Trace | None:
    """Read the lines of ``traceparent`` and ``tracestate``; None where they tell of no trace.

    What a later version than 00 adds to the four parts is left out.
    """
    found = _PARENT.fullmatch(parents[0]) if len(parents) == 1 else None
    if found is None or (found["version"] == "00" and found["more"]):
        return None
    return Trace(found["id"], int(found["flags"], 16) & _FLAGS, _state(states))


def _state(lines: Sequence[str]) -> str:
    """Give the vendors' own marks, or nothing where one of them is damaged."""
    members = [text for part in ",".join(lines).split(",") if (text := part.strip(" \t"))]
    keys = {found[1] for text in members if (found := _MEMBER.fullmatch(text))}
    state = ",".join(members)
    return state if len(keys) == len(members) <= MEMBERS and len(state) <= STATE else ""
