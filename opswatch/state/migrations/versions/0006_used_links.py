"""Links of messages that were used: each works once. Shell."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "used_link",
        sa.Column("digest", sa.String, primary_key=True),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("author", sa.String, nullable=False),
        sa.Column("incidents", sa.Integer, nullable=False),
    )
