"""Alembic's entry: run the migrations on the connection that State has opened. Shell."""

from alembic import context

from opswatch.state.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
