"""Fields and types that make the gateway a subgraph of a federated supergraph.

https://www.apollographql.com/docs/graphos/schema-design/federated-schemas/reference/subgraph-spec
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final

import strawberry
from strawberry import ID
from strawberry.federation.schema import FederationAny
from strawberry.federation.types import FieldSet, LinkImport
from strawberry.types.base import get_object_definition

from gateway import ids
from gateway.errors import ErrorCode, RequestError
from gateway.schema.context import Info
from gateway.schema.fields import described
from gateway.schema.query import Query
from gateway.schema.resolvers import check_count, node
from gateway.schema.types import Hook, Source, WebhookLog
from gateway.service import Gateway

VERSION: Final = "2.9"
"""The newest version that composers besides Apollo's support; Strawberry's default is newer."""

KINDS = {"WebhookLog": ids.Kind.LOG, "Hook": ids.Kind.HOOK, "Source": ids.Kind.SOURCE}

FEDERATION_SCALARS: dict[Any, Any] = {
    FederationAny: strawberry.scalar(
        name="_Any",
        description="A reference to an entity: its __typename and the fields of one of its keys.",
        parse_value=lambda value: value,
    ),
    # Under Strawberry's own name, _FieldSet, composers refuse the definition.
    FieldSet: strawberry.scalar(
        name="federation__FieldSet", description="A set of fields that identifies an entity."
    ),
    LinkImport: strawberry.scalar(
        name="link__Import", description="An element imported from another specification."
    ),
}

Entity = Annotated[
    WebhookLog | Hook | Source,
    strawberry.union("_Entity", description="Types that other subgraphs can refer to."),
]
Representations = Annotated[
    list[FederationAny],
    strawberry.argument(description="Up to 100 references to entities."),
]


# Replaces Strawberry's resolver, which answers an unknown __typename by nulling the whole list, and
# pops __typename from the caller's variable, so that a second field can't use it.
async def _entities(info: Info, representations: Representations) -> list[Any]:
    check_count(len(representations), "representations")
    wanted = [_id(info.context.gateway, one) for one in representations]
    once = dict.fromkeys(id for id in wanted if isinstance(id, str))
    answers = await asyncio.gather(*(node(info, ID(id)) for id in once), return_exceptions=True)
    found = dict(zip(once, answers, strict=True))
    # graphql-core raises an exception that it finds in a list, at the path of that item.
    return [found[id] if isinstance(id, str) else id for id in wanted]


def _id(gateway: Gateway, representation: object) -> str | RequestError:
    """Return the id that a representation refers to by any of its keys, or the error."""
    try:
        match representation:
            case {"__typename": "WebhookLog" | "Hook" | "Source" as name, "id": str(id)}:
                ids.decode(id, KINDS[name])
                return id
            case {"__typename": "Source", "name": str(name)}:
                return ids.encode(ids.Kind.SOURCE, gateway.source(name).name)
            case {
                "__typename": "WebhookLog",
                "source": {"name": str(name)},
                "upstreamId": str(upstream_id),
            }:
                return gateway.source(name).log_id_of(upstream_id)
            case {"__typename": "WebhookLog" | "Hook" | "Source" as name}:
                problem = (
                    f"of {name} has no key that can be read. Send all fields of one of its @key"
                    " directives, as strings"
                )
            case _:
                problem = "names no entity. Send an object with the type of an entity as __typename"
    except RequestError as error:
        return error
    return RequestError(ErrorCode.INVALID_REPRESENTATION, f"The representation {problem}.")


@strawberry.type(name="_Service", description="The schema, for composing a supergraph.")
class Service:
    sdl: str = described("The schema of this subgraph as a GraphQL document.")


def _service(info: Info) -> Service:
    sdl = info.schema.sdl  # type: ignore[attr-defined]
    if sdl is None:
        raise RequestError(
            ErrorCode.GRAPHQL_VALIDATION_FAILED,
            "Introspection is switched off on this gateway. Compose the supergraph from the file"
            " schema.graphql.",
        )
    return Service(sdl=sdl)


@strawberry.type(name="Query", description=get_object_definition(Query, strict=True).description)
class SubgraphQuery(Query):
    entities: list[Entity | None] = strawberry.field(
        resolver=_entities,
        name="_entities",
        description=(
            "Entities that other subgraphs refer to, in the order of the references. Those that"
            " can't be read are null, each with an error."
        ),
    )
    service: Service = strawberry.field(
        resolver=_service, name="_service", description="The schema, for composing a supergraph."
    )
