"""How the tables of the journal came to be, step by step; Alembic runs it."""
