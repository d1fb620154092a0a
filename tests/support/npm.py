"""Packages of npm that tests need, installed beside their lock file."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def install(folder: Path, absent: Callable[[str], NoReturn]) -> Path:
    """Install what the lock file of a folder names, unless it is there; return ``node_modules``.

    Test processes that run at the same time install one after another.
    """
    npm = shutil.which("npm")
    if npm is None:
        absent("npm is not installed")
    lock = folder / "package-lock.json"
    modules = folder / "node_modules"
    installed = modules / ".installed"
    with lock.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        wanted = file.read()
        if not installed.is_file() or installed.read_bytes() != wanted:
            done = subprocess.run(  # noqa: S603
                [npm, "ci"], cwd=folder, capture_output=True, text=True, check=False, timeout=600
            )
            if done.returncode:
                absent(f"npm could not install the packages: {done.stderr[-500:]}")
            installed.write_bytes(wanted)
    return modules
