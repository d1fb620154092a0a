"""The dashboard: complete, and readable for people who see it for the first time."""

from __future__ import annotations

import json
import re
from collections import Counter

from gateway.telemetry.instruments import INSTRUMENTS
from tests.observability.files import DASHBOARD, FOLDER, panels

NOT_SHOWN = {"process_start_time_seconds"}
"""Metrics without a panel."""
UNITS = {"dateTimeAsIso", "bytes", "cpm", "cps", "ops", "percentunit", "reqps", "s", "short"}


def test_file_is_as_it_would_be_written_again() -> None:
    """So that a change shows as just that."""
    text = (FOLDER / "dashboard.json").read_text(encoding="utf-8")
    assert text == json.dumps(DASHBOARD, indent=2, ensure_ascii=False) + "\n"


def test_each_panel_is_described() -> None:
    assert max(Counter(panel["id"] for panel in DASHBOARD["panels"]).values()) == 1
    for panel in panels():
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
        for target in panel["targets"]:
            assert target["legendFormat"], panel["title"]
            assert target["datasource"] == panel["datasource"]
            assert target["datasource"]["uid"] == "${datasource}"


def test_queries_follow_what_is_chosen() -> None:
    """A range of its own would show holes or nothing where Prometheus looks less often."""
    names = [variable["name"] for variable in DASHBOARD["templating"]["list"]]
    assert names == ["datasource", "instance", "source"]
    rows = [panel for panel in DASHBOARD["panels"] if panel["type"] == "row"]
    (repeated,) = (row for row in rows if row.get("repeat"))
    assert repeated["repeat"] == "source"
    first = DASHBOARD["panels"].index(repeated)
    assert repeated == rows[-1]
    for index, panel in enumerate(DASHBOARD["panels"]):
        for target in panel.get("targets", ()):
            query = target["expr"]
            selectors = re.findall(r"\{([^}]*)\}", query)
            assert all('instance=~"$instance"' in it for it in selectors), query
            assert all(('source=~"$source"' in it) == (index > first) for it in selectors), query
            ranges = re.findall(r"\brate\([^[]*\[(.*?)\]", query)
            assert set(ranges) <= {"$__rate_interval"}, query


def test_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert at["x"] + at["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells


def test_each_metric_is_shown() -> None:
    queries = " ".join(target["expr"] for panel in panels() for target in panel["targets"])
    missing = {each.name for each in INSTRUMENTS if each.name not in queries}
    assert missing == NOT_SHOWN
