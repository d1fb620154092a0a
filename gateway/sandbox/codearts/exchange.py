"""The headers and bodies of a delivery, which only the detail of a log has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from gateway.sandbox.deliveries import seeded
from gateway.sandbox.outcomes import phrase

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

    from gateway.sandbox.deliveries import Delivery
    from gateway.sandbox.outcomes import Outcome

_HIDDEN = "******"
_BRANCHES = ("main", "release/4.2", "feature/refund-window", "fix/rounding", "chore/bump-images")
_TITLES = (
    "Round half up in refunds",
    "Retry the ledger export once",
    "Bump base image",
    "Search: drop stop words",
    "Storefront: lazy product images",
)
_PEOPLE = ("Ada Moreau", "Tomas Lindqvist", "Wei Zhang", "Mei Tanaka")
_KINDS = {
    "push_hooks": "push",
    "tag_push_hooks": "tag_push",
    "merge_request_hooks": "merge_request",
    "note_hooks": "note",
}


def exchange(
    seed: int, secrets: Mapping[str, str], log: Delivery, summary: Mapping[str, Any], namespace: str
) -> dict[str, Any]:
    """Return the four fields that a detail has in addition to the summary.

    ``response_body`` is text, an object, an array or null.
    """
    random = seeded(seed, "codearts", log.number)
    kind = _KINDS[summary["trigger"]]
    return {
        "request_headers": {
            "Content-Type": "application/json",
            "User-Agent": "CodeArtsRepo/4.0",
            "X-Codearts-Event": kind.replace("_", " ").title() + " Hook",
            "X-Repo-Token": _HIDDEN,
            "X-Codearts-Signature": "sha256=" + secrets["header_signature"],
        },
        "request_data": _request_data(random, secrets, kind, summary["uuid"], namespace),
        "response_headers": _response_headers(random, secrets, log.outcome),
        "response_body": _response_body(random, secrets, log.outcome),
    }


def _request_data(
    random: Random, secrets: Mapping[str, str], kind: str, uuid: str, namespace: str
) -> dict[str, Any]:
    person, branch = random.choice(_PEOPLE), random.choice(_BRANCHES)
    commit = {
        "id": random.randbytes(20).hex(),
        "message": random.choice(_TITLES),
        "author": {"name": person, "email": _HIDDEN},
    }
    clone = f"https://ci-bot:{secrets['git_password']}@codehub.kestrel.example/{namespace}.git"
    data: dict[str, Any] = {
        "object_kind": kind,
        "uuid": uuid,
        "user": {"name": person, "email": _HIDDEN},
        "project": {"path_with_namespace": namespace, "git_http_url": clone},
    }
    if kind == "merge_request":
        data["object_attributes"] = {
            "iid": int(uuid.rpartition("_")[2]),
            "title": commit["message"],
            "source_branch": branch,
            "target_branch": "main",
            "state": random.choice(("opened", "merged", "closed")),
            "last_commit": commit,
        }
    elif kind == "note":
        data["object_attributes"] = {"note": "Looks good to me.", "noteable_type": "Commit"}
        data["commit"] = commit
    else:
        data["ref"] = f"refs/heads/{branch}" if kind == "push" else "refs/tags/v4.2.0"
        data["after"] = commit["id"]
        data["commits"] = [commit]
        data["variables"] = {
            "environment": "staging",
            "password": secrets["body_password"],
            "service": {"client_secret": secrets["client_secret"]},
        }
    return data


def _response_headers(
    random: Random, secrets: Mapping[str, str], outcome: Outcome
) -> dict[str, Any]:
    if outcome.status is None:
        return {}
    headers: dict[str, Any] = {
        "Content-Type": "application/json" if outcome.delivered else "text/html",
        "Content-Length": random.choice((0, 22, 157)),
        "Server": random.choice(("nginx", "envoy", "gunicorn")),
    }
    if not random.randrange(3):
        headers["Set-Cookie"] = f"sid={secrets['response_cookie']}; Path=/; HttpOnly; Secure"
    if not random.randrange(5):
        headers["X-Api-Key"] = secrets["response_api_key"]
    return headers


def _response_body(random: Random, secrets: Mapping[str, str], outcome: Outcome) -> Any:
    if outcome.status is None:
        return random.choice(("", None))
    if not outcome.delivered:
        page = f"<html><h1>{phrase(outcome.status)}</h1></html>"
        echo = f"refused: Authorization: Bearer {secrets['echoed_bearer']}"
        return random.choice((page, echo, "", {"error": phrase(outcome.status)}))
    job = {"result": "success", "job": random.randrange(10**6)}
    session = {"result": "success", "session": {"token": secrets["response_jwt"]}}
    notified = {"result": "success", "notified": [secrets["author_mail"], secrets["reviewer_mail"]]}
    bodies: tuple[Any, ...] = (
        '{"result": "success"}',
        msgspec.json.encode(job).decode(),
        msgspec.json.encode(session).decode(),
        msgspec.json.encode(notified).decode(),
        "ok",
        job,
        [job],
        None,
    )
    return random.choice(bodies)
