"""What depends on the document, or on a filter, is done once for all requests with it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from gateway.feed import filters
from gateway.sandbox import Sandbox
from gateway.schema import cost, documents, plan
from tests.support.moment import stopped
from tests.web.direct import KEY, LONG_WAY, Direct

if TYPE_CHECKING:
    from collections.abc import Callable

QUERY = (
    "query L($n: Int, $filter: WebhookLogFilter)"
    " { webhookLogs(first: $n, filter: $filter) { nodes { id status } totalCount } }"
)
FAILED = {"status": {"eq": "FAILED"}}


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox(clock=stopped, logs=60)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each step was done."""
    counts: Counter[str] = Counter()

    def count(owner: Any, name: str) -> None:
        original: Callable[..., Any] = getattr(owner, name)

        def counted(*args: Any, **named: Any) -> Any:
            counts[name] += 1
            return original(*args, **named)

        monkeypatch.setattr(owner, name, counted)

    count(documents, "parse")
    count(documents, "validate")
    count(cost.PriceList, "of")
    count(plan, "Compiler")
    count(filters, "_compile")
    filters._compiled.clear()  # what other tests left
    return counts


async def ask(app: Direct, wanted: Any, n: int, *more: tuple[str, str]) -> None:
    reply = await app.post(
        {"query": QUERY, "variables": {"n": n, "filter": wanted}}, *more, key=KEY
    )
    assert reply.data["webhookLogs"]["nodes"]


async def test_document_is_prepared_once(app: Direct, steps: Counter[str]) -> None:
    # The first request is executed by graphql-core, the second makes the plan.
    for _ in range(2):
        await ask(app, FAILED, 3)
    assert steps == {"parse": 1, "validate": 1, "of": 1, "Compiler": 1, "_compile": 1}
    for more in ((), (), (LONG_WAY,)):
        await ask(app, FAILED, 3, *more)
    assert steps == {"parse": 1, "validate": 1, "of": 1, "Compiler": 1, "_compile": 1}


async def test_other_variables_need_no_other_plan(app: Direct, steps: Counter[str]) -> None:
    for _ in range(2):
        await ask(app, FAILED, 3)
    before = steps.copy()
    await ask(app, {"status": {"neq": "FAILED"}}, 3)
    assert steps - before == {"_compile": 1}
    await ask(app, FAILED, 4)
    assert steps - before == {"_compile": 1, "of": 1}
