"""The request of an event, which only its detail has, and the responses to its attempts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from gateway.sandbox.deliveries import seeded
from gateway.sandbox.outcomes import phrase

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.sandbox.deliveries import Delivery
    from gateway.sandbox.hookdeck.attempts import Attempt

_TOPICS = ("order.created", "order.paid", "payment.settled", "ticket.opened", "stock.low")


def request_data(seed: int, secrets: Mapping[str, str], log: Delivery) -> dict[str, Any]:
    """Return the request; its headers are an object or text, as is its body, or an array."""
    random = seeded(seed, "hookdeck", log.number)
    topic = random.choice(_TOPICS)
    headers: dict[str, Any] = {
        "content-type": "application/json",
        "user-agent": "Storefront/2.3",
        "x-topic": topic,
        "x-hub-signature-256": "sha256=" + secrets["hub_signature"],
    }
    if not random.randrange(4):
        headers["authorization"] = f"Bearer {secrets['echoed_bearer']}"
    if not random.randrange(4):
        headers["cookie"] = f"session={secrets['cookie']}"
    subject = {"topic": topic, "id": random.randrange(10**6)}
    bodies: tuple[Any, ...] = (
        subject,
        subject | {"customer": {"email": secrets["customer_mail"]}},
        subject | {"access": {"client_secret": secrets["client_secret"]}},
        [subject, {"password": secrets["body_password"]}],
        msgspec.json.encode(subject | {"buyer": secrets["buyer_mail"]}).decode(),
    )
    return {
        "url": f"https://hkdk.events/{log.stream.id[-8:]}?token={secrets['query_token']}",
        "method": "POST",
        "path": "/",
        "query": f"token={secrets['query_token']}",
        "parsed_query": {"token": secrets["query_token"]},
        "headers": headers if random.randrange(7) else msgspec.json.encode(headers).decode(),
        "appended_headers": ["x-hookdeck-eventid", "x-hookdeck-signature"],
        "body": random.choice(bodies),
        "is_large_payload": False,
    }


def response_body(
    seed: int, secrets: Mapping[str, str], log: Delivery, attempt: Attempt
) -> dict[str, Any] | str | None:
    """Return the body of the destination's response to an attempt."""
    status = attempt.outcome.status
    if status is None:
        return None
    random = seeded(seed, "hookdeck", log.number, attempt.number)
    bodies: tuple[Any, ...] = (
        {"ok": True},
        {"ok": True, "session": {"token": secrets["response_jwt"]}},
        "ok",
        "",
    )
    if not attempt.succeeded:
        bodies = (
            {"error": phrase(status)},
            f"<html><h1>{phrase(status)}</h1></html>",
            f"refused: Authorization: Bearer {secrets['echoed_bearer']}",
        )
    body: dict[str, Any] | str = random.choice(bodies)
    return body
