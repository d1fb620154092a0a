"""The public audits of GraphQL over HTTP, of the package graphql-http."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.node.conftest import Run


def test_every_audit_is_passed(run: Run, url: str) -> None:
    results = json.loads(run("node", "audits.mjs", url).stdout)
    # What only should or may be is a warning or a notice there, and counts here like an error.
    assert [result for result in results if result["status"] != "ok"] == []
    assert len(results) == 61
