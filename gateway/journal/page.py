"""Pages of the journal, newest first, and the cursors between them."""

from __future__ import annotations

from typing import Annotated

import msgspec

from gateway import ids
from gateway.errors import ErrorCode, RequestError
from gateway.journal.action import Action, ActionKind, Outcome
from gateway.model import Timestamp

MAX_LENGTH = 128
"""Characters of a cursor."""


class ActionFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which actions to list; None is no bound.

    ``sources`` are the names of those whose actions may be seen. ``caller`` may be any text.
    """

    kind: ActionKind | None = None
    outcome: Outcome | None = None
    sources: frozenset[str] | None = None
    caller: str | None = None


class ActionPage(msgspec.Struct, frozen=True):
    """A part of the list, and whether it goes on."""

    actions: tuple[Action, ...]
    has_next_page: bool


class Place(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Where an action stands in the list; neither part of it ever changes."""

    requested_at: Annotated[Timestamp, msgspec.Meta(ge=0, le=2**63 - 1)]
    id: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$")]


_decoder = msgspec.msgpack.Decoder(Place)
_encoder = msgspec.msgpack.Encoder()


def cursor_of(action: Action) -> str:
    """Write the place of an action as opaque text."""
    return ids.pack(_encoder.encode(Place(action.requested_at, action.id)))


def place_of(cursor: str) -> Place:
    """Read a cursor; RequestError when it is none."""
    try:
        return _decoder.decode(ids.unpack(cursor, MAX_LENGTH))
    except (ValueError, msgspec.MsgspecError):
        raise RequestError(
            ErrorCode.INVALID_CURSOR,
            "That cursor was not made by this gateway. Use one that the journal gave, or begin"
            " without one.",
        ) from None
