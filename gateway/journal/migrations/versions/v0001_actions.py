"""Create the table of actions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the table and its index."""
    op.create_table(
        "gateway_actions",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("log_id", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("upstream_id", sa.Text, nullable=False),
        sa.Column("caller", sa.Text, nullable=False),
        sa.Column("idempotency_key", sa.Text),
        sa.Column("request_id", sa.Text),
        sa.Column("requested_at", sa.BigInteger, nullable=False),
        sa.Column("lease_until", sa.BigInteger, nullable=False),
        sa.Column("completed_at", sa.BigInteger),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("error_code", sa.Text),
        sa.Column("message", sa.Text),
        sa.Column("answer", sa.LargeBinary),
        sa.Column("owner", sa.Text, nullable=False),
        sa.UniqueConstraint("caller", "idempotency_key", name="gateway_actions_key"),
    )
    op.create_index("gateway_actions_place", "gateway_actions", ["requested_at", "id"])
