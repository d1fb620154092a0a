"""Reading the configuration anew: what is compared, kept, refused and told; files are watched."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import certifi
import pytest

from gateway.cli import watch
from gateway.cli.reload import DEFECT, Configuration, Reloads, hang_ups_held
from gateway.cli.supervisor import WorkerError
from gateway.config.files import digest_of, files_noted
from gateway.errors import ConfigurationError, JournalError
from gateway.events import ConfigurationReloaded, Events
from gateway.settings import Settings, load
from tests.web.reloaded import Vendor, configured


@pytest.fixture
def file(tmp_path: Path) -> Path:
    vendor = Vendor()
    vendor.url = "http://127.0.0.1:1"
    return configured(tmp_path, vendor, "one", "two")


def made(file: Path) -> Configuration:
    return Configuration(lambda: load(file, {}), lambda _new, _old: None)


def replaced(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_only_what_has_a_meaning_is_a_change(file: Path) -> None:
    configuration = made(file)
    assert configuration.read_anew() is None
    replaced(file, "[server]", "# a comment\n[server]")
    assert configuration.read_anew() is None
    (file.parent / "one.key").write_text("key-of-one\n")
    assert configuration.read_anew() is None
    (file.parent / "one.key").write_text("another")
    settings = configuration.read_anew()
    assert settings is not None
    configuration.put_in_force(settings)
    assert configuration.read_anew() is None


def test_settings_that_stay_until_the_next_start(file: Path) -> None:
    configuration = made(file)
    replaced(file, "port = 0", 'port = 9\nhost = "localhost"\nscan_limit = 7')
    file.write_text(file.read_text() + '\n[metrics]\nport = 1\n[log]\nlevel = "info"\n')
    settings = configuration.read_anew()
    assert settings is not None
    assert settings.server.scan_limit == 7
    assert (settings.server.port, settings.server.host) == (0, "127.0.0.1")
    assert (settings.metrics.port, settings.log.level) == (None, "warning")
    assert configuration.restart == ("server.host", "server.port", "metrics", "log")
    configuration.put_in_force(settings)
    assert configuration.read_anew() is None
    assert "log" in configuration.restart


def test_renewed_certificates_are_a_change(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings have only their paths, or not even these."""
    text = Path(certifi.where()).read_text()
    for name in ("bundle.pem", "usual.pem"):
        (file.parent / name).write_text(text)
    monkeypatch.setenv("SSL_CERT_FILE", str(file.parent / "usual.pem"))
    replaced(file, "timeout = 60.0", 'timeout = 60.0\nca_bundle = "bundle.pem"')
    configuration = made(file)
    assert configuration.read_anew() is None
    for name in ("bundle.pem", "usual.pem"):
        (file.parent / name).write_text(f"{text}\n")
        settings = configuration.read_anew()
        assert settings is not None
        # What is written now was not read.
        (file.parent / name).write_text(f"{text}\n\n")
        configuration.put_in_force(settings)
        settings = configuration.read_anew()
        assert settings is not None
        configuration.put_in_force(settings)
        assert configuration.read_anew() is None


def test_all_files_are_noted_also_of_a_configuration_with_a_mistake(file: Path) -> None:
    configuration = made(file)
    names = {"gateway.toml", "one.key", "two.key"}
    assert {path.name for path in configuration.files} == names
    (file.parent / "two.key").unlink()
    with pytest.raises(ConfigurationError):
        configuration.read_anew()
    assert {path.name for path in configuration.files} == names
    assert configuration.files[file.parent / "two.key"] == b""


class Stage:
    """Reloads of a configuration whose outcomes are recorded."""

    def __init__(self, configuration: Configuration, error: Exception | None = None) -> None:
        self.told: asyncio.Queue[ConfigurationReloaded] = asyncio.Queue()
        self.taken: list[Settings] = []
        self.repeated = 0
        self._error = error
        events = Events()
        events.subscribe(ConfigurationReloaded, self.told.put_nowait)
        self.reloads = Reloads(configuration, events, self._take_over, self._again)

    async def _take_over(self, settings: Settings) -> str:
        if self._error:
            raise self._error
        self.taken.append(settings)
        return "taken"

    async def _again(self) -> str:
        self.repeated += 1
        return "again"

    async def outcome(self, *, signalled: bool = True) -> ConfigurationReloaded:
        await self.reloads._reload(signalled=signalled)
        return self.told.get_nowait()


