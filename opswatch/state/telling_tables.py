"""The tables of telling people as the code uses them; migration 0004 makes them. Pure.

Instants are nanoseconds since 1970 UTC by the wall clock. An item is one incident for one receiver; it belongs to at
most one delivery, the newest that tells it. A delivery with `only` is for one address of its receiver: a copy of
`rest_of`, which that address could not take; `without` are addresses that get such a copy.
"""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Boolean, Column, Float, Integer, String, Table

from opswatch.state.tables import metadata

known = Table(
    "known",
    metadata,
    Column("incident", Integer, primary_key=True),
    Column("receiver", String, primary_key=True),
    Column("route", String, nullable=False),
    Column("grouping", JSON, nullable=False),
    Column("severity", Integer, nullable=False),
    Column("flapping", Boolean, nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("over", Boolean, nullable=False),
)

ladder = Table(
    "ladder",
    metadata,
    Column("incident", Integer, primary_key=True),
    Column("route", String, primary_key=True),
    Column("began", BigInteger, nullable=False),
    Column("done", Integer, nullable=False),
)

item = Table(
    "item",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("incident", Integer, nullable=False),
    Column("receiver", String, nullable=False),
    Column("route", String, nullable=False),
    Column("grouping", JSON, nullable=False),
    Column("occasion", String, nullable=False),
    Column("severity", Integer, nullable=False),
    Column("made", BigInteger, nullable=False),
    Column("delivery", Integer),
    sqlite_autoincrement=True,
)

delivery = Table(
    "delivery",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("identifier", String, nullable=False, unique=True),
    Column("kind", String, nullable=False),
    Column("receiver", String, nullable=False),
    Column("route", String, nullable=False),
    Column("grouping", JSON, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("due", BigInteger, nullable=False),
    Column("deadline", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("state", String, nullable=False),
    Column("lease", BigInteger),
    Column("finished", BigInteger),
    Column("severity", Integer, nullable=False),
    Column("note", String, nullable=False),
    Column("instead_of", Integer),
    Column("only", String, nullable=False, default=""),
    Column("without", JSON, nullable=False, default=list),
    Column("rest_of", Integer),
    sqlite_autoincrement=True,
)

attempt = Table(
    "attempt",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("delivery", Integer, nullable=False),
    Column("number", Integer, nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("recipient", String, nullable=False),
    Column("outcome", String, nullable=False),
    Column("code", String, nullable=False),
    Column("text", String, nullable=False),
    Column("took_ms", Float, nullable=False),
    sqlite_autoincrement=True,
)

reason = Table(
    "reason",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("incident", Integer, nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("receiver", String, nullable=False),
    Column("why", String, nullable=False),
    Column("tell", Boolean, nullable=False),
    Column("words", String, nullable=False),
    sqlite_autoincrement=True,
)
