"""The tables of state.sqlite as the code uses them; the migrations make them. Pure.

Instants are nanoseconds since 1970 UTC. Of secrets only SHA-256 is kept: they are 256 random bits, so there is
nothing to guess and no need for a slow hash.
"""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, Integer, MetaData, String, Table

metadata = MetaData()

owner = Table(
    "owner",
    metadata,
    Column("id", Integer, primary_key=True),  # always 1: there is one first owner
    Column("name", String, nullable=False),
    Column("created", BigInteger, nullable=False),
)

token = Table(
    "token",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String, nullable=False),
    Column("role", Integer, nullable=False),
    Column("prefix", String, nullable=False),
    Column("digest", String, nullable=False, unique=True),
    Column("created", BigInteger, nullable=False),
    Column("expires", BigInteger),
    Column("last_used", BigInteger),
    Column("revoked", BigInteger),
)

session = Table(
    "session",
    metadata,
    Column("digest", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("role", Integer, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("last_seen", BigInteger, nullable=False),
    # The token that was pasted at /login: a revoked or expired one ends its sessions. None for the owner's link.
    Column("token_id", Integer),
)

learned_measurement = Table(
    "learned_measurement",
    metadata,
    Column("name", String, primary_key=True),
    Column("tags", JSON, nullable=False),  # a list of names
    Column("fields", JSON, nullable=False),  # likewise
)
