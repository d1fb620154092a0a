"""The tutorial about descriptions works as it is written."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, TUTORIAL
from tests.docs.tutorial import Tutorial


@pytest.mark.slow
def test_reader_describes_lists_and_retries(tmp_path: Path) -> None:
    """Readers copy what they see; ``python -m tests.docs`` updates the responses."""
    tutorial = Tutorial(PAGES[TUTORIAL], tmp_path)
    tutorial.run()
    assert tutorial.commands
    for shown in tutorial.shown:
        assert shown.is_true, f"shown:\n{shown.shown}\nreal:\n{shown.real}"
    listed = tutorial.shown[1].real.splitlines()
    assert sum("anvil.dropped" in line for line in listed) == 7, "more than a page of the vendor"
    assert tutorial.vendor.rows[0]["id"] == "dlv_108"


def test_description_is_short() -> None:
    (text,) = [block.text for block in PAGES[TUTORIAL].blocks if block.name == "acme.toml"]
    assert len(text.splitlines()) < 60
    assert "retry" in tomllib.loads(text)
