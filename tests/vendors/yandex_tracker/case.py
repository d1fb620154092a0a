"""The case of Yandex Tracker for the shared tests."""

from __future__ import annotations

import httpx
from pydantic import SecretStr

from gateway.model import WebhookLogStatus
from gateway.sandbox import Sandbox
from gateway.vendors.pages import Stream
from tests.vendors.case import SANDBOX, OptionalParameters, Place, Row, Settings, VendorCase, sample


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
    timed=timed,
    status_without_outcome=WebhookLogStatus.FAILED,
    optional_parameters=OptionalParameters("issueId", ["limit", "to"]),
)
