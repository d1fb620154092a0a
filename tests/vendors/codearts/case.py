"""The case of Huawei CodeArts Repo for the shared tests."""

from __future__ import annotations

import httpx
from pydantic import SecretStr

from gateway.sandbox import Sandbox
from gateway.vendors.pages import Stream
from tests.vendors.case import (
    ODD,
    SANDBOX,
    OptionalParameters,
    Place,
    Row,
    Settings,
    VendorCase,
    sample,
)

PROJECT = "a642c851d4dc4853b595e5c8a5e56df7"


def on_sandbox(sandbox: Sandbox) -> Settings:
    return {
        "base_url": f"{SANDBOX}/codearts",
        "projects": sandbox.codearts_projects,
        "groups": [sandbox.codearts_group],
        "repositories": [sandbox.codearts_repository],
        "auth": {"type": "token", "token": SecretStr(sandbox.credentials.codearts_token)},
    }


async def authentication(sandbox: Sandbox, _: httpx.AsyncClient) -> list[Settings]:
    known = sandbox.credentials
    iam = {
        "type": "iam",
        "url": f"{SANDBOX}/iam",
        "domain": known.iam_domain,
        "user": known.iam_user,
        "password": SecretStr(known.iam_password),
        "project": known.iam_project,
    }
    return [{"auth": iam}]


def places_outside(_: Place) -> list[Place]:
    project, other = Sandbox.codearts_projects
    return [
        ("projects", other, "990530", "664135687"),
        ("projects", project, "990530", "664135687"),
        ("groups", str(Sandbox.codearts_group), "990777", "664135687"),
        ("users", project, "990412", "664135687"),
        *(("projects", project, "990412", text) for text in (*ODD, "2147483648")),
    ]


def timed(time: object) -> Row:
    return {"created_at": time}


CASE = VendorCase(
    settings={"projects": [PROJECT], "auth": {"type": "token", "token": SecretStr("MIIToken")}},
    on_sandbox=on_sandbox,
    named={
        "projects": [Sandbox.codearts_projects[0]],
        "groups": [],
        "repositories": [],
        "hooks": [990412, 990413],
    },
    several_scopes={"projects": ["p" * 32, "q" * 32]},
    authentication=authentication,
    stream=Stream(key="-", place=("projects", PROJECT, "990412")),
    place=("projects", PROJECT, "1", "1"),
    unknown_id="2147483647",
    places_outside=places_outside,
    rows=[*sample("codearts/logs"), sample("codearts/log")],
    hooks=sample("codearts/hooks"),
    timed=timed,
    only_listed=("repository_id", "repository"),
    optional_parameters=OptionalParameters("uuid", ["offset", "limit", "created_before"]),
)
