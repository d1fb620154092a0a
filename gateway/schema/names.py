"""Keeps the names of the schema out of messages, where callers may not ask for the schema."""

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
"""What stands in the place of a name that the caller did not write."""


def names_of(schema: GraphQLSchema) -> frozenset[str]:
    """Give the names that a schema has, as far as they are no words of a sentence."""
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


def unnamed(message: str, document: str, names: Collection[str] = ()) -> str:
    """Take out of a message what it suggests, and all that it quotes but the document's words.

    ``names`` are taken out wherever they stand: what the message quotes of a caller's own may hold
    quotation marks, and where a quotation ends is then unclear.
    """
    written = set(_WORD.findall(document))

    def quoted(quotation: re.Match[str]) -> str:
        text = quotation[0]
        return text if written.issuperset(_WORD.findall(text)) else text[0] + HIDDEN + text[-1]

    def named(word: re.Match[str]) -> str:
        return HIDDEN if word[0] in names and word[0] not in written else word[0]

    return _WORD.sub(named, _QUOTED.sub(quoted, _SUGGESTION.sub("", message)))


_WORD = re.compile(r"\w+")
# Suggestions are short, and a message may quote any number of blanks or beginnings of one.
_SUGGESTION = re.compile(r" Did you mean [^?]{1,500}\?")
_QUOTED = re.compile(r"""'[^']*'|"[^"]*\"""")
