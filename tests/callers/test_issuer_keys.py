"""The cache of the issuer's keys."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.callers.errors import KeysUnavailableError
from gateway.callers.issuer_keys import GRACE, LIFETIME, PAUSE, RETRY, IssuerKeys
from tests.callers.issuer import ED25519, OTHER_RSA, P256, RSA, Clock, Issuer, public


class CachedKeys:
    """An issuer, the cache of its keys, and a clock."""

    def __init__(self) -> None:
        self.issuer = Issuer(RSA)
        self.clock = Clock(0.0)
        self.keys = IssuerKeys(self.issuer.fetch, self.clock)

    async def names(self, *, refreshed: bool = False) -> list[str | None]:
        found = await (self.keys.refreshed() if refreshed else self.keys.current())
        return [key.kid for key in found]


@pytest.fixture
def kept() -> CachedKeys:
    return CachedKeys()


async def test_keys_are_cached(kept: CachedKeys) -> None:
    assert await kept.names() == ["rsa"]
    kept.issuer.keys = [public(P256)]
    kept.clock.now += LIFETIME - 1
    assert await kept.names() == ["rsa"]
    kept.clock.now += 1
    assert await kept.names() == ["p256"]
    assert kept.issuer.fetches == 2


async def test_keys_are_refreshed_at_most_once_a_minute(kept: CachedKeys) -> None:
    await kept.names()
    kept.issuer.keys = [public(P256)]
    kept.clock.now += PAUSE - 1
    assert await kept.names(refreshed=True) == ["rsa"]
    kept.clock.now += 1
    assert await kept.names(refreshed=True) == ["p256"]
    assert await kept.names(refreshed=True) == ["p256"]
    assert kept.issuer.fetches == 2


async def test_concurrent_callers_share_a_fetch(kept: CachedKeys) -> None:
    arrived = asyncio.Event()

    async def slow() -> dict[str, Any]:
        await arrived.wait()
        return await kept.issuer.fetch()

    keys = IssuerKeys(slow, kept.clock)
    waiting = [asyncio.create_task(keys.current()) for _ in range(10)]
    waiting += [asyncio.create_task(keys.refreshed()) for _ in range(10)]
    for _ in range(5):
        await asyncio.sleep(0)
    waiting.pop().cancel()
    arrived.set()
    assert [[key.kid for key in found] for found in await asyncio.gather(*waiting)] == [
        ["rsa"]
    ] * 19
    assert kept.issuer.fetches == 1


async def test_stale_keys_are_used_during_a_short_outage(kept: CachedKeys) -> None:
    await kept.names()
    kept.issuer.down = True
    for later in (LIFETIME, LIFETIME + PAUSE, GRACE - 1):
        kept.clock.now = later
        assert await kept.names() == ["rsa"]
        assert await kept.names() == ["rsa"]
    assert kept.issuer.fetches == 4
    kept.clock.now = GRACE
    with pytest.raises(KeysUnavailableError):
        await kept.names()
    kept.issuer.down = False
    kept.clock.now += PAUSE
    assert await kept.names() == ["rsa"]


async def test_refresh_fails_during_an_outage(kept: CachedKeys) -> None:
    await kept.names()
    kept.issuer.down = True
    kept.clock.now += PAUSE
    for _ in range(3):
        with pytest.raises(KeysUnavailableError):
            await kept.names(refreshed=True)
    assert kept.issuer.fetches == 2
    kept.issuer.down = False
    kept.clock.now += PAUSE
    assert await kept.names(refreshed=True) == ["rsa"]


async def test_first_fetch_is_retried_soon(kept: CachedKeys) -> None:
    kept.issuer.down = True
    for _ in range(3):
        with pytest.raises(KeysUnavailableError):
            await kept.names()
    assert kept.issuer.fetches == 1
    kept.issuer.down = False
    kept.clock.now += RETRY
    assert await kept.names() == ["rsa"]


async def test_outage_is_logged(kept: CachedKeys, caplog: pytest.LogCaptureFixture) -> None:
    kept.issuer.down = True
    with pytest.raises(KeysUnavailableError):
        await kept.names()
    assert caplog.messages == ["The keys of the token issuer could not be fetched: It is down."]


async def test_issuer_may_withdraw_all_keys(kept: CachedKeys) -> None:
    await kept.names()
    kept.issuer.keys = []
    kept.clock.now += LIFETIME
    assert await kept.names() == []


# Valid apart from its length of 1024 bits.
SHORT = {
    "kty": "RSA",
    "kid": "short",
    "e": "AQAB",
    "n": "oYbUmtgVi9DEIRRt2yrllk9NURIyT02P9f-pa5KUnvp-j25TIL94RtItywhc3uzIpJD-TRSqsup-LAkLHybLX"
    "dq394euFua3ImFbTElEB-hpDHz7tlznZ5AbreIAqwPqyuuAfZkkgpcbasj3dSmMe20o5tN2hGX-2-VTiDSkE0U",
}


@pytest.mark.parametrize(
    "entry",
    [
        None,
        "rsa",
        7,
        [],
        {},
        {"kty": "AKP", "kid": "new", "pub": "AAAA"},
        {"kty": ["RSA"]},
        {"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQ"},
        {"kty": "EC", "crv": "P-999", "x": "AA", "y": "AA"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "OKP", "crv": "Ed25519", "x": "AA"},
        {"kty": "RSA", "e": "AQAB"},
        SHORT,
        OTHER_RSA.as_dict(private=True),
        ED25519.as_dict(private=True),
        public(P256, use="sig", key_ops=["encrypt"]),
        public(P256, kid=7),
    ],
)
@pytest.mark.filterwarnings("ignore")  # otherwise the library's warning about SHORT would suffice
async def test_unusable_key_does_not_affect_the_others(kept: CachedKeys, entry: Any) -> None:
    kept.issuer.keys = [entry, public(RSA), entry]
    assert await kept.names() == ["rsa"]


@pytest.mark.slow
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(
                ["kty", "crv", "n", "e", "x", "y", "d", "kid", "use", "alg", "key_ops"]
            ),
            st.sampled_from(["RSA", "EC", "OKP", "P-256", "Ed25519", "AQAB", "sig", "verify"])
            | st.text(max_size=5)
            | st.lists(st.text(max_size=5), max_size=2)
            | st.integers()
            | st.none(),
        ),
        max_size=5,
    )
)
async def test_random_keys_are_ignored(entries: list[Any]) -> None:
    issuer = Issuer(RSA)
    issuer.keys += entries
    assert RSA.kid in [key.kid for key in await IssuerKeys(issuer.fetch).current()]
