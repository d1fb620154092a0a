"""What a vendor does with a delivery that it is asked to send again."""

from __future__ import annotations

import msgspec

from gateway.model import Described, WebhookLog


class RetryKind(Described):
    """What a retry does to the logs of its vendor."""

    SAME_LOG = (
        "SAME_LOG",
        "The retried log itself gets the new result. If that is still missing, read it again.",
    )
    NEW_LOG = (
        "NEW_LOG",
        "The new delivery has a log of its own, the replacement. The retried log stays as it is.",
    )
    MANY_LOGS = (
        "MANY_LOGS",
        "Other deliveries were sent again, too. List the logs again to see which.",
    )


class Retried(msgspec.Struct, frozen=True):
    """A vendor's answer to a retry.

    ``log`` is the retried log, if the answer contains it. ``place`` is that of the new log, if the
    answer names it; without it, a new log is looked for by its correlation id in the list that has
    the retried one.
    """

    kind: RetryKind
    log: WebhookLog | None = None
    place: tuple[str, ...] | None = None
