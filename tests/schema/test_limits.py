"""Documents beyond a limit are refused before anything is executed."""

from __future__ import annotations

import pytest

from gateway.config import Limit, LimitSettings
from gateway.events import Events, LimitMet
from gateway.limits import Limits
from gateway.schema import build_schema
from tests.schema.execution import FOUR, INTROSPECTION, answer, chain, limits


@pytest.mark.parametrize(
    ("name", "document", "value"),
    [
        ("depth", "{ sources { hooks { nodes { name } } } }", 4),
        ("aliases", "{ a: __typename b: __typename __typename __typename }", 3),
        ("root_fields", "{ a: __typename ...F } fragment F on Query { b: __typename }", 2),
        ("directives", "{ __typename @skip(if: false) @include(if: true) }", 2),
        ("tokens", "{ a: __typename # none\n }", 5),
        ("document", "{ __typename }", 14),
        ("cost", "{ __typename sources { name } }", 9),
    ],
)
async def test_every_limit_has_three_modes(name: str, document: str, value: int) -> None:
    told: list[LimitMet] = []
    events = Events()
    events.subscribe(LimitMet, told.append)

    def limits(**settings: Limit) -> Limits:
        return Limits(LimitSettings(**settings), events=events)

    for allowed in (Limit(value), Limit(value - 1, "off")):
        held = limits(**{name: allowed})
        result = await answer(document, held)
        assert (result.extensions or {})["cost"], result.errors
        assert held.exceeded == {}
    assert told == []

    held = limits(**{name: Limit(value - 1)})
    result = await answer(document, held)
    assert held.exceeded == {name: 1}
    assert result.data is None
    [error] = result.errors or []
    assert error.extensions == {"code": "LIMIT_EXCEEDED"}
    assert f"the limit {name} is {value - 1}. " in error.message
    assert str(value) in error.message or name == "tokens"
    assert told == [LimitMet(name, None if name == "tokens" else value, value - 1, "enforce")]
    told.clear()

    held = limits(**{name: Limit(value - 1, "warn")})
    schema = build_schema(held)
    for _ in range(2):
        await schema.execute(document, context_value=FOUR)
    assert told == [LimitMet(name, value, value - 1, "warn")] * 2
    assert held.exceeded == {name: 2}


async def test_comments_count_as_tokens() -> None:
    result = await answer("{ __typename }" + "#\n" * 9, limits(tokens=Limit(8)))
    assert [error.extensions for error in result.errors or ()] == [{"code": "LIMIT_EXCEEDED"}]
    assert (await answer("{ __typename }" + "#\n" * 8, limits(tokens=Limit(8)))).errors is None


async def test_doubling_fragments_are_priced_in_linear_time() -> None:
    """Following each spread would take longer than a lifetime."""
    off = Limit(1, "off")
    document = chain(60, 2).replace("a: __typename @skip(if: true)", "sources { name }")
    result = await answer(document, limits(tokens=off, root_fields=off))
    assert result.errors
    assert result.errors[0].message.startswith("The operation may cost 1000000000; ")


@pytest.mark.slow
async def test_introspection_of_code_generators_is_within_the_default_limits() -> None:
    result = await answer(INTROSPECTION)
    assert result.errors is None
    assert result.extensions
    assert 4800 < result.extensions["cost"]["requested"] < 19_000
    twice = INTROSPECTION.replace("__schema {", "a: __schema { types { name } } __schema {")
    assert (await answer(twice)).errors is None


@pytest.mark.parametrize(
    "document",
    [
        "{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }",
        "{ " + " ".join(f"a{n}: __schema {{ ...S }}" for n in range(20)) + " } fragment S on"
        " __Schema { types { fields { args { type { name } } type { fields { name } } } } }",
    ],
)
async def test_recursive_introspection_is_refused(document: str) -> None:
    result = await answer(document)
    assert result.data is None
    assert result.errors
