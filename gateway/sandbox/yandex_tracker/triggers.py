"""The simulated customer's organisations and queues, and their triggers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.sandbox.streams import Stream

if TYPE_CHECKING:
    from collections.abc import Mapping

ORG_ID = "7405813"
CLOUD_ORG_ID = "bpf3c9s1kq7t2m5v8x0d"
QUEUES = {"DEV": 3, "OPS": 7}
"""The numeric ids of the queues, by key."""
_QUIET_TRIGGERS = range(100, 156)
"""Triggers of OPS without a webhook: so many that their list has a second page."""


class Trigger(Stream, frozen=True, kw_only=True):
    """A trigger; ``actions`` are the types of its actions, whose ids count from 1.

    With ``clear_headers``, its log shows request headers as they were sent.
    """

    queue: str
    name: str
    actions: tuple[str, ...] = ("Webhook",)
    clear_headers: bool = False
    auth: str = "noauth"


def triggers(secrets: Mapping[str, str]) -> tuple[Trigger, ...]:
    """Return the triggers of both queues, ordered by id."""
    bot = f"https://api.telegram.test/bot5512094417:{secrets['telegram_token']}/sendMessage"
    ops_mail = f"https://tracker:{secrets['webhook_password']}@desk.parley.test/incoming"
    quiet = [
        Trigger(
            id=str(number),
            queue="OPS",
            name=f"Move {number}",
            actions=("Transition",),
            url="",
            share=0,
        )
        for number in _QUIET_TRIGGERS
    ]
    return (
        Trigger(id="41", queue="DEV", name="Telegram on close", url=bot, share=1500),
        Trigger(id="42", queue="DEV", name="Reopen", actions=("Transition",), url="", share=0),
        Trigger(
            id="43",
            queue="DEV",
            name="Tell the board",
            actions=("Transition", "Webhook", "CreateComment"),
            url="https://boards.kestrel.example/tracker?key=" + secrets["query_key"],
            share=1000,
        ),
        Trigger(
            id="44",
            queue="DEV",
            name="Old status page",
            url="https://status.kestrel.example/hooks/issue",
            active=False,
            share=400,
        ),
        Trigger(id="45", queue="DEV", name="Thank", actions=("CreateComment",), url="", share=0),
        Trigger(
            id="61",
            queue="OPS",
            name="Call the duty desk",
            url=ops_mail,
            clear_headers=True,
            auth="basic",
            share=1300,
        ),
        *quiet,
        Trigger(
            id="162",
            queue="OPS",
            name="Page and archive",
            actions=("Webhook", "Webhook"),
            url="https://pager.vigil.test/v2/enqueue",
            share=700,
        ),
    )
