"""The table of actions, as of the latest migration."""

from __future__ import annotations

import sqlalchemy as sa

from gateway.journal.action import ActionKind, Outcome

METADATA = sa.MetaData()

ACTIONS = sa.Table(
    "gateway_actions",
    METADATA,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("kind", sa.Enum(ActionKind, native_enum=False, length=16), nullable=False),
    sa.Column("log_id", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("upstream_id", sa.Text, nullable=False),
    sa.Column("caller", sa.Text, nullable=False),
    sa.Column("idempotency_key", sa.Text),
    sa.Column("request_id", sa.Text),
    sa.Column("requested_at", sa.BigInteger, nullable=False),
    sa.Column("lease_until", sa.BigInteger, nullable=False),
    sa.Column("completed_at", sa.BigInteger),
    sa.Column("outcome", sa.Enum(Outcome, native_enum=False, length=16), nullable=False),
    sa.Column("error_code", sa.Text),
    sa.Column("message", sa.Text),
    sa.Column("answer", sa.LargeBinary),
    sa.Column("owner", sa.Text, nullable=False),
    sa.UniqueConstraint("caller", "idempotency_key", name="gateway_actions_key"),
    sa.Index("gateway_actions_place", "requested_at", "id"),
)
"""``owner`` identifies the process that began the action. Times are in nanoseconds since 1970."""

VERSION_TABLE = "gateway_journal_version"
"""Alembic's version table, named so that it does not collide in a shared database."""
