"""Responses of the simulated customers' receivers, as vendors record them in full."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gateway.sandbox.outcomes import phrase

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random


def response_headers(random: Random, secrets: Mapping[str, str], status: int) -> dict[str, str]:
    """Return the headers of a response, some with a cookie or a key."""
    headers = {
        "Content-Type": "application/json" if status < 300 else "text/html; charset=utf-8",
        "Server": random.choice(("nginx", "envoy", "gunicorn")),
    }
    if not random.randrange(3):
        headers["Set-Cookie"] = f"sid={secrets['response_cookie']}; Path=/; HttpOnly; Secure"
    if not random.randrange(5):
        headers["X-Api-Key"] = secrets["response_api_key"]
    return headers


def response_body(random: Random, secrets: Mapping[str, str], status: int) -> str:
    """Return the text of a response: JSON, a page, plain text or nothing."""
    if status >= 300:
        return random.choice(
            (
                f"<html><h1>{phrase(status)}</h1></html>",
                f"refused: Authorization: Bearer {secrets['echoed_bearer']}",
                msgspec.json.encode({"error": phrase(status)}).decode(),
                "",
            )
        )
    job = {"result": "success", "job": random.randrange(10**6)}
    session = {"result": "success", "session": {"token": secrets["response_jwt"]}}
    notified = {"result": "success", "notified": [secrets["author_mail"], secrets["reviewer_mail"]]}
    documents = [msgspec.json.encode(document).decode() for document in (job, session, notified)]
    return random.choice((*documents, "ok", ""))
