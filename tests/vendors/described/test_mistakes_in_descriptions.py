"""All mistakes of a description are told at once, each with its file and its key."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import ConfigurationError
from gateway.settings import load as load_settings
from gateway.vendors.described.description import load
from tests.vendors.described.acme import ACME, written

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


BAD_NAME = (
    'must be a name of lower-case letters, digits and _, such as "order_id", which begins with a'
    " letter"
)


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        (
            '[log.values]\n"bad name" = { path = "a", about = "A." }',
            f'log.values."bad name" {BAD_NAME}',
        ),
        ('[log.place]\nmsgId = "a"', f"log.place.msgId {BAD_NAME}"),
        ('[settings.1]\nabout = "A."', f"settings.1 {BAD_NAME}"),
        ('[scopes.a]\nname = "a b"\nabout = "A."', f"scopes.a.name {BAD_NAME}"),
        ('[request.headers]\n"" = "a"', 'request.headers."" must be'),
        (
            '[log.status.codes]\n600 = "FAILED"',
            'log.status.codes.600 must be an HTTP status or a range of them, such as "200-299"',
        ),
    ],
)
def test_badly_formed_key_is_named(table: str, sentence: str, tmp_path: Path) -> None:
    assert_told(written(tmp_path, table), sentence)


@pytest.mark.parametrize(
    ("tables", "sentence"),
    [
        ('[settings.name]\nabout = "A."', "settings.name is a key that sources have already"),
        ('[settings.auth]\nabout = "A."', "settings.auth is a key that sources have already"),
        (
            '[scopes.cache]\nname = "a"\nabout = "A."',
            "scopes.cache is a key that sources have already",
        ),
        (
            '[settings.teams]\nabout = "A."\n[scopes.teams]\nname = "team"\nabout = "A."',
            "settings.teams is also a key under scopes",
        ),
        (
            '[settings.team]\nabout = "A."\n[scopes.teams]\nname = "team"\nabout = "A."',
            "settings.team is also the variable of a scope",
        ),
        ('[settings.id]\nabout = "A."', "settings.id is a variable with a meaning of its own"),
    ],
)
def test_taken_key_is_told(tables: str, sentence: str, tmp_path: Path) -> None:
    assert_told(written(tmp_path, tables), sentence)


@pytest.mark.parametrize("name", ["hook", "id", "scope"])
def test_taken_variable_of_a_scope_is_told(name: str, tmp_path: Path) -> None:
    file = written(tmp_path, f'[scopes.teams]\nname = "{name}"\nabout = "A."')
    assert_told(file, "scopes.teams.name is a variable with a meaning of its own")


HOOKS = '[hooks]\npath = "/hooks"\nid = "id"'
TEAMS = '[scopes.teams]\nname = "team"\nabout = "A."'


@pytest.mark.parametrize(
    ("name", "path", "table"),
    [
        ("id", "/events", ""),
        ("scope", "/events", ""),
        ("region", "/events", '[settings.region]\nabout = "A."'),
        ("team", "/events", TEAMS),
        ("hook", "/{hook}/events", HOOKS),
    ],
)
def test_hidden_variable_is_told(name: str, path: str, table: str, tmp_path: Path) -> None:
    file = written(tmp_path, f'[log.place]\n{name} = "a"', table, replace={"/events": path})
    assert_told(file, f"log.place.{name} hides another variable")


def test_place_may_have_the_hook_of_a_common_list(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        '[log.place]\nhook = "hook_id"',
        '[detail]\npath = "/hooks/{hook}/events/{id}"',
        HOOKS,
    )
    assert load(file).log.place == {"hook": "hook_id"}


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        ("/events/{id", "has a brace that is not part of a variable, such as {id}"),
        ("/events/id}", "has a brace that is not part of a variable"),
        ("/events/{eventId}", "has a brace that is not part of a variable"),
        ("/a/../events", 'must not have the segments "." and ".."'),
        ("/events/..", 'must not have the segments "." and ".."'),
        ("/events?sort=desc", "must end before any ? or #: parameters belong under params"),
        ("/events#top", "must end before any ? or #"),
    ],
)
def test_path_that_is_none_is_told(path: str, complaint: str, tmp_path: Path) -> None:
    scope = f'[scopes.teams]\nname = "team"\nabout = "A."\npath = "{path}"'
    file = written(tmp_path, scope, replace={"/events": path})
    assert_told(file, f"list.path {complaint}")
    assert_told(file, f"scopes.teams.path {complaint}")


NO_HEADER_TEXT = "must be the text of a header: printable ASCII on one line"


@pytest.mark.parametrize(
    ("table", "start"),
    [("[request.headers]", "request"), ('[retry]\nmethod = "POST"\npath = "/{id}"', "retry")],
)
@pytest.mark.parametrize(
    ("header", "sentence"),
    [
        (r'X-Version = "1\r\nX-Admin: 1"', f"X-Version {NO_HEADER_TEXT}"),
        (r'X-Version = "1\n"', f"X-Version {NO_HEADER_TEXT}"),
        ('X-Version = "é"', f"X-Version {NO_HEADER_TEXT}"),
        (r'"X-A\r\nB" = "1"', r'"X-A\r\nB" must be the name of an HTTP header'),
        ('authorization = "Bearer a"', "authorization holds the credential, which belongs"),
        ('x-token = "a"', "x-token is the header of auth.token"),
    ],
)
def test_header_that_is_none_is_told(
    table: str, start: str, header: str, sentence: str, tmp_path: Path
) -> None:
    table = table if start == "request" else f"{table}\n[retry.headers]"
    file = written(tmp_path, '[auth.token]\nheader = "X-Token"', f"{table}\n{header}")
    assert_told(file, f"{start}.headers.{sentence}")


@pytest.mark.parametrize(("old", "new", "sentence"), MISTAKES)
def test_mistake_names_file_and_key(old: str, new: str, sentence: str, tmp_path: Path) -> None:
    assert_told(written(tmp_path, replace={old: new}), sentence)


def assert_told(file: Path, sentence: str) -> None:
    """Assert that one of the mistakes of a description is told in that sentence."""
    with pytest.raises(ConfigurationError) as caught:
        load(file)
    assert any(problem.startswith(f"{file}: {sentence}") for problem in caught.value.problems), (
        caught.value.problems
    )


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
