"""Parses, counts and validates documents, once for as long as they are remembered."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from graphlib import CycleError
from typing import TYPE_CHECKING, Any

import msgspec
from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSyntaxError,
    NoFragmentCyclesRule,
    NoSchemaIntrospectionCustomRule,
    TokenKind,
    parse,
    specified_rules,
    validate,
)
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from gateway.limits import Limits
from gateway.schema.shape import Shape, measure

if TYPE_CHECKING:
    from graphql import GraphQLSchema

RULES = (*specified_rules, MaybeNullValidationRule, OneOfInputValidationRule)
MAX_ERRORS = 20
"""How many mistakes of a document are told; its author has to begin with one."""
MEMORY = 32 * 2**20
"""Bytes that the remembered documents may take together; some hundred of usual size."""
TOKEN = 700
"""Bytes that a token takes with its nodes, at most."""


class Document(msgspec.Struct, frozen=True):
    """A document that can be executed, unless there are ``errors``.

    ``fragments`` are in an order in which each is spread only by those behind it. ``costs`` keeps
    what its operations were found to cost.
    """

    node: DocumentNode
    errors: list[GraphQLError] = []
    shape: Shape = Shape()
    fragments: list[FragmentDefinitionNode] = []
    tokens: int = 0
    costs: dict[Any, int] = {}


class Documents:
    """The documents that callers sent, as long as they are not more than ``memory`` bytes.

    An invalid one is not remembered, or many of those would drive out what frontends send.
    Without ``introspection``, documents that ask for the schema are invalid.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        limits: Limits,
        *,
        introspection: bool = True,
        memory: int = MEMORY,
    ) -> None:
        self._schema = schema
        self._rules = RULES if introspection else (*RULES, NoSchemaIntrospectionCustomRule)
        self._limits = limits
        self._memory = memory
        self._taken = 0
        self._kept: OrderedDict[str, Document] = OrderedDict()
        self._texts: dict[str, str] = {}

    def get(self, text: str) -> Document:
        """Give a document; LimitError or GraphQLSyntaxError for one that is not validated."""
        self._limits.check("document", len(text))
        if document := self._kept.get(text):
            self._kept.move_to_end(text)
            self._check(document)
            return document
        document = self._read(text)
        if not document.errors:
            self._keep(text, document)
        return document

    def text_of(self, digest: str) -> str | None:
        """Give the text of a remembered document by its :func:`digest`."""
        return self._texts.get(digest)

    def _read(self, text: str) -> Document:
        node = self._parsed(text)
        try:
            shape, fragments = measure(node)
        except CycleError:
            # What has no end can't be counted; nothing else of it is looked at.
            return Document(node, validate(self._schema, node, [NoFragmentCyclesRule]))
        document = Document(node, [], shape, fragments, _tokens(node))
        self._check(document)
        # Validation is dear, so it comes last.
        errors = validate(self._schema, node, self._rules, max_errors=MAX_ERRORS)
        return msgspec.structs.replace(document, errors=[_told(error) for error in errors])

    def _parsed(self, text: str) -> DocumentNode:
        most = self._limits.most("tokens")
        try:
            return parse(text, max_lexical_tokens=most, max_comments=most)
        except GraphQLSyntaxError as error:
            if most and error.message in {
                f"Syntax Error: Document contains more than {most} {what}. Parsing aborted."
                for what in ("tokens", "comments")
            }:
                raise self._limits.refusal("tokens") from None
            raise

    def _check(self, document: Document) -> None:
        self._limits.check("tokens", document.tokens)
        for name, value in document.shape._asdict().items():
            self._limits.check(name, value)

    def _keep(self, text: str, document: Document) -> None:
        self._kept[text] = document
        self._texts[digest(text)] = text
        self._taken += _size(text, document)
        while self._taken > self._memory:
            forgotten, its_document = self._kept.popitem(last=False)
            del self._texts[digest(forgotten)]
            self._taken -= _size(forgotten, its_document)


def digest(text: str) -> str:
    """Name a text by the SHA-256 of its UTF-8, in lower-case hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def _told(error: GraphQLError) -> GraphQLError:
    """Give a mistake as it is, but for what Python says of a number with too many digits."""
    if isinstance(error.original_error, ValueError):
        return GraphQLError("A number has too many digits.", error.nodes)
    return error


def _size(text: str, document: Document) -> int:
    """Estimate the memory that a document takes, in bytes."""
    return 4 * len(text) + TOKEN * document.tokens


def _tokens(node: DocumentNode) -> int:
    """Count the tokens of a document, without its comments."""
    count = 0
    token = node.loc and node.loc.start_token
    while token := token and token.next:
        count += token.kind not in (TokenKind.COMMENT, TokenKind.EOF)
    return count
