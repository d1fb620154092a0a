"""Valid documents are parsed and validated once, and cached within a bound."""

from __future__ import annotations

import gc
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest

from gateway.config import Limit
from gateway.schema import build_schema, documents
from gateway.schema.documents import Documents
from tests.schema.execution import CORE, FOUR, INTROSPECTION, answer, chain, limits

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Numbers of calls to parse and validate."""
    counts = {"parse": 0, "validate": 0}

    def count(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*given: Any, **named: Any) -> Any:
            counts[name] += 1
            return function(*given, **named)

        return counting

    for name in counts:
        monkeypatch.setattr(documents, name, count(name, getattr(documents, name)))
    return counts


async def test_document_is_parsed_and_validated_once(counted: dict[str, int]) -> None:
    schema = build_schema()
    query = "query ($n: Int) { webhookLogs(first: $n) { nodes { id } } }"
    for size in range(5):
        await schema.execute(query, variable_values={"n": size}, context_value=FOUR)
    assert counted == {"parse": 1, "validate": 1}
    await schema.execute(f"{query} ", context_value=FOUR)
    assert counted == {"parse": 2, "validate": 2}


@pytest.mark.parametrize(
    "refused",
    ["{ a: b c: d }", "{ a } # " + "x" * 90, chain(30, 2), "{ a a a }", "{ a { a { a { a } } } }"],
)
async def test_document_beyond_limit_is_not_validated(
    counted: dict[str, int], refused: str
) -> None:
    held = limits(aliases=Limit(1), document=Limit(90), depth=Limit(3))
    result = await answer(refused, held)
    assert [error.extensions for error in result.errors or ()] == [{"code": "LIMIT_EXCEEDED"}]
    assert counted["validate"] == 0


def test_least_recently_used_documents_are_evicted(counted: dict[str, int]) -> None:
    one = Documents(CORE, limits()).get("{ a0: __typename }").size
    kept = Documents(CORE, limits(), memory=3 * one)
    before = dict(counted)

    def parsed(number: int) -> bool:
        count = counted["parse"]
        kept.get(f"{{ a{number}: __typename }}")
        return counted["parse"] > count

    assert [parsed(number) for number in (0, 1, 2, 0, 1, 2, 0)] == [True] * 3 + [False] * 4
    assert parsed(3)  # evicts 1, the least recently used
    assert [parsed(number) for number in (0, 2, 3, 1)] == [False, False, False, True]
    kept.get("{ __typename " + "# comment\n" * 1000 + "}")  # larger than the whole cache
    assert [parsed(number) for number in (2, 3, 1)] == [False, False, False]
    assert kept._cached.currsize == sum(document.size for document in kept._cached.values())
    assert kept._cached.currsize <= 3 * one
    assert counted["validate"] - before["validate"] == counted["parse"] - before["parse"]


def test_invalid_documents_are_not_cached() -> None:
    kept = Documents(CORE, limits())
    assert kept.get("{ nowhere }").errors
    assert len(kept._cached) == 0


@pytest.mark.slow
def test_estimated_memory_is_an_upper_bound() -> None:
    texts = ["{" + " ".join(f"a{n}:__typename" for n in range(99)) + "}", INTROSPECTION]
    kept = Documents(CORE, limits(root_fields=Limit(1, "off")))
    kept.get(f"{INTROSPECTION} ")  # fills graphql-core's own caches
    for text in texts:
        gc.collect()
        tracemalloc.start()
        document = kept.get(text)
        gc.collect()
        taken, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert taken < document.size
