"""Batches at providers, and the requests in them."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Bring the tables to this revision."""
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("critic", sa.String, nullable=False),
        sa.Column("batch", sa.String, nullable=False),
        sa.Column("model", sa.LargeBinary, nullable=False),
        sa.Column("url", sa.String, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("at", sa.String, nullable=False),
        sa.Column("file", sa.String),
        sa.Column("remote", sa.String),
    )
    op.create_index("jobs_by_time", "jobs", ["at"])
    op.create_table(
        "job_calls",
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("job", sa.String(32), nullable=False),
        sa.Column("about", sa.LargeBinary, nullable=False),
        sa.Column("prompt_tokens", sa.BigInteger, nullable=False),
        sa.Column("completion_tokens", sa.BigInteger, nullable=False),
    )
    op.create_index("calls_of_job", "job_calls", ["job"])
