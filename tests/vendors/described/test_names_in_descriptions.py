"""Names, paths, headers and values of a description that can't be used are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.vendors.described.description import load
from tests.vendors.described.acme import assert_told, written

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


PAGED = """
[list.size]
param = "size"
[list.paging]
kind = "page"
param = "page"
"""


@pytest.mark.parametrize(
    ("tables", "sentence"),
    [
        (
            '[list.filters]\nevents = { param = "a" }\nhooks = { param = "a" }',
            "list.filters.hooks.param is the parameter of list.filters.events.param too",
        ),
        (
            '[list.filters.codes]\nparam = "a"\nmost = "a"',
            "list.filters.codes.most is the parameter of list.filters.codes.param too",
        ),
        (
            '[list.until]\nparam = "at"\n[list.since]\nparam = "at"',
            "list.since.param is the parameter of list.until.param too",
        ),
        (
            '[list.until]\nparam = "at"\n[list.filters.events]\nparam = "at"',
            "list.filters.events.param is the parameter of list.until.param too",
        ),
        (
            '[list.filters.events]\nparam = "page"',
            "list.filters.events.param is the parameter of list.paging.param too",
        ),
        (
            "[list.params]\nsize = 10",
            "list.params.size is the parameter of list.size.param too",
        ),
        (
            '[hooks]\npath = "/hooks"\nid = "id"\nparams = { a = 1 }\n'
            'paging = { kind = "offset", param = "a" }',
            "hooks.params.a is the parameter of hooks.paging.param too",
        ),
        (
            f'{TEAMS}\n[scopes.teams.find]\npath = "/teams"\nid = "id"\n'
            'size = { param = "a" }\npaging = { kind = "page", param = "a" }',
            "scopes.teams.find.paging.param is the parameter of scopes.teams.find.size.param too",
        ),
    ],
)
def test_parameter_of_two_things_is_told(tables: str, sentence: str, tmp_path: Path) -> None:
    assert_told(written(tmp_path, PAGED, tables), sentence)


@pytest.mark.parametrize(
    "tables",
    [
        '[list.until]\nparam = "to"\n[list.params]\nto = "2020-01-01"',
        '[list.filters]\ncodes = { param = "a" }\n'
        'status = { param = "a", values = { FAILED = ["failed"] } }',
    ],
)
def test_parameter_may_be_replaced_by_a_narrower_one(tables: str, tmp_path: Path) -> None:
    assert load(written(tmp_path, PAGED, tables)).title == "Acme Hooks"


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ('[log.status.codes]\n299-200 = "FAILED"', "log.status.codes.299-200"),
        (
            '[list.filters.codes]\nparam = "a"\nranges = { 299-200 = "x" }',
            "list.filters.codes.ranges.299-200",
        ),
        (
            '[list.filters.status]\nparam = "a"\nvalues = { FAILED = ["299-200"] }',
            "list.filters.status.values.FAILED",
        ),
    ],
)
def test_range_that_is_upside_down_is_told(table: str, key: str, tmp_path: Path) -> None:
    complaint = "has the range 299-200, which must begin with the lower status"
    assert_told(written(tmp_path, table), f"{key} {complaint}")


@pytest.mark.parametrize("action", ["retry", "delete"])
@pytest.mark.parametrize("path", ["/retry", "{scope}/hooks/{hook}/retry"])
def test_action_on_no_log_is_told(action: str, path: str, tmp_path: Path) -> None:
    file = written(
        tmp_path,
        HOOKS,
        TEAMS,
        '[log.place]\nmsg = "msg"',
        f'[{action}]\nmethod = "POST"\npath = "{path}"',
    )
    assert_told(file, f"{action}.path is the same for all logs: it lacks {{id}}")


@pytest.mark.parametrize(
    "call", ['path = "/{id}"', 'path = "/m/{msg}"', 'path = "/retry"\nbody = { ids = ["{id}"] }']
)
def test_action_may_name_the_log_anywhere(call: str, tmp_path: Path) -> None:
    file = written(tmp_path, '[log.place]\nmsg = "msg"', f'[retry]\nmethod = "POST"\n{call}')
    assert load(file).retry is not None


@pytest.mark.parametrize(
    ("table", "start"),
    [
        ("[log.status.values]", "log"),
        (
            '[attempts]\npath = "/{id}"\n[attempts.status]\npath = "a"\n[attempts.status.values]',
            "attempts",
        ),
    ],
)
def test_value_in_two_cases_is_told(table: str, start: str, tmp_path: Path) -> None:
    inline = 'values = { done = "SUCCEEDED", failed = "FAILED" }'
    statuses = 'Done = "SUCCEEDED"\ndone = "SUCCEEDED"\nDONE = "FAILED"'
    file = written(tmp_path, f"{table}\n{statuses}", replace={inline: ""})
    complaint = "has another status than Done, which differs only in case"
    assert_told(file, f"{start}.status.values.DONE {complaint}")


def test_value_may_be_in_two_cases_with_one_status(tmp_path: Path) -> None:
    file = written(tmp_path, replace={"done = ": 'Done = "SUCCEEDED", done = '})
    assert len(load(file).log.status.values) == 3


def test_log_of_a_common_list_has_no_hook(tmp_path: Path) -> None:
    """Only the place of a list for each hook has the variable."""
    file = written(tmp_path, HOOKS, '[detail]\npath = "/hooks/{hook}/events/{id}"')
    assert_told(file, "detail.path has the variable {hook}, which is unknown")
