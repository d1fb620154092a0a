from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

from tests.conftest import serving
from tests.replicas.cluster import FORGET, RATE, SOURCE_RATE, Cluster, Replica, proxied
from tests.replicas.vendor import Vendor
from tests.support.postgres import Postgres

if TYPE_CHECKING:
    from tests.support.redis import Redis


@pytest.fixture(scope="package")
def controller() -> Iterator[tuple[Vendor, str]]:
    vendor = Vendor()
    with serving(vendor.app) as url:
        yield vendor, url
        vendor.open.set()


@pytest.fixture(scope="package")
def nginx(absent: Callable[[str], NoReturn]) -> str:
    """Return the program."""
    return shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin") or absent(
        "nginx is not installed"
    )


@pytest.fixture(scope="package")
def lasting(
    controller: tuple[Vendor, str],
    nginx: str,
    redis: Redis,
    postgres: Postgres,
    absent: Callable[[str], NoReturn],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Cluster]:
    """Replicas that share Redis, PostgreSQL and a configuration; to start them takes long."""
    if sys.platform != "linux":
        absent("Linux lists the processes")
    folder = tmp_path_factory.mktemp("replicas")
    redis.flush()
    file = _write_configuration(folder, controller[1], redis.url, postgres.make_database())
    replicas = [Replica(file), Replica(file)]
    with contextlib.ExitStack() as stack:
        for replica in replicas:
            stack.callback(replica.close)
            replica.launch()
        for replica in replicas:
            replica.wait()
        url = stack.enter_context(proxied(nginx, folder, replicas))
        yield Cluster(replicas, url, folder / "access.log")


def _write_configuration(folder: Path, vendor: str, cache: str, journal: str) -> Path:
    (folder / "key").write_text("planted")
    (folder / "journal").write_text(journal)
    file = folder / "gateway.toml"
    file.write_text(f"""
        [server]
        deadline = 60.0

        [limits]
        rate = {RATE}

        [cache]
        url = "{cache}"
        first_page = 600.0

        [journal]
        url = {{ file = "journal" }}

        [[sources]]
        name = "translations"
        provider = "language-weaver"
        base_url = "{vendor}"
        timeout = 60.0
        concurrency = 8
        auth = {{ type = "api-key", key = {{ file = "key" }} }}

        [[sources]]
        name = "limited"
        provider = "language-weaver"
        base_url = "{vendor}/limited"
        timeout = 60.0
        concurrency = 2
        rate_limit = {SOURCE_RATE}
        auth = {{ type = "api-key", key = {{ file = "key" }} }}
    """)
    return file


@pytest.fixture
def vendor(controller: tuple[Vendor, str]) -> Iterator[Vendor]:
    """A vendor that answers at the latest when the test ends."""
    made, _ = controller
    made.reset()
    yield made
    made.open.set()


@pytest.fixture
def cluster(lasting: Cluster, vendor: Vendor) -> Cluster:
    """The replicas, with nothing cached."""
    with lasting.processes() as (process, *_):
        process.data(FORGET)
    vendor.reset()
    return lasting
