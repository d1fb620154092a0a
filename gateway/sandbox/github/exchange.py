"""The headers and bodies of a delivery, which only the detail has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.sandbox.deliveries import seeded
from gateway.sandbox.github.hooks import ORGANIZATION, REPOSITORIES
from gateway.sandbox.receivers import response_body, response_headers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.sandbox.deliveries import Delivery
    from gateway.sandbox.github.hooks import Hook

_PEOPLE = ("adamoreau", "tlindqvist", "weizhang", "meitanaka")
_TITLES = ("Round half up in refunds", "Retry the export once", "Bump base image")


def exchange(
    seed: int,
    secrets: Mapping[str, str],
    hook: Hook,
    log: Delivery,
    summary: Mapping[str, Any],
    event: int,
    repository: str | None,
) -> dict[str, Any]:
    """Return the fields that a detail has in addition to the summary.

    ``event`` is the number of the event, whose payload all its deliveries have.
    """
    target, _, _ = hook.owner.partition("/")
    headers = {
        "Accept": "*/*",
        "User-Agent": "GitHub-Hookshot/b8c71d8",
        "X-GitHub-Delivery": summary["guid"],
        "X-GitHub-Event": summary["event"],
        "X-GitHub-Hook-ID": hook.id,
        "X-GitHub-Hook-Installation-Target-Type": {
            "repos": "repository",
            "orgs": "organization",
        }.get(target, "integration"),
        "X-Hub-Signature": "sha1=" + secrets["hub_signature"],
        "X-Hub-Signature-256": "sha256=" + secrets["header_signature"],
        "content-type": "application/json",
    }
    random = seeded(seed, "github", log.number)
    status = log.outcome.status
    return {
        "url": hook.url,
        "request": {
            "headers": headers,
            "payload": _payload(seed, secrets, summary, event, repository),
        },
        "response": {
            "headers": response_headers(random, secrets, status) if status else None,
            "payload": response_body(random, secrets, status) if status else None,
        },
    }


def _payload(
    seed: int,
    secrets: Mapping[str, str],
    summary: Mapping[str, Any],
    event: int,
    repository: str | None,
) -> dict[str, Any]:
    random = seeded(seed, "github", "event", event)
    person, title = random.choice(_PEOPLE), random.choice(_TITLES)
    number = random.randrange(1, 900)
    data: dict[str, Any] = {"sender": {"login": person, "type": "User"}}
    if summary["action"]:
        data["action"] = summary["action"]
    if repository:
        data["repository"] = {
            "id": REPOSITORIES[repository],
            "full_name": repository,
            "clone_url": f"https://ci-bot:{secrets['git_password']}@github.example/{repository}.git",
        }
    else:
        data["organization"] = {"login": ORGANIZATION}
    match summary["event"]:
        case "push":
            author = {"name": person, "email": secrets["author_mail"]}
            data["ref"] = random.choice(("refs/heads/main", "refs/heads/fix/rounding"))
            data["pusher"] = {"name": person, "email": secrets["reviewer_mail"]}
            data["head_commit"] = {
                "id": random.randbytes(20).hex(),
                "message": title,
                "author": author,
            }
        case "repository_dispatch":
            data["client_payload"] = {
                "environment": "staging",
                "password": secrets["body_password"],
                "service": {"client_secret": secrets["client_secret"]},
            }
        case "pull_request":
            data["pull_request"] = {"number": number, "title": title, "state": "open"}
        case "issues":
            data["issue"] = {"number": number, "title": title, "body": None}
        case "member":
            data["member"] = {"login": random.choice(_PEOPLE)}
        case _:
            data["installation"] = {"id": summary["installation_id"]}
    return data
