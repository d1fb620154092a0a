"""What makes the simulated vendors send deliveries, and where to: the customers' set-up."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

PROJECTS = ("8f1c6a0e52d94b7fa3c0d1e94b6f7a25", "c94e07b3d1f84a62b5e8073f6ad21c9b")
GROUP = 41207
REPOSITORY = 2111884

ORG_ID = "7405813"
CLOUD_ORG_ID = "bpf3c9s1kq7t2m5v8x0d"
QUEUES = {"DEV": 3, "OPS": 7}
"""The keys of the queues and their numeric ids."""

CHINA = dt.timezone(dt.timedelta(hours=8))
_QUIET_TRIGGERS = range(100, 156)
"""Triggers of OPS without a webhook: so many that the list needs a second page."""


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """What makes a vendor send deliveries: a hook, a trigger, a webhook or an integration.

    ``id`` is unique among all vendors. ``share`` is how many of 20,000 logs are its own. Nothing
    arrives from a stream that is not ``active``; it only has a history.
    """

    id: str
    url: str
    share: int
    active: bool = True


class Hook(Stream, frozen=True, kw_only=True):
    """A webhook of a project, group or repository; ``zone`` is the one its times are given in."""

    scope: str
    scope_id: str
    name: str
    events: tuple[str, ...]
    zone: dt.timezone = CHINA


def hooks(secrets: Mapping[str, str]) -> tuple[Hook, ...]:
    """Make the hooks of CodeArts."""
    return (
        Hook(
            id="990412",
            scope="projects",
            scope_id=PROJECTS[0],
            name="Deploy pipeline",
            url=f"https://deploy:{secrets['userinfo_password']}@ci.kestrel.example/hooks/codearts",
            events=("push_hooks", "merge_request_hooks", "tag_push_hooks"),
            share=1600,
        ),
        Hook(
            id="990413",
            scope="projects",
            scope_id=PROJECTS[0],
            name="Team chat",
            url=f"https://hooks.parley.test/services/T03KESTRL/B05DEPLOY/{secrets['slack_path']}",
            events=("push_hooks", "note_hooks"),
            share=1200,
        ),
        Hook(
            id="990530",
            scope="projects",
            scope_id=PROJECTS[1],
            name="Review bot",
            url=f"https://review.kestrel.example/api/events?access_token={secrets['query_token']}",
            events=("merge_request_hooks", "note_hooks"),
            share=1100,
        ),
        Hook(
            id="990531",
            scope="projects",
            scope_id=PROJECTS[1],
            name="Security scan",
            url="https://scanner.vigil.test/intake/codearts",
            events=("push_hooks",),
            zone=dt.UTC,
            share=900,
        ),
        Hook(
            id="990777",
            scope="groups",
            scope_id=str(GROUP),
            name="Mirror",
            url="https://mirror.kestrel.example:8443/sync?signature=" + secrets["query_signature"],
            events=("push_hooks", "tag_push_hooks"),
            share=1200,
        ),
        Hook(
            id="990901",
            scope="repositories",
            scope_id=str(REPOSITORY),
            name="Docs site",
            url="http://build.docsmith.example/codearts",
            events=("push_hooks", "tag_push_hooks"),
            share=1000,
        ),
    )


class Trigger(Stream, frozen=True, kw_only=True):
    """A trigger; ``actions`` are the types of its actions, of which the first has the id 1.

    With ``clear_headers`` its log shows request headers as they were sent.
    """

    queue: str
    name: str
    actions: tuple[str, ...] = ("Webhook",)
    clear_headers: bool = False
    auth: str = "noauth"


def triggers(secrets: Mapping[str, str]) -> tuple[Trigger, ...]:
    """Make the triggers of both queues of Tracker, in the order of their ids."""
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


class Webhook(Stream, frozen=True, kw_only=True):
    """A webhook; ``owner`` is the e-mail address of the account that made it."""

    description: str
    events: tuple[str, ...]
    owner: str


def webhooks(secrets: Mapping[str, str]) -> tuple[Webhook, ...]:
    """Make the webhooks of Language Weaver."""
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


class Integration(Stream, frozen=True, kw_only=True):
    """An integration; ``configuration`` is what its type needs beside the URL."""

    name: str
    observes: tuple[str, ...]
    configuration: dict[str, str]
    integration_type: str = "webhook"


def integrations(secrets: Mapping[str, str]) -> tuple[Integration, ...]:
    """Make the integrations of Elastic Path."""
    return (
        Integration(
            id="2f2f0f9e-6f5c-4a0b-8f4e-8a7c5b0a1d22",
            name="Orders to ERP",
            url="https://erp.nordwind.example/commerce/orders",
            observes=("order.paid",),
            configuration={"secret_key": secrets["orders_secret_key"]},
            share=1400,
        ),
        Integration(
            id="71c0de5a-90b3-4c1f-a2d6-3e4f5a6b7c8d",
            name="Catalog to search",
            url="https://search.kestrel.example/index/catalog",
            observes=("catalog-release.updated", "product.updated", "product.deleted"),
            configuration={"secret_key": secrets["catalog_secret_key"]},
            share=1100,
        ),
        Integration(
            id="a8b64c1e-57d2-4f3a-9e0b-1c2d3e4f5a6b",
            name="Accounts to CRM",
            url="https://crm.shopper.example/inbound/accounts",
            observes=("account.created", "account.updated"),
            configuration={"secret_key": secrets["accounts_secret_key"]},
            share=700,
        ),
        Integration(
            id="d35e7f90-1a2b-4c3d-8e4f-5a6b7c8d9e0f",
            name="Payments to ledger",
            url="https://ledger.kestrel.example/events/payments",
            observes=("transaction.updated",),
            configuration={"secret_key": secrets["payments_secret_key"]},
            share=600,
        ),
        Integration(
            id="f6a7b8c9-0d1e-4f2a-b3c4-d5e6f7a8b9c0",
            name="Stock queue",
            url="https://sqs.eu-west-1.cloud.test/401877/stock",
            observes=("stock.updated",),
            integration_type="aws_sqs",
            configuration={
                "aws_access_key_id": "AKIAEXAMPLE401877",
                "aws_secret_access_key": secrets["aws_secret_access_key"],
                "region": "eu-west-1",
            },
            share=500,
        ),
    )
