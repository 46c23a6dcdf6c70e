"""The tables of silences, maintenance and duty as the code uses them; migration 0005 makes them. Pure.

Instants are nanoseconds since 1970 UTC by the wall clock. Numbers are never used again (SQLite's AUTOINCREMENT).
"""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, Integer, String, Table

from opswatch.state.tables import metadata

silence = Table(
    "silence",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("match", JSON, nullable=False),
    Column("author", String, nullable=False),
    Column("comment", String, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("starts", BigInteger, nullable=False),
    Column("ends", BigInteger, nullable=False),
    Column("ended_by", String, nullable=False),  # empty unless somebody ended it before its time
    Column("version", Integer, nullable=False),
    sqlite_autoincrement=True,
)

maintenance = Table(
    "maintenance",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("name", String, nullable=False),  # one of those that are planned has it
    Column("match", JSON, nullable=False),
    Column("duration", BigInteger, nullable=False),
    Column("zone", String, nullable=False),
    Column("times", JSON, nullable=False),
    Column("author", String, nullable=False),
    Column("comment", String, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("ended", BigInteger),
    Column("ended_by", String, nullable=False),
    Column("version", Integer, nullable=False),
    sqlite_autoincrement=True,
)

duty_override = Table(
    "duty_override",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("rotation", String, nullable=False),
    Column("person", String, nullable=False),
    Column("start", BigInteger, nullable=False),
    Column("stop", BigInteger, nullable=False),
    Column("author", String, nullable=False),
    Column("comment", String, nullable=False),
    Column("created", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)
