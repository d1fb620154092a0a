"""Mutations, with typed errors for everything that a frontend can act on."""

from __future__ import annotations

from typing import Annotated

import msgspec
import strawberry
from strawberry import ID, UNSET

from gateway import model
from gateway.actions import problems
from gateway.schema.arguments import Id
from gateway.schema.context import Info
from gateway.schema.enums import ActionKind, RetryKind, Role, UserErrorCode
from gateway.schema.fields import described, instance_of
from gateway.schema.types import WebhookLog


@strawberry.interface(description="The reason why an action failed, or its outcome is unknown.")
class UserError:
    code: UserErrorCode = described("Kind of error.")
    message: str = described("What went wrong, and how to solve it.")
    path: list[str] | None = described("Path to the argument at fault. Null if none is.")


@strawberry.type(description="An argument is invalid.")
class InvalidInput(UserError):
    is_type_of = instance_of(problems.InvalidInput)


@strawberry.type(description="The webhook log does not exist, or the caller may not see it.")
class NotFound(UserError):
    is_type_of = instance_of(problems.NotFound)


@strawberry.type(description="The caller lacks a role for the log's source.")
class NotAuthorized(UserError):
    is_type_of = instance_of(problems.NotAuthorized)

    required_role: Role = described("The role that the action requires.")


@strawberry.type(description="The vendor does not support the action. Nothing was sent to it.")
class ActionNotSupported(UserError):
    is_type_of = instance_of(problems.ActionNotSupported)

    action: ActionKind = described("The action.")
    sources: list[str] = described("Names of the sources that support it.")


@strawberry.type(description="The idempotencyKey was used before, for another action or log.")
class IdempotencyKeyReused(UserError):
    is_type_of = instance_of(problems.IdempotencyKeyReused)

    log_id: ID | None = described(
        "Id of the log for which it was used. Null if the caller may not see that log."
    )


@strawberry.type(description="The vendor refused the action. Nothing was changed.")
class UpstreamRejected(UserError):
    is_type_of = instance_of(problems.UpstreamRejected)

    http_status: int | None = described(
        "HTTP status of the vendor's response. Null if it was not recorded."
    )
    vendor_code: str | None = described("The vendor's error code. Null if it gave none.")
    vendor_message: str | None = described(
        "The vendor's error message, redacted. Null if it gave none."
    )
    vendor_request_id: str | None = described(
        "The vendor's id of the request, for its support. Null if it gave none."
    )


@strawberry.type(
    description=(
        "The vendor could not be reached, or did not accept the request. Nothing was changed. Try"
        " again, with a new idempotencyKey."
    )
)
class UpstreamUnavailable(UserError):
    is_type_of = instance_of(problems.UpstreamUnavailable)

    retry_after: float | None = described(
        "Seconds to wait before trying again. Null if the vendor does not say."
    )


@strawberry.type(
    description=(
        "The request was sent but its response was lost, so the action may have taken effect. Read"
        " the log again to find out; the gateway never repeats an action by itself."
    )
)
class OutcomeUnknown(UserError):
    is_type_of = instance_of(problems.OutcomeUnknown)

    action_id: ID = described("Id of the action in the journal.")


class Payload(msgspec.Struct):
    """Result of a retry or deletion."""

    webhook_log: model.WebhookLog | None = None
    kind: RetryKind | None = None
    replacement: model.WebhookLog | None = None
    deleted_webhook_log_id: str | None = None
    user_errors: tuple[problems.Problem, ...] = ()


@strawberry.type(description="Result of a retry.")
class RetryWebhookLogPayload:
    webhook_log: WebhookLog | None = described(
        "The retried log, as it is after the retry. Null if the retry failed, or the log could not"
        " be read after it."
    )
    kind: RetryKind | None = described(
        "What the retry does to the vendor's logs. Null if it failed, or if an earlier version of"
        " the gateway recorded it."
    )
    replacement: WebhookLog | None = described(
        "The new log, if kind is NEW_LOG. Null for other kinds, and if the new log was not there"
        " within a few seconds: the vendor has accepted the retry, so do not repeat it, but poll"
        " webhookLogs with before."
    )
    user_errors: list[UserError] = described("Errors. Empty if the action succeeded.")


@strawberry.type(description="Result of a deletion.")
class DeleteWebhookLogPayload:
    webhook_log: WebhookLog | None = described(
        "The log before the deletion. Null if the deletion failed, or the vendor returns none."
    )
    deleted_webhook_log_id: ID | None = described(
        "Id of the deleted log. Null if the deletion failed."
    )
    user_errors: list[UserError] = described("Errors. Empty if the action succeeded.")


IdempotencyKey = Annotated[
    str | None,
    strawberry.argument(
        description=(
            "Unique text of your choice, 1 to 255 printable characters. However often the mutation"
            " is sent with it, the delivery is retried once, and every call returns the same"
            " result, even a failure, as long as the journal keeps it. Null means that each call"
            " retries."
        )
    ),
]


async def _retry(info: Info, id: Id, idempotency_key: IdempotencyKey = UNSET) -> Payload:
    context = info.context
    key = None if idempotency_key is UNSET else idempotency_key
    answer = await context.gateway.act(context.operation, ActionKind.RETRY, id, key)
    return Payload(
        answer.log,
        answer.kind,
        answer.replacement,
        user_errors=(answer.problem,) if answer.problem else (),
    )


async def _delete(info: Info, id: Id) -> Payload:
    context = info.context
    answer = await context.gateway.act(context.operation, ActionKind.DELETE, id)
    if answer.problem:
        return Payload(user_errors=(answer.problem,))
    return Payload(answer.log, deleted_webhook_log_id=id)


@strawberry.type(description="Result of clearing the cache.")
class InvalidateCachePayload:
    entries: int = described("Number of removed entries.")
    user_errors: list[UserError] = described("Errors. If there are any, nothing was removed.")


class Invalidated(msgspec.Struct):
    """Result of ``invalidateCache``."""

    entries: int = 0
    user_errors: tuple[problems.Problem, ...] = ()


Tags = Annotated[
    list[str],
    strawberry.argument(
        description=(
            "What to remove: source:NAME, hook:ID or log:ID, with the ids of this schema. Lists"
            " that contain the hook or log are removed with it."
        )
    ),
]


async def _invalidate(info: Info, tags: Tags) -> Invalidated:
    dropped = await info.context.gateway.invalidate(tags)
    return Invalidated(dropped) if isinstance(dropped, int) else Invalidated(user_errors=(dropped,))


@strawberry.type(description="Entry points for changes.")
class Mutation:
    retry_webhook_log: RetryWebhookLogPayload = described(
        "Ask the vendor to send a delivery again. Requires the role OPERATOR.", _retry
    )
    delete_webhook_log: DeleteWebhookLogPayload = described(
        "Ask the vendor to delete a webhook log. Requires the role ADMIN.", _delete
    )
    invalidate_cache: InvalidateCachePayload = described(
        "Remove cached data of sources, hooks or logs, for all replicas that share the cache."
        " Requires the role ADMIN.",
        _invalidate,
    )


ERRORS = [
    InvalidInput,
    NotFound,
    NotAuthorized,
    ActionNotSupported,
    IdempotencyKeyReused,
    UpstreamRejected,
    UpstreamUnavailable,
    OutcomeUnknown,
]
