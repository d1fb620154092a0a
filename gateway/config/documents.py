"""The ``[documents]`` table: what callers may name in place of sending it, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from pydantic import BeforeValidator, StrictBool, ValidationInfo, WithJsonSchema

from gateway.config.values import ListOf, Table

_FORM = "must be the path of a manifest, in quotes"


@dataclass(frozen=True)
class Manifest:
    """A file of trusted documents: pairs of an id and a text, which need not be GraphQL."""

    path: Path
    documents: tuple[tuple[str, str], ...]


class _Operation(msgspec.Struct):
    id: str
    body: str


class _ApolloManifest(msgspec.Struct):
    """Apollo's own: https://www.apollographql.com/docs/graphos/platform/security/persisted-queries."""

    format: Literal["apollo-persisted-query-manifest"]
    version: Literal[1]
    operations: list[_Operation]


def _read(value: object, info: ValidationInfo) -> Manifest:
    if isinstance(value, Manifest):
        return value
    if not isinstance(value, str | Path):
        raise ValueError(_FORM)  # noqa: TRY004 - pydantic passes a TypeError on
    path: Path = info.context.folder / value if info.context else Path(value)
    try:
        documents = _documents(path.read_bytes())
    except OSError:
        raise ValueError("must be the path of a file that can be read") from None
    except (ValueError, RecursionError):
        raise ValueError(
            "names a file that is no manifest: it must be a JSON object of ids and documents, as"
            " graphql-codegen and relay-compiler write it, or Apollo's persisted query manifest"
        ) from None
    if not documents:
        raise ValueError("names a manifest without documents, so nothing could be executed")
    return Manifest(path, tuple(documents))


def _documents(content: bytes) -> list[tuple[str, str]]:
    given = msgspec.json.decode(content)
    if isinstance(given, dict) and "operations" in given:
        operations = msgspec.convert(given, _ApolloManifest).operations
        return [(operation.id, operation.body) for operation in operations]
    return list(msgspec.convert(given, dict[str, str]).items())


ManifestFile = Annotated[
    Manifest, BeforeValidator(_read), WithJsonSchema({"type": "string", "errorMessage": _FORM})
]


class DocumentSettings(Table, title="Documents"):
    """Which documents are executed, and which of them may be named in place of being sent."""

    automatic: StrictBool = True
    """Whether a document that was sent before may be named by its hash: Apollo's automatic
    persisted queries. With trusted documents there are none."""
    trusted: ListOf[ManifestFile] = ()
    """The manifests of the trusted documents, as graphql-codegen, relay-compiler or Apollo's tool
    writes them. With any, nothing else is executed, and there is no GraphiQL. A relative path
    starts at the folder of this file."""
