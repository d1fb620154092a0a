"""The journal of actions: every retry and delete, its caller and its outcome.

An action is recorded before it is sent and completed afterwards. So a crash loses none, and none is
sent twice for the same idempotency key.
"""

from __future__ import annotations

from gateway.journal.action import Action, ActionKind, Outcome
from gateway.journal.journal import BeginResult, Journal
from gateway.journal.page import ActionFilter, ActionPage, cursor_of

__all__ = [
    "Action",
    "ActionFilter",
    "ActionKind",
    "ActionPage",
    "BeginResult",
    "Journal",
    "Outcome",
    "cursor_of",
]
