"""What is soaked: replicas behind nginx, with Redis, PostgreSQL and simulated vendors."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from gateway.callers.keys import create
from gateway.sandbox import Sandbox
from tests.benchmarks.vendors import vendors
from tests.replicas.cluster import Replica, proxied
from tests.support import postgres, redis
from tests.web.test_workers import until

PROBE = Path(__file__).parent / "probe"
SOURCES = {"translations": "language-weaver", "shop": "elastic-path", "tracker": "yandex-tracker"}
"""The vendors of the sources."""


class Caller(NamedTuple):
    """A caller; ``sources`` are those that it sees."""

    role: str
    sources: tuple[str, ...]


CALLERS = {
    "admin": Caller("admin", tuple(SOURCES)),
    "viewer": Caller("viewer", tuple(SOURCES)),
    "operator": Caller("operator", ("translations",)),
    "reader": Caller("reader", ("shop", "tracker")),
}


class MissingError(Exception):
    """A program that the soak needs is not installed."""


class Site:
    """Everything that runs; ``keys`` are those of the callers."""

    def __init__(self, folder: Path, vendor: str, cache: redis.Redis, journal: postgres.Postgres):
        self.vendor = vendor
        self.redis = cache
        self.postgres = journal
        self.database = journal.make_database()
        self.replicas: list[Replica] = []
        self.url = ""
        self.told = folder / "told"
        self.told.mkdir()
        self.file = folder / "gateway.toml"
        made = {name: create(name, caller.role, caller.sources) for name, caller in CALLERS.items()}
        self.keys = {name: key for name, (key, _) in made.items()}
        self._tables = [table for _, table in made.values()]
        self.marker, self._marker_table = create("marker", "viewer", ["shop"])
        """A key whose caller's name changes with the configuration."""
        (folder / "secrets").mkdir()
        (folder / "journal").write_text(self.database)
        for system in Sandbox(logs=1, vendors=SOURCES.values()).vendors:
            table, secrets = system.demo(vendor)
            self._tables.append(table.replace("[[sources]]", "[[sources]]\nrate_limit = 1000"))
            for name, secret in secrets.items():
                (folder / "secrets" / name).write_text(secret)

    def configure(self, marker: str) -> None:
        """Write the configuration; ``marker`` is the name of a caller."""
        tables = [
            f'[cache]\nurl = "{self.redis.url}"\nfirst_page = 2.0\npage = 5.0\ndetail = 5.0',
            "stale_while_revalidate = 2.0",
            '[journal]\nurl = { file = "journal" }',
            "[limits]\nrate = 1000000",
            '[auth]\nmethods = ["api-keys"]',
            *self._tables,
            self._marker_table.replace('"marker"', f'"{marker}"'),
        ]
        self.file.write_text("\n\n".join(tables))

    def spoil(self) -> None:
        """Write a configuration that is refused."""
        self.file.write_text("[cache]\nfirst_page = 'soon'\n")


@contextlib.contextmanager
def started(replicas: int, workers: int) -> Iterator[Site]:
    """Start everything, and end it."""
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    store, programs = redis.find_program(), postgres.find_programs()
    if nginx is None or store is None or programs is None:
        raise MissingError("The soak needs nginx, Redis and PostgreSQL.")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gateway-soak-")))
        vendor = stack.enter_context(vendors(0.002, 0.01))
        cache = stack.enter_context(redis.running(store))
        site = Site(folder, vendor, cache, stack.enter_context(postgres.running(programs)))
        site.configure("marker-0")
        path = os.pathsep.join(filter(None, [str(PROBE), os.environ.get("PYTHONPATH")]))
        environment = {"PYTHONPATH": path, "SOAK_FOLDER": str(site.told)}
        for _ in range(replicas):
            site.replicas.append(Replica(site.file, workers, environment))
            stack.callback(site.replicas[-1].close)
        for replica in site.replicas:
            replica.launch()
        for replica in site.replicas:
            replica.wait()
        site.url = stack.enter_context(proxied(nginx, folder, site.replicas))
        until(lambda: all(len(replica.workers()) == workers for replica in site.replicas))
        yield site
