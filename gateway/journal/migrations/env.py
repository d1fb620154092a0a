"""Alembic's environment: it uses the connection of ``gateway.journal.database``."""

from __future__ import annotations

from alembic import context

from gateway.journal.table import METADATA, VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table=VERSION_TABLE,
)
context.run_migrations()
