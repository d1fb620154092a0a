"""The choice of the configuration file, and the base of its relative paths."""

from __future__ import annotations

from pathlib import Path

import certifi

from gateway.settings import load
from gateway.vendors.language_weaver.settings import LanguageWeaverApiKey
from tests.config.documents import SECRETS, api_key, problems_without_file, table


def test_given_file_precedes_the_variable_and_the_default(folder: Path) -> None:
    (folder / "a.toml").write_text("[server]\nport = 1\n" + table("shop"))
    (folder / "b.toml").write_text("[server]\nport = 2\n" + table("shop"))
    (folder / "gateway.toml").write_text("[server]\nport = 3\n" + table("shop"))
    named = {**SECRETS, "GATEWAY_CONFIG": "b.toml"}
    assert load(folder / "a.toml", named).server.port == 1
    assert load(None, named).server.port == 2
    assert load(None, SECRETS).server.port == 3


def test_missing_and_unreadable_file(folder: Path) -> None:
    (folder / "latin.toml").write_bytes(b"# \xe9")
    assert problems_without_file({"GATEWAY_CONFIG": "absent.toml"}) == [
        "absent.toml: the file does not exist"
    ]
    assert problems_without_file({"GATEWAY_CONFIG": "latin.toml"}) == [
        "latin.toml: the file is not UTF-8 text in line 1: save it as UTF-8"
    ]
    assert problems_without_file({"GATEWAY_CONFIG": str(folder)}) == [
        f"{folder}: the file is a folder"
    ]
    assert problems_without_file({"GATEWAY_CONFIG": ""}) == [
        (
            "there is no configuration: give a file with --config or GATEWAY_CONFIG, "
            "or create gateway.toml in this folder"
        )
    ]


def test_relative_paths_start_at_the_folder_of_the_file(folder: Path) -> None:
    (folder / "etc").mkdir()
    (folder / "etc" / "key").write_text("pla1nted-in-file \n\n")
    (folder / "etc" / "ca.pem").write_bytes(Path(certifi.where()).read_bytes())
    file = folder / "etc" / "gateway.toml"
    file.write_text(table("translations", ca_bundle='"ca.pem"', auth=api_key('{ file = "key" }')))
    (source,) = load(Path("etc/gateway.toml"), {}).sources
    assert isinstance(source.auth, LanguageWeaverApiKey)
    assert source.auth.key.get_secret_value() == "pla1nted-in-file"
    assert source.ca_bundle == Path("etc/ca.pem")
    file.write_text(table("translations", auth=api_key(f'{{ file = "{folder}/etc/key" }}')))
    assert load(file, {}).sources[0].auth == source.auth
