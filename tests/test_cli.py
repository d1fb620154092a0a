"""The command line over the sandbox, as its user meets it."""

from __future__ import annotations

import asyncio
import getpass
import json
import os
import signal
import socket
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from graphql import GraphQLObjectType, GraphQLUnionType, get_named_type
from rich.text import Text
from starlette.types import ASGIApp
from typer.testing import CliRunner

from gateway import __version__, ids
from gateway.callers import Role
from gateway.callers.keys import KeyRing
from gateway.cli import app, logs, screen, show
from gateway.cli.demo_configuration import write_configuration
from gateway.cli.document import document, dumps
from gateway.model import (
    Failure,
    FailureCategory,
    Header,
    HttpRequest,
    HttpResponse,
    WebhookLog,
    WebhookLogStatus,
)
from gateway.normalise.redaction import MASK
from gateway.normalise.timestamps import parse
from gateway.sandbox import Sandbox
from gateway.schema import build_schema
from gateway.schema.context import Context
from gateway.service import Gateway
from gateway.settings import json_schema, load
from gateway.vendors.codearts.vendor import CodeArts
from gateway.vendors.language_weaver.parsing import LanguageWeaverDetails
from tests.support.moment import stopped
from tests.support.processes import started

SOURCES = ["repo-cn", "shop", "tracker", "translations"]


class Outcome(NamedTuple):
    code: int
    output: str
    complaints: str

    def lines(self) -> list[str]:
        return self.output.splitlines()

    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines()]


def run(*words: str, **environ: str) -> Outcome:
    """Run the command; it may end with any code, but not with an exception."""
    result = CliRunner().invoke(app, words, env=environ)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Outcome(result.exit_code, result.stdout, result.stderr)


@pytest.fixture(scope="module")
def vendors(serve: Callable[[ASGIApp], str]) -> tuple[Sandbox, str]:
    sandbox = Sandbox(clock=stopped, logs=1000)
    return sandbox, serve(sandbox.app)


@pytest.fixture
def control(vendors: tuple[Sandbox, str]) -> Iterator[httpx.Client]:
    """Give a client of the sandbox's control API; faults end with the test."""
    with httpx.Client(base_url=vendors[1] + "/control") as client:
        yield client
        client.delete("/faults")


