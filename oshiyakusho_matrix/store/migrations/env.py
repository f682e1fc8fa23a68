"""Run by Alembic, for ``store.upgrade`` alone: that opens the connection and the transaction, and hands both on."""

from alembic import context

from oshiyakusho_matrix.store.metadata import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    compare_type=True,
    # SQLite alters a table by making it anew; and it takes back the making of tables, as PostgreSQL does.
    render_as_batch=True,
    transactional_ddl=True,
)
context.run_migrations()
