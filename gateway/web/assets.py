"""The third-party files of the explorer and the console, pinned, and their download during a build.

The build hook runs this file by its path, without the package's dependencies, so it imports the
standard library only.
"""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
import zlib
from pathlib import Path
from typing import NamedTuple

STATIC = Path(__file__).parent / "static"
"""The folder of the files; a build fills it, and version control ignores it."""


class Asset(NamedTuple):
    """One file of an npm package; ``integrity`` has the form of HTML's attribute."""

    name: str
    package: str
    member: str
    integrity: str


# The last versions of GraphiQL and React that are published as UMD files.
STYLES = (
    Asset(
        "graphiql.min.css",
        "graphiql@4.1.2",
        "graphiql.min.css",
        "sha384-1el1QShFBnnXTx9x/Cprg82hZWKt0ry29OAYIXt05swbi0KcZDFoj0CWguMpopJr",
    ),
)
SCRIPTS = (  # in the order of their execution
    Asset(
        "react.production.min.js",
        "react@18.3.1",
        "umd/react.production.min.js",
        "sha384-DGyLxAyjq0f9SPpVevD6IgztCFlnMF6oW/XQGmfe+IsZ8TqEiDrcHkMLKI6fiB/Z",
    ),
    Asset(
        "react-dom.production.min.js",
        "react-dom@18.3.1",
        "umd/react-dom.production.min.js",
        "sha384-gTGxhz21lVGYNMcdJOyq01Edg0jhn/c22nsx0kyqP0TxaV5WVdsSH1fSDUf5YJj1",
    ),
    Asset(
        "graphiql.min.js",
        "graphiql@4.1.2",
        "graphiql.min.js",
        "sha384-9XdHu7ajgGJziD4J1zNBKQ842Q/+zZfDv+ib1eMhZWBH6hPAs806x+Jbcf0yNO6B",
    ),
)
LICENSES = (
    Asset(
        "graphiql.LICENSE.txt",
        "graphiql@4.1.2",
        "LICENSE",
        "sha384-9JPX1agGTIUB7wtQt2kO3PUO7clmCJp+9e50VMjw1yd8briI77AZnMDBz5VcerBH",
    ),
    Asset(
        "react.LICENSE.txt",
        "react@18.3.1",
        "LICENSE",
        "sha384-dIN5gxuW3odCH42AKpxql36fRQlrVsjCi4EJgGC2Ty8Ihkcq9cdrChEZpKhSAfks",
    ),
    Asset(
        "react-dom.LICENSE.txt",
        "react-dom@18.3.1",
        "LICENSE",
        "sha384-dIN5gxuW3odCH42AKpxql36fRQlrVsjCi4EJgGC2Ty8Ihkcq9cdrChEZpKhSAfks",
    ),
)
EXPLORER = (*STYLES, *SCRIPTS, *LICENSES)

# What the console imports: htm and Preact in one module.
CONSOLE = (
    Asset(
        "htm-preact.mjs",
        "htm@3.1.1",
        "preact/standalone.mjs",
        "sha384-StNNHifqKmppGEDNqrv+YtX8PD3mhAhLtNbioQ4QxbPNqaTnktcDjsIPGjcDoiKa",
    ),
    Asset(
        "htm.LICENSE.txt",
        "htm@3.1.1",
        "LICENSE",
        "sha384-y6ya0NFYQBWrDYk1ryOS/8CoUlx/L1khJoWJvyVMtEjWvngakLiFBsblQKBT1C9q",
    ),
    Asset(
        "preact.LICENSE.txt",
        "preact@11.2.0",
        "LICENSE",
        "sha384-xMn7eKwbmbh7PQrJ/p7EPGNYY7Ayr/2qEForngAvQzJ4zPfmwvAZRLmQUXkAYJ1W",
    ),
)
ASSETS = (*EXPLORER, *CONSOLE)


class AssetError(Exception):
    """The files can't be downloaded; ``str(error)`` says why."""


def missing(folder: Path, assets: tuple[Asset, ...] = ASSETS) -> list[str]:
    """Return the names of the files that ``folder`` lacks or has with different content."""
    return [asset.name for asset in assets if not _is_in(folder, asset)]


def fetch(folder: Path, *, npm: str | None = None, seconds: float = 60) -> None:
    """Download the files into ``folder`` with ``npm pack``, unless all are there already.

    Raises AssetError if npm is missing, fails, takes too long, or delivers other files than the
    pinned ones.
    """
    if not missing(folder):
        return
    npm = npm or shutil.which("npm")
    if npm is None:
        raise AssetError("npm is not installed")
    try:
        contents = _pack(npm, seconds)
        folder.mkdir(exist_ok=True)
        for asset in ASSETS:
            (folder / asset.name).write_bytes(contents[asset])
    except subprocess.TimeoutExpired as error:
        raise AssetError(f"npm did not end within {seconds:g} seconds") from error
    except subprocess.CalledProcessError as error:
        raise AssetError(f"npm failed: {error.stderr.strip()}") from error
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        raise AssetError(f"the files could not be put in place: {error}") from error


def _pack(npm: str, seconds: float) -> dict[Asset, bytes]:
    contents = {}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary:
        subprocess.run(  # noqa: S603 - no part of the command is input
            [
                *(npm, "pack", "--ignore-scripts", "--loglevel=error", "--no-update-notifier"),
                *("--cache=cache", "--fetch-retries=1", "--fetch-retry-mintimeout=1000"),
                *dict.fromkeys(asset.package for asset in ASSETS),
            ],
            cwd=temporary,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            timeout=seconds,
            check=True,
        )
        for asset in ASSETS:
            archive = Path(temporary, asset.package.replace("@", "-") + ".tgz")
            contents[asset] = _member(archive, f"package/{asset.member}")
            if _integrity(contents[asset]) != asset.integrity:
                raise AssetError(f"{asset.member} of {asset.package} is not the file it should be")
    return contents


def _member(archive: Path, name: str) -> bytes:
    with tarfile.open(archive) as package:
        try:
            file = package.extractfile(name)
        except KeyError:
            file = None
        if file is None:
            raise AssetError(f"{archive.name} has no file {name}")
        return file.read()


def _is_in(folder: Path, asset: Asset) -> bool:
    try:
        return _integrity((folder / asset.name).read_bytes()) == asset.integrity
    except OSError:
        return False


def _integrity(content: bytes) -> str:
    return "sha384-" + base64.b64encode(hashlib.sha384(content).digest()).decode()
