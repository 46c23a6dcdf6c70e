"""The tables of the alert ledger as the code uses them; migrations 0003 and 0004 make them. Pure.

Instants are nanoseconds since 1970 UTC; `time` is when it happened by the evaluated windows, `recorded` by the wall.
Numbers of incidents are never used again (SQLite's AUTOINCREMENT).
"""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Boolean, Column, Float, Integer, String, Table

from opswatch.state.tables import metadata

alert = Table(
    "alert",
    metadata,
    Column("key", String, primary_key=True),
    Column("rule", String, nullable=False),
    Column("tags", JSON, nullable=False),
    Column("state", JSON, nullable=False),
    Column("incident", Integer),
)

incident = Table(
    "incident",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("alert", String, nullable=False),
    Column("rule", String, nullable=False),
    Column("rule_version", String, nullable=False),
    Column("tags", JSON, nullable=False),
    Column("service", String, nullable=False),
    Column("severity", Integer, nullable=False),
    Column("worst", Integer, nullable=False),
    Column("status", String, nullable=False),
    Column("flapping", Boolean, nullable=False),
    Column("opened", BigInteger, nullable=False),
    Column("resolved", BigInteger),
    Column("resolution", String, nullable=False),
    Column("value", Float),
    Column("summary", String, nullable=False),
    Column("labels", JSON, nullable=False),
    Column("runbook", String, nullable=False),
    Column("told", Boolean, nullable=False),
    Column("acknowledged", BigInteger),
    Column("acknowledged_by", String, nullable=False),
    Column("snoozed_until", BigInteger),
    Column("assigned_to", String, nullable=False),
    Column("due", BigInteger),  # when it is to be looked at for telling; None: when something changes
    Column("risen", BigInteger, nullable=False),  # when it last became worse, by the wall clock
    Column("held", String, nullable=False),  # what held its telling back at the last look
    sqlite_autoincrement=True,
)

transition = Table(
    "transition",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("alert", String, nullable=False),
    Column("rule", String, nullable=False),
    Column("rule_version", String, nullable=False),
    Column("service", String, nullable=False),
    Column("incident", Integer),
    Column("time", BigInteger, nullable=False),
    Column("recorded", BigInteger, nullable=False),
    Column("kind", String, nullable=False),
    Column("before", String, nullable=False),
    Column("after", String, nullable=False),
    Column("severity_before", Integer),
    Column("severity_after", Integer),
    Column("value", Float),
    Column("reason", String, nullable=False),
    Column("written", Boolean, nullable=False),
    sqlite_autoincrement=True,
)

decision = Table(
    "decision",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("incident", Integer, nullable=False),
    Column("transition", Integer, nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("tell", Boolean, nullable=False),
    Column("cause", String, nullable=False),
    Column("words", String, nullable=False),
    sqlite_autoincrement=True,
)

notification = Table(
    "notification",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("incident", Integer, nullable=False),
    Column("transition", Integer, nullable=False, unique=True),
    Column("created", BigInteger, nullable=False),
    Column("state", String, nullable=False),
    sqlite_autoincrement=True,
)

audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("time", BigInteger, nullable=False),
    Column("author", String, nullable=False),
    Column("action", String, nullable=False),
    Column("incident", Integer),
    Column("words", String, nullable=False),
    sqlite_autoincrement=True,
)
