"""The case of Elastic Path Commerce Cloud for the shared tests."""

from __future__ import annotations

import httpx
from pydantic import SecretStr

from gateway.sandbox import Sandbox
from gateway.vendors.pages import Stream
from tests.vendors.case import (
    BASE,
    PLAIN,
    SANDBOX,
    SECRET,
    CredentialForm,
    Place,
    Row,
    Settings,
    TokenRequest,
    VendorCase,
    no_other_form,
    sample,
)

INTEGRATION = "2f2f0f9e-6f5c-4a0b-8f4e-8a7c5b0a1d22"
JOB = "c1f6d8f4-70a3-4d5a-8f0e-51f0a1b2c3d4"


def on_sandbox(sandbox: Sandbox) -> Settings:
    return {
        "base_url": f"{SANDBOX}/elastic-path",
        "auth": {
            "type": "client-credentials",
            "client_id": SecretStr(sandbox.credentials.elastic_path_client_id),
            "client_secret": SecretStr(sandbox.credentials.elastic_path_client_secret),
        },
    }


def places_outside(inside: Place) -> list[Place]:
    return [
        ("71c0de5a-90b3-4c1f-a2d6-3e4f5a6b7c8d", *inside[1:]),
        ("logs", *inside[1:]),
        ("", "", inside[2]),
    ]


def may_be_read(place: Place) -> bool:
    """Return whether the job is missing or could exist: job ids have no fixed form."""
    return place[:1] == (INTEGRATION,) and place[1:2] in [("0",), ("-1",), ("",)]


def refuse_common_list(request: httpx.Request) -> bool:
    return request.url.path.endswith("/logs")


def timed(time: object) -> Row:
    return {"meta": {"timestamps": {"created_at": time}}}


def error_with(text: str) -> object:
    return {"errors": [{"status": text, "title": "no", "request_id": text}]}


CASE = VendorCase(
    settings={
        "auth": {
            "type": "client-credentials",
            "client_id": SecretStr("an id"),
            "client_secret": SecretStr("a secret"),
        },
    },
    on_sandbox=on_sandbox,
    named={"integrations": [INTEGRATION]},
    authentication=no_other_form,
    stream=Stream(key="store"),
    place=("a", "b", "c"),
    unknown_id="00000000-0000-4000-8000-000000000000",
    places_outside=places_outside,
    may_be_read=may_be_read,
    rows=sample("elastic-path/logs")["data"],
    hooks=sample("elastic-path/integrations")["data"],
    log_envelope="data",
    hook_envelope="data",
    timed=timed,
    refuse_common_list=refuse_common_list,
    errors=[
        (
            404,
            sample("elastic-path/seed-error-404"),
            ("404", "Not Found: The resource could not be found"),
        ),
        (
            404,
            sample("elastic-path/seed-error-404-of-schema"),
            ("500", "Internal server error: An internal error has occurred."),
        ),
        (500, sample("elastic-path/seed-error-500"), ("500", "Internal Server Error")),
        (401, {"errors": [{"status": "401", "title": "No."}]}, ("401", "No.")),
    ],
    error_with=error_with,
    credentials={
        "shop": CredentialForm(
            {
                "auth": {
                    "type": "client-credentials",
                    "client_id": SecretStr("client 4711"),
                    "client_secret": SecretStr(SECRET),
                }
            },
            (SECRET, PLAIN, "client 4711"),
        )
    },
    token_request=TokenRequest(
        {},
        f"{BASE}/oauth/access_token",
        {"grant_type": "client_credentials", "client_id": "an id", "client_secret": "a secret"},
        {"authorization": "Bearer t0"},
        {"errors": [{"status": "401", "title": "Unable to validate client credentials"}]},
        ("401", "Unable to validate client credentials"),
    ),
    token_answers=[
        {"access_token": "t1", "expires_in": "3600"},
        {"data": {"access_token": "t1", "expires_in": 3600}},
        {"access_token": "t1", "expires_in": 1e308},
        {"access_token": "t1", "expires_in": -1, "extra": [1]},
    ],
)
