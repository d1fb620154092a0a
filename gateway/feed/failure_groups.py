"""Failures that belong together: of one hook, category and status code, with a like message.

A group is named by its id alone, which contains what its logs share, with a hash of the message. So
a link to it works as long as the vendor keeps its logs, and vendors can be asked for them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gateway import ids
from gateway.errors import ErrorCode, RequestError
from gateway.model import FailureCategory, WebhookLogStatus
from gateway.normalise.messages import normalised

if TYPE_CHECKING:
    from gateway.model import WebhookLog

DIGEST_SIZE = 8


def group_of(log: WebhookLog) -> str | None:
    """Return the id of the group of a failed log, which is kept beside it; None for any other."""
    failure = log.failure
    if failure is None or log.status is not WebhookLogStatus.FAILED:
        return None
    kept = log.__dict__
    found: str | None = kept.get("failure_group")
    if found is None:
        code = status_code_of(log)
        found = kept["failure_group"] = ids.encode(
            ids.Kind.GROUP,
            log.source,
            failure.category.name,
            "" if code is None else str(code),
            _digest(normalised(failure.message)),
            *(ids.decode(log.hook_id).place if log.hook_id else ()),
        )
    return found


def status_code_of(log: WebhookLog) -> int | None:
    """Return the status code of a log's response, if it had one."""
    return log.response.status_code if log.response else None


def implied(given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return filters that all logs meet which comparators of the id of their group let through."""
    found = []
    for key in sorted({"eq", "in"} & given.keys()):
        listed = given[key] if isinstance(given[key], list) else [given[key]]
        parts = [document_of(id) for id in listed]
        found.append(parts[0] if len(parts) == 1 else {"or": parts})
    return found


def document_of(id: str) -> dict[str, Any]:
    """Return the filter that all logs of a group meet; RequestError if it is no group's id."""
    reference = ids.decode(id, ids.Kind.GROUP)
    try:
        category, code, _, *hook = reference.place
        found: dict[str, Any] = {
            "source": {"eq": reference.source},
            "status": {"eq": WebhookLogStatus.FAILED},
            "failure": {"eq": FailureCategory[category]},
        }
        if code:
            found["httpStatus"] = {"eq": int(code)}
    except (KeyError, ValueError):
        raise RequestError(
            ErrorCode.INVALID_ID,
            "That id was not made by this gateway. Use the id of a failure group as a query gave"
            " it.",
        ) from None
    if hook:
        found["hook"] = {"eq": ids.encode(ids.Kind.HOOK, reference.source, *hook)}
    return found


def _digest(text: str) -> str:
    return ids.pack(hashlib.blake2b(text.encode(), digest_size=DIGEST_SIZE).digest())
