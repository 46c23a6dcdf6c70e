"""The outbox: what receivers know of incidents, ladders, items, deliveries, attempts, reasons. Shell.

Notifications of a version that sent nothing are not sent by one that does: they are old. Incidents that are still open
are looked at, and told.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("incident", sa.Column("due", sa.BigInteger))
    op.add_column("incident", sa.Column("risen", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("incident", sa.Column("held", sa.String, nullable=False, server_default=""))
    op.execute("UPDATE notification SET state = 'expired' WHERE state = 'waiting'")
    op.execute("UPDATE incident SET risen = opened, told = 0")
    op.create_index("incident_due", "incident", ["due"])
    op.create_index("notification_of_incident", "notification", ["incident"])
    op.create_table(
        "known",
        sa.Column("incident", sa.Integer, primary_key=True),
        sa.Column("receiver", sa.String, primary_key=True),
        sa.Column("route", sa.String, nullable=False),
        sa.Column("grouping", sa.JSON, nullable=False),
        sa.Column("severity", sa.Integer, nullable=False),
        sa.Column("flapping", sa.Boolean, nullable=False),
        sa.Column("last", sa.BigInteger, nullable=False),
        sa.Column("over", sa.Boolean, nullable=False),
    )
    op.create_table(
        "ladder",
        sa.Column("incident", sa.Integer, primary_key=True),
        sa.Column("route", sa.String, primary_key=True),
        sa.Column("began", sa.BigInteger, nullable=False),
        sa.Column("done", sa.Integer, nullable=False),
    )
    op.create_table(
        "item",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("incident", sa.Integer, nullable=False),
        sa.Column("receiver", sa.String, nullable=False),
        sa.Column("route", sa.String, nullable=False),
        sa.Column("grouping", sa.JSON, nullable=False),
        sa.Column("occasion", sa.String, nullable=False),
        sa.Column("severity", sa.Integer, nullable=False),
        sa.Column("made", sa.BigInteger, nullable=False),
        sa.Column("delivery", sa.Integer),
        sqlite_autoincrement=True,
    )
    op.create_index("item_waiting", "item", ["receiver"], sqlite_where=sa.text("delivery IS NULL"))
    op.create_index("item_of_delivery", "item", ["delivery", "incident"])
    op.create_index("item_of_incident", "item", ["incident", "receiver"])
    op.create_table(
        "delivery",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("identifier", sa.String, nullable=False, unique=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("receiver", sa.String, nullable=False),
        sa.Column("route", sa.String, nullable=False),
        sa.Column("grouping", sa.JSON, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("due", sa.BigInteger, nullable=False),
        sa.Column("deadline", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("lease", sa.BigInteger),
        sa.Column("finished", sa.BigInteger),
        sa.Column("severity", sa.Integer, nullable=False),
        sa.Column("note", sa.String, nullable=False),
        sa.Column("instead_of", sa.Integer),
        sqlite_autoincrement=True,
    )
    unfinished = sa.text("state IN ('waiting', 'sending')")
    op.create_index("delivery_unfinished", "delivery", ["receiver", "due"], sqlite_where=unfinished)
    op.create_index("delivery_of_receiver", "delivery", ["receiver", "created"])
    op.create_table(
        "attempt",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("delivery", sa.Integer, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("recipient", sa.String, nullable=False),
        sa.Column("outcome", sa.String, nullable=False),
        sa.Column("code", sa.String, nullable=False),
        sa.Column("text", sa.String, nullable=False),
        sa.Column("took_ms", sa.Float, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("attempt_of_delivery", "attempt", ["delivery"])
    op.create_table(
        "reason",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("incident", sa.Integer, nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("receiver", sa.String, nullable=False),
        sa.Column("why", sa.String, nullable=False),
        sa.Column("tell", sa.Boolean, nullable=False),
        sa.Column("words", sa.String, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("reason_of_incident", "reason", ["incident"])