@pytest.fixture(autouse=True)
def configuration(
    vendors: tuple[Sandbox, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    path = write_configuration(tmp_path, *vendors, port=0)
    monkeypatch.setenv("GATEWAY_CONFIG", str(path))
    return path


def test_check_shows_four_good_sources() -> None:
    checked = run("check")
    assert checked.code == 0
    rows = [line.split() for line in checked.lines()[2:]]
    assert [row[:4] for row in rows] == [
        ["repo-cn", "codearts", "ok", "6"],
        ["shop", "elastic-path", "ok", "5"],
        ["tracker", "yandex-tracker", "ok", "5"],
        ["translations", "language-weaver", "ok", "4"],
    ]
    for row in rows:
        assert row[-3] == "ago"
        assert row[-1] == "ms"


def test_check_says_what_to_do_about_a_wrong_token(configuration: Path) -> None:
    (configuration.parent / "secrets" / "tracker-token").write_text("not-the-token")
    checked = run("check")
    assert checked.code == 1
    results = {line.split()[0]: line.split()[2] for line in checked.lines()[2:6]}
    assert results == {name: "failed" if name == "tracker" else "ok" for name in SOURCES}
    (advice,) = checked.lines()[6:]
    assert "Source tracker answered 401 Unauthorized" in advice
    assert "Check the source's credential under auth." in advice
    assert "vendor's request id" in advice
    assert "not-the-token" not in checked.output


def test_check_tells_of_a_defect_at_its_source(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def stumble(*_: object) -> Any:
        raise KeyError("planted")

    monkeypatch.setattr(CodeArts, "hooks", stumble)
    checked = run("check")
    assert checked.code == 1
    results = {line.split()[0]: line.split()[2] for line in checked.lines()[2:6]}
    assert results == {name: "failed" if name == "repo-cn" else "ok" for name in SOURCES}
    assert checked.lines()[6].startswith("Source repo-cn gave something that the gateway stumbled")
    assert "KeyError: 'planted'" in caplog.text


def test_check_says_which_of_a_sources_places_is_refused(control: httpx.Client) -> None:
    fault = {"kind": "status", "status": 403, "paths": "/v4/groups/"}
    control.put("/faults/codearts", json=fault)
    (advice,) = run("check").lines()[6:]
    group = f"/codearts/v4/groups/{Sandbox.codearts_group}/hooks"
    assert advice.startswith(f"Source repo-cn answered 403 Forbidden to {group} and said: ")


def test_check_advises_on_every_failure(control: httpx.Client) -> None:
    for vendor in ("codearts", "yandex-tracker", "language-weaver", "elastic-path"):
        control.put(f"/faults/{vendor}", json={"kind": "status", "status": 503})
    checked = run("check")
    assert checked.code == 1
    for name, advice in zip(SOURCES, checked.lines()[6:], strict=True):
        assert advice.startswith(f"Source {name} answered 503 Service Unavailable")


def test_logs_lists_all_sources_newest_first() -> None:
    listed = run("logs", "--first", "250")
    assert (listed.code, listed.complaints) == (0, "")
    rows = [line.split() for line in listed.lines()]
    assert len({row[-1] for row in rows}) == 250
    times = [row[0] for row in rows]
    assert times == sorted(times, reverse=True)
    assert {row[1] for row in rows} == set(SOURCES)
    assert all(ids.decode(row[-1]).source == row[1] for row in rows)


def test_logs_applies_every_option() -> None:
    everything = run("logs", "--json", "--first", "1000").rows()
    since = everything[600]["triggeredAt"]
    assert since.endswith("Z")
    wanted = {
        row["id"]
        for row in everything
        if row["source"]["name"] in {"shop", "repo-cn"}
        and row["status"] == "FAILED"
        and row["event"] == "order.paid"
        and parse(row["triggeredAt"]) >= parse(since)
    }
    assert 1 < len(wanted) < 100
    words = ["--source", "shop", "--source", "repo-cn", "--status", "failed", "--since", since]
    listed = run("logs", "--json", "--event", "order.paid", "--first", "100", *words)
    assert {row["id"] for row in listed.rows()} == wanted
    assert len(run("logs", *words).lines()) == 25


def test_logs_without_a_match_says_so() -> None:
    listed = run("logs", "--event", "none.such")
    assert listed == (0, "", "No webhook log matches.\n")


def test_logs_tells_of_a_source_that_failed_after_the_list(control: httpx.Client) -> None:
    control.put("/faults/elastic-path", json={"kind": "html"})
    listed = run("logs", "--json", "--first", "120")
    assert listed.code == 0
    assert {row["source"]["name"] for row in listed.rows()} == set(SOURCES) - {"shop"}
    assert listed.complaints.startswith("Source shop answered with a web page")
    assert listed.complaints.count("\n") == 1


def test_logs_fails_when_every_source_does(control: httpx.Client) -> None:
    control.put("/faults/elastic-path", json={"kind": "reset"})
    listed = run("logs", "--source", "shop")
    assert (listed.code, listed.output) == (1, "")
    assert listed.complaints.startswith("Source shop broke the connection")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["logs", "--source", "nope"], "There is no source named 'nope'. The sources are:"),
        (
            ["logs", "--since", "yesterday"],
            "The filter can't be used: --since: 'yesterday' is neither a date and time such as",
        ),
        (
            ["logs", "--event", "e" * 1001],
            "The filter can't be used: --event is longer than 1000 characters.",
        ),
        (["logs", "--first", "0"], "Invalid value for '--first'"),
        (["logs", "--status", "lost"], "Invalid value for '--status'"),
        (["show", "abc"], "That id was not made by this gateway."),
        (["check", "--config", "none.toml"], "none.toml: the file does not exist"),
        (["serve", "--config", "none.toml"], "none.toml: the file does not exist"),
        (["serve", "--host", "0.0.0.0"], "take the risk with --insecure"),  # noqa: S104
    ],
)
def test_mistakes_are_answered_with_a_sentence(words: list[str], sentence: str) -> None:
    told = run(*words)
    assert (told.code, told.output) == (2, "")
    assert sentence in " ".join(told.complaints.replace("│", " ").split())


