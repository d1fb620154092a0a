"""The simulated customer's project and group, and their webhooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.sandbox.streams import Stream

if TYPE_CHECKING:
    from collections.abc import Mapping

PROJECT = "kestrel/platform/billing"
GROUP = "kestrel/platform"
IDS = {PROJECT: 73105, GROUP: 4410}
"""The numeric ids of the project and the group, which are as good as their paths."""

FLAGS = {
    "push_hooks": "push_events",
    "tag_push_hooks": "tag_push_events",
    "merge_request_hooks": "merge_requests_events",
    "note_hooks": "note_events",
    "pipeline_hooks": "pipeline_events",
}
"""The field of a webhook that tells whether it has such events, by trigger."""


class Hook(Stream, frozen=True, kw_only=True):
    """A webhook; ``scope`` is ``projects`` or ``groups``, ``owner`` the path there.

    One that is not active is disabled: its events can't be sent again.
    """

    scope: str
    owner: str
    name: str
    triggers: tuple[str, ...]
    shown_url: str
    """The URL as events have it, whose credentials GitLab masks."""
    custom_headers: tuple[str, ...] = ()
    keeps_event: bool = True
    """Whether a resend keeps the UUID of the event, or the idempotency key: versions differ."""


def hooks(secrets: Mapping[str, str]) -> tuple[Hook, ...]:
    """Return the webhooks."""
    deploy = f"deploy:{secrets['userinfo_password']}@"
    review = "https://review.kestrel.example/gitlab?access_token=" + secrets["query_token"]
    mirror = "https://mirror.kestrel.example:8443/sync?signature=" + secrets["query_signature"]
    return (
        Hook(
            id="88012",
            scope="projects",
            owner=PROJECT,
            name="Deploy",
            url=f"https://{deploy}ci.kestrel.example/hooks/gitlab",
            shown_url="https://*****:*****@ci.kestrel.example/hooks/gitlab",
            triggers=("push_hooks", "pipeline_hooks", "tag_push_hooks"),
            custom_headers=("X-Deploy-Key",),
            share=3400,
        ),
        Hook(
            id="88013",
            scope="projects",
            owner=PROJECT,
            name="Review bot",
            url=review,
            shown_url=review,
            triggers=("merge_request_hooks", "note_hooks"),
            keeps_event=False,
            share=900,
        ),
        Hook(
            id="88020",
            scope="projects",
            owner=PROJECT,
            name="Old wallboard",
            url="http://wallboard.kestrel.example/gitlab",
            shown_url="http://wallboard.kestrel.example/gitlab",
            triggers=("pipeline_hooks",),
            active=False,
            share=400,
        ),
        Hook(
            id="88107",
            scope="groups",
            owner=GROUP,
            name="Mirror",
            url=mirror,
            shown_url=mirror,
            triggers=("push_hooks", "tag_push_hooks"),
            share=1400,
        ),
    )
