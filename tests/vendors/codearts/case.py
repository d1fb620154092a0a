"""The case of Huawei CodeArts Repo for the shared tests."""

from __future__ import annotations

import httpx
from pydantic import SecretStr

from gateway.sandbox import Sandbox
from gateway.vendors.pages import Stream
from tests.vendors.case import (
    IAM,
    ODD,
    PLAIN,
    SANDBOX,
    SECRET,
    CredentialForm,
    OptionalParameters,
    Place,
    Row,
    Settings,
    TokenRequest,
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


def error_with(text: str) -> object:
    return {"error": {"code": text, "message": f"token {text} refused"}}


def iam(password: str) -> Settings:
    return {
        "auth": {
            "type": "iam",
            "url": IAM,
            "domain": "acme-cn",
            "user": "svc",
            "password": SecretStr(password),
            "project": "cn-north-4",
        }
    }


IDENTITY = {
    "methods": ["password"],
    "password": {
        "user": {"name": "svc", "password": "a password", "domain": {"name": "acme-cn"}},
    },
}


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
    errors=[
        (
            401,
            sample("codearts/seed-error-401"),
            ("DEV.00000003", "Authentication information expired."),
        ),
        (
            403,
            sample("codearts/seed-error-403"),
            (
                "CH.004403",
                "Insufficient permissions. Apply for the required permissions and try again.",
            ),
        ),
        (429, {"errorCode": "APIG.0308", "errorMsg": "Slow."}, ("APIG.0308", "Slow.")),
        (500, {"code": "CH.000001", "message": "Odd."}, ("CH.000001", "Odd.")),
        (
            404,
            {"error": {"code": "DEV.CH.10001", "message": "Gone."}, "status": "failed"},
            ("DEV.CH.10001", "Gone."),
        ),
        (500, {"error_msg": "Only words."}, (None, "Only words.")),
    ],
    error_with=error_with,
    credentials={
        "codearts token": CredentialForm(
            {"auth": {"type": "token", "token": SecretStr(PLAIN)}}, (PLAIN,)
        ),
        "codearts iam": CredentialForm(iam(SECRET), (SECRET, PLAIN)),
    },
    token_request=TokenRequest(
        iam("a password"),
        f"{IAM}/v3/auth/tokens?nocatalog=true",
        {"auth": {"identity": IDENTITY, "scope": {"project": {"name": "cn-north-4"}}}},
        {"x-auth-token": "t0"},
        {"error": {"code": 401, "message": "Wrong password.", "title": "Unauthorized"}},
        ("401", "Wrong password."),
    ),
)
