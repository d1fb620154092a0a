"""A new configuration in the place of the old one, while requests are answered."""

from __future__ import annotations

import asyncio
import gc
import sys
import weakref
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import certifi
import pytest
from starlette.types import ASGIApp
from uvicorn.lifespan.on import LifespanOn

from gateway.callers.keys import create
from gateway.cli.listening import config_of
from gateway.errors import JournalError
from gateway.events import BreakerChanged, SourcesReplaced
from gateway.settings import load
from gateway.sources.caching import fingerprint
from gateway.upstream.breaker import MIN_CALLS
from gateway.web.app import create_app
from gateway.web.swap import CurrentApp
from tests.support.actions import ACTIONS, RETRY
from tests.web.reloaded import HERE, LIST, SOURCES, Reloaded, Vendor, configured, running

AUTHORITIES = Path(certifi.where()).read_text()


@pytest.fixture
def vendor(serve: Callable[[ASGIApp], str]) -> Iterator[Vendor]:
    """A vendor that responds at the latest when the test ends."""
    made = Vendor()
    made.url = serve(made.app)
    yield made
    made.told.set()


@pytest.fixture
async def app(tmp_path: Path, vendor: Vendor) -> AsyncIterator[Reloaded]:
    """A gateway with the sources one and two."""
    async with running(configured(tmp_path, vendor, "one", "two")) as made:
        yield made


async def test_source_with_the_same_settings_goes_on_as_it_was(
    app: Reloaded, vendor: Vendor, tmp_path: Path
) -> None:
    await app.read("one", "two")
    vendor.taken()
    sources = app.gateway.sources
    (tmp_path / "two.key").write_text("another")
    await app.reload()
    assert await app.read("one", "two") == ["one", "two"]
    assert vendor.taken() == [("two", "another")]
    assert app.gateway.sources["one"] is sources["one"]
    assert app.gateway.sources["two"] is not sources["two"]


@pytest.mark.parametrize(
    ("old", "new", "asked"),
    [
        ("first_page = 600.0", "first_page = 300.0", ["one", "two"]),
        ("first_page = 600.0", "first_page = 600.0\nreuse_rows = false", ["one", "two"]),
        ("first_page = 600.0", "first_page = 600.0\nmax_entries = 9", ["one", "two"]),
        ("first_page = 600.0", "first_page = 600.0\nleast_age = 2.0", []),
        ("first_page = 600.0", "first_page = 600.0\nreuse_answers = false", []),
        ("journal.sqlite3", "another.sqlite3", []),
        ("deadline = 60.0", "deadline = 50.0\nintrospection = false", []),
        ("[cache]", "[limits]\ndepth = 9\n[cache]", []),
    ],
)
async def test_only_settings_of_sources_and_of_the_store_empty_caches(
    app: Reloaded, vendor: Vendor, old: str, new: str, asked: list[str]
) -> None:
    await app.read("one", "two")
    vendor.taken()
    text = app.file.read_text()
    assert old in text
    app.file.write_text(text.replace(old, new))
    await app.reload()
    await app.closed()
    assert await app.read("one", "two") == ["one", "two"]
    assert [source for source, _ in vendor.taken()] == asked


@pytest.mark.parametrize("kept", [True, False])
async def test_content_of_a_certificate_counts(tmp_path: Path, vendor: Vendor, kept: bool) -> None:
    """Its path stays the same when it is renewed."""
    text = AUTHORITIES
    (tmp_path / "ca.pem").write_text(text)
    file = configured(tmp_path, vendor, "one", source='ca_bundle = "ca.pem"')
    async with running(file) as app:
        before = app.gateway.sources["one"]
        (tmp_path / "ca.pem").write_text(text if kept else f"{text}\n")
        await app.reload()
        assert (app.gateway.sources["one"] is before) is kept


def test_certificate_counts_as_a_credential(tmp_path: Path) -> None:
    """Redis has entries longer than a gateway has a certificate."""
    vendor = Vendor()
    vendor.url = HERE
    (settings,) = load(configured(tmp_path, vendor, "one"), {}).sources
    file = tmp_path / "own.pem"
    found = {fingerprint(settings)}
    settings = settings.model_copy(update={"client_certificate": file})
    for text in ("first", "second"):
        file.write_text(text)
        found |= {fingerprint(settings), fingerprint(settings)}
    assert len(found) == 3


async def test_only_the_breaker_in_force_is_told_of(app: Reloaded, tmp_path: Path) -> None:
    """A call that began before a reload would leave a breaker open that nobody has."""
    told: list[BreakerChanged] = []
    app.events.subscribe(BreakerChanged, told.append)
    old = app.gateway.sources
    (tmp_path / "two.key").write_text("another")
    await app.reload()
    for source in (old["one"], old["two"], app.gateway.sources["two"]):
        breaker = source.client._guard.breaker
        for _ in range(MIN_CALLS):
            breaker.end(breaker.begin(), failed=True)
    assert [(event.source, event.after) for event in told] == [("one", "OPEN"), ("two", "OPEN")]


