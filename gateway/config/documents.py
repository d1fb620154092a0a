"""The ``[documents]`` table: persisted and trusted documents."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from pydantic import BeforeValidator, StrictBool, ValidationInfo, WithJsonSchema

from gateway.config.files import UnreadableFileError, read_text
from gateway.config.values import ListOf, Table

_FORM = "must be the path of a manifest, in quotes"


@dataclass(frozen=True)
class Manifest:
    """A file of trusted documents, as pairs of id and text. The texts are not parsed yet."""

    path: Path
    documents: tuple[tuple[str, str], ...]


class _Operation(msgspec.Struct):
    id: str
    body: str


class _ApolloManifest(msgspec.Struct):
    """Apollo's form: https://www.apollographql.com/docs/graphos/platform/security/persisted-queries."""

    format: Literal["apollo-persisted-query-manifest"]
    version: Literal[1]
    operations: list[_Operation]


def _read(value: object, info: ValidationInfo) -> Manifest:
    if isinstance(value, Manifest):
        return value
    if not isinstance(value, str | Path) or value == "":
        raise ValueError(_FORM)
    path: Path = info.context.folder / value if info.context else Path(value)
    try:
        documents = _parse(read_text(path))
    except UnreadableFileError as error:
        raise ValueError(f"names a file that {error}") from None
    except (ValueError, RecursionError):
        raise ValueError(
            "names a file that is not a manifest: it must be a JSON object of ids and documents, as"
            " graphql-codegen and relay-compiler write it, or Apollo's persisted query manifest"
        ) from None
    if not documents:
        raise ValueError("names a manifest without documents, so nothing could be executed")
    return Manifest(path, tuple(documents))


def _parse(content: str) -> list[tuple[str, str]]:
    manifest = msgspec.json.decode(content)
    if isinstance(manifest, dict) and "operations" in manifest:
        operations = msgspec.convert(manifest, _ApolloManifest).operations
        return [(operation.id, operation.body) for operation in operations]
    return list(msgspec.convert(manifest, dict[str, str]).items())


ManifestFile = Annotated[
    Manifest, BeforeValidator(_read), WithJsonSchema({"type": "string", "errorMessage": _FORM})
]


class DocumentSettings(Table, title="Documents"):
    """Documents that callers may name instead of sending them; if any is trusted, only those."""

    automatic: StrictBool = True
    """Accept the hash of a document that was sent before: Apollo's automatic persisted queries.
    Without effect if there are trusted documents."""
    trusted: ListOf[ManifestFile] = ()
    """Manifests of trusted documents, as written by graphql-codegen, relay-compiler or Apollo's
    tool. If there is one, only its documents are executed, and GraphiQL is off. A relative path
    starts at the folder of this file."""
