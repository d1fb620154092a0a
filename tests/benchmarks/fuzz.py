"""Executes random operations: run ``python -m tests.benchmarks.fuzz 2000``."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from hypothesis_graphql import Mode

from tests.web.test_fuzz import ROOTS, running


def main(examples: int) -> None:
    for mode, share in ((Mode.POSITIVE, 0.9), (Mode.NEGATIVE, 0.1)):
        with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as run:
            began = time.perf_counter()
            run.send(mode, round(examples * share), always_the_same=False)
            seconds = time.perf_counter() - began
        print(f"{mode.name}: {run.sent} sent, {run.executed} executed, {seconds:.0f} s")
        print("  reached: " + ", ".join(f"{name} {run.reached[name]}" for name in ROOTS))
        print("  errors: " + ", ".join(f"{code} {n}" for code, n in run.errors.most_common()))


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 2000)
