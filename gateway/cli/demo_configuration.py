"""The demo's configuration: every simulated vendor, set up like a real installation."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.sandbox import Sandbox


def write_configuration(folder: Path, sandbox: Sandbox, url: str, *, port: int) -> Path:
    """Write ``gateway.toml``, and the secrets that it refers to, into an existing folder.

    ``url`` is where the sandbox is served, ``port`` where the gateway is to listen. Only the user
    can read what is written.
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
