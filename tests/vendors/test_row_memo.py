"""Rows that have not changed become the very same records, and nothing else does."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from gateway.model import WebhookLog
from gateway.row_memo import RowMemo
from gateway.sources import Source
from gateway.upstream.answer import Answer
from gateway.upstream.operation import Operation
from gateway.vendors.pages import Criteria, Page, Window
from tests.vendors.cases import CASES
from tests.vendors.documents import HOOKS, ROWS, STREAMS, changed, listing
from tests.vendors.vendors import PROVIDERS, START, Clock, Vendor, answer, make, token

pytestmark = pytest.mark.sampled(4)

SECRET = "aK7tokenOfTheGateway"
AUTH: dict[str, Any] = {
    "codearts": {"auth": {"type": "token", "token": SecretStr(SECRET)}},
    "yandex-tracker": {"auth": {"type": "oauth", "token": SecretStr(SECRET)}},
}
"""For samples that hold a part of the usual secret, by chance."""

ODD_ROWS: dict[str, Callable[[bytes], bytes]] = {
    "unchanged": lambda row: row,
    "not an object": lambda _: b"17",
    "null": lambda _: b"null",
    "empty": lambda _: b"{}",
    "spaces": lambda row: b" \n" + row.replace(b", ", b",\n\t") + b" ",
    "number too large for a float": lambda row: b'{"odd": 1e999, ' + row[1:],
    "NaN": lambda row: b'{"odd": NaN, ' + row[1:],
    "raw control character": lambda row: b'{"odd": "a\nb", ' + row[1:],
    "lone surrogate": lambda row: b'{"odd": "\\ud800", ' + row[1:],
    "bytes that are not UTF-8": lambda row: b'{"odd": "\xff", ' + row[1:],
    "repeated key": lambda row: b'{"id": 1, "id": 2, ' + row[1:],
    "not ASCII": lambda row: '{"odd": "ü\U0001f600", '.encode() + row[1:],
}


def document_of(provider: str, rows: list[bytes]) -> bytes:
    """Return a page with rows in JSON, which need not be valid."""
    marked = json.dumps(listing(provider, ["ROWS"]))
    return marked.encode().replace(b'"ROWS"', b", ".join(rows))


def source_of(
    provider: str, content: Callable[[], bytes], clock: Clock[int] | None = None, **more: Any
) -> Source:
    """Create a source whose lists of logs have a content."""

    def respond(request: httpx.Request) -> httpx.Response:
        if issued := token(request):
            return issued
        if request.url.path.endswith(CASES[provider].list_path):
            return httpx.Response(200, content=content())
        return answer(listing(provider, HOOKS[provider], 1))

    return make(provider, Vendor(respond), clock or Clock(START), **more)


async def read(source: Source, **headers: str) -> Page:
    """Read the first page, not from the cache."""
    operation = Operation(5, headers, max_age=0)
    stream = STREAMS[source.provider]
    cached = await source.page(stream, Window(limit=50), Criteria(), operation)
    page: Page = cached.value
    return page


def encoded(*rows: Any) -> list[bytes]:
    return [json.dumps(row).encode() for row in rows]


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_only_a_changed_row_is_parsed_again(provider: str) -> None:
    rows = encoded(*ROWS[provider])
    clock = Clock(START)
    source = source_of(
        provider, lambda: document_of(provider, rows), clock, **AUTH.get(provider, {})
    )
    before = await read(source)
    rows[0] = json.dumps({**ROWS[provider][0], "odd": "changed"}).encode()
    clock.advance(1)
    after = await read(source)
    same = [one is other for one, other in zip(before.logs, after.logs, strict=True)]
    assert same == [False] + [True] * (len(rows) - 1)
    assert after.logs[0].raw["odd"] == "changed"


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_page_with_the_same_rows_stays_the_same_object(provider: str) -> None:
    """What was made of the page and is kept with it goes on being used."""
    clock = Clock(START)
    content = document_of(provider, encoded(*ROWS[provider]))
    source = source_of(provider, lambda: content, clock, **AUTH.get(provider, {}))
    pages = []
    for _ in range(3):
        pages.append(await read(source))
        clock.advance(1)
    assert pages[2] is pages[1]


@pytest.mark.parametrize("odd", ODD_ROWS)
@pytest.mark.parametrize("provider", PROVIDERS)
async def test_page_equals_one_that_is_decoded_as_a_whole(
    provider: str, odd: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *others = encoded(*ROWS[provider])
    content = document_of(provider, [first, ODD_ROWS[odd](first), *others])
    piecewise = await outcome_of(source_of(provider, lambda: content))
    monkeypatch.setattr(Answer, "with_raw_rows", lambda _self, _name: None)
    whole = await outcome_of(source_of(provider, lambda: content))
    assert piecewise == whole


async def outcome_of(source: Source) -> tuple[list[WebhookLog], list[str]]:
    page = await read(source)
    return list(page.logs), list(page.unreadable)


async def test_rows_of_two_lists_are_told_apart() -> None:
    """CodeArts does not repeat the hook in a row."""
    content = document_of("codearts", encoded(ROWS["codearts"][0]))
    source = source_of("codearts", lambda: content)
    one = await read(source)
    other_stream = source.vendor._stream(("projects", "p2"), "99")  # type: ignore[attr-defined]
    cached = await source.page(other_stream, Window(limit=50), Criteria(), Operation(5))
    assert one.logs[0].id != cached.value.logs[0].id


async def test_rows_follow_the_integration_that_their_address_is_from() -> None:
    integration = {
        "id": "2f2f0f9e-6f5c-4a0b-8f4e-8a7c5b0a1d22",
        "configuration": {"url": "https://old.example/hook"},
    }
    log = changed(
        "elastic-path",
        relationships={"integration": {"data": {"type": "integration", "id": integration["id"]}}},
    )

    def respond(request: httpx.Request) -> httpx.Response:
        if issued := token(request):
            return issued
        if request.url.path.endswith("/logs"):
            return answer({"data": [log]})
        first = request.url.params.get("page[offset]") == "0"
        return answer({"data": [integration] if first else []})

    clock = Clock(START)
    source = make("elastic-path", Vendor(respond), clock)
    before = (await read(source)).logs[0].request
    integration["configuration"] = {"url": "https://new.example/hook"}
    clock.advance(1)
    after = (await read(source)).logs[0].request
    assert before is not None
    assert after is not None
    assert (before.url, after.url) == ("https://old.example/hook", "https://new.example/hook")


async def test_callers_with_other_credentials_share_no_records() -> None:
    content = document_of("language-weaver", encoded(*ROWS["language-weaver"]))
    auth = {"type": "pass-through", "header": "X-Vendor-Key"}
    source = source_of("language-weaver", lambda: content, auth=auth)
    one = await read(source, **{"x-vendor-key": "one"})
    other = await read(source, **{"x-vendor-key": "two"})
    assert one.logs == other.logs
    assert not any(log is twin for log, twin in zip(one.logs, other.logs, strict=True))


async def test_row_with_the_sources_own_secret_is_masked_each_time() -> None:
    row = changed("language-weaver", data=f"sent with {SECRET}")
    content = document_of("language-weaver", encoded(row))
    auth = {"type": "api-key", "key": SecretStr(SECRET)}
    clock = Clock(START)
    source = source_of("language-weaver", lambda: content, clock, auth=auth)
    for _ in range(2):
        page = await read(source)
        assert SECRET not in repr(page)
        clock.advance(1)


async def test_records_are_forgotten_with_the_page_that_they_are_on() -> None:
    rows = encoded(*ROWS["language-weaver"])
    clock = Clock(START)
    source = source_of("language-weaver", lambda: document_of("language-weaver", rows), clock)
    memo: RowMemo = source._cache._row_memo
    await read(source)
    gc.collect()
    assert len(memo) == len(ROWS["language-weaver"])
    rows[:] = encoded({**ROWS["language-weaver"][0], "id": 4711})
    for _ in range(2):
        clock.advance(1)
        await read(source)
    await source._cache._cache.evict({"source:it"})
    await asyncio.sleep(0)  # the reads in flight end
    gc.collect()
    assert len(memo) == 0


async def test_memo_that_is_switched_off_remembers_nothing() -> None:
    memo = RowMemo(enabled=False)
    rows = memo.within("list")
    rows.keep(b"key", Vendor(lambda _: httpx.Response(200)))
    assert rows.get(b"key") is None
    assert len(memo) == 0
