"""The files of ``.github/observability/``."""

from __future__ import annotations

import json
from typing import Any

import yaml

from tests.docs.pages import ROOT

FOLDER = ROOT / ".github" / "observability"
ALERTS = FOLDER / "alerts.yml"
UNIT_TESTS = FOLDER / "alerts.test.yml"
(_GROUP,) = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
RULES: list[dict[str, Any]] = _GROUP["rules"]
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "dashboard.json").read_text(encoding="utf-8"))


def panels() -> list[dict[str, Any]]:
    """Return the panels of the dashboard that have a query."""
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