async def test_sources_come_and_go(app: Reloaded, vendor: Vendor, tmp_path: Path) -> None:
    told: list[SourcesReplaced] = []
    app.events.subscribe(SourcesReplaced, told.append)
    await app.read("one", "two")
    configured(tmp_path, vendor, "two", "three")
    await app.reload()
    assert await app.data(SOURCES) == {"sources": [{"name": "three"}, {"name": "two"}]}
    assert await app.read("two", "three") == ["two", "three"]
    assert "one" in str(await app.answer('{ source(name: "one") { name } }'))
    assert told == [SourcesReplaced({"three": f"{vendor.url}/three"}, ["one"])]
    configured(tmp_path, vendor, "one", "two")
    vendor.taken()
    await app.reload()
    assert await app.read("one", "two") == ["one", "two"]
    assert vendor.taken() == [("one", "key-of-one")]


async def asked(app: Reloaded, vendor: Vendor, source: str) -> asyncio.Task[Sequence[str]]:
    """Begin to read a source whose vendor does not answer yet."""
    vendor.told.clear()
    vendor.asked.clear()
    task = asyncio.create_task(app.read(source))
    await asyncio.to_thread(vendor.asked.wait)
    return task


async def test_request_in_flight_ends_with_what_it_began_with(
    app: Reloaded, vendor: Vendor, tmp_path: Path
) -> None:
    """Its source may be gone by then, and its rows are for nobody else."""
    slow = await asked(app, vendor, "one")
    old = app.gateway.sources["one"]
    (tmp_path / "one.key").write_text("another")
    await app.reload()
    vendor.told.set()
    assert await slow == ["one"]
    await app.closed()
    assert old.client._http.is_closed
    assert vendor.taken() == [("one", "key-of-one")]
    assert await app.read("one") == ["one"]
    assert vendor.taken() == [("one", "another")]


async def test_source_is_closed_after_all_that_use_it(
    app: Reloaded, vendor: Vendor, tmp_path: Path
) -> None:
    """The first and the second configuration share it, and the third does not."""
    slow = await asked(app, vendor, "one")
    for name in ("two", "one"):
        (tmp_path / f"{name}.key").write_text("another")
        await app.reload()
    for _ in range(100):  # whatever could be closed by now is
        await asyncio.sleep(0)
    vendor.told.set()
    assert await slow == ["one"]


async def test_old_application_reads_nothing_into_the_cache_of_the_new_one(
    app: Reloaded, vendor: Vendor, tmp_path: Path
) -> None:
    """What the old credential may see is not for the new one."""
    await app.read("two")
    slow, old = await asked(app, vendor, "one"), app.current.app
    (tmp_path / "two.key").write_text("another")
    await app.reload()
    vendor.prompt.add("two")
    async with app.client_of(old) as client:
        body = {"query": LIST, "variables": {"sources": ["two"]}}
        assert (await client.post("/graphql", json=body)).json()["data"]
    vendor.told.set()  # the request before it keeps the old application open until then
    await slow
    assert vendor.taken()[-1] == ("two", "key-of-two")
    await app.read("two")
    assert vendor.taken() == [("two", "another")]


async def retried(app: Reloaded, vendor: Vendor) -> tuple[str, asyncio.Task[Any]]:
    """Begin to retry a log whose vendor does not answer yet; return its id and the task."""
    read = '{ webhookLogs(filter: { source: { eq: "one" } }) { nodes { id } } }'
    id: str = (await app.data(read))["webhookLogs"]["nodes"][0]["id"]
    vendor.told.clear()
    task = asyncio.create_task(app.data(RETRY, id=id, key="once"))
    await asyncio.to_thread(vendor.told_to_retry.wait)
    return id, task


async def test_action_in_flight_is_not_sent_again(
    app: Reloaded, vendor: Vendor, tmp_path: Path
) -> None:
    id, slow = await retried(app, vendor)
    (tmp_path / "one.key").write_text("another")
    await app.reload()
    again = asyncio.create_task(app.data(RETRY, id=id, key="once"))
    vendor.told.set()
    assert (await slow)["retryWebhookLog"]["userErrors"] == []
    assert (await again)["retryWebhookLog"]["userErrors"] == []
    assert vendor.retries == [("one", "key-of-one")]


async def test_action_ends_on_its_source_without_its_caller(
    app: Reloaded, vendor: Vendor, tmp_path: Path
) -> None:
    """Who disconnects cancels a request, and not an action."""
    _, slow = await retried(app, vendor)
    slow.cancel()
    await asyncio.wait([slow])
    (tmp_path / "one.key").write_text("another")
    await app.reload()
    vendor.told.set()
    await app.closed()
    (entry,) = (await app.data(ACTIONS))["actions"]["nodes"]
    assert entry["outcome"] == "SUCCEEDED"


