"""The health of a source, derived from the calls made to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.normalise import timestamps

if TYPE_CHECKING:
    from tests.schema.conftest import Demo

LIST = """{
  webhookLogs(first: 1, filter: { source: { eq: "translations" } }%s) { nodes { id } }
}"""
HEALTH = """
query ($name: String!) {
  source(name: $name) {
    health { status lastSuccessAt lastFailureAt lastError { code httpStatus message } }
  }
}
"""


async def test_health_follows_the_latest_call(demo: Demo) -> None:
    async def health() -> Any:
        return (await demo.data(HEALTH, name="translations"))["source"]["health"]

    listing = LIST % ", cache: { maxAge: 0 }"
    nothing = dict.fromkeys(("lastSuccessAt", "lastFailureAt", "lastError"))
    assert await health() == {"status": "UNKNOWN", **nothing}

    await demo.data(listing)
    up = await health()
    assert up["status"] == "UP"
    assert up["lastSuccessAt"].endswith("Z")
    assert (up["lastFailureAt"], up["lastError"]) == (None, None)

    await demo.fault("language-weaver", kind="status", status=503)
    await demo.answer(listing)
    down = await health()
    assert down["status"] == "DOWN"
    assert (down["lastError"]["code"], down["lastError"]["httpStatus"]) == ("UPSTREAM_ERROR", 503)
    assert timestamps.parse(down["lastFailureAt"]) > timestamps.parse(down["lastSuccessAt"])

    await demo.control.delete("/control/faults")
    await demo.data(listing)
    again = await health()
    assert again["status"] == "UP"
    assert again["lastError"] == down["lastError"]


async def test_health_shows_an_open_breaker(demo: Demo) -> None:
    listing = LIST % ""
    asked = """{ source(name: "translations") {
      health { status breaker retryAt lastError { code } } } }"""
    quiet = {"status": "UNKNOWN", "breaker": "CLOSED", "retryAt": None, "lastError": None}
    assert (await demo.data(asked))["source"]["health"] == quiet

    await demo.fault("language-weaver", kind="status", status=500)
    for _ in range(10):
        await demo.answer(listing)
    # The vendor has recovered, but the breaker allows no call yet.
    await demo.control.delete("/control/faults")
    answer = await demo.answer(listing)
    assert answer["errors"][0]["extensions"]["sources"][0]["code"] == "UPSTREAM_CIRCUIT_OPEN"
    health = (await demo.data(asked))["source"]["health"]
    assert (health["status"], health["breaker"]) == ("DOWN", "OPEN")
    assert health["lastError"] == {"code": "UPSTREAM_ERROR"}
    assert timestamps.parse(health["retryAt"]) > 0


async def test_health_shows_how_the_latest_calls_went(demo: Demo) -> None:
    asked = """{ source(name: "translations") {
      health { recentCalls { count errorRatio p95Ms firstAt } lastSuccessAt } } }"""

    async def health() -> Any:
        return (await demo.data(asked))["source"]["health"]

    assert await health() == {"recentCalls": None, "lastSuccessAt": None}

    listing = LIST % ", cache: { maxAge: 0 }"
    await demo.data(listing)
    seen = await health()
    good = seen["recentCalls"]
    assert (good["count"] > 0, good["errorRatio"], good["p95Ms"] > 0) == (True, 0, True)
    assert timestamps.parse(good["firstAt"]) <= timestamps.parse(seen["lastSuccessAt"])

    await demo.fault("language-weaver", kind="status", status=503)
    await demo.answer(listing)
    worse = (await health())["recentCalls"]
    failed = worse["count"] - good["count"]
    assert failed > 0
    assert worse["errorRatio"] == failed / worse["count"]
    assert worse["firstAt"] == good["firstAt"]
