"""The first tables: answers, claims, gold labels, batches."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Bring the tables to this revision."""
    op.create_table(
        "answers",
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("digest", sa.String(32), nullable=False),
        sa.Column("critic", sa.String, nullable=False),
        sa.Column("batch", sa.String, nullable=False),
        sa.Column("at", sa.String, nullable=False),
        sa.Column("about", sa.LargeBinary, nullable=False),
        sa.Column("model", sa.LargeBinary, nullable=False),
        sa.Column("finish_reason", sa.LargeBinary),
        sa.Column("prompt_tokens", sa.BigInteger, nullable=False),
        sa.Column("completion_tokens", sa.BigInteger, nullable=False),
        sa.Column("cached_tokens", sa.BigInteger, nullable=False),
        sa.Column("seconds", sa.Double, nullable=False),
        sa.Column("retries", sa.BigInteger, nullable=False),
        sa.Column("content", sa.LargeBinary),
        sa.Column("refusal", sa.LargeBinary),
    )
    op.create_index("answers_of_partition", "answers", ["critic", "batch"])
    op.create_table(
        "claims",
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("owner", sa.String(64), nullable=False),
    )
    op.create_table(
        "gold_labels",
        sa.Column("set_name", sa.String(128), primary_key=True),
        sa.Column("trajectory_id", sa.String, primary_key=True),
        sa.Column("step_index", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("annotator", sa.String, primary_key=True),
        sa.Column("label", sa.String(32)),
        sa.Column("note", sa.String, nullable=False),
        sa.Column("given_at", sa.String),
    )
    op.create_table(
        "batches",
        sa.Column("name", sa.String(128), primary_key=True),
        sa.Column("number", sa.Integer, nullable=False, unique=True),
        sa.Column("manifest", sa.Text, nullable=False),
    )
