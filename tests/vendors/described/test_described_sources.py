"""Scopes, hooks, settings and credentials of described vendors, and where kits come from."""

from __future__ import annotations

import base64
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.upstream.operation import Operation
from gateway.vendors import ENTRY_POINTS
from gateway.vendors.pages import Criteria, Window
from tests.vendors.described.acme import answer, source_of, written
from tests.vendors.vendors import Vendor

SCOPES = """
[scopes.teams]
name = "team"
about = "The teams whose hooks are read."
path = "/teams/{team}"

[scopes.teams.find]
path = "/teams"
items = "teams"
id = "name"
paging = { kind = "page", param = "p" }

[settings.region]
about = "The region of the teams."

[hooks]
path = "{scope}/hooks"
items = "hooks"
params = { region = "{region}" }
id = { path = "id", kind = "number" }
name = "label"
keep = "type == 'http'"
enabled = { path = "state", map = { on = true, off = false } }

[hooks.events]
path = "true_keys(@, '_events')"
map = { push_events = "push" }
"""
LIST = {'path = "/events"': 'path = "{scope}/hooks/{hook}/events"'}
TEAMS = ["acme/blue", "red"]


def respond(request: httpx.Request) -> httpx.Response:
    path = request.url.raw_path.decode().partition("?")[0]
    if path == "/teams":
        page = int(request.url.params["p"])
        return answer({"teams": [{"name": name} for name in TEAMS[page - 1 : page]]})
    if path.endswith("/hooks"):
        mail = {"id": 9, "type": "mail"}
        hook = {"id": 7, "type": "http", "label": path, "state": "off", "push_events": True}
        return answer({"hooks": [hook, mail]})
    return answer({"events": [{"id": "e1", "state": "done", "at": "2026-03-04T09:00:00Z"}]})


async def test_lists_of_each_hook_of_each_scope(tmp_path: Path) -> None:
    vendor = Vendor(respond)
    file = written(tmp_path, SCOPES, replace=LIST)
    source = source_of(file, vendor, scopes={"teams": ["acme/blue"]}, settings={"region": "e u"})
    (stream,) = (await source.find_streams(Operation(5))).streams
    assert stream.place == ("teams", "acme/blue", "7")
    page = await source.vendor.read_page(stream, Window(limit=50), Criteria(), Operation(5))
    assert vendor.asked == [
        "GET /teams/acme%2Fblue/hooks?region=e+u",
        "GET /teams/acme%2Fblue/hooks/7/events",
    ]
    (hook,) = await source.hooks(Operation(5))
    assert page.logs[0].hook_id == hook.id == stream.hook_id
    assert (hook.events, hook.enabled) == (("push",), False)


async def test_scopes_are_found_if_none_is_named(tmp_path: Path) -> None:
    vendor = Vendor(respond)
    source = source_of(written(tmp_path, SCOPES, replace=LIST), vendor)
    streams = (await source.find_streams(Operation(5))).streams
    assert [stream.place[1] for stream in streams] == TEAMS
    # A variable without a value leaves its parameter out.
    assert "GET /teams/red/hooks" in vendor.asked
    assert source.grants(("teams", "acme/blue", "7", "e1"))
    for outside in ("..", "../x", "a/../b", "a b", ""):
        assert not source.grants(("teams", outside, "7", "e1"))


async def test_optional_scope_may_be_left_out(tmp_path: Path) -> None:
    tables = '[scopes.teams]\nname = "team"\nabout = "Teams."\n[list.params]\nteam = "{team}"'
    file = written(tmp_path, tables, replace={"docs =": "scopes_optional = true\ndocs ="})
    for scopes, asked in (({}, "GET /events"), ({"teams": ["a"]}, "GET /events?team=a")):
        vendor = Vendor(respond)
        source = source_of(file, vendor, scopes=scopes)
        (stream,) = (await source.find_streams(Operation(5))).streams
        page = await source.vendor.read_page(stream, Window(limit=50), Criteria(), Operation(5))
        assert vendor.asked == [asked]
        place = (*stream.place, page.logs[0].upstream_id)
        assert source.grants(place)


FORMS: list[tuple[str, dict[str, Any], str, str]] = [
    ("[auth.bearer]", {"type": "bearer"}, "Authorization", "Bearer t-1"),
    ("[auth.token]", {"type": "token"}, "Authorization", "Bearer t-1"),
    ('[auth.token]\nheader = "X-Key"', {"type": "token"}, "X-Key", "t-1"),
    ('[auth.token]\nprefix = "Key "', {"type": "token"}, "Authorization", "Key t-1"),
    (
        "[auth.token]\nas_user = true",
        {"type": "token"},
        "Authorization",
        f"Basic {base64.b64encode(b't-1:').decode()}",
    ),
]


@pytest.mark.parametrize(("table", "auth", "header", "value"), FORMS)
async def test_credential_is_sent_as_described(
    table: str, auth: dict[str, Any], header: str, value: str, tmp_path: Path
) -> None:
    vendor = Vendor(respond)
    file = written(tmp_path, '[request.headers]\nX-Version = "2"', replace={"[auth.bearer]": table})
    source = source_of(file, vendor, auth={**auth, "token": {"env": "TOKEN"}})
    (stream,) = (await source.find_streams(Operation(5))).streams
    await source.vendor.read_page(stream, Window(limit=50), Criteria(), Operation(5))
    (request,) = vendor.requests
    assert request.headers[header] == value
    assert request.headers["X-Version"] == "2"


async def test_token_is_issued_to_client_credentials(tmp_path: Path) -> None:
    def issue(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/oauth/token":
            return answer({"access_token": "issued-1", "expires_in": 60})
        return respond(request)

    table = '[auth.client-credentials]\npath = "/oauth/token"\nscope = "read"'
    vendor = Vendor(issue)
    auth = {
        "type": "client-credentials",
        "client_id": {"env": "TOKEN"},
        "client_secret": {"env": "TOKEN"},
    }
    file = written(tmp_path, replace={"[auth.bearer]": table})
    source = source_of(file, vendor, auth=auth)
    (stream,) = (await source.find_streams(Operation(5))).streams
    await source.vendor.read_page(stream, Window(limit=50), Criteria(), Operation(5))
    first, second = vendor.requests
    assert b"scope=read" in first.content
    assert second.headers["Authorization"] == "Bearer issued-1"


PLUGIN = """
from gateway.vendors.described.description import load
from gateway.vendors.described.kits import kit_of
from gateway.vendors.described.settings import settings_of
from pathlib import Path

_DESCRIPTION = load(Path(__file__).with_name("acme.toml"))
KIT = kit_of(_DESCRIPTION, "acme", settings=settings_of(_DESCRIPTION, "acme"))
"""
USE = """
from gateway.schema import build_schema
from gateway.settings import json_schema
from gateway.vendors import VENDORS
print(VENDORS["acme"].title, "ACME" in build_schema().as_str(), "'acme'" in str(json_schema()))
"""


@pytest.mark.slow
def test_installed_package_brings_a_vendor(tmp_path: Path) -> None:
    """The entry point group makes it a provider, in the schema and in the configuration."""
    written(tmp_path)
    (tmp_path / "acme_plugin.py").write_text(PLUGIN)
    metadata = tmp_path / "acme_plugin-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-plugin\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text(f"[{ENTRY_POINTS}]\nacme = acme_plugin:KIT\n")
    root = Path(__file__).parents[3]
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", USE],
        env={"PYTHONPATH": f"{tmp_path}:{root}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "Acme Hooks True True\n"), done.stderr
