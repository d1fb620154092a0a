"""A refusal is a rate limit if its status or its headers say so, and a permission otherwise."""

from __future__ import annotations

from email.utils import formatdate

import httpx
import pytest

from gateway.errors import ErrorCode, UpstreamError
from gateway.upstream.operation import Operation
from tests.upstream.network import NOW, Network, client_of

SECONDS = NOW // 10**9
DATE = formatdate(SECONDS + 30, usegmt=True)

LIMITED = ErrorCode.UPSTREAM_RATE_LIMITED
FORBIDDEN = ErrorCode.UPSTREAM_FORBIDDEN


def none_left(reset: str, name: str = "x-ratelimit-reset") -> dict[str, str]:
    return {"x-ratelimit-remaining": "0", name: reset}


def standard(reset: str) -> dict[str, str]:
    return {"ratelimit-remaining": "0", "ratelimit-reset": reset}


REFUSALS: list[tuple[int, dict[str, str], ErrorCode, float | None]] = [
    (403, none_left(str(SECONDS + 30)), LIMITED, 30),
    (403, none_left(str((SECONDS + 30) * 1000)), LIMITED, 30),
    (403, none_left("30"), LIMITED, 30),
    (403, none_left(DATE), LIMITED, 30),
    (403, none_left(str(SECONDS + 3000)), LIMITED, 3000),
    (403, none_left(str(SECONDS - 5)), LIMITED, 0),
    (403, standard("30"), LIMITED, 30),
    (403, standard(DATE), LIMITED, 30),
    (403, {"ratelimit": '"default";r=0;t=30'}, LIMITED, 30),
    (403, {"x-ratelimit-remaining": "0"}, LIMITED, None),
    (403, {"ratelimit": '"default";r=0'}, LIMITED, None),
    (403, {"retry-after": "7"}, LIMITED, 7),
    (403, {"retry-after": "7", "x-ratelimit-remaining": "4000"}, LIMITED, 7),
    (403, {"retry-after": "7", **none_left(str(SECONDS + 30))}, LIMITED, 30),
    (429, none_left(str(SECONDS + 30)), LIMITED, 30),
    (429, none_left(DATE), LIMITED, 30),
    (429, standard("30"), LIMITED, 30),
    (429, {}, LIMITED, None),
    (403, {}, FORBIDDEN, None),
    (403, {"x-ratelimit-remaining": "4999", "x-ratelimit-reset": "30"}, FORBIDDEN, None),
    (403, {"x-ratelimit-reset": str(SECONDS + 30)}, FORBIDDEN, None),
    (403, {"x-ratelimit-limit": "0"}, FORBIDDEN, None),
    (403, {"retry-after": "soon"}, FORBIDDEN, None),
    (401, none_left("30"), ErrorCode.UPSTREAM_UNAUTHORIZED, None),
    (404, none_left("30"), ErrorCode.UPSTREAM_NOT_FOUND, None),
]


@pytest.mark.parametrize(("status", "headers", "code", "wait"), REFUSALS)
async def test_refusal_is_a_limit_or_a_permission(
    status: int, headers: dict[str, str], code: ErrorCode, wait: float | None
) -> None:
    network = Network(lambda _: httpx.Response(status, json={}, headers=headers))
    client = client_of(network, monotonic=lambda: 0.0)
    with pytest.raises(UpstreamError) as failure:
        # An action, as it is not tried again.
        await client.act("POST", "/resend", operation=Operation(5))
    assert (failure.value.code, failure.value.status) == (code, status)
    assert failure.value.retry_after == (None if wait is None else pytest.approx(wait))
    is_pause = "rate_limit" in str(failure.value)
    assert is_pause == (code is LIMITED)
    if wait:
        assert client._guard.limit.seconds == pytest.approx(min(wait, 300))
