"""All mistakes of a description are told at once, each with its file and its key."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import ConfigurationError
from gateway.settings import load as load_settings
from gateway.vendors.described.description import load
from tests.vendors.described.acme import ACME, assert_told, written

MISTAKES = [
    ('title = "Acme Hooks"', 'titel = "Acme Hooks"', "titel is unknown: did you mean title?"),
    (
        'docs = "https://acme.example/docs"',
        'docs = "acme"',
        'docs must be the address of a page, such as "https://vendor.example/docs"',
    ),
    ("[auth.bearer]", "[auth]", "auth is empty: give at least one form, such as [auth.token]"),
    (
        'path = "/events"',
        'path = "events"',
        'list.path must be a path that begins with a slash, such as "/events/{id}", or with'
        " {scope}",
    ),
    (
        'path = "/events"',
        'path = "/{project}/events"',
        "list.path has the variable {project}, which is unknown: there are none here",
    ),
    (
        "[log]",
        '[list.filters.status]\nparam = "s"\nvalues = { FAILED = 1 }\n[log]',
        'list.filters.status.values.FAILED must be a list of values, such as ["failed", "500-599"]',
    ),
    (
        "[log.status]",
        "[log.failure.categories]\nDNS = 1\n[log.status]",
        "log.failure.categories.DNS must be a list, in brackets",
    ),
    ('id = "id"', 'id = "a[["', "log.id is not a path, nor an expression of JMESPath"),
    (
        'id = "id"',
        'id = "id || lenght(a)"',
        "log.id calls lenght(), which is no function of JMESPath",
    ),
    (
        'id = "id"',
        'id = "join(a)"',
        "log.id calls join() with 1 values, but it takes 2",
    ),
    (
        "[log]",
        '[scopes.teams]\nname = "team"\nabout = "Teams."\npattern = "("\n[log]',
        "scopes.teams.pattern is not a regular expression: missing ), unterminated subpattern",
    ),
    (
        "[log]",
        '[list.filters.status]\nparam = "s"\nvalues = { FAILDE = ["x"] }\n[log]',
        "list.filters.status.values.FAILDE is unknown: did you mean FAILED?",
    ),
    ('id = "id"', 'id = { path = "id", kind = "int" }', 'log.id.kind must be "number" or "text"'),
    ('items = "events"', "items = 1", 'list.items must be a path such as "data.id", in quotes'),
    (
        'items = "events"',
        'items = "events"\npaging = { kind = "pages" }',
        'list.paging.kind is unknown: give "cursor", "last-id", "link", "none", "offset" or "page"',
    ),
    (
        'triggered_at = "at"',
        'triggered_at = "at"\nrequest_headers = "a[0]"',
        "log.request_headers must be names with dots between them",
    ),
    (
        'done = "SUCCEEDED"',
        'done = "OK"',
        'log.status.values.done must be "SUCCEEDED", "FAILED", "PENDING", "CANCELLED" or "UNKNOWN"',
    ),
    (
        'triggered_at = "at"',
        '[list.until]\nparam = "to"\n[log.other]',
        "list.until needs the time of a log, under log.triggered_at",
    ),
    (
        "[log]",
        '[list.until]\nparam = "to"\nformat = "epoch-s"\n[log]',
        "list.until.granularity must be second in that form",
    ),
    (
        "[log.status]",
        '[retry]\nmethod = "GET"\npath = "/events/{idd}"\n[log.status]',
        "retry.path has the variable {idd}, which is unknown: did you mean id?",
    ),
    (
        "[log.status]",
        '[retry]\nmethod = "POST"\npath = "/e/{id}"\nmakes = "SAME_LOG"\nnew_id = "id"\n'
        "[log.status]",
        'retry.new_id stands only beside makes = "NEW_LOG"',
    ),
    (
        "[log.status]",
        '[retry]\nmethod = "POST"\npath = "/e/{id}"\nkeeps = ["key"]\n[log.status]',
        "retry.keeps names key, which is not under log.values",
    ),
]


@pytest.mark.parametrize(("old", "new", "sentence"), MISTAKES)
def test_mistake_names_file_and_key(old: str, new: str, sentence: str, tmp_path: Path) -> None:
    assert_told(written(tmp_path, replace={old: new}), sentence)


def test_correct_description_has_none(tmp_path: Path) -> None:
    assert load(written(tmp_path)).title == "Acme Hooks"


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    """Those of single keys do not hide those between keys, nor the other way round."""
    file = written(
        tmp_path,
        replace={
            'items = "events"': 'items = "a[["',
            "[auth.bearer]": "[auth]",
            'path = "/events"': 'path = "/{x}"',
            'done = "SUCCEEDED"': 'done = "OK"',
        },
    )
    with pytest.raises(ConfigurationError) as caught:
        load(file)
    keys = [problem.removeprefix(f"{file}: ").split()[0] for problem in caught.value.problems]
    assert sorted(keys) == ["auth", "list.items", "list.path", "log.status.values.done"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("title = ", "the file is not TOML: Invalid value"),
        (None, "the file does not exist"),
    ],
)
def test_unreadable_file_is_told(text: str | None, fault: str, tmp_path: Path) -> None:
    file = tmp_path / "acme.toml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load(file)
    (problem,) = caught.value.problems
    assert problem.startswith(f"{file}: {fault}")


SOURCE = """
[[sources]]
name = "acme"
provider = "described"
description = "acme.toml"
base_url = "https://acme.example"
auth = { type = "bearer", token = { env = "TOKEN" } }
"""


def problems(folder: Path, source: str) -> list[str]:
    """Return the mistakes of a configuration, without its path."""
    file = folder / "gateway.toml"
    file.write_text(source)
    try:
        load_settings(file, {"TOKEN": "t"})
    except ConfigurationError as error:
        return [problem.removeprefix(f'{file}: sources[0] "acme": ') for problem in error.problems]
    return []


def test_description_of_a_source_is_checked_with_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "acme.toml").write_text(ACME)
    assert problems(tmp_path, SOURCE) == []
    (tmp_path / "acme.toml").write_text(ACME.replace("title", "titel").replace("done", '"a b"'))
    (problem,) = problems(tmp_path, SOURCE)
    first, *others = problem.splitlines()
    assert first == "description names a file that can't be used:"
    assert [line.strip().removeprefix(f"{tmp_path}/acme.toml: ") for line in others] == [
        "title is missing: it must be text in quotes, and not empty",
        "titel is unknown: did you mean title?",
    ]


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            'auth = { type = "bearer"',
            'auth = { type = "token"',
            'auth must be of the type "bearer" or "pass-through": the description has no other',
        ),
        (
            "description =",
            'scopes = { projects = ["a"] }\ndescription =',
            "scopes holds projects, which the description does not have: it has none",
        ),
        (
            "description =",
            'settings = { region = "a" }\ndescription =',
            "settings holds region, which the description does not have: it has none",
        ),
        ('"acme.toml"', "1", "description must be the path of a description, in quotes"),
    ],
)
def test_source_must_fit_its_description(old: str, new: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "acme.toml").write_text(ACME)
    assert problems(tmp_path, SOURCE.replace(old, new)) == [sentence]


def test_description_may_have_defaults_for_its_sources(tmp_path: Path) -> None:
    (tmp_path / "acme.toml").write_text(
        'base_url = "https://api.acme.example"\nrate_limit = 7\n' + ACME
    )
    file = tmp_path / "gateway.toml"
    file.write_text(SOURCE.replace('base_url = "https://acme.example"\n', ""))
    (source,) = load_settings(file, {"TOKEN": "t"}).sources
    assert (source.base_url, source.rate_limit) == ("https://api.acme.example", 7)
