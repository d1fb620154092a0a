"""The Redis server that other tests lean on does what they think it does."""

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
def test_it_is_killed_and_comes_back_empty(redis: Redis, client: Any) -> None:
    client.set("a", "b")
    redis.kill()
    with pytest.raises(Exception, match=r"refused|closed"):
        client.get("a")
    redis.restart()
    assert client.get("a") is None


def test_it_does_not_answer_while_it_is_paused(redis: Redis, client: Any) -> None:
    client.set("a", "b")
    with redis.paused(), pytest.raises(Exception, match="Timeout"):
        client.get("a")
    assert client.get("a") == b"b"


def test_it_is_full(redis: Redis, client: Any) -> None:
    redis.limit_memory(1)
    with pytest.raises(Exception, match="maxmemory"):
        client.set("a", "b")
    redis.flush()
    assert client.set("a", "b")


def test_a_port_that_is_taken_is_seen(redis: Redis) -> None:
    """By its own server, not by the one that answers there."""
    running = redis._process
    try:
        assert not redis._start()
    finally:
        redis._process = running
