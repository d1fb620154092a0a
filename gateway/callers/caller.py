"""Callers and their roles."""

from __future__ import annotations

import enum
import functools
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from gateway.config.auth import GrantSettings


@functools.total_ordering
class Role(enum.Enum):
    """A role. Each includes the rights of those before it."""

    VIEWER = "See webhook logs without their bodies and header values."
    READER = "See all of a webhook log."
    OPERATOR = "Retry deliveries, too."
    ADMIN = "Delete webhook logs, and see the journal and the vendors' raw documents, too."

    def __init__(self, _: str) -> None:
        self.rank = len(type(self).__members__)

    def __lt__(self, other: Role) -> bool:
        return self.rank < other.rank


class Method(enum.Enum):
    """The authentication method of a caller."""

    NONE = "none"
    API_KEYS = "api-keys"
    JWT = "jwt"


class Grant(msgspec.Struct, frozen=True, cache_hash=True):
    """A role on the named sources, or on all sources if None."""

    role: Role
    sources: frozenset[str] | None = None

    def covers(self, source: str) -> bool:
        """Return whether the grant applies to a source."""
        return self.sources is None or source in self.sources


def grant(settings: GrantSettings) -> Grant:
    """Convert a grant of the configuration, in which an empty list means all sources."""
    return Grant(Role[settings.role.upper()], frozenset(settings.sources) or None)


class Caller(msgspec.Struct, frozen=True):
    """An authenticated caller. Without grants it sees no source.

    ``name`` is an API key's name or a token's subject, so it is unique per method only.
    """

    name: str
    method: Method
    grants: tuple[Grant, ...]

    def role_on(self, source: str) -> Role | None:
        """Return the highest role on a source; None if the caller must not see it."""
        highest = None
        for grant in self.grants:
            if grant.covers(source) and (highest is None or highest < grant.role):
                highest = grant.role
        return highest

    def may(self, role: Role, source: str) -> bool:
        """Return whether the caller has at least a role on a source."""
        held = self.role_on(source)
        return held is not None and held.rank >= role.rank

    def may_everywhere(self, role: Role) -> bool:
        """Return whether the caller has a role on all sources, including removed ones."""
        return any(grant.sources is None and grant.role >= role for grant in self.grants)

    def sees(self, source: str) -> bool:
        """Return whether the caller may see a source."""
        return any(grant.covers(source) for grant in self.grants)


ANONYMOUS = Caller("anonymous", Method.NONE, (Grant(Role.ADMIN),))
"""The caller of every request if no credential is required."""
