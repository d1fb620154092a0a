"""Persisted and trusted documents, which requests name instead of sending them.

- ``extensions.persistedQuery`` holds a hash, as in Apollo's automatic persisted queries, whose
  messages and statuses are used: https://www.apollographql.com/docs/apollo-server/performance/apq
- ``documentId`` comes from GraphQL over HTTP, appendix A.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from graphql import GraphQLSyntaxError

from gateway.errors import ConfigurationError, ErrorCode
from gateway.limits import LimitError
from gateway.schema.documents import digest
from gateway.web.request import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gateway.config import DocumentSettings, Manifest
    from gateway.schema.documents import Documents
    from gateway.web.request import GraphQLRequest


class PersistedDocuments:
    """Finds the document of a request.

    ``documents`` remembers those that were executed before. Those that are ``built_in`` are
    always trusted, by their ids. Raises ConfigurationError, which names every
    trusted document that could never be executed.
    """

    def __init__(
        self,
        settings: DocumentSettings,
        documents: Documents,
        built_in: Mapping[str, str] | None = None,
    ) -> None:
        self._automatic = settings.automatic
        self._documents = documents
        self._trusted = _trusted(settings.trusted, documents)
        self._texts = set(self._trusted.values())
        self._built_in = built_in or {}

    def text(self, graphql: GraphQLRequest) -> str | None:
        """Return the document's text, or None; raise Refusal if it must not be executed."""
        built_in = self._built_in.get(graphql.document_id or "")
        if built_in is not None and graphql.query is None:
            return built_in
        persisted = (graphql.extensions or {}).get("persistedQuery")
        if self._trusted:
            return self._trusted_text(graphql, persisted)
        if persisted is not None:
            return self._automatic_text(graphql.query, persisted)
        if graphql.query is None and graphql.document_id is not None:
            raise Refusal(400, "No trusted documents are configured here. Send the query.")
        return graphql.query

    def _automatic_text(self, query: str | None, persisted: Any) -> str:
        if not self._automatic:
            raise Refusal(
                200, "PersistedQueryNotSupported", code=ErrorCode.PERSISTED_QUERY_NOT_SUPPORTED
            )
        hash_ = _hash(persisted)
        if query is None:
            query = self._documents.text_of(hash_)
            if query is None:
                raise Refusal(
                    200, "PersistedQueryNotFound", code=ErrorCode.PERSISTED_QUERY_NOT_FOUND
                )
        elif digest(query) != hash_:
            raise Refusal(400, "provided sha does not match query")
        return query

    def _trusted_text(self, graphql: GraphQLRequest, persisted: Any) -> str:
        name = graphql.document_id
        if name is None and persisted is not None:
            name = _hash(persisted)
        if name is None:
            if graphql.query not in self._texts:
                raise Refusal(
                    403,
                    "Only trusted documents are executed here. Send the id of one as documentId.",
                    code=ErrorCode.DOCUMENT_NOT_TRUSTED,
                )
            return graphql.query
        text = self._trusted.get(name) or self._trusted.get(f"sha256:{name}")
        if text is None:
            raise Refusal(
                404,
                "No trusted document has this id. It may be newer than the gateway's manifest.",
                code=ErrorCode.DOCUMENT_NOT_TRUSTED,
            )
        if graphql.query not in (None, text):
            raise Refusal(400, "The request names one document and sends another.")
        return text


def _hash(persisted: Any) -> str:
    match persisted:
        case {"version": 1, "sha256Hash": str(hash_)}:
            return hash_
        case {"version": 1}:
            raise Refusal(400, "The extension persistedQuery must hold sha256Hash as text.")
        case _:
            raise Refusal(400, "Unsupported persisted query version")


def _trusted(manifests: Iterable[Manifest], documents: Documents) -> dict[str, str]:
    """Return the documents by the ids of their manifests, and by their hashes."""
    texts: dict[str, str] = {}
    problems = []
    for manifest in manifests:
        for id_, text in manifest.documents:
            another = texts.setdefault(id_, text) != text
            fault = "has the id of another one" if another else _fault(text, documents)
            if fault:
                problems.append(f"{manifest.path}: the document {json.dumps(id_)} {fault}")
    if problems:
        raise ConfigurationError(problems)
    return {f"sha256:{digest(text)}": text for text in texts.values()} | texts


def _fault(text: str, documents: Documents) -> str | None:
    try:
        errors = documents.get(text).errors
    except GraphQLSyntaxError as error:
        return f"is not GraphQL: {error.message}"
    except LimitError as error:
        return f"is beyond a limit: {error}"
    return f"does not fit the schema: {errors[0].message}" if errors else None
