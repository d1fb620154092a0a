"""The actions that a vendor supports and a caller may perform."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from gateway.actions.problems import ActionNotSupported, AnyProblem, NotAuthorized
from gateway.callers import Role
from gateway.journal import ActionKind
from gateway.model import Capability

if TYPE_CHECKING:
    from gateway.callers import Caller
    from gateway.sources import Source

NEEDS = {ActionKind.RETRY: Role.OPERATOR, ActionKind.DELETE: Role.ADMIN}
CAPABILITIES = {ActionKind.RETRY: Capability.RETRY, ActionKind.DELETE: Capability.DELETE}
VERBS = {ActionKind.RETRY: "retry", ActionKind.DELETE: "delete"}


def denial(
    kind: ActionKind, source: Source, caller: Caller, supporting: Sequence[str]
) -> AnyProblem | None:
    """Return why a caller can't perform an action on a source's logs, or None. Calls no vendor.

    ``supporting`` are the names of the visible sources that support the action.
    """
    verb = VERBS[kind]
    if CAPABILITIES[kind] not in source.capabilities:
        others = f" Sources that can: {', '.join(supporting)}." if supporting else ""
        return ActionNotSupported(
            message=f"The vendor of source {source.name} can't {verb} webhook logs.{others}",
            path=("id",),
            action=kind,
            sources=tuple(supporting),
        )
    if not caller.may(NEEDS[kind], source.name):
        role = NEEDS[kind]
        return NotAuthorized(
            message=f"To {verb} logs of source {source.name} you need the role"
            f" {role.name.lower()}.",
            path=("id",),
            required_role=role,
        )
    return None


def supporting_sources(kind: ActionKind, sources: Mapping[str, Source]) -> list[str]:
    """Return the names of the sources that support an action."""
    return [name for name, it in sources.items() if CAPABILITIES[kind] in it.capabilities]


def any_supported(sources: Mapping[str, Source]) -> bool:
    """Return whether any source supports any action."""
    return any(supporting_sources(kind, sources) for kind in ActionKind)
