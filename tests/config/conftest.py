from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change to a folder of the test's own, which `read` writes to."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
