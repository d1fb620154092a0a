"""The headers and bodies of an event, which lists have too."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from gateway.sandbox.deliveries import digest, seeded
from gateway.sandbox.receivers import response_body, response_headers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.sandbox.deliveries import Delivery
    from gateway.sandbox.gitlab.hooks import Hook

_HIDDEN = "[REDACTED]"
_MAX_BODY = 8192
_OVERSIZE_EVERY = 97
_PEOPLE = ("Ada Moreau", "Tomas Lindqvist", "Wei Zhang", "Mei Tanaka")
_TITLES = ("Round half up in refunds", "Retry the export once", "Bump base image")


def exchange(
    seed: int, secrets: Mapping[str, str], hook: Hook, log: Delivery, trigger: str
) -> dict[str, Any]:
    """Return the fields with headers and bodies.

    GitLab masks tokens, the values of custom headers, and e-mail addresses in requests.
    """
    random = seeded(seed, "gitlab", log.number)
    status, keeps_event = log.outcome.status, hook.keeps_event
    return {
        "request_headers": {
            **dict.fromkeys(hook.custom_headers, _HIDDEN),
            "Content-Type": "application/json",
            "User-Agent": "GitLab/18.5.1-ee",
            "Idempotency-Key": _uuid(seed, "idempotency", log.number if keeps_event else log.job),
            "X-Gitlab-Event": trigger.removesuffix("s").replace("_", " ").title(),
            "X-Gitlab-Webhook-UUID": _uuid(seed, "webhook", log.number),
            "X-Gitlab-Instance": "https://gitlab.kestrel.example",
            "X-Gitlab-Token": _HIDDEN,
            "X-Gitlab-Event-UUID": _uuid(seed, "event", log.job if keeps_event else log.number),
        },
        "request_data": _request_data(seed, secrets, hook, log, trigger),
        "response_headers": response_headers(random, secrets, status) if status else {},
        "response_body": response_body(random, secrets, status)[:_MAX_BODY] if status else "",
    }


def _request_data(
    seed: int, secrets: Mapping[str, str], hook: Hook, log: Delivery, trigger: str
) -> dict[str, Any]:
    if log.job % _OVERSIZE_EVERY == 0:
        return {"oversize": True}
    random = seeded(seed, "gitlab", "event", log.job)
    person, title = random.choice(_PEOPLE), random.choice(_TITLES)
    kind = trigger.removesuffix("_hooks")
    commit = {
        "id": random.randbytes(20).hex(),
        "message": title,
        "author": {"name": person, "email": _HIDDEN},
    }
    clone = f"https://ci-bot:{secrets['git_password']}@gitlab.kestrel.example/{hook.owner}.git"
    data: dict[str, Any] = {
        "object_kind": kind,
        "user": {"name": person, "email": _HIDDEN},
        "project": {"path_with_namespace": hook.owner, "git_http_url": clone},
    }
    match kind:
        case "merge_request":
            data["object_attributes"] = {"iid": random.randrange(1, 900), "title": title}
        case "note":
            data["object_attributes"] = {"note": "Looks good to me.", "noteable_type": "Commit"}
            data["commit"] = commit
        case "pipeline":
            data["object_attributes"] = {
                "status": random.choice(("success", "failed")),
                "variables": {
                    "password": secrets["body_password"],
                    "service": {"client_secret": secrets["client_secret"]},
                },
            }
        case _:
            data["ref"] = "refs/heads/main" if kind == "push" else "refs/tags/v4.2.0"
            data["commits"] = [commit]
    return data


def _uuid(seed: int, *parts: object) -> str:
    return str(uuid.UUID(bytes=digest(seed, "gitlab", *parts), version=4))
