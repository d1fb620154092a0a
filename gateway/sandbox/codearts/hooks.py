"""The simulated customer's projects, group and repository, and their hooks."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from gateway.sandbox.streams import Stream

if TYPE_CHECKING:
    from collections.abc import Mapping

PROJECTS = ("8f1c6a0e52d94b7fa3c0d1e94b6f7a25", "c94e07b3d1f84a62b5e8073f6ad21c9b")
GROUP = 41207
REPOSITORY = 2111884
CHINA = dt.timezone(dt.timedelta(hours=8))


class Hook(Stream, frozen=True, kw_only=True):
    """A webhook of a project, group or repository; ``zone`` is the time zone of its times."""

    scope: str
    scope_id: str
    name: str
    events: tuple[str, ...]
    zone: dt.timezone = CHINA


def hooks(secrets: Mapping[str, str]) -> tuple[Hook, ...]:
    """Return the hooks."""
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
