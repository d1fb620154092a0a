"""The tags by which an administrator evicts cache entries."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gateway import ids
from gateway.actions.problems import AnyProblem, InvalidInput, NotAuthorized
from gateway.callers import Role
from gateway.errors import RequestError
from gateway.sources.caching import tag
from gateway.sources.source import not_found

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.callers import Caller
    from gateway.sources import Source

FindSource = Callable[[str], "Source"]
"""Returns the source with a name; RequestError if none is visible to the caller."""


def tags_to_evict(
    given: Sequence[str], find_source: FindSource, caller: Caller
) -> set[str] | AnyProblem:
    """Return the cache's own tags for ``source:NAME``, ``hook:ID`` and ``log:ID``.

    Returns a problem if one of them is not of that form, names nothing visible to the caller, or
    belongs to a source on which the caller is not an admin.
    """
    found: set[str] = set()
    for text in given:
        try:
            resolved = _resolve(text, find_source)
        except RequestError as error:
            return InvalidInput(message=str(error), path=("tags",))
        if resolved is None:
            return InvalidInput(
                message=f"{text[:100]!r} is not a tag. Use source:NAME, hook:ID or log:ID.",
                path=("tags",),
            )
        source, tags = resolved
        if not caller.may(Role.ADMIN, source.name):
            return NotAuthorized(
                message=f"To evict cached data of source {source.name} you need the role admin.",
                path=("tags",),
                required_role=Role.ADMIN,
            )
        found.update(tags)
    return found


def _resolve(text: str, find_source: FindSource) -> tuple[Source, tuple[str, ...]] | None:
    kind, _, name = text.partition(":")
    if kind == "source":
        return find_source(name), (tag("source", name),)
    if kind not in {"hook", "log"}:
        return None
    reference = ids.decode(name, ids.Kind[kind.upper()])
    try:
        source = find_source(reference.source)
    except RequestError:
        raise not_found("webhook log" if kind == "log" else "hook") from None
    return source, (
        source.affected_tags(reference.place) if kind == "log" else source.list_tags(name)
    )
