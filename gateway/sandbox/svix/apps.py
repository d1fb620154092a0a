"""The simulated customer's applications and their endpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gateway.sandbox.streams import Stream

if TYPE_CHECKING:
    from collections.abc import Mapping


class App(msgspec.Struct, frozen=True):
    """An application; ``uid`` is the id that the customer gave it, if any."""

    id: str
    uid: str | None
    name: str


class Endpoint(Stream, frozen=True, kw_only=True):
    """An endpoint; one that is not active is disabled. ``throttled`` ones send late."""

    app: App
    uid: str | None
    description: str
    events: tuple[str, ...]
    throttled: bool = False


BAKERY = App("app_2yZw8kqJq7fP5tq3m6m0X1c2d3e", "bakery", "Corner Bakery")
STUDIO = App("app_2z1Hc9RrT4vWm8nQe5kYb7UoJxA", None, "Print Studio")
ARCHIVE = App("app_2z3NdP0sLq6XgFt2wVhZy9CiKuB", "old-shop", "Old Shop")
APPS = (BAKERY, STUDIO, ARCHIVE)
"""The applications, oldest first. The last has no endpoint."""


def endpoints(secrets: Mapping[str, str]) -> tuple[Endpoint, ...]:
    """Return the endpoints, oldest first."""
    return (
        Endpoint(
            id="ep_2yZwAe7rPq1sTn5mXk3vHd9LbCf",
            app=BAKERY,
            uid="orders-rx",
            description="Order intake",
            url="https://rx.bakery.test/svix",
            events=("order.created", "order.paid", "order.cancelled"),
            share=1600,
        ),
        Endpoint(
            id="ep_2yZwBg8sQr2tUo6nYl4wIe0McDg",
            app=BAKERY,
            uid=None,
            description="Loyalty points",
            url=f"https://points.bakery.test/hooks?token={secrets['query_token']}",
            events=("order.paid", "customer.updated"),
            share=900,
            throttled=True,
        ),
        Endpoint(
            id="ep_2z1HdKx5uVs8wPm2qZn7yJf4ReT",
            app=STUDIO,
            uid=None,
            description="",
            url=f"https://studio:{secrets['webhook_password']}@press.studio.example:8443/jobs",
            events=("invoice.issued", "invoice.overdue"),
            share=1100,
        ),
        Endpoint(
            id="ep_2z1HeMy6vWt9xQn3rAo8zKg5SfU",
            app=STUDIO,
            uid="legacy-proofs",
            description="Proofs, until the new desk is live",
            url="http://proofs.studio.example/in",
            events=("proof.ready",),
            share=400,
            active=False,
        ),
    )
