"""What the resolvers of one operation share."""

from __future__ import annotations

import dataclasses

from strawberry.types import Info as StrawberryInfo

from gateway.service import Gateway
from gateway.upstream.operation import Operation


@dataclasses.dataclass(frozen=True)
class Context:
    """The gateway, and the operation that its upstream calls count for."""

    gateway: Gateway
    operation: Operation


Info = StrawberryInfo[Context, None]
