"""The journal of actions: what was asked of the vendors, by whom, and what came of it.

Every retry and delete is recorded before it is sent and completed after, so that none is lost in
a crash, and none is sent twice for one idempotency key.
"""

from __future__ import annotations

from gateway.journal.action import Action, ActionKind, Outcome
from gateway.journal.journal import Begun, Journal
from gateway.journal.page import ActionFilter, ActionPage, cursor_of

__all__ = [
    "Action",
    "ActionFilter",
    "ActionKind",
    "ActionPage",
    "Begun",
    "Journal",
    "Outcome",
    "cursor_of",
]
