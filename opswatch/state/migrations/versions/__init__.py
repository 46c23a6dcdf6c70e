"""The migrations of state.sqlite, run by Alembic at every start."""
