from __future__ import annotations

import io
import stat
import sys
import tarfile
from typing import TYPE_CHECKING

import pytest

from gateway.web.assets import ASSETS, AssetError, fetch, missing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def npm_that(does: str, folder: Path) -> str:
    """Write a program that replaces npm, and return its path."""
    program = folder / "npm"
    program.write_text(f"#!{sys.executable}\n{does}")
    program.chmod(stat.S_IRWXU)
    return str(program)


def npm_with(files: Mapping[tuple[str, str], bytes], folder: Path) -> str:
    """Return a fake npm that delivers the given files, by package and path."""
    for package in {package for package, _ in files}:
        with tarfile.open(folder / f"{package.replace('@', '-')}.tgz", "w:gz") as archive:
            for (owner, member), content in files.items():
                if owner == package:
                    entry = tarfile.TarInfo(f"package/{member}")
                    entry.size = len(content)
                    archive.addfile(entry, io.BytesIO(content))
    return npm_that(
        "import pathlib, shutil, sys\n"
        "assert sys.argv[1:3] == ['pack', '--ignore-scripts']\n"
        "assert sys.stdin.read() == ''\n"
        "for package in sys.argv[1:]:\n"
        f"    archive = pathlib.Path({str(folder)!r}, package.replace('@', '-') + '.tgz')\n"
        "    if archive.exists():\n"
        "        shutil.copy(archive, '.')\n",
        folder,
    )


@pytest.mark.slow
def test_files_are_downloaded_with_npm(static: Path, tmp_path: Path) -> None:
    files = {(asset.package, asset.member): (static / asset.name).read_bytes() for asset in ASSETS}
    folder = tmp_path / "static"
    fetch(folder, npm=npm_with(files, tmp_path))
    assert missing(folder) == []
    assert {path.name for path in folder.iterdir()} == {asset.name for asset in ASSETS}


def test_present_files_are_not_downloaded_again(static: Path, tmp_path: Path) -> None:
    fetch(static, npm=npm_that("raise SystemExit('called')", tmp_path))


def test_changed_file_counts_as_missing(static: Path, tmp_path: Path) -> None:
    for asset in ASSETS:
        (tmp_path / asset.name).write_bytes((static / asset.name).read_bytes())
    (tmp_path / "graphiql.min.js").write_text("another")
    assert missing(tmp_path) == ["graphiql.min.js"]


def test_files_with_another_hash_are_rejected(tmp_path: Path) -> None:
    files = {(asset.package, asset.member): b"another" for asset in ASSETS}
    folder = tmp_path / "static"
    with pytest.raises(AssetError, match=r"graphiql\.min\.css of graphiql@4\.1\.2 is not the file"):
        fetch(folder, npm=npm_with(files, tmp_path))
    assert not folder.exists()


def test_package_without_the_file_is_reported(tmp_path: Path) -> None:
    files = {("graphiql@4.1.2", "README.md"): b"another"}
    with pytest.raises(AssetError, match=r"graphiql-4\.1\.2\.tgz has no file package/graphiql"):
        fetch(tmp_path / "static", npm=npm_with(files, tmp_path))


def test_truncated_package_is_reported(tmp_path: Path) -> None:
    program = npm_with({("graphiql@4.1.2", "graphiql.min.css"): b"a style" * 9999}, tmp_path)
    archive = tmp_path / "graphiql-4.1.2.tgz"
    archive.write_bytes(archive.read_bytes()[:-100])
    with pytest.raises(AssetError, match="could not be put in place"):
        fetch(tmp_path / "static", npm=program)


@pytest.mark.parametrize(
    ("does", "reason"),
    [
        ("raise SystemExit('code ENOTFOUND')", "npm failed: code ENOTFOUND"),
        ("", r"could not be put in place: .*graphiql-4\.1\.2\.tgz"),
        ("open('graphiql-4.1.2.tgz', 'w').write('<html>')", "could not be put in place"),
    ],
)
def test_failure_of_npm_is_reported(does: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(AssetError, match=reason):
        fetch(tmp_path / "static", npm=npm_that(does, tmp_path))


def test_timeout_of_npm_is_reported(tmp_path: Path) -> None:
    npm = npm_that("import signal; signal.pause()", tmp_path)
    with pytest.raises(AssetError, match=r"npm did not end within 0\.1 seconds"):
        fetch(tmp_path / "static", npm=npm, seconds=0.1)


def test_missing_npm_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(AssetError, match="npm is not installed"):
        fetch(tmp_path / "static")
