"""Parse, measure and validate documents; valid ones are cached by their hash."""

from __future__ import annotations

import hashlib
from collections.abc import MutableMapping
from graphlib import CycleError
from typing import TYPE_CHECKING, Any

import msgspec
from cachetools import LRUCache
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

# The rules that Strawberry validates with. Its ParserCache and ValidationCache are not used: they
# keep invalid documents too, and are bounded by number, whatever the documents' size.
RULES = (*specified_rules, MaybeNullValidationRule, OneOfInputValidationRule)
MAX_ERRORS = 20
"""Maximum number of validation errors reported for a document."""
MEMORY = 32 * 2**20
"""Bytes for cached documents, enough for some hundreds of the usual size."""
TOKEN = 700
"""Maximum bytes that one token takes with its nodes."""
COSTS = 100
"""Costs that are cached per document: one for each combination of page sizes."""


def _no_costs() -> MutableMapping[Any, int]:
    return LRUCache(COSTS)


class Document(msgspec.Struct, frozen=True):
    """A parsed document. It can be executed unless there are ``errors``.

    ``fragments`` are ordered so that each comes after those that it spreads. ``costs`` caches the
    costs of its operations.
    """

    text: str
    node: DocumentNode
    errors: list[GraphQLError] = []
    shape: Shape = Shape()
    fragments: list[FragmentDefinitionNode] = []
    tokens: int = 0
    costs: MutableMapping[Any, int] = msgspec.field(default_factory=_no_costs)

    @property
    def size(self) -> int:
        """Estimated memory, in bytes."""
        return 4 * len(self.text) + TOKEN * self.tokens


class Documents:
    """The most recently used valid documents, within ``memory`` bytes.

    Invalid ones are not cached, so that they can't evict the documents of the frontends. Without
    ``introspection``, documents that query the schema are invalid, and errors suggest no names.
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
        self._hide_suggestions = not introspection
        self._limits = limits
        self._cached: LRUCache[str, Document] = LRUCache(memory, getsizeof=lambda one: one.size)

    def get(self, text: str) -> Document:
        """Return a document, from the cache if it is there.

        Raises LimitError or GraphQLSyntaxError for a document that can't be validated.
        """
        self._limits.check("document", len(text))
        key = digest(text)
        if document := self._cached.get(key):
            # Again, since a limit that only warns counts each request.
            self._check(document)
            return document
        document = self._read(text)
        if not document.errors and document.size <= self._cached.maxsize:
            self._cached[key] = document
        return document

    def text_of(self, digest: str) -> str | None:
        """Return the text of a cached document by its :func:`digest`."""
        document = self._cached.get(digest)
        return document.text if document else None

    def _read(self, text: str) -> Document:
        node = self._parsed(text)
        try:
            shape, fragments = measure(node)
        except CycleError:
            # A cycle can't be measured, and may crash other rules.
            return Document(text, node, validate(self._schema, node, [NoFragmentCyclesRule]))
        document = Document(text, node, [], shape, fragments, _tokens(node))
        self._check(document)
        # Last, because validation is the most expensive step.
        errors = validate(
            self._schema,
            node,
            self._rules,
            max_errors=MAX_ERRORS,
            hide_suggestions=self._hide_suggestions,
        )
        return msgspec.structs.replace(document, errors=[_readable(error) for error in errors])

    def _parsed(self, text: str) -> DocumentNode:
        maximum = self._limits.maximum("tokens")
        try:
            return parse(text, max_lexical_tokens=maximum, max_comments=maximum)
        except GraphQLSyntaxError as error:
            if maximum and error.message in {
                f"Syntax Error: Document contains more than {maximum} {what}. Parsing aborted."
                for what in ("tokens", "comments")
            }:
                raise self._limits.refusal("tokens") from None
            raise

    def _check(self, document: Document) -> None:
        self._limits.check("tokens", document.tokens)
        for name, value in document.shape._asdict().items():
            self._limits.check(name, value)


def digest(text: str) -> str:
    """Return the SHA-256 of the text's UTF-8, in lower-case hexadecimal digits."""
    # JSON can carry lone surrogates, which UTF-8 can't; the parser refuses them later.
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def _readable(error: GraphQLError) -> GraphQLError:
    """Replace Python's message about a number with too many digits; keep any other error."""
    if isinstance(error.original_error, ValueError):
        return GraphQLError("A number has too many digits. Write fewer.", error.nodes)
    return error


def _tokens(node: DocumentNode) -> int:
    """Count the tokens of a document, without its comments."""
    count = 0
    token = node.loc and node.loc.start_token
    while token := token and token.next:
        count += token.kind not in (TokenKind.COMMENT, TokenKind.EOF)
    return count
