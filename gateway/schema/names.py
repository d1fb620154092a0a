"""Keep the schema's names out of error messages, where callers may not query the schema.

graphql-core leaves out its suggestions itself (``hide_suggestions``), but its messages still name
types, fields and arguments that the caller did not write: ``Field 'a' argument 'id' of type 'ID!'
is required``.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    is_introspection_type,
    is_specified_scalar_type,
)

HIDDEN = "..."
"""Replaces a name that the caller did not write."""


def names_of(schema: GraphQLSchema) -> frozenset[str]:
    """Return the names of a schema, except those that are ordinary words, all in lower case."""
    names: set[str] = set()
    for kind in schema.type_map.values():
        if is_introspection_type(kind) or is_specified_scalar_type(kind):
            continue
        names.add(kind.name)
        if isinstance(kind, GraphQLEnumType):
            names |= kind.values.keys()
        if isinstance(kind, GraphQLInputObjectType | GraphQLInterfaceType | GraphQLObjectType):
            names |= kind.fields.keys()
            for field in kind.fields.values():
                names |= getattr(field, "args", {}).keys()
    return frozenset(name for name in names if not name.islower())


def without_names(message: str, document: str, names: Collection[str] = ()) -> str:
    """Hide quoted text that is not from the document, and ``names`` anywhere in a message.

    ``names`` are needed because a quoted value may contain quotation marks itself, so that the end
    of the quotation is ambiguous.
    """
    written = set(_WORD.findall(document))

    def quoted(quotation: re.Match[str]) -> str:
        text = quotation[0]
        return text if written.issuperset(_WORD.findall(text)) else text[0] + HIDDEN + text[-1]

    def named(word: re.Match[str]) -> str:
        return HIDDEN if word[0] in names and word[0] not in written else word[0]

    return _WORD.sub(named, _QUOTED.sub(quoted, message))


_WORD = re.compile(r"\w+")
_QUOTED = re.compile(r"""'[^']*'|"[^"]*\"""")
