"""When the manifest of a batch was written."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Bring the tables to this revision."""
    written = sa.Column("written_ns", sa.BigInteger, nullable=False, server_default="0")
    op.add_column("batches", written)
