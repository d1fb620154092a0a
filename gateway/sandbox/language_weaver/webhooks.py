"""The simulated customer's webhooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.sandbox.streams import Stream

if TYPE_CHECKING:
    from collections.abc import Mapping


class Webhook(Stream, frozen=True, kw_only=True):
    """A webhook; ``owner`` is the e-mail address of the account that created it."""

    description: str
    events: tuple[str, ...]
    owner: str


def webhooks(secrets: Mapping[str, str]) -> tuple[Webhook, ...]:
    """Return the webhooks."""
    return (
        Webhook(
            id="4f5b0c0e-95a9-4b28-9d3e-0a7d5fb8c1aa",
            url="https://cb.blueharbor.test:8443/lw",
            description="Status feed",
            events=("translation.created", "translation.statusChanged"),
            owner=secrets["translator_mail"],
            share=1600,
        ),
        Webhook(
            id="9b1d6c34-0f5e-4d0a-8a7e-2f1c5e6b7d80",
            url=f"https://desk.blueharbor.test/hooks?api_key={secrets['query_api_key']}&v=2",
            description="Project desk",
            events=("translation.statusChanged",),
            owner=secrets["linguist_mail"],
            share=1100,
        ),
        Webhook(
            id="c2a7e9f1-6b3d-4e58-b0c4-7d9e1f2a3b4c",
            url="http://lab.blueharbor.test:9090/models/events",
            description="Adaptation lab",
            events=("adaptedlp.created", "adaptedlp.statusChanged"),
            owner=secrets["linguist_mail"],
            share=600,
        ),
        Webhook(
            id="e07f4a55-3c8b-4b1e-9f6d-8a2b4c6d8e0f",
            url="https://cms.nordwind.example/api/translations/callback",
            description="Web site",
            events=("translation.created", "translation.statusChanged"),
            owner=secrets["translator_mail"],
            share=600,
        ),
    )
