"""The audits of GraphQL over HTTP from the package graphql-http."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.node.conftest import Run


def test_every_audit_passes(run: Run, url: str) -> None:
    results = json.loads(run("node", "audits.mjs", url).stdout)
    # Warnings and notices, about recommendations of the specification, count as errors.
    assert [result for result in results if result["status"] != "ok"] == []
    assert len(results) == 61