async def test_keys_of_callers_count_at_once(tmp_path: Path, vendor: Vendor) -> None:
    """What was remembered of a caller, and answers that were kept, end with its rights."""
    made = [create(name, "reader", ()) for name in ("anna", "berta")]
    (anna, annas), (berta, bertas) = made
    auth = '[auth]\nmethods = ["api-keys"]\n'
    read = "{ webhookLogs(first: 1) { nodes { id } } }"

    def code(answer: Any) -> str | None:
        return answer["errors"][0]["extensions"]["code"] if "errors" in answer else None

    file = configured(tmp_path, vendor, "one", more=auth + annas)
    async with running(file) as app:
        for _ in range(4):
            assert code(await app.answer(read, anna)) is None
        assert code(await app.answer(read, berta)) == "UNAUTHENTICATED"
        configured(tmp_path, vendor, "one", more=auth + bertas)
        await app.reload()
        assert code(await app.answer(read, anna)) == "UNAUTHENTICATED"
        for _ in range(4):
            assert code(await app.answer(read, berta)) is None
        configured(tmp_path, vendor, "one", "two", more=auth + bertas + '\nsources = ["two"]\n')
        await app.reload()
        assert (await app.data(SOURCES, berta)) == {"sources": [{"name": "two"}]}
        vendor.taken()
        assert code(await app.answer(read, berta)) is None
        assert vendor.taken() == [("two", "key-of-two")]


async def test_failed_attempts_and_rates_are_remembered(tmp_path: Path, vendor: Vendor) -> None:
    """Otherwise each reload would give everybody another chance."""
    file = configured(tmp_path, vendor, "one", more="[limits]\nrate = 2")
    async with running(file) as app:
        await app.data(SOURCES)
        await app.data(SOURCES)
        configured(tmp_path, vendor, "one", "two", more="[limits]\nrate = 2")
        await app.reload()
        assert "errors" in await app.answer(SOURCES)
        before = app.current.app.state.parts.authenticator.attempts
        await app.reload()
        assert app.current.app.state.parts.authenticator.attempts is before


async def test_operations_of_both_configurations_are_limited_together(
    tmp_path: Path, vendor: Vendor
) -> None:
    """Otherwise each reload of an overloaded gateway would double its load."""
    file = configured(tmp_path, vendor, "one", "two", more="[limits]\noperations = 1")
    async with running(file) as app:
        slow = await asked(app, vendor, "one")
        (tmp_path / "two.key").write_text("another")
        await app.reload()
        vendor.asked.clear()
        waiting = asyncio.create_task(app.read("two"))
        queue = app.current.app.state.parts.concurrency
        while not (queue.is_full or vendor.asked.is_set()):  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0)
        assert queue.is_full
        vendor.told.set()
        assert [await slow, await waiting] == [["one"], ["two"]]


async def test_application_that_can_not_start_changes_nothing(
    app: Reloaded, vendor: Vendor, tmp_path: Path
) -> None:
    await app.read("one")
    vendor.taken()
    before = app.current.app
    text = configured(tmp_path, vendor, "one", "three").read_text()
    app.file.write_text(text.replace("sqlite:///journal", "sqlite:////proc/nowhere/journal"))
    with pytest.raises(JournalError):
        await app.reload()
    assert app.current.app is before
    assert await app.read("one", "two") == ["one", "two"]
    assert vendor.taken() == [("two", "key-of-two")]
    configured(tmp_path, vendor, "one", "three")
    await app.reload()
    assert await app.read("one", "three") == ["one", "three"]
    assert vendor.taken() == [("three", "key-of-three")]


async def test_failed_start_is_logged_as_a_sentence(
    tmp_path: Path, vendor: Vendor, caplog: pytest.LogCaptureFixture
) -> None:
    """A worker may start when the journal's server is down, though it once was there."""
    file = configured(tmp_path, vendor, "one")
    file.write_text(file.read_text().replace("sqlite:///journal", "sqlite:////proc/no/journal"))
    lifespan = LifespanOn(config_of(CurrentApp(create_app(load(file, {}))), 1.0))
    await lifespan.startup()
    assert lifespan.should_exit
    sentence, end = (record.getMessage() for record in caplog.records)
    assert sentence.startswith("The journal of actions at /proc/no/journal.sqlite3 can't be opened")
    assert "\n" not in sentence
    assert end == "Application startup failed. Exiting."


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
async def test_many_reloads_leave_nothing_behind(tmp_path: Path, vendor: Vendor) -> None:
    async with running(configured(tmp_path, vendor, "one", "two")) as app:

        async def reload(number: int) -> None:
            (tmp_path / "two.key").write_text(f"key-{number}")
            await app.reload()
            await app.read("one", "two")
            await app.closed()

        for number in range(3):
            await reload(number)
        vendor.taken()
        old = weakref.ref(app.current.app)
        tasks, files = len(asyncio.all_tasks()), descriptors()
        for number in range(50):
            await reload(number)
        assert len(asyncio.all_tasks()) == tasks
        assert descriptors() == files
        assert len(app.gateway._cache._store._sizes) == 2
        assert {source for source, _ in vendor.taken()} == {"two"}
        gc.collect()
        assert old() is None
