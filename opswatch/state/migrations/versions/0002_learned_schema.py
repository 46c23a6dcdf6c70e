"""Measurements that were learned from what applications push. Shell."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "learned_measurement",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("tags", sa.JSON, nullable=False),
        sa.Column("fields", sa.JSON, nullable=False),
    )
