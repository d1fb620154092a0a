"""Callers, and their rights."""

from __future__ import annotations

import enum
import functools
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from gateway.config.auth import GrantSettings


@functools.total_ordering
class Role(enum.Enum):
    """What a caller may do; each role may do what those before it may, and is greater."""

    VIEWER = "See webhook logs without their bodies and header values."
    READER = "See all of a webhook log."
    OPERATOR = "Retry deliveries, too."
    ADMIN = "Delete webhook logs, and see the journal and the vendors' raw documents, too."

    def __lt__(self, other: Role) -> bool:
        return _RANKS[self] < _RANKS[other]


_RANKS = {role: rank for rank, role in enumerate(Role)}


class Method(enum.Enum):
    """How a caller showed who it is; the value is the configuration's."""

    NONE = "none"
    API_KEYS = "api-keys"
    JWT = "jwt"


class Grant(msgspec.Struct, frozen=True):
    """A role on some sources, by name; None stands for all of them."""

    role: Role
    sources: frozenset[str] | None = None

    def covers(self, source: str) -> bool:
        """Tell whether it is about this source."""
        return self.sources is None or source in self.sources


def grant(settings: GrantSettings) -> Grant:
    """Read a grant of the configuration, where naming no sources stands for all of them."""
    return Grant(Role[settings.role.upper()], frozenset(settings.sources) or None)


class Caller(msgspec.Struct, frozen=True):
    """Someone who is known; without grants, who sees nothing.

    ``name`` is an API key's name or a token's subject: two callers of one name differ in method.
    """

    name: str
    method: Method
    grants: tuple[Grant, ...]

    def role_on(self, source: str) -> Role | None:
        """Give the highest role on a source; None when it does not exist for this caller."""
        return max((grant.role for grant in self.grants if grant.covers(source)), default=None)

    def may(self, role: Role, source: str) -> bool:
        """Tell whether the caller may do on a source what takes this role."""
        held = self.role_on(source)
        return held is not None and held >= role

    def may_everywhere(self, role: Role) -> bool:
        """Tell whether the caller may do so on every source, those included that are gone."""
        return any(grant.sources is None and grant.role >= role for grant in self.grants)

    def sees(self, source: str) -> bool:
        """Tell whether the source exists for this caller."""
        return any(grant.covers(source) for grant in self.grants)


ANONYMOUS = Caller("anonymous", Method.NONE, (Grant(Role.ADMIN),))
"""Everybody, where nobody is asked for a credential."""
