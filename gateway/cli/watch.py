"""Watches the files that the configuration was read from.

Kubernetes swaps a link to a folder beside the file, and editors put another file in its place. So
folders are watched, and what tells of a change is the content of the files.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from pathlib import Path

from watchfiles import awatch

from gateway.config.files import digest_of

log = logging.getLogger(__name__)

Files = Mapping[Path, bytes]
"""Digests of the content of files."""

QUIET = 200
"""Milliseconds without a change after which files are looked at."""
LONGEST = 2000
"""Milliseconds after which they are looked at if changes go on."""
INTERVAL = 2000
"""Milliseconds after which they are looked at in any case: on some file systems, such as those of a
network, nothing tells of a change."""


async def changes(files: Callable[[], Files]) -> AsyncIterator[None]:
    """Yield whenever files hold something else than was read from them.

    ``files`` returns what was read last. The same content is told of once.
    """
    told: Files = {}
    while True:
        read = files()
        async with contextlib.aclosing(_happenings(read)) as happenings:
            async for _ in happenings:
                now = await asyncio.to_thread(_content, read)
                if files() is not read:
                    break
                if now not in (read, told):
                    told = now
                    yield


def _content(files: Files) -> Files:
    return {file: digest_of(file) for file in files}


async def _happenings(files: Files) -> AsyncGenerator[None]:
    """Yield when something has happened in the folders of files, and now and then."""
    yield
    folders = {path.parent for file in files for path in (file, file.resolve())}
    try:
        async for _ in awatch(
            *filter(Path.is_dir, folders),
            watch_filter=None,
            debounce=LONGEST,
            step=QUIET,
            rust_timeout=INTERVAL,
            yield_on_timeout=True,
            recursive=False,
        ):
            yield
    except Exception as error:  # noqa: BLE001 - the system has no watches left, or none at all
        log.warning("Files can't be watched (%s), so they are looked at now and then.", error)
    while True:
        await asyncio.sleep(INTERVAL / 1000)
        yield
