"""Measure a document's size with its fragments expanded, without expanding them.

Each fragment is counted once, and its counts are added wherever it is spread. Strawberry's own
QueryDepthLimiter and MaxAliasesLimiter follow every spread, which takes exponential time where
fragments double: ``fragment F0 on T { ...F1 ...F1 }  fragment F1 on T { ...F2 ...F2 }  ...``
"""

from __future__ import annotations

from graphlib import TopologicalSorter
from typing import NamedTuple

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    Node,
    OperationDefinitionNode,
    SelectionSetNode,
)

CEILING = 10**9
"""Upper bound of every count: doubling fragments would reach numbers of a thousand digits."""


class Shape(NamedTuple):
    """Counts of an operation with its fragments expanded, by limit name."""

    depth: int = 0
    aliases: int = 0
    root_fields: int = 0
    directives: int = 0


class _Spread(NamedTuple):
    fragment: str
    depth: int


class _Count:
    """Counts of one operation or fragment by itself, and the fragments that it spreads."""

    def __init__(self, definition: Node) -> None:
        self.own = Shape(directives=_directives(definition))
        for variable in getattr(definition, "variable_definitions", None) or ():
            self._add(directives=_directives(variable))
        self.spreads: list[_Spread] = []
        # A selection set, the depth of its fields, and the response names used beside them so far.
        todo: list[tuple[SelectionSetNode, int, set[str]]] = []
        if selection_set := getattr(definition, "selection_set", None):
            todo.append((selection_set, 1, set()))
        while todo:
            selection_set, depth, names = todo.pop()
            for selection in selection_set.selections:
                self._add(directives=_directives(selection))
                if isinstance(selection, FragmentSpreadNode):
                    self.spreads.append(_Spread(selection.name.value, depth))
                    continue
                inside = (depth, names)
                if isinstance(selection, FieldNode):
                    name = (selection.alias or selection.name).value
                    again = selection.alias is not None or name in names
                    names.add(name)
                    self._add(depth, aliases=int(again), root_fields=int(depth == 1))
                    inside = (depth + 1, set())
                if inner := getattr(selection, "selection_set", None):
                    todo.append((inner, *inside))

    def _add(
        self, depth: int = 0, *, aliases: int = 0, root_fields: int = 0, directives: int = 0
    ) -> None:
        own = self.own
        self.own = Shape(
            max(own.depth, depth),
            min(CEILING, own.aliases + aliases),
            min(CEILING, own.root_fields + root_fields),
            min(CEILING, own.directives + directives),
        )

    def with_fragments(self, known: dict[str, Shape]) -> Shape:
        """Add the counts of the fragments that are spread; unknown ones are left to validation."""
        for name, depth in self.spreads:
            spread = known.get(name, Shape())
            self._add(
                depth - 1 + spread.depth,
                aliases=spread.aliases,
                root_fields=spread.root_fields if depth == 1 else 0,
                directives=spread.directives,
            )
        return self.own


def measure(document: DocumentNode) -> tuple[Shape, list[FragmentDefinitionNode]]:
    """Return the maximum of each count in the document, and its fragments, innermost first.

    Unused fragments count as well, since they are validated like the others. Raises
    graphlib.CycleError if fragments spread each other in a cycle.
    """
    fragments = {
        definition.name.value: definition
        for definition in document.definitions
        if isinstance(definition, FragmentDefinitionNode)
    }
    counts = {name: _Count(fragment) for name, fragment in fragments.items()}
    spread = {name: [inner.fragment for inner in one.spreads] for name, one in counts.items()}
    order = [name for name in TopologicalSorter(spread).static_order() if name in fragments]
    known: dict[str, Shape] = {}
    for name in order:
        known[name] = counts[name].with_fragments(known)
    shapes = [shape._replace(root_fields=0) for shape in known.values()]
    shapes += [
        _Count(definition).with_fragments(known)
        for definition in document.definitions
        if isinstance(definition, OperationDefinitionNode)
    ]
    largest = Shape(*map(max, zip(*shapes, strict=True))) if shapes else Shape()
    return largest, [fragments[name] for name in order]


def _directives(node: Node) -> int:
    # In graphql-core 3.3, lists of nodes that are empty are None.
    return len(getattr(node, "directives", None) or ())
