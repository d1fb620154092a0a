"""The issuer's keys: when they are fetched, how long they are kept, and which are of use."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.callers.errors import KeysUnavailableError
from gateway.callers.issuer_keys import GRACE, LIFETIME, PAUSE, RETRY, IssuerKeys
from tests.callers.issuer import ED25519, OTHER_RSA, P256, RSA, Clock, Issuer, public


class Cached:
    """An issuer, its keys as they are kept, and a clock."""

    def __init__(self) -> None:
        self.issuer = Issuer(RSA)
        self.clock = Clock(0.0)
        self.keys = IssuerKeys(self.issuer.fetch, self.clock)

    async def names(self, *, renewed: bool = False) -> list[str | None]:
        found = await (self.keys.renewed() if renewed else self.keys.current())
        return [key.kid for key in found]


@pytest.fixture
def kept() -> Cached:
    return Cached()


async def test_the_keys_are_kept_for_a_while(kept: Cached) -> None:
    assert await kept.names() == ["rsa"]
    kept.issuer.keys = [public(P256)]
    kept.clock.now += LIFETIME - 1
    assert await kept.names() == ["rsa"]
    kept.clock.now += 1
    assert await kept.names() == ["p256"]
    assert kept.issuer.fetches == 2


async def test_they_are_renewed_once_a_minute_at_most(kept: Cached) -> None:
    await kept.names()
    kept.issuer.keys = [public(P256)]
    kept.clock.now += PAUSE - 1
    assert await kept.names(renewed=True) == ["rsa"]
    kept.clock.now += 1
    assert await kept.names(renewed=True) == ["p256"]
    assert await kept.names(renewed=True) == ["p256"]
    assert kept.issuer.fetches == 2


async def test_many_callers_wait_for_one_fetch(kept: Cached) -> None:
    arrived = asyncio.Event()

    async def slow() -> dict[str, Any]:
        await arrived.wait()
        return await kept.issuer.fetch()

    keys = IssuerKeys(slow, kept.clock)
    waiting = [asyncio.create_task(keys.current()) for _ in range(10)]
    waiting += [asyncio.create_task(keys.renewed()) for _ in range(10)]
    for _ in range(5):
        await asyncio.sleep(0)
    waiting.pop().cancel()
    arrived.set()
    assert [[key.kid for key in found] for found in await asyncio.gather(*waiting)] == [
        ["rsa"]
    ] * 19
    assert kept.issuer.fetches == 1


async def test_old_keys_outlast_an_outage_but_not_a_long_one(kept: Cached) -> None:
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


async def test_whether_there_are_newer_keys_is_unknown_in_an_outage(kept: Cached) -> None:
    await kept.names()
    kept.issuer.down = True
    kept.clock.now += PAUSE
    for _ in range(3):
        with pytest.raises(KeysUnavailableError):
            await kept.names(renewed=True)
    assert kept.issuer.fetches == 2
    kept.issuer.down = False
    kept.clock.now += PAUSE
    assert await kept.names(renewed=True) == ["rsa"]


async def test_without_any_keys_it_is_tried_again_soon(kept: Cached) -> None:
    kept.issuer.down = True
    for _ in range(3):
        with pytest.raises(KeysUnavailableError):
            await kept.names()
    assert kept.issuer.fetches == 1
    kept.issuer.down = False
    kept.clock.now += RETRY
    assert await kept.names() == ["rsa"]


async def test_an_outage_is_logged(kept: Cached, caplog: pytest.LogCaptureFixture) -> None:
    kept.issuer.down = True
    with pytest.raises(KeysUnavailableError):
        await kept.names()
    assert caplog.messages == [
        "The keys that tokens are checked with could not be fetched: It is down."
    ]


async def test_an_issuer_may_withdraw_all_keys(kept: Cached) -> None:
    await kept.names()
    kept.issuer.keys = []
    kept.clock.now += LIFETIME
    assert await kept.names() == []


# Nothing is wrong with it but its length of 1024 bits.
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
@pytest.mark.filterwarnings("ignore")  # or the library's warning of SHORT would be enough
async def test_a_key_that_is_of_no_use_spoils_no_other(kept: Cached, entry: Any) -> None:
    kept.issuer.keys = [entry, public(RSA), entry]
    assert await kept.names() == ["rsa"]


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
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
async def test_no_garbage_becomes_an_error(entries: list[Any]) -> None:
    issuer = Issuer(RSA)
    issuer.keys += entries
    assert RSA.kid in [key.kid for key in await IssuerKeys(issuer.fetch).current()]
