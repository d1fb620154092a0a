"""A worker process: prints "ready", opens the journal at the first line, and begins actions.

Each further line it reads is a number of actions to begin at once, all with one key; it answers
with their ids, and whether each was new.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys

from gateway.journal import ActionKind, BeginResult, Journal


async def main() -> None:
    say("ready")
    sys.stdin.readline()
    async with Journal(os.environ["JOURNAL"], retention_days=30) as journal:
        say("open")
        for line in sys.stdin:
            begun = await asyncio.gather(*(begin(journal) for _ in range(int(line))))
            say([(one.action.id, one.new) for one in begun])


async def begin(journal: Journal) -> BeginResult:
    return await journal.begin(
        kind=ActionKind.RETRY,
        log_id="log",
        source="translations",
        upstream_id="42",
        caller="ada",
        lease=600,
        idempotency_key="key",
    )


def say(value: object) -> None:
    print(json.dumps(value), flush=True)  # noqa: T201 - the test reads stdout


asyncio.run(main())
