"""The case of RWS Language Weaver for the shared tests."""

from __future__ import annotations

import base64

import httpx
from pydantic import SecretStr

from gateway.sandbox import Sandbox
from gateway.vendors.pages import Stream
from tests.vendors.case import (
    BASE,
    ODD,
    PLAIN,
    SANDBOX,
    SECRET,
    CredentialForm,
    Place,
    Row,
    Settings,
    TokenRequest,
    VendorCase,
    sample,
)


def on_sandbox(sandbox: Sandbox) -> Settings:
    return {
        "base_url": f"{SANDBOX}/language-weaver",
        "auth": {"type": "api-key", "key": SecretStr(sandbox.credentials.language_weaver_key)},
    }


async def authentication(sandbox: Sandbox, _: httpx.AsyncClient) -> list[Settings]:
    login = {
        "type": "login",
        "username": sandbox.credentials.language_weaver_username,
        "password": SecretStr(sandbox.credentials.language_weaver_password),
    }
    return [{"auth": login}]


def places_outside(_: Place) -> list[Place]:
    return [(text,) for text in ODD]


def timed(time: object) -> Row:
    return {"timeTriggered": time}


def error_with(text: str) -> object:
    return {"error": {"code": text, "message": "no", "details": f"key {text}"}}


CASE = VendorCase(
    settings={"auth": {"type": "api-key", "key": SecretStr("u_key")}},
    on_sandbox=on_sandbox,
    named={},
    authentication=authentication,
    stream=Stream(key="audit"),
    place=("1",),
    unknown_id="999999999",
    places_outside=places_outside,
    rows=sample("language-weaver/entries")["entries"],
    hooks=sample("language-weaver/webhooks")["webhooks"],
    hook_id="uuid",
    list_path="/audit/webhooks",
    log_envelope="entries",
    hook_envelope="webhooks",
    timed=timed,
    streams_by_hook=False,
    errors=[
        (
            403,
            sample("language-weaver/error"),
            ("403", "insufficient privileges: admin or super admin"),
        ),
        (400, {"error": {"message": "bad"}}, (None, "bad")),
    ],
    error_with=error_with,
    credentials={
        "weaver key": CredentialForm(
            {"auth": {"type": "api-key", "key": SecretStr(PLAIN)}},
            (PLAIN, base64.b64encode(f"{PLAIN}:".encode()).decode()),
        ),
        "weaver login": CredentialForm(
            {"auth": {"type": "login", "username": "svc", "password": SecretStr(SECRET)}},
            (SECRET, PLAIN),
        ),
    },
    token_request=TokenRequest(
        {"auth": {"type": "login", "username": "a user", "password": SecretStr("p&=+ä")}},
        f"{BASE}/api/v2/auth",
        {"username": "a user", "password": "p&=+ä"},
        {"authorization": "Bearer t0"},
        {"error": {"code": 401, "message": "invalid username or password"}},
        ("401", "invalid username or password"),
    ),
    token_answers=[{"token": "t1"}, {"accessToken": "t1"}, {"data": {"access_token": "t1"}}],
)
