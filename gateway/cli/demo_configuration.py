"""Writes the demo's configuration, with every simulated vendor as a source."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.sandbox import Sandbox


def write_configuration(folder: Path, sandbox: Sandbox, url: str, *, port: int) -> Path:
    """Write ``gateway.toml`` and its secret files into an existing folder; return its path.

    ``url`` is the address of the sandbox, ``port`` the gateway's own. Only the user can read the
    files.
    """
    tables = [f"[server]\nport = {port}\n", '[journal]\nurl = "sqlite:///journal.sqlite3"\n']
    (folder / "secrets").mkdir(mode=0o700)
    for vendor in sandbox.vendors:
        table, secrets = vendor.demo(url)
        tables.append(table)
        for name, secret in secrets.items():
            _write(folder / "secrets" / name, f"{secret}\n")
    return _write(folder / "gateway.toml", "\n".join(tables))


def _write(path: Path, text: str) -> Path:
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
    return path
