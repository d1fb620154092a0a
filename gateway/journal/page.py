"""Pages of the journal, newest first, and their cursors."""

from __future__ import annotations

from typing import Annotated

import msgspec

from gateway import ids
from gateway.errors import ErrorCode, RequestError
from gateway.journal.action import Action, ActionKind, Outcome
from gateway.model import Timestamp

MAX_LENGTH = 128
"""Maximum length of a cursor in characters."""


class ActionFilter(msgspec.Struct, frozen=True, kw_only=True):
    """The actions to list; None matches every value.

    ``sources`` are names of sources. ``caller`` may be any text.
    """

    kind: ActionKind | None = None
    outcome: Outcome | None = None
    sources: frozenset[str] | None = None
    caller: str | None = None


class ActionPage(msgspec.Struct, frozen=True):
    """One page of the list."""

    actions: tuple[Action, ...]
    has_next_page: bool


class Position(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The position of an action in the list. It never changes."""

    requested_at: Annotated[Timestamp, msgspec.Meta(ge=0, le=2**63 - 1)]
    id: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$")]


_decoder = msgspec.msgpack.Decoder(Position)
_encoder = msgspec.msgpack.Encoder()


def cursor_of(action: Action) -> str:
    """Return the position of an action as opaque text."""
    return ids.pack(_encoder.encode(Position(action.requested_at, action.id)))


def position_of(cursor: str) -> Position:
    """Decode a cursor; RequestError if it is invalid."""
    try:
        return _decoder.decode(ids.unpack(cursor, MAX_LENGTH))
    except (ValueError, msgspec.MsgspecError):
        raise RequestError(
            ErrorCode.INVALID_CURSOR,
            "That cursor is not one of the journal's. Use one as a page of actions gave it, or"
            " leave it out to start with the newest.",
        ) from None
