"""The simulated customer's connections, from sources to destinations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.sandbox.streams import Stream

if TYPE_CHECKING:
    from collections.abc import Mapping


class Connection(Stream, frozen=True, kw_only=True):
    """A connection; one that is not active is disabled.

    ``delay`` is that of a delay rule, in seconds. From a ``paused`` one nothing is delivered any
    more; its events are held.
    """

    name: str
    source: str
    source_id: str
    destination: str
    destination_id: str
    auth: dict[str, Any]
    delay: int = 0
    paused: bool = False


def connections(secrets: Mapping[str, str]) -> tuple[Connection, ...]:
    """Return the connections, oldest first."""
    return (
        Connection(
            id="web_3HkT9wRzLq5N",
            name="orders-to-erp",
            source="storefront",
            source_id="src_8fK2mVtQwX1c",
            destination="erp",
            destination_id="des_V4nB7yZpLr0s",
            url="https://erp.fernwood.example/intake/orders",
            auth={"type": "BEARER_TOKEN", "auth": {"token": secrets["bearer"]}},
            share=1700,
        ),
        Connection(
            id="web_7PvX2cYfJm8D",
            name="payments-to-ledger",
            source="payments",
            source_id="src_1gH6jWsEdR9u",
            destination="ledger",
            destination_id="des_K8mT3xQwNv5h",
            url=f"https://ledger.fernwood.example/hooks?api_key={secrets['query_api_key']}",
            auth={"type": "API_KEY", "auth": {"key": "X-Api-Key", "api_key": secrets["api_key"]}},
            delay=20,
            share=1000,
        ),
        Connection(
            id="web_5DsG4kLbNa0E",
            name="tickets-to-chat",
            source="helpdesk",
            source_id="src_6yU3iOpAsD4f",
            destination="chat",
            destination_id="des_Z2qC9vBnHg6j",
            url=f"https://hooks.parley.test/services/T09FERN/B07DESK/{secrets['slack_path']}",
            auth={},
            paused=True,
            share=700,
        ),
        Connection(
            id="web_9TrY1uIoPw3F",
            name="stock-to-depot",
            source="storefront",
            source_id="src_8fK2mVtQwX1c",
            destination="depot",
            destination_id="des_R5eW1tYuIo8k",
            url="http://depot.fernwood.example:8080/stock",
            auth={
                "type": "BASIC_AUTH",
                "auth": {"username": "depot", "password": secrets["webhook_password"]},
            },
            active=False,
            share=600,
        ),
    )
