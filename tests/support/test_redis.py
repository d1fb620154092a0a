"""The Redis server that other tests rely on behaves as they expect."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.support.redis import Redis


@pytest.fixture
def client(redis: Redis) -> Iterator[Any]:
    redis.flush()
    with redis.client(socket_timeout=0.1) as made:
        yield made


@pytest.mark.slow
def test_restarted_server_is_empty(redis: Redis, client: Any) -> None:
    client.set("a", "b")
    redis.kill()
    with pytest.raises(Exception, match=r"refused|closed"):
        client.get("a")
    redis.restart()
    assert client.get("a") is None


def test_paused_server_does_not_respond(redis: Redis, client: Any) -> None:
    client.set("a", "b")
    with redis.paused(), pytest.raises(Exception, match="Timeout"):
        client.get("a")
    assert client.get("a") == b"b"


def test_memory_limit_refuses_writes(redis: Redis, client: Any) -> None:
    redis.limit_memory(1)
    with pytest.raises(Exception, match="maxmemory"):
        client.set("a", "b")
    redis.flush()
    assert client.set("a", "b")


def test_port_in_use_is_detected(redis: Redis) -> None:
    """The new process must report it, although another server responds on that port."""
    running = redis._process
    try:
        assert not redis._start()
    finally:
        redis._process = running
