"""Random operations over the schema, most of them valid."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from graphql import (
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    get_named_type,
    is_leaf_type,
)

FILTERS: Sequence[Mapping[str, Any]] = (
    {},
    {"source": None},
    {"provider": {"eq": "LANGUAGE_WEAVER"}},
    {"provider": {"in": ["ELASTIC_PATH", "YANDEX_TRACKER"]}},
    {"provider": {"neq": "CODEARTS"}},
    {"provider": {"neq": "CODEARTS"}, "event": {"eq": None}},
    {"provider": {"nin": "CODEARTS"}},  # a single value in place of a list
    {"not": {"provider": {"eq": "CODEARTS"}}, "status": {"in": ["SUCCEEDED", "FAILED"]}},
    {"and": [{"provider": {"neq": "CODEARTS"}}, {"status": {"eq": "FAILED"}}]},
    {"or": [{"failure": {"eq": "TIMEOUT"}}, {"status": {"eq": "SUCCEEDED"}}]},
    {"triggeredAt": {"gte": "2020-01-01T00:00:00Z"}, "provider": {"neq": "CODEARTS"}},
    {"triggeredAt": {"gte": "P1D"}},
    {"httpStatus": {"gte": 200, "lt": 300}},
)
REFUSED: Sequence[Mapping[str, Any]] = (
    {"source": {"eq": "nowhere"}},
    {"or": []},
    {"triggeredAt": {"gt": "yesterday"}},
)


class Operation(msgspec.Struct):
    """A document with variables; ``lists`` is how many lists of logs it selects."""

    text: str
    variables: dict[str, Any]
    lists: int

    def flip(self) -> None:
        """Negate the booleans among the variables."""
        for name, value in self.variables.items():
            if isinstance(value, bool):
                self.variables[name] = not value


class Operations:
    """Makes operations. ``cursors`` are those of the list without a filter."""

    def __init__(
        self, schema: GraphQLSchema, random: random.Random, cursors: Sequence[str]
    ) -> None:
        self._schema = schema
        self._random = random
        self._cursors = cursors
        self._fragments: dict[str, tuple[str, str]] = {}
        self._variables: dict[str, tuple[str, Any]] = {}

    def next(self) -> Operation:
        """Make an operation."""
        self._fragments, self._variables = {}, {}
        root, lists = [], 0
        for index in range(self._choose({1: 8, 2: 2, 3: 1})):
            arguments = self._arguments()
            selection = self._selection("WebhookLogConnection", 1)
            name = f"list{index}: webhookLogs" if self._chance(0.7) or index else "webhookLogs"
            field = f"{name}{arguments}"
            root.append(f"{field}{self._directive()} {selection}")
            lists += 1
            if self._chance(0.1):  # merged with the one before
                root.append(f"{field} {self._selection('WebhookLogConnection', 1)}")
        if self._chance(0.3):
            root.insert(self._random.randrange(len(root) + 1), "kind: __typename")
        if self._chance(0.02):
            root.append("viewer { name }")
        body = " ".join(root)
        if self._chance(0.15):
            body = f"... on Query {{ {body} }}"
        declared = ", ".join(f"${name}: {kind}" for name, (kind, _) in self._variables.items())
        text = f"query {'Q' if self._chance(0.5) or declared else ''}"
        text += f"({declared})" if declared else ""
        text += f" {{ {body} }}"
        for name, (kind, selection) in self._fragments.items():
            text += f" fragment {name} on {kind} {selection}"
        if self._chance(0.04):
            text = text.replace(" on WebhookLog {", " on WebhookLog @defer {", 1)
        if self._chance(0.02):
            text = text.replace("nodes {", "nodes @stream {", 1)
        given = {name: value for name, (_, value) in self._variables.items() if value is not ...}
        return Operation(text, given, lists)

    def _arguments(self) -> str:
        given: dict[str, tuple[str, Any]] = {}
        if self._chance(0.9):
            bad = self._chance(0.01)
            sizes = [101, -1, None] if bad else [1, 2, 3, 3, 4, 5, 0]
            given["first"] = "Int", self._random.choice(sizes)
        if self._chance(0.7):
            refused = self._chance(0.015)
            wanted = self._random.choice(REFUSED if refused else FILTERS)
            given["filter"] = "WebhookLogFilter", wanted
        elif self._chance(0.3):
            given["after"] = "String", self._random.choice([*self._cursors, "", None])
        elif self._chance(0.1):
            given["before"] = "String", self._random.choice([*self._cursors, "wrong"])
            if self._chance(0.8):
                given.pop("first", None)
        if self._chance(0.1):
            given["cache"] = "CacheDemand", self._random.choice([None, {"maxAge": 10**6}])
        if not given:
            return ""
        parts = []
        for name, (kind, value) in given.items():
            if self._chance(0.5):
                parts.append(f"{name}: {self._variable(kind, value)}")
            else:
                parts.append(f"{name}: {literal(value)}")
        return f"({', '.join(parts)})"

    def _variable(self, kind: str, value: Any) -> str:
        name = f"v{len(self._variables)}"
        if self._chance(0.1) and value is not None:
            self._variables[name] = f"{kind} = {literal(value)}", ...
        elif self._chance(0.05):
            self._variables[name] = kind, ...
        else:
            self._variables[name] = kind, value
        return f"${name}"

    def _selection(self, name: str, depth: int) -> str:
        kind = self._schema.type_map[name]
        entries = [
            self._entry(kind, depth) for _ in range(self._choose({1: 3, 2: 4, 3: 4, 4: 2, 6: 1}))
        ]
        return f"{{ {' '.join(entries)} }}"

    def _entry(self, kind: GraphQLNamedType, depth: int) -> str:
        if isinstance(kind, GraphQLUnionType):
            if self._chance(0.2):
                return "__typename"
            member = self._random.choice(kind.types).name
            return f"... on {member}{self._directive()} {self._selection(member, depth)}"
        assert isinstance(kind, GraphQLObjectType | GraphQLInterfaceType)
        if depth < 7 and self._chance(0.12):
            return self._fragment(kind, depth)
        if self._chance(0.06):
            return self._random.choice(["__typename", "type: __typename"])
        names = [
            name
            for name, field in kind.fields.items()
            if not field.args or self._chance(0.02)  # lists below a source
        ]
        name = self._random.choice(names)
        own = get_named_type(kind.fields[name].type)
        alias = f"{name}{self._random.randrange(2)}: " if self._chance(0.2) else ""
        field = f"{alias}{name}{self._directive()}"
        return field if is_leaf_type(own) else f"{field} {self._selection(own.name, depth + 1)}"

    def _fragment(self, kind: GraphQLObjectType | GraphQLInterfaceType, depth: int) -> str:
        interfaces = [one.name for one in kind.interfaces]
        name = self._random.choice([kind.name, *interfaces])
        if self._chance(0.5):
            condition = f" on {name}" if name != kind.name or self._chance(0.7) else ""
            return f"...{condition}{self._directive()} {self._selection(name, depth + 1)}"
        known = [
            each for each, (on, _) in self._fragments.items() if on in (kind.name, *interfaces)
        ]
        if known and self._chance(0.5):
            return f"...{self._random.choice(known)}{self._directive()}"
        # Only afterwards is it known, so that it can't spread itself.
        selection = self._selection(name, depth + 1)
        made = f"F{len(self._fragments)}"
        self._fragments[made] = name, selection
        return f"...{made}{self._directive()}"

    def _directive(self) -> str:
        if not self._chance(0.08):
            return ""
        name = self._random.choice(["skip", "include", "skip", "include", "both"])
        if name == "both":
            return f" @skip(if: {self._boolean()}) @include(if: {self._boolean()})"
        return f" @{name}(if: {self._boolean()})"

    def _boolean(self) -> str:
        if self._chance(0.4):
            return self._random.choice(["true", "false"])
        name = f"b{self._random.randrange(3)}"
        if name not in self._variables:
            value: Any = self._random.choice([True, False])
            kind = self._random.choice(["Boolean!", "Boolean! = true", "Boolean = false"])
            if "=" in kind and self._chance(0.5):
                value = None if kind == "Boolean = false" and self._chance(0.1) else ...
            self._variables[name] = kind, value
        return f"${name}"

    def _chance(self, share: float) -> bool:
        return self._random.random() < share

    def _choose(self, weights: Mapping[int, int]) -> int:
        return self._random.choices(list(weights), list(weights.values()))[0]


ENUMS = {"provider", "status", "failure"}


def literal(value: Any, name: str = "") -> str:
    """Write a value as GraphQL; the operands of some conditions are enums."""
    if isinstance(value, dict):
        members = (
            f"{key}: {literal(inner, key if key in ENUMS else name)}"
            for key, inner in value.items()
        )
        return f"{{{', '.join(members)}}}"
    if isinstance(value, list):
        return f"[{', '.join(literal(item, name) for item in value)}]"
    return value if name and isinstance(value, str) else json.dumps(value)
