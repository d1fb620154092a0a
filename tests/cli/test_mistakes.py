"""Mistakes in options, ids and the configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command import run

pytestmark = pytest.mark.usefixtures("configuration")


@pytest.mark.sampled(5)
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["logs", "--source", "nope"], "There is no source named 'nope'. The sources are:"),
        (
            ["logs", "--since", "tomorrow"],
            "Invalid value for '--since': 'tomorrow' is neither a duration nor a time. Give a",
        ),
        (
            ["logs", "--event", "e" * 1001],
            "The filter can't be used: --event is longer than 1000 characters.",
        ),
        (["logs", "--first", "0"], "Invalid value for '--first'"),
        (
            ["logs", "--status", "LOST"],
            "Invalid value for '--status': 'LOST' is not one of succeeded, failed, pending,",
        ),
        (["show", "abc"], "That id was not made by this gateway."),
        (["check", "--config", "none.toml"], "none.toml: the file does not exist"),
        (["serve", "--config", "none.toml"], "none.toml: the file does not exist"),
        (["serve", "--host", "0.0.0.0"], "take the risk with --insecure"),  # noqa: S104
    ],
)
def test_mistake_is_explained_in_a_sentence(words: list[str], sentence: str) -> None:
    told = run(*words)
    assert (told.code, told.output) == (2, "")
    assert sentence in " ".join(told.complaints.replace("│", " ").split())


def test_every_mistake_of_the_configuration_has_a_line(configuration: Path) -> None:
    text = configuration.read_text().replace("port = 0", "prot = 0\nhost = 1")
    configuration.write_text(text)
    told = run("check")
    assert told.code == 2
    assert sorted(line.partition(": ")[2] for line in told.complaints.splitlines()) == [
        "server.host must be text in quotes, and not empty",
        "server.prot is unknown: did you mean port?",
    ]


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--name", "", "--role", "admin"], "name"),
        (
            ["--name", "ada", "--role", "root"],
            "Invalid value for '--role': 'root' is not one of viewer, reader, operator, admin.",
        ),
        (["--role", "admin"], "Missing option '--name'"),
    ],
)
def test_key_create_explains_a_mistake(words: list[str], sentence: str) -> None:
    told = run("key", "create", *words)
    assert (told.code, told.output) == (2, "")
    assert sentence in " ".join(told.complaints.replace("│", " ").split())
