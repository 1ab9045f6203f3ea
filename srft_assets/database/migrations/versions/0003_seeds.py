"""Seeds of training that were asked for; answers are found by their time."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Bring the tables to this revision."""
    op.create_table("seeds", sa.Column("name", sa.String(20), primary_key=True))
    op.create_index("answers_by_time", "answers", ["at"])
