"""The case of GitHub for the shared tests."""

from __future__ import annotations

from pydantic import SecretStr

from gateway.sandbox import Sandbox
from gateway.vendors.pages import Stream
from tests.vendors.case import (
    ODD,
    PLAIN,
    SANDBOX,
    CredentialForm,
    Place,
    Row,
    Settings,
    VendorCase,
    no_other_form,
    sample,
)

REPOSITORY = "acme/shop"
HOOK = 12345678


def on_sandbox(sandbox: Sandbox) -> Settings:
    return {
        "base_url": f"{SANDBOX}/github",
        "repositories": sandbox.github_repositories,
        "organizations": [sandbox.github_organization],
        "auth": {"type": "token", "token": SecretStr(sandbox.credentials.github_token)},
    }


def places_outside(_: Place) -> list[Place]:
    repository, other = Sandbox.github_repositories
    return [
        ("repos", other, "512001", "9007199254741000"),
        ("repos", repository, "512002", "9007199254741000"),
        ("orgs", Sandbox.github_organization, "512500", "9007199254741000"),
        ("orgs", repository, "512001", "9007199254741000"),
        ("app", "9007199254741000"),
        ("app", "hook", "deliveries", "9007199254741000"),
        *(("repos", repository, "512001", text) for text in ODD),
    ]


def timed(time: object) -> Row:
    return {"delivered_at": time}


def error_with(text: str) -> object:
    return {"message": f"token {text} refused", "errors": [{"code": text}]}


CASE = VendorCase(
    settings={
        "repositories": [REPOSITORY],
        "auth": {"type": "token", "token": SecretStr("ghp_Wq93ZtRb")},
    },
    on_sandbox=on_sandbox,
    named={
        "repositories": [Sandbox.github_repositories[0]],
        "organizations": [],
        "hooks": [512001],
    },
    several_scopes={"repositories": ["acme/shop", "acme/site"]},
    authentication=no_other_form,
    stream=Stream(key="-", place=("repos", REPOSITORY, str(HOOK)), by_token=True),
    place=("repos", REPOSITORY, "1", "1"),
    unknown_id="9223372036854775807",
    places_outside=places_outside,
    rows=[*sample("github/deliveries"), sample("github/delivery")],
    hooks=sample("github/hooks"),
    list_path="/deliveries",
    timed=timed,
    errors=[
        (
            404,
            {"message": "Not Found", "documentation_url": "https://docs.github.com/rest"},
            (None, "Not Found"),
        ),
        (401, {"message": "Bad credentials"}, (None, "Bad credentials")),
        (
            422,
            {
                "message": "Validation Failed",
                "errors": [{"resource": "Hook", "field": "status", "code": "invalid"}],
            },
            ("invalid", "Validation Failed: Hook status invalid"),
        ),
        (
            422,
            {
                "message": "Validation Failed",
                "errors": [{"resource": "Hook", "code": "custom", "message": "No such cursor."}],
            },
            ("custom", "Validation Failed: No such cursor."),
        ),
        (
            422,
            {"message": "Invalid", "errors": ["cursor is odd"]},
            (None, "Invalid: cursor is odd"),
        ),
    ],
    error_with=error_with,
    credentials={
        "github token": CredentialForm(
            {"auth": {"type": "token", "token": SecretStr(PLAIN)}}, (PLAIN,)
        ),
    },
)
