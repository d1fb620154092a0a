"""The gateway as a subgraph: what the router of a supergraph asks of it.

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
from gateway.schema.resolvers import check_count, node
from gateway.schema.types import Hook, Query, Source, WebhookLog
from gateway.service import Gateway

VERSION: Final = "2.9"
"""The newest version of federation that the composers of other makers know, too."""

KINDS = {"WebhookLog": ids.Kind.LOG, "Hook": ids.Kind.HOOK, "Source": ids.Kind.SOURCE}

FEDERATION_SCALARS: dict[Any, Any] = {
    FederationAny: strawberry.scalar(
        name="_Any",
        description="An entity as another subgraph knows it: its __typename and one of its keys.",
        parse_value=lambda value: value,
    ),
    # The library's own name for it is one that composers refuse in a definition.
    FieldSet: strawberry.scalar(
        name="federation__FieldSet", description="Fields that together name an entity."
    ),
    LinkImport: strawberry.scalar(
        name="link__Import", description="What is taken from another specification."
    ),
}

Entity = Annotated[
    WebhookLog | Hook | Source,
    strawberry.union("_Entity", description="What other subgraphs can refer to."),
]
Representations = Annotated[
    list[FederationAny],
    strawberry.argument(description="The entities as other subgraphs know them, 100 at most."),
]


async def _entities(info: Info, representations: Representations) -> list[Any]:
    check_count(len(representations), "representations")
    wanted = [_id(info.context.gateway, one) for one in representations]
    once = dict.fromkeys(id for id in wanted if isinstance(id, str))
    answers = await asyncio.gather(*(node(info, ID(id)) for id in once), return_exceptions=True)
    found = dict(zip(once, answers, strict=True))
    # GraphQL raises an error that it is given as a value, at its own place.
    return [found[id] if isinstance(id, str) else id for id in wanted]


def _id(gateway: Gateway, representation: object) -> str | RequestError:
    """Give the id of what is meant, whichever of its keys it comes with, or what is wrong."""
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
                problem = f"has no key of {name} that can be read"
            case _:
                problem = "needs the name of an entity as __typename"
    except RequestError as error:
        return error
    return RequestError(ErrorCode.INVALID_REPRESENTATION, f"The representation {problem}.")


@strawberry.type(name="_Service", description="What a supergraph is composed from.")
class Service:
    sdl: str = described("The schema of this subgraph.")


def _service(info: Info) -> Service:
    sdl = info.schema.sdl  # type: ignore[attr-defined]
    if sdl is None:
        raise RequestError(
            ErrorCode.GRAPHQL_VALIDATION_FAILED,
            "Introspection is switched off here. Compose with the file schema.graphql.",
        )
    return Service(sdl=sdl)


@strawberry.type(name="Query", description=get_object_definition(Query, strict=True).description)
class SubgraphQuery(Query):
    entities: list[Entity | None] = strawberry.field(
        resolver=_entities,
        name="_entities",
        description=(
            "Entities that other subgraphs refer to, in their order. What can't be read is null,"
            " with an error at its place."
        ),
    )
    service: Service = strawberry.field(
        resolver=_service, name="_service", description="What a supergraph is composed from."
    )
