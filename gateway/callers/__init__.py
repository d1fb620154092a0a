"""Authentication of callers, and their roles."""

from __future__ import annotations

from gateway.callers.authenticator import Authenticator
from gateway.callers.caller import ANONYMOUS, Caller, Grant, Method, Role
from gateway.callers.errors import (
    KeysUnavailableError,
    TooManyAttemptsError,
    UnauthenticatedError,
)

__all__ = [
    "ANONYMOUS",
    "Authenticator",
    "Caller",
    "Grant",
    "KeysUnavailableError",
    "Method",
    "Role",
    "TooManyAttemptsError",
    "UnauthenticatedError",
]
