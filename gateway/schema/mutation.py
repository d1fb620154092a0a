"""The mutations: retry and delete, with typed errors for what a frontend can act on."""

from __future__ import annotations

from typing import Annotated

import msgspec
import strawberry
from strawberry import ID, UNSET

from gateway import model
from gateway.actions import problems
from gateway.schema.arguments import Id
from gateway.schema.context import Info
from gateway.schema.enums import ActionKind, Role, UserErrorCode
from gateway.schema.fields import described, is_a
from gateway.schema.types import WebhookLog


@strawberry.interface(description="Why an action was not done, or not known to be.")
class UserError:
    code: UserErrorCode = described("The kind of error.")
    message: str = described("What happened, and what to do.")
    path: list[str] | None = described("The argument at fault; null where none is.")


@strawberry.type(description="An argument can't be used.")
class InvalidInput(UserError):
    is_type_of = is_a(problems.InvalidInput)


@strawberry.type(description="There is no such webhook log, or it is not granted.")
class NotFound(UserError):
    is_type_of = is_a(problems.NotFound)


@strawberry.type(description="The caller lacks a role on the log's source.")
class NotAuthorized(UserError):
    is_type_of = is_a(problems.NotAuthorized)

    required_role: Role = described("The role that it takes.")


@strawberry.type(description="The vendor can't do it; nothing was asked of it.")
class ActionNotSupported(UserError):
    is_type_of = is_a(problems.ActionNotSupported)

    action: ActionKind = described("The action.")
    sources: list[str] = described("The names of the sources that can.")


@strawberry.type(description="The key was used for another action or another log.")
class IdempotencyKeyReused(UserError):
    is_type_of = is_a(problems.IdempotencyKeyReused)

    log_id: ID | None = described(
        "The id of the log that it was used for; null where the caller may not see it."
    )


@strawberry.type(description="The vendor refused: nothing happened.")
class UpstreamRejected(UserError):
    is_type_of = is_a(problems.UpstreamRejected)

    http_status: int | None = described("The HTTP status of the vendor's answer.")
    vendor_code: str | None = described("The vendor's own code.")
    vendor_message: str | None = described("The vendor's own words. Secrets are masked.")
    vendor_request_id: str | None = described("The vendor's id of the request, for its support.")


@strawberry.type(
    description=(
        "The vendor was not reached, or did not take it: nothing happened. Try again, with a new"
        " idempotencyKey."
    )
)
class UpstreamUnavailable(UserError):
    is_type_of = is_a(problems.UpstreamUnavailable)

    retry_after: float | None = described("How long to wait, in seconds, where the vendor says.")


@strawberry.type(
    description=(
        "It was sent and the answer was lost: it may have happened. Look at the log again; the"
        " gateway does not repeat it on its own."
    )
)
class OutcomeUnknown(UserError):
    is_type_of = is_a(problems.OutcomeUnknown)

    action_id: ID = described("The id of the action in the journal.")


class Payload(msgspec.Struct):
    """What a mutation gives."""

    webhook_log: model.WebhookLog | None = None
    deleted_webhook_log_id: str | None = None
    user_errors: tuple[problems.Problem, ...] = ()


@strawberry.type(description="What a retry came to.")
class RetryWebhookLogPayload:
    webhook_log: WebhookLog | None = described(
        "The log as it is after the retry; null where that could not be read, or it failed."
    )
    user_errors: list[UserError] = described("Why it was not done; empty when it was.")


@strawberry.type(description="What a deletion came to.")
class DeleteWebhookLogPayload:
    webhook_log: WebhookLog | None = described("The log as it was, where the vendor gives it.")
    deleted_webhook_log_id: ID | None = described("The id of the log that is gone.")
    user_errors: list[UserError] = described("Why it was not done; empty when it was.")


IdempotencyKey = Annotated[
    str | None,
    strawberry.argument(
        description=(
            "Text of your choice, 1 to 255 characters. However often it is sent, the retry happens"
            " once and each call gets the same answer, a failure too, as long as the journal is"
            " kept."
        )
    ),
]


async def _retry(info: Info, id: Id, idempotency_key: IdempotencyKey = UNSET) -> Payload:
    context = info.context
    key = None if idempotency_key is UNSET else idempotency_key
    answer = await context.gateway.act(context.operation, ActionKind.RETRY, id, key)
    return Payload(answer.log, None, (answer.problem,) if answer.problem else ())


async def _delete(info: Info, id: Id) -> Payload:
    context = info.context
    answer = await context.gateway.act(context.operation, ActionKind.DELETE, id)
    if answer.problem:
        return Payload(user_errors=(answer.problem,))
    return Payload(answer.log, id)


@strawberry.type(description="What the cache was cleared of.")
class InvalidateCachePayload:
    entries: int = described("How many entries were dropped.")
    user_errors: list[UserError] = described("Why none was dropped; empty when they were.")


class Invalidated(msgspec.Struct):
    """What ``invalidateCache`` gives."""

    entries: int = 0
    user_errors: tuple[problems.Problem, ...] = ()


Tags = Annotated[
    list[str],
    strawberry.argument(
        description=(
            "What to drop: source:NAME, hook:ID or log:ID, with the ids of this schema. A hook and"
            " a log take along the lists that they stand in."
        )
    ),
]


async def _invalidate(info: Info, tags: Tags) -> Invalidated:
    dropped = await info.context.gateway.invalidate(tags)
    return Invalidated(dropped) if isinstance(dropped, int) else Invalidated(user_errors=(dropped,))


@strawberry.type(description="Everything that can be done.")
class Mutation:
    retry_webhook_log: RetryWebhookLogPayload = described(
        "Have the vendor send a delivery again, once. It takes the role operator.", _retry
    )
    delete_webhook_log: DeleteWebhookLogPayload = described(
        "Have the vendor delete a webhook log, once. It takes the role admin.", _delete
    )
    invalidate_cache: InvalidateCachePayload = described(
        "Drop what the gateway keeps of sources, hooks or logs, on every replica that shares the"
        " cache. It takes the role admin.",
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
