"""The ``GATEWAY_...`` variables: mistakes in their JSON, and the settings they override."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import ConfigurationError
from gateway.settings import load

SOURCE = """
[[sources]]
name = "translations"
provider = "language-weaver"
base_url = "https://controller.example:8001"
auth = { type = "api-key", key = { env = "KEY" } }
"""
NO_JSON = (
    'the value is not JSON: write a list as ["a", "b"] and a table as {"key": "value"}, with all'
    " texts in double quotes"
)


def problems(folder: Path, **environ: str) -> list[str]:
    (folder / "gateway.toml").write_text(SOURCE)
    with pytest.raises(ConfigurationError) as caught:
        load(folder / "gateway.toml", {"KEY": "s3cret", **environ})
    return list(caught.value.problems)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GATEWAY_SERVER__CORS_ORIGINS", "https://a.example,https://b.example"),
        ("GATEWAY_SERVER__CORS_ORIGINS", "['https://a.example']"),
        ("GATEWAY_SERVER", "{"),
        ("GATEWAY_SOURCES", "[" * 100_000),
        ("GATEWAY_LIMITS__DEPTH", '{"max": 1' + "0" * 5000 + "}"),
    ],
    ids=["commas", "single quotes", "cut off", "depth", "digits"],
)
def test_text_that_is_not_json(tmp_path: Path, name: str, value: str) -> None:
    assert problems(tmp_path, **{name: value}) == [f"{name}: {NO_JSON}"]


def test_faulty_variable_is_named_among_equal_ones(tmp_path: Path) -> None:
    """A variable that may hold any text must not be blamed for another with the same value."""
    environ = {"GATEWAY_SERVER__HOST": "a", "GATEWAY_AUTH__METHODS": "a"}
    assert problems(tmp_path, **environ) == [f"GATEWAY_AUTH__METHODS: {NO_JSON}"]


@pytest.mark.parametrize("word", ["false", "False", "FALSE", "no", "off", "0"])
def test_switch_is_a_word_in_any_case(tmp_path: Path, word: str) -> None:
    (tmp_path / "gateway.toml").write_text(SOURCE)
    environ = {"KEY": "s3cret", "GATEWAY_SERVER__GRAPHIQL": word}
    assert load(tmp_path / "gateway.toml", environ).server.graphiql is False


def test_reference_in_variables(tmp_path: Path) -> None:
    """An address with a password has a variable of its own, even if all settings are variables."""
    (tmp_path / "gateway.toml").write_text(SOURCE)
    environ = {
        "KEY": "s3cret",
        "REDIS": "redis://:s3cret@cache.example",
        "GATEWAY_CACHE__URL__ENV": "REDIS",
    }
    url = load(tmp_path / "gateway.toml", environ).cache.url
    assert url.get_secret_value() == "redis://:s3cret@cache.example"


@pytest.mark.parametrize("password", ["1[s3cret]2", "s3cret[", "s3cret\N{FULLWIDTH SOLIDUS}"])
def test_password_that_the_driver_could_not_read(tmp_path: Path, password: str) -> None:
    """It would raise an error with a part of it, which no refusal may show."""
    (tmp_path / "gateway.toml").write_text(SOURCE)
    environ = {
        "KEY": "key",
        "REDIS": f"redis://:{password}@cache.example",
        "GATEWAY_CACHE__URL__ENV": "REDIS",
    }
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path / "gateway.toml", environ)
    (problem,) = caught.value.problems
    assert "cache.url has a special character in its user name or password" in problem
    assert "s3cret" not in problem


@pytest.mark.parametrize(
    ("environ", "complaint"),
    [
        (
            {"GATEWAY_CACHE__URL": '{"env": "REDIS"}'},
            'GATEWAY_CACHE__URL: cache.url must be "memory://", an address such as'
            ' "redis://host:6379/0" or "rediss://host:6380/0", or the name of a variable in'
            " GATEWAY_CACHE__URL__ENV or a path in GATEWAY_CACHE__URL__FILE that holds one",
        ),
        (
            {"GATEWAY_LIMITS__DEPTH": "0"},
            "GATEWAY_LIMITS__DEPTH: limits.depth must be a whole number from 1 to 2147483647,"
            ' "off", or a table such as {"max": 100, "mode": "warn"}',
        ),
        (
            {
                "GATEWAY_SOURCES": """[{
                    "name": "x", "provider": "language-weaver", "base_url": "https://a",
                    "auth": {"type": "api-key", "key": "s3cret"}
                }]"""
            },
            'GATEWAY_SOURCES: sources[0] "x": auth.key must not be written out here: keep it in an'
            ' environment variable or a file of its own, and write {"env": "NAME"} or'
            ' {"file": "/path"}',
        ),
    ],
)
def test_complaint_has_the_notation_of_variables(
    tmp_path: Path, environ: dict[str, str], complaint: str
) -> None:
    """TOML copied from the sentence would be refused again."""
    assert problems(tmp_path, **environ) == [complaint]
