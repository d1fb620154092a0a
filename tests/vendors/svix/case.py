"""The case of Svix for the shared tests."""

from __future__ import annotations

import re

from pydantic import SecretStr

from gateway.sandbox import Sandbox
from gateway.vendors.pages import Stream
from tests.vendors.case import (
    PLAIN,
    SANDBOX,
    CredentialForm,
    Place,
    Row,
    Settings,
    VendorCase,
    sample,
)

APP = "app_2yZw8kqJq7fP5tq3m6m0X1c2d3e"
OTHER_APP = "app_2z1Hc9RrT4vWm8nQe5kYb7UoJxA"
MESSAGE = "msg_2tQvJ6aBcD3eF4gH5iJ6kL7mN8o"
ENDPOINT = "ep_2tQvJ5zYxW4vU3tS2rQ1pO0nM9l"
ATTEMPT = "atmpt_2tQvJ7cWkZ0nq1mX4yB8rL5sDfG"


def on_sandbox(sandbox: Sandbox) -> Settings:
    return {
        "base_url": f"{SANDBOX}/svix",
        "rate_limit": 1000,
        "apps": [],
        "auth": {"type": "token", "token": SecretStr(sandbox.credentials.svix_token)},
    }


def places_outside(place: Place) -> list[Place]:
    key, _, *others = place
    return [(key, OTHER_APP, *others), (key, "bakery", *others), ("app", APP, *others)]


def may_be_read(place: Place) -> bool:
    """Such texts may be the uid of an endpoint or of a message."""
    return len(place) == 5 and place[:2] == ("apps", APP) and all(map(_is_uid, place[2:4]))


def _is_uid(text: str) -> bool:
    return re.fullmatch(r"(?=.*\w)[\w.-]+", text, re.ASCII) is not None


def timed(time: object) -> Row:
    return {"timestamp": time}


def error_with(text: str) -> object:
    return {"code": text, "detail": f"token {text}"}


CASE = VendorCase(
    settings={"auth": {"type": "token", "token": SecretStr("testsk_1")}, "apps": [APP]},
    on_sandbox=on_sandbox,
    named={"apps": [APP]},
    names_hooks=False,
    several_scopes={"apps": [APP, OTHER_APP]},
    stream=Stream(key=f"apps/{APP}/{ENDPOINT}", place=("apps", APP, ENDPOINT), windowed=True),
    place=("apps", APP, ENDPOINT, MESSAGE, ATTEMPT),
    unknown_id=ATTEMPT,
    places_outside=places_outside,
    may_be_read=may_be_read,
    rows=sample("svix/attempts")["data"],
    essential={"msgId": MESSAGE},
    hooks=sample("svix/endpoints")["data"],
    list_path=f"/attempt/endpoint/{ENDPOINT}",
    log_envelope="data",
    hook_envelope="data",
    timed=timed,
    errors=[
        (
            401,
            {"code": "authentication_failed", "detail": "Invalid token"},
            ("authentication_failed", "Invalid token"),
        ),
        (
            422,
            {"detail": [{"loc": ["query", "limit"], "msg": "too large", "type": "value_error"}]},
            ("value_error", "too large"),
        ),
    ],
    error_with=error_with,
    credentials={
        "svix token": CredentialForm(
            {"auth": {"type": "token", "token": SecretStr(PLAIN)}}, (PLAIN,)
        ),
    },
)