async def test_outcomes(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stage = Stage(made(file))
    assert (await stage.outcome()).outcome == "UNCHANGED"
    assert (await stage.outcome(signalled=False)).outcome == "UNCHANGED"
    assert stage.repeated == 1
    replaced(file, "deadline = 60.0", "deadline = 50.0")
    assert (await stage.outcome(signalled=False)).outcome == "TAKEN"
    assert [settings.server.deadline.max for settings in stage.taken] == [50.0]
    assert (await stage.outcome()).outcome == "UNCHANGED"
    replaced(file, "deadline = 50.0", 'deadline = "planted"')
    refused = await stage.outcome()
    assert refused.outcome == "REFUSED"
    assert "server.deadline" in refused.problems[0]
    assert "planted" not in str(refused)
    assert capsys.readouterr().out == "again\ntaken\nagain\n"


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (JournalError("The journal is gone."), "The journal is gone."),
        (WorkerError("A worker ended."), "A worker ended."),
        (RuntimeError("planted"), DEFECT),
    ],
)
async def test_configuration_that_can_not_be_put_in_force_is_refused(
    file: Path, error: Exception, problem: str
) -> None:
    stage = Stage(made(file), error)
    replaced(file, "deadline = 60.0", "deadline = 50.0")
    for _ in range(2):
        refused = await stage.outcome()
        assert (refused.outcome, refused.problems) == ("REFUSED", (problem,))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGHUP.")
async def test_signal_during_the_start_is_heeded_after_it(file: Path) -> None:
    stage = Stage(made(file))
    before = signal.getsignal(signal.SIGHUP)
    try:
        with hang_ups_held():
            os.kill(os.getpid(), signal.SIGHUP)
            async with stage.reloads.heeded(lambda: None):
                assert (await stage.told.get()).outcome == "UNCHANGED"
        assert stage.repeated == 1
        assert signal.SIGHUP not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    finally:
        asyncio.get_running_loop().remove_signal_handler(signal.SIGHUP)
        signal.signal(signal.SIGHUP, before)


class Watched:
    """Files that are watched, and changes of them."""

    def __init__(self, *files: Path) -> None:
        self.files: Any = {}
        self._names = files
        self.note()
        self.changes: AsyncIterator[None] = watch.changes(lambda: self.files)

    def note(self) -> None:
        """Read the files."""
        self.files = {path: digest_of(path) for path in self._names}

    async def change(self) -> None:
        """Wait for a change, and read the files."""
        async with asyncio.timeout(60.0):
            await anext(self.changes)
        self.note()


async def test_changes_of_all_kinds_are_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "INTERVAL", 100)
    (tmp_path / "elsewhere").mkdir()
    target, link, plain = (tmp_path / name for name in ("elsewhere/key", "link", "plain"))
    target.write_text("1")
    plain.write_text("1")
    link.symlink_to(target)
    watched = Watched(link, plain, tmp_path / "missing")
    plain.write_text("2")
    await watched.change()
    target.write_text("2")
    await watched.change()
    (tmp_path / "new").write_text("3")
    (tmp_path / "new").rename(plain)
    await watched.change()
    plain.unlink()
    await watched.change()
    (tmp_path / "missing").write_text("1")
    await watched.change()


async def test_files_are_looked_at_where_nothing_tells_of_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unable(*_: object, **__: object) -> AsyncIterator[None]:
        raise OSError("no watches left")

    monkeypatch.setattr(watch, "awatch", unable)
    monkeypatch.setattr(watch, "INTERVAL", 1)
    file = tmp_path / "key"
    file.write_text("1")
    watched = Watched(file)
    file.write_text("2")
    await watched.change()


def test_reading_notes_nothing_outside_of_its_context(file: Path) -> None:
    with files_noted() as noted:
        load(file, {})
    before = dict(noted)
    os.utime(file)
    load(file, {})
    assert noted == before
