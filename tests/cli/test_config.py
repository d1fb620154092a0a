"""``gateway config check`` and ``gateway config show``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.settings import load
from tests.cli.command import run

TEXT = """
[server]
deadline = { max = 20.0, mode = "warn" }

[documents]
trusted = ["documents.json"]

[cache]
url = { env = "CACHE" }
page = 40.0

[journal]
url = { file = "journal" }

[auth]
methods = ["api-keys"]

[[auth.keys]]
name = "anna"
role = "reader"
hash = "sha256:%s"

[[sources]]
name = "one"
provider = "language-weaver"
base_url = "https://one.example"
proxy = { env = "PROXY" }
auth = { type = "login", username = "me", password = { env = "PASSWORD" } }
cache = { hooks = 7.0 }

[[sources]]
name = "two"
provider = "language-weaver"
base_url = "https://two.example"
auth = { type = "pass-through", header = "X-Theirs" }
"""
SECRETS = {
    "CACHE": "rediss://:planted-cache@cache.example:6380/2",
    "PROXY": "http://planted-user:planted-proxy@proxy.example:3128",
    "PASSWORD": "planted://password",
}
JOURNAL = "postgresql://me:planted%40journal@db.example/log?sslpassword=planted-too&sslmode=require"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "journal").write_text(JOURNAL)
    (tmp_path / "documents.json").write_text('{"one": "{ sources { name } }"}')
    file = tmp_path / "gateway.toml"
    file.write_text(TEXT % ("0" * 64))
    return file


def test_show_has_defaults_and_no_secrets(file: Path) -> None:
    told = run("config", "show", "--config", str(file), **SECRETS, GATEWAY_LOG__LEVEL="info")
    assert (told.code, told.complaints) == (0, "")
    assert "planted" not in told.output
    shown = json.loads(told.output)
    assert shown["log"] == {"format": "auto", "level": "info"}
    assert shown["server"]["port"] == 8000
    assert shown["server"]["deadline"] == {"max": 20.0, "mode": "warn"}
    assert shown["documents"]["trusted"] == [str(file.parent / "documents.json")]
    assert shown["cache"]["url"] == "rediss://:***@cache.example:6380/2"
    assert shown["journal"]["url"] == (
        "postgresql://me:***@db.example/log?sslpassword=***&sslmode=require"
    )
    one, two = shown["sources"]
    assert one["proxy"] == "http://***@proxy.example:3128"
    assert one["auth"] == {"type": "login", "username": "me", "password": "***"}
    assert (one["cache"]["hooks"], one["cache"]["page"]) == (7.0, 40.0)
    assert two["cache"]["hooks"] == 60.0
    assert two["auth"] == {"type": "pass-through", "header": "X-Theirs"}


def test_show_has_all_keys(file: Path) -> None:
    told = run("config", "show", "--config", str(file), **SECRETS)
    settings = load(file, SECRETS)
    shown = json.loads(told.output)
    assert shown.keys() == type(settings).model_fields.keys()
    for name, table in shown.items():
        if name != "sources":
            assert table.keys() == type(getattr(settings, name)).model_fields.keys()


def test_check_says_that_all_is_well(file: Path) -> None:
    told = run("config", "check", "--config", str(file), **SECRETS)
    assert told.code == 0
    assert told.output == "The configuration can be used. Sources: one, two.\n"


@pytest.mark.parametrize("command", ["check", "show"])
def test_all_mistakes_are_told(file: Path, command: str) -> None:
    text = file.read_text().replace("page = 40.0", 'pages = "planted"').replace('"one"', '"two"')
    file.write_text(text)
    told = run("config", command, "--config", str(file), **{**SECRETS, "PASSWORD": ""})
    assert (told.code, told.output) == (2, "")
    lines = told.complaints.splitlines()
    assert len(lines) == 3
    for part in ("cache.pages", "is the name of sources[0] already", "PASSWORD that is empty"):
        assert any(part in line for line in lines), part
    assert "planted" not in told.complaints


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[server]", "[server]\nworkers = 11", "11 workers can't share the concurrency"),
        ("[server]", '[server]\nhost = "192.0.2.1"', "take the risk with --insecure"),
    ],
)
def test_mistakes_that_only_a_server_has_are_told(
    file: Path, old: str, new: str, said: str
) -> None:
    text = file.read_text().replace(old, new)
    text = text[: text.index("[auth]")] + text[text.index("[[sources]]") :]
    file.write_text(text)
    told = run("config", "check", "--config", str(file), **SECRETS)
    assert told.code == 2
    assert said in told.complaints
    allowed = run("config", "check", "--config", str(file), "--insecure", **SECRETS)
    assert allowed.code == (0 if "insecure" in said else 2)
