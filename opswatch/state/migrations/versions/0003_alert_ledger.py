"""The ledger of alerting: alerts, incidents, transitions, decisions, notifications, and what people did. Shell."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "alert",
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("rule", sa.String, nullable=False),
        sa.Column("tags", sa.JSON, nullable=False),
        sa.Column("state", sa.JSON, nullable=False),
        sa.Column("incident", sa.Integer),
    )
    op.create_table(
        "incident",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("alert", sa.String, nullable=False),
        sa.Column("rule", sa.String, nullable=False),
        sa.Column("rule_version", sa.String, nullable=False),
        sa.Column("tags", sa.JSON, nullable=False),
        sa.Column("service", sa.String, nullable=False),
        sa.Column("severity", sa.Integer, nullable=False),
        sa.Column("worst", sa.Integer, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("flapping", sa.Boolean, nullable=False),
        sa.Column("opened", sa.BigInteger, nullable=False),
        sa.Column("resolved", sa.BigInteger),
        sa.Column("resolution", sa.String, nullable=False),
        sa.Column("value", sa.Float),
        sa.Column("summary", sa.String, nullable=False),
        sa.Column("labels", sa.JSON, nullable=False),
        sa.Column("runbook", sa.String, nullable=False),
        sa.Column("told", sa.Boolean, nullable=False),
        sa.Column("acknowledged", sa.BigInteger),
        sa.Column("acknowledged_by", sa.String, nullable=False),
        sa.Column("snoozed_until", sa.BigInteger),
        sa.Column("assigned_to", sa.String, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("incident_by_state", "incident", ["resolved", "id"])
    op.create_index("incident_by_opening", "incident", ["opened"])
    op.create_table(
        "transition",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("alert", sa.String, nullable=False),
        sa.Column("rule", sa.String, nullable=False),
        sa.Column("rule_version", sa.String, nullable=False),
        sa.Column("service", sa.String, nullable=False),
        sa.Column("incident", sa.Integer),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("recorded", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("before", sa.String, nullable=False),
        sa.Column("after", sa.String, nullable=False),
        sa.Column("severity_before", sa.Integer),
        sa.Column("severity_after", sa.Integer),
        sa.Column("value", sa.Float),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("written", sa.Boolean, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("transition_of_incident", "transition", ["incident"])
    op.create_index("transition_unwritten", "transition", ["id"], sqlite_where=sa.text("NOT written"))
    op.create_table(
        "decision",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("incident", sa.Integer, nullable=False),
        sa.Column("transition", sa.Integer, nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("tell", sa.Boolean, nullable=False),
        sa.Column("cause", sa.String, nullable=False),
        sa.Column("words", sa.String, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("decision_of_incident", "decision", ["incident"])
    op.create_table(
        "notification",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("incident", sa.Integer, nullable=False),
        sa.Column("transition", sa.Integer, nullable=False, unique=True),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("author", sa.String, nullable=False),
        sa.Column("action", sa.String, nullable=False),
        sa.Column("incident", sa.Integer),
        sa.Column("words", sa.String, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("audit_of_incident", "audit", ["incident"])
