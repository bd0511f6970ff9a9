"""Alembic's entry. It is given a connection by `migrations.upgrade`, never a URL of its own."""

from alembic import context

from eed_delivery.ledger.schema import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
)
with context.begin_transaction():
    context.run_migrations()
