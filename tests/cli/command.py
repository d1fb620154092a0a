"""Runs the command inside the test, and starts the simulated vendors for it."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from typer.testing import CliRunner

from gateway.cli import app


class Outcome(NamedTuple):
    code: int
    output: str
    complaints: str

    def lines(self) -> list[str]:
        return self.output.splitlines()

    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines()]


def run(*words: str, **environ: str) -> Outcome:
    """Run the command; it may end with any code, but not with an exception."""
    result = CliRunner().invoke(app, words, env=environ)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Outcome(result.exit_code, result.stdout, result.stderr)
