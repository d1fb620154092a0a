"""The case of Hookdeck for the shared tests."""

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
    sample,
)


def on_sandbox(sandbox: Sandbox) -> Settings:
    return {
        "base_url": f"{SANDBOX}/hookdeck/2025-07-01",
        "rate_limit": 1000,
        "auth": {"type": "token", "token": SecretStr(sandbox.credentials.hookdeck_key)},
    }


def places_outside(_: Place) -> list[Place]:
    return [(text,) for text in ODD if not may_be_read((text,))]


def may_be_read(place: Place) -> bool:
    return len(place) == 1 and place[0] in {"0", "-1", "1.5", "9" * 40}


def timed(time: object) -> Row:
    return {"created_at": time}


def error_with(text: str) -> object:
    return {"code": text, "status": 400, "message": f"key {text}", "data": None}


CASE = VendorCase(
    settings={"auth": {"type": "token", "token": SecretStr("hk_1")}},
    on_sandbox=on_sandbox,
    named={},
    calls_per_log=2,
    only_single=["duration_ms"],
    stream=Stream(key="logs", windowed=True),
    place=("evt_a9s8d7f6g5h4j3k2",),
    unknown_id="evt_q1w2e3r4t5y6u7i8",
    places_outside=places_outside,
    may_be_read=may_be_read,
    rows=sample("hookdeck/events")["models"],
    hooks=sample("hookdeck/connections")["models"],
    list_path="/events",
    log_envelope="models",
    hook_envelope="models",
    timed=timed,
    streams_by_hook=False,
    errors=[
        (
            404,
            {"code": "NOT_FOUND", "status": 404, "message": "Event not found", "data": None},
            ("NOT_FOUND", "Event not found"),
        ),
    ],
    error_with=error_with,
    credentials={
        "hookdeck key": CredentialForm(
            {"auth": {"type": "token", "token": SecretStr(PLAIN)}}, (PLAIN,)
        ),
    },
)
