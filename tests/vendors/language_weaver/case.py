"""The case of RWS Language Weaver for the shared tests."""

from __future__ import annotations

import httpx
from pydantic import SecretStr

from gateway.sandbox import Sandbox
from gateway.vendors.pages import Stream
from tests.vendors.case import ODD, SANDBOX, Place, Row, Settings, VendorCase, sample


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
    log_envelope="entries",
    hook_envelope="webhooks",
    timed=timed,
    streams_by_hook=False,
)
