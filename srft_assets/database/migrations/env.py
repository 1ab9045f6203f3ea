"""How Alembic runs the revisions: on the connection that the store hands over."""

from alembic import context

from srft_assets.database.store import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
