"""The simulated customer's repositories, organisation and app, and their webhooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.sandbox.streams import Stream

if TYPE_CHECKING:
    from collections.abc import Mapping

REPOSITORIES = {"kestrel/checkout": 501337, "kestrel/catalog": 501402}
"""The numeric ids of the repositories, by full name."""
ORGANIZATION = "kestrel"

ACTIONS: dict[str, tuple[str | None, ...]] = {
    "push": (None,),
    "repository_dispatch": ("deploy",),
    "pull_request": ("opened", "synchronize", "closed"),
    "issues": ("opened", "closed"),
    "member": ("added", "removed"),
    "installation": ("created", "suspend"),
}
"""The actions of each event; None where an event has none."""


class Hook(Stream, frozen=True, kw_only=True):
    """A webhook; ``owner`` is a path below ``repos/`` or ``orgs/``, or empty for the app's own."""

    owner: str
    events: tuple[str, ...]

    @property
    def repositories(self) -> tuple[str, ...]:
        """Full names of the repositories whose events it receives."""
        name = self.owner.removeprefix("repos/")
        return (name,) if name in REPOSITORIES else tuple(REPOSITORIES)


def hooks(secrets: Mapping[str, str]) -> tuple[Hook, ...]:
    """Return the webhooks of the repositories and of the organisation."""
    return (
        Hook(
            id="512001",
            owner="repos/kestrel/checkout",
            url=f"https://ci.kestrel.example/github?access_token={secrets['query_token']}",
            events=("push", "pull_request", "repository_dispatch"),
            share=1400,
        ),
        Hook(
            id="512002",
            owner="repos/kestrel/checkout",
            url=f"https://hooks.parley.test/services/T03KESTRL/B07REVIEW/{secrets['slack_path']}",
            events=("pull_request", "issues"),
            share=600,
        ),
        Hook(
            id="512117",
            owner="repos/kestrel/catalog",
            url="https://search.kestrel.example/github",
            events=("push",),
            active=False,
            share=300,
        ),
        Hook(
            id="512500",
            owner=f"orgs/{ORGANIZATION}",
            url=f"https://audit:{secrets['userinfo_password']}@audit.kestrel.example/github",
            events=("push", "pull_request", "member"),
            share=700,
        ),
    )


def app_hook(secrets: Mapping[str, str]) -> Hook:
    """Return the webhook of the app."""
    return Hook(
        id="513900",
        owner="",
        url=f"https://bot.kestrel.example/events?key={secrets['query_key']}",
        events=("pull_request", "issues", "installation"),
        share=1300,
    )
