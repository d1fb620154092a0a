"""The case of Yandex Tracker for the shared tests."""

from __future__ import annotations

import httpx
from pydantic import SecretStr

from gateway.model import WebhookLogStatus
from gateway.sandbox import Sandbox
from gateway.vendors.pages import Stream
from tests.vendors.case import (
    IAM,
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


def on_sandbox(sandbox: Sandbox) -> Settings:
    return {
        "base_url": f"{SANDBOX}/tracker",
        "org_id": sandbox.tracker_org_id,
        "queues": sandbox.tracker_queues,
        "auth": {"type": "oauth", "token": SecretStr(sandbox.credentials.tracker_oauth_token)},
    }


async def authentication(sandbox: Sandbox, client: httpx.AsyncClient) -> list[Settings]:
    """Return the forms for an organisation of Yandex Cloud."""
    known = sandbox.credentials
    url = f"{SANDBOX}/yandex-iam/iam/v1/tokens"
    passport = known.yandex_passport_token
    issued = await client.post(url, json={"yandexPassportOauthToken": passport})
    return [
        {"org_id": None, "cloud_org_id": sandbox.tracker_cloud_org_id, "auth": auth}
        for auth in (
            {"type": "oauth", "token": SecretStr(known.tracker_oauth_token)},
            {"type": "iam", "token": SecretStr(issued.json()["iamToken"])},
            {"type": "iam", "url": url, "passport_token": SecretStr(passport)},
        )
    ]


def places_outside(inside: Place) -> list[Place]:
    return [
        ("OPS", "61", *inside[2:]),
        ("DEV", "44", *inside[2:]),
        ("dev", *inside[1:]),
        ("DEV", "41", "4611686018427387905", inside[3]),
    ]


def may_be_read(place: Place) -> bool:
    """Return whether only the time is missing: such a log is searched for among the newest."""
    return place[:1] == ("DEV",) and place[2:3] == ("",) and place[1] in {"41", "43"}


def timed(time: object) -> Row:
    return {"startTime": time}


def error_with(text: str) -> object:
    return {"errors": {text: text}, "errorMessages": [f"OAuth {text} is not valid"]}


def cloud(**auth: object) -> Settings:
    """Return the settings for an organisation of Yandex Cloud."""
    return {"org_id": None, "cloud_org_id": "bpf3c9s1", "auth": {"type": "iam", **auth}}


CASE = VendorCase(
    settings={
        "org_id": "7405813",
        "queues": ["DEV"],
        "auth": {"type": "oauth", "token": SecretStr("y0_token")},
    },
    on_sandbox=on_sandbox,
    named={"queues": [], "triggers": {"DEV": [41, 43]}},
    several_scopes={"queues": ["DEV", "OPS"]},
    authentication=authentication,
    stream=Stream(key="-", place=("DEV", "41")),
    place=("DEV", "41", "1772615411120000000", "a"),
    unknown_id="67c6c20b9a1e4d0c7b5f2a10",
    places_outside=places_outside,
    may_be_read=may_be_read,
    rows=sample("yandex-tracker/logs"),
    hooks=sample("yandex-tracker/triggers"),
    list_path="/log",
    timed=timed,
    status_without_outcome=WebhookLogStatus.FAILED,
    optional_parameters=OptionalParameters("issueId", ["limit", "to"]),
    errors=[
        (404, sample("yandex-tracker/error"), ("404", "Queue not found. limit: is too large")),
        (403, {"errors": {}, "errorMessages": ["No."]}, (None, "No.")),
    ],
    error_with=error_with,
    credentials={
        "tracker oauth": CredentialForm(
            {"auth": {"type": "oauth", "token": SecretStr(PLAIN)}}, (PLAIN,)
        ),
        "tracker ready iam": CredentialForm(cloud(token=SecretStr(PLAIN)), (PLAIN,)),
        "tracker iam": CredentialForm(
            cloud(url=IAM, passport_token=SecretStr(SECRET)), (SECRET, PLAIN)
        ),
    },
    token_request=TokenRequest(
        cloud(url=f"{IAM}/iam/v1/tokens", passport_token=SecretStr("y0_passport")),
        f"{IAM}/iam/v1/tokens",
        {"yandexPassportOauthToken": "y0_passport"},
        {"authorization": "Bearer t0", "x-cloud-org-id": "bpf3c9s1"},
        {"code": 16, "message": "OAuth token is invalid", "details": []},
        ("16", "OAuth token is invalid"),
    ),
)