def test_every_mistake_of_a_configuration_has_its_line(configuration: Path) -> None:
    text = configuration.read_text().replace("port = 0", "prot = 0\nhost = 1")
    configuration.write_text(text)
    told = run("check")
    assert told.code == 2
    assert sorted(line.partition(": ")[2] for line in told.complaints.splitlines()) == [
        "server.host must be text in quotes, and not empty",
        "server.prot is unknown: did you mean port?",
    ]


def test_show_of_what_is_gone_fails() -> None:
    shown = run("show", ids.encode(ids.Kind.LOG, "translations", "999999"))
    assert shown.code == 1
    assert shown.complaints.startswith("There is no such webhook log.")


DETAIL = {"headers", "body", "bodyJson"}
"""What some vendors give only in a detail call."""
RIGHTS = {"availableActions", "freshness"}
"""What is not of the log, but of who asks, and when."""


@pytest.mark.parametrize("name", SOURCES)
def test_json_is_what_a_query_gives(configuration: Path, name: str) -> None:
    (listed,) = run("logs", "--json", "--first", "1", "--source", name).rows()
    shown = json.loads(run("show", "--json", listed["id"]).output)
    fields = every_field("WebhookLog", without=RIGHTS)
    one = f"query($id: ID!) {{ webhookLog(id: $id) {fields} }}"
    assert ask(configuration, one, id=listed["id"])["webhookLog"] == shown

    for exchange in (listed["request"], listed["response"]):
        for key in DETAIL & (exchange or {}).keys():
            del exchange[key]
    fields = every_field("WebhookLog", without=DETAIL | RIGHTS | {"raw"})
    many = (
        "query($name: String)"
        " { webhookLogs(first: 1, filter: { source: { eq: $name } }) { nodes " + fields + " } }"
    )
    assert ask(configuration, many, name=name)["webhookLogs"]["nodes"] == [listed]


def ask(configuration: Path, document: str, **variables: str) -> dict[str, Any]:
    async def execute() -> Any:
        async with Gateway(load(configuration, {})) as gateway:
            context = Context(gateway, gateway.operation())
            return await SCHEMA.execute(document, variables, context_value=context)

    result = asyncio.run(execute())
    assert result.errors is None
    answer: dict[str, Any] = result.data
    return answer


SCHEMA = build_schema()


def every_field(name: str, without: Collection[str] = ()) -> str:
    """Select all fields that the schema has for a type, and all below them."""
    match SCHEMA._schema.type_map[name]:
        case GraphQLObjectType(name="Source"):
            return "{ name provider }"
        case GraphQLObjectType(name="Hook"):
            return "{ id }"
        case GraphQLObjectType(fields=fields):
            parts = [
                f"{field} {every_field(get_named_type(each.type).name, without)}"
                for field, each in fields.items()
                if field not in without
            ]
        case GraphQLUnionType(types=members):
            parts = [f"... on {each.name} {every_field(each.name, without)}" for each in members]
        case _:
            return ""
    return f"{{ {' '.join(parts)} }}"


def test_show_is_made_to_be_read() -> None:
    rows = run("logs", "--json", "--first", "400", "--status", "failed").rows()
    row = next(row for row in rows if row["source"]["name"] == "repo-cn" and row["response"])
    shown = run("show", row["id"])
    assert shown.code == 0
    lines = shown.lines()
    assert lines[0].split() == ["id", row["id"]]
    assert f"failure.category      {row['failure']['category']}" in lines
    assert f"Request {row['request']['url']}" in lines
    assert "Content-Type: application/json" in lines
    assert '  "object_kind": ' in shown.output
    assert f"Response {row['response']['statusCode'] or ''}".strip() in lines


