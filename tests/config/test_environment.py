"""The ``GATEWAY_...`` variables override the file."""

from __future__ import annotations

import json

import pytest

from gateway.config import TimeLimit
from gateway.settings import ServerSettings, Settings, load
from tests.config.documents import SECRETS, api_key, problems, problems_without_file, read, table


def test_variables_override_the_file() -> None:
    settings = read(
        "[server]\nport = 1\nscan_limit = 7\n" + table("shop"),
        GATEWAY_SERVER__PORT="9000",
        GATEWAY_SERVER__DEADLINE="2.5",
        GATEWAY_SERVER__GRAPHIQL="false",
        gateway_server__host="::1",
        GATEWAY_SERVER__SCAN_LIMIT="",
        GATEWAY_PORT="tcp://10.0.0.1:80",
    )
    assert settings.server == ServerSettings(
        host="::1", port=9000, deadline=TimeLimit(2.5), scan_limit=7, graphiql=False
    )


def test_variables_without_a_file() -> None:
    source = {
        "name": "translations",
        "provider": "language-weaver",
        "base_url": "https://controller-host:8001",
        "auth": {"type": "api-key", "key": {"env": "LW_KEY"}},
    }
    settings = load(None, {**SECRETS, "GATEWAY_SOURCES": json.dumps([source])})
    assert settings == read(table("translations"))


def test_environment_of_the_process_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_SERVER__PORT", "9000")
    monkeypatch.setenv("GATEWAY_SERVER__HOST", "::1")
    monkeypatch.setenv("LW_KEI", "set")
    assert read(table("shop")).server == ServerSettings()
    assert Settings(sources=read(table("shop")).sources).server == ServerSettings()
    assert len(problems(table("translations", auth=api_key('{ env = "LW_KEI" }')))) == 1


def test_mistake_in_a_variable_names_it() -> None:
    assert problems(
        table("shop"),
        GATEWAY_SERVER__PORT="http",
        GATEWAY_SERVER__PROT="1",
        GATEWAY_SERVR__PORT="1",
        GATEWAY_SOURCES__0__TIMEOUT="3",
    ) == [
        "GATEWAY_SERVR__PORT: servr is unknown: did you mean server?",
        (
            "GATEWAY_SOURCES__0__TIMEOUT: one key of a source can't be set: "
            "give all sources in GATEWAY_SOURCES"
        ),
        "GATEWAY_SERVER__PORT: server.port must be a whole number from 0 to 65535",
        "GATEWAY_SERVER__PROT: server.prot is unknown: did you mean port?",
    ]
    assert problems(table("shop"), GATEWAY_SERVER="1") == ["GATEWAY_SERVER: server must be a table"]
    assert problems_without_file({"GATEWAY_SOURCES": '[{"name": "pla1nted'}) == [
        'GATEWAY_SOURCES: the value is not JSON: write a list as ["a", "b"] and a table as'
        ' {"key": "value"}, with all texts in double quotes'
    ]
    assert problems_without_file({"GATEWAY_SOURCES": '[{"provider": "codearts", "name": "x"}]'})[
        0
    ] == (
        'GATEWAY_SOURCES: sources[0] "x": base_url is missing: it must be an http or https '
        'address, such as "https://vendor.example:8001"'
    )
