"""What people mute and plan: silences, maintenance windows, who steps in. Shell."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "silence",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("match", sa.JSON, nullable=False),
        sa.Column("author", sa.String, nullable=False),
        sa.Column("comment", sa.String, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("starts", sa.BigInteger, nullable=False),
        sa.Column("ends", sa.BigInteger, nullable=False),
        sa.Column("ended_by", sa.String, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("silence_by_end", "silence", ["ends"])
    op.create_table(
        "maintenance",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("match", sa.JSON, nullable=False),
        sa.Column("duration", sa.BigInteger, nullable=False),
        sa.Column("zone", sa.String, nullable=False),
        sa.Column("times", sa.JSON, nullable=False),
        sa.Column("author", sa.String, nullable=False),
        sa.Column("comment", sa.String, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("ended", sa.BigInteger),
        sa.Column("ended_by", sa.String, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sqlite_autoincrement=True,
    )
    planned = sa.text("ended IS NULL")
    op.create_index("maintenance_planned", "maintenance", ["name"], unique=True, sqlite_where=planned)
    op.create_table(
        "duty_override",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("rotation", sa.String, nullable=False),
        sa.Column("person", sa.String, nullable=False),
        sa.Column("start", sa.BigInteger, nullable=False),
        sa.Column("stop", sa.BigInteger, nullable=False),
        sa.Column("author", sa.String, nullable=False),
        sa.Column("comment", sa.String, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("duty_override_by_stop", "duty_override", ["stop"])