def test_planted_secrets_are_never_printed(control: httpx.Client) -> None:
    secrets = control.get("/secrets").json()
    assert len(secrets) > 20
    listed = run("logs", "--json", "--first", "1000")
    rows = listed.rows()
    printed = [listed.output, run("logs", "--first", "1000").output]
    for name in SOURCES:
        own = [row["id"] for row in rows if row["source"]["name"] == name]
        for id in own[:: len(own) // 6]:
            printed += [run("show", id).output, run("show", id, "--json").output]
    everything = "\n".join(printed)
    assert everything.count(MASK) > 1000
    assert [secret for secret in secrets if secret in everything] == []


HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m[red]a\u202eb\r\nc"
"""A window title, a cleared screen, a colour, Rich's markup and a turned direction."""


@pytest.fixture
def hostile() -> WebhookLog:
    header = Header(HOSTILE, HOSTILE, redacted=False)
    return WebhookLog(
        id="an-id",
        upstream_id=HOSTILE,
        source="translations",
        provider="language-weaver",
        event=HOSTILE,
        status=WebhookLogStatus.FAILED,
        failure=Failure(FailureCategory.UNKNOWN, HOSTILE, retryable=False),
        correlation_id=HOSTILE,
        request=HttpRequest(method=HOSTILE, url=HOSTILE, headers=(header,), body=HOSTILE),
        response=HttpResponse(headers=(header,), body=json.dumps({HOSTILE: HOSTILE})),
        details=LanguageWeaverDetails(webhook_uuid=HOSTILE),
        warnings=(HOSTILE,),
    )


def test_no_terminal_finds_anything_to_obey(
    hostile: WebhookLog, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = logs.Rows(["translations"])
    rows.print(hostile)
    assert capsys.readouterr().out.count("\n") == 1
    rows.print(hostile)
    show.print_texts(hostile)
    screen.complain(HOSTILE)
    out, err = capsys.readouterr()
    assert screen.line("half a \ud800") == "half a"
    assert "[red]ab" in out
    assert "[red]ab c" in err
    assert [each for each in out + err if not each.isprintable() and each != "\n"] == []
    written = dumps(document(hostile))
    assert written.isascii()
    assert written.isprintable()
    assert json.loads(written)["event"] == HOSTILE


def test_a_terminal_gets_lines_of_its_width() -> None:
    for width in (80, 100, 200):
        listed = run("logs", "--status", "failed", FORCE_COLOR="1", COLUMNS=str(width))
        plain = [Text.from_ansi(line) for line in listed.lines()]
        assert len(plain) == 26
        assert all(line.cell_len <= width for line in plain)
        assert plain[0].plain.split()[:3] == ["TIME", "SOURCE", "EVENT"]
        assert listed.output.count("\x1b[31mfailed") == 25


def test_a_reader_that_leaves_hears_no_complaint() -> None:
    with started("logs", "--json", "--first", "1000") as (_, output, complaints):
        assert output.readline().startswith('{"id": ')
        output.close()
        assert complaints.read() == ""


def test_ctrl_c_ends_quietly() -> None:
    with started("logs", "--json", "--first", "1000") as (process, output, complaints):
        output.readline()
        process.send_signal(signal.SIGINT)
        output.read()
        assert complaints.read() == ""
        assert process.wait() == 130


def test_serve_answers_until_it_is_told_to_stop() -> None:
    with started("serve") as (process, output, complaints):
        said = output.readline()
        assert said.startswith("Serving http://127.0.0.1:")
        answer = httpx.post(said.split()[1].rstrip("."), json={"query": "{ sources { name } }"})
        assert [source["name"] for source in answer.json()["data"]["sources"]] == SOURCES
        assert "server" not in answer.headers
        assert "date" in answer.headers
        process.terminate()
        assert complaints.read() == ""
        assert process.wait() == 0


def test_serve_says_that_its_port_is_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        told = run("serve", "--port", port)
    assert (told.code, told.output) == (1, "")
    assert told.complaints == (
        f"Can't listen on port {port} of 127.0.0.1: it is in use."
        " Give another with --port, or stop what uses it.\n"
    )


def listed_failures() -> list[dict[str, Any]]:
    words = ("--source", "translations", "--status", "failed", "--first", "100")
    return run("logs", "--json", *words).rows()


def deliveries_of(control: httpx.Client, vendor: str) -> set[str]:
    return {log["id"] for log in control.get("/inventory").json() if log["vendor"] == vendor}


def test_retry_has_each_delivery_sent_once_more(control: httpx.Client) -> None:
    control.delete("/calls")
    first, second = listed_failures()[:2]
    told = run("retry", first["id"], second["id"])
    assert (told.code, told.complaints) == (0, "")
    for line, log in zip(told.lines(), (first, second), strict=True):
        assert line.startswith(f"Sent again: {log['upstreamId']} (")
        assert line.endswith(f") {log['id']}")
        now = json.loads(run("show", "--json", log["id"]).output)
        assert now["attempt"] == log["attempt"] + 1
    acts = [
        call["path"] for call in control.get("/calls").json()["calls"] if call["method"] == "PUT"
    ]
    assert [path.split("/")[-2] for path in acts] == [first["upstreamId"], second["upstreamId"]]


def test_retry_goes_on_after_what_can_not_be_retried() -> None:
    (other,) = run("logs", "--json", "--first", "1", "--source", "shop").rows()
    gone = ids.encode(ids.Kind.LOG, "translations", "999999")
    log = listed_failures()[0]
    told = run("retry", "abc", other["id"], gone, log["id"])
    assert told.code == 1
    assert [line.partition(": ")[0] for line in told.complaints.splitlines()] == [
        "abc",
        other["id"],
        gone,
    ]
    assert "The vendor of source shop can't retry webhook logs." in told.complaints
    assert len(told.lines()) == 1


def test_delete_asks_first(control: httpx.Client) -> None:
    log = listed_failures()[0]
    before = deliveries_of(control, "language-weaver")
    for answer in ("n\n", "\n", ""):
        asked = CliRunner().invoke(app, ["delete", log["id"]], input=answer)
        assert asked.exit_code == 1
        assert "Delete this webhook log at the vendor for good? [y/N]" in asked.output
        assert "Aborted" in asked.output
    assert deliveries_of(control, "language-weaver") == before
    assert run("actions") == (0, "", "")

    done = CliRunner().invoke(app, ["delete", log["id"]], input="y\n")
    assert done.exit_code == 0
    assert f"Deleted: {log['upstreamId']} (failed) {log['id']}" in done.output
    assert before - deliveries_of(control, "language-weaver") == {log["upstreamId"]}


def test_delete_of_several_without_a_question(control: httpx.Client) -> None:
    logs = listed_failures()[:2]
    before = deliveries_of(control, "language-weaver")
    told = run("delete", "--yes", *(log["id"] for log in logs))
    assert (told.code, told.complaints, len(told.lines())) == (0, "", 2)
    gone = {log["upstreamId"] for log in logs}
    assert before - deliveries_of(control, "language-weaver") == gone
    assert not {log["id"] for log in logs} & {log["id"] for log in listed_failures()}
    assert run("show", logs[0]["id"]).code == 1


def test_actions_lists_the_journal_newest_first(configuration: Path) -> None:
    log = listed_failures()[0]
    run("retry", log["id"])
    run("delete", "--yes", log["id"])
    run("delete", "--yes", log["id"])
    listed = run("actions")
    assert (listed.code, listed.complaints) == (0, "")
    assert [line.split()[1:5] for line in listed.lines()] == [
        [kind, outcome, "translations", log["upstreamId"]]
        for kind, outcome in (
            ("DELETE", "REJECTED"),
            ("DELETE", "SUCCEEDED"),
            ("RETRY", "SUCCEEDED"),
        )
    ]
    rows = run("actions", "--json").rows()
    caller = f"none:{getpass.getuser()}"
    assert {(row["logId"], row["caller"]) for row in rows} == {(log["id"], caller)}
    assert parse(rows[0]["requestedAt"]) > parse(rows[1]["requestedAt"])
    assert run("actions", "--json", "--first", "1").rows() == rows[:1]

    action = build_schema()._schema.type_map["Action"]
    assert isinstance(action, GraphQLObjectType)
    assert rows[0].keys() == action.fields.keys()
    fields = " ".join(action.fields)
    asked = ask(configuration, f"{{ actions {{ nodes {{ {fields} }} }} }}")
    assert asked["actions"]["nodes"] == rows


def test_who_has_no_name_is_told_by_the_number(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 2)
    log = listed_failures()[0]
    assert run("retry", log["id"]).code == 0
    (row,) = run("actions", "--json").rows()
    assert row["caller"] == f"none:{2**31 - 2}"


@pytest.mark.parametrize(
    "words",
    [["actions"], ["retry", "ID"], ["delete", "--yes", "ID"], ["serve", "--port", "0"]],
    ids=" ".join,
)
def test_a_journal_that_can_not_be_opened_is_told_in_a_sentence(
    configuration: Path, words: list[str], control: httpx.Client
) -> None:
    id = listed_failures()[0]["id"]
    control.delete("/calls")
    (configuration.parent / "journal.sqlite3").mkdir()
    told = run(*(id if word == "ID" else word for word in words))
    assert (told.code, told.output) == (1, "")
    assert told.complaints.count("\n") == 1
    assert told.complaints.startswith("The journal of actions at ")
    assert control.get("/calls").json()["calls"] == []


def test_reading_needs_no_journal(configuration: Path) -> None:
    assert run("logs").code == run("check").code == 0
    assert not (configuration.parent / "journal.sqlite3").exists()


@pytest.mark.parametrize("sources", [[], ["shop", "translations"]])
def test_key_create_shows_a_key_and_the_lines_for_it(
    configuration: Path, sources: list[str]
) -> None:
    words = [word for source in sources for word in ("--source", source)]
    made = run("key", "create", "--name", "ada", "--role", "operator", *words)
    assert made.code == 0
    key, *lines = made.lines()
    assert key not in made.complaints
    assert key not in "\n".join(lines)
    configuration.write_text(
        configuration.read_text() + "\n".join(["\n[auth]", 'methods = ["api-keys"]', *lines, ""])
    )
    (settings,) = load(configuration, {}).auth.keys
    assert (settings.name, settings.role, sorted(settings.sources)) == ("ada", "operator", sources)
    caller = KeyRing([settings]).find(key)
    assert caller is not None
    assert caller.role_on("shop") is Role.OPERATOR
    assert caller.sees("tracker") is not bool(sources)
    assert run("key", "create", "--name", "ada", "--role", "operator").lines()[0] != key


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--name", "", "--role", "admin"], "name"),
        (["--name", "ada", "--role", "root"], "Invalid value for '--role'"),
        (["--role", "admin"], "Missing option '--name'"),
    ],
)
def test_key_create_says_what_is_wrong(words: list[str], sentence: str) -> None:
    told = run("key", "create", *words)
    assert (told.code, told.output) == (2, "")
    assert sentence in told.complaints


def test_schema_prints_the_schema() -> None:
    assert run("schema") == (0, build_schema().as_str() + "\n", "")


def test_config_schema_describes_the_file() -> None:
    printed = run("config", "schema")
    assert printed.code == 0
    assert json.loads(printed.output) == json_schema()


def test_version() -> None:
    assert run("--version") == (0, f"webhook-log-gateway {__version__}\n", "")
