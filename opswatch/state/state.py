"""State: the repositories over one state.sqlite. Shell."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from opswatch.state.database import Database
from opswatch.state.deliveries import StoredOutbox
from opswatch.state.duty import StoredDuty
from opswatch.state.explanations import StoredExplanations
from opswatch.state.incidents import StoredIncidents
from opswatch.state.learned_schema import StoredSchema
from opswatch.state.ledger import StoredLedger
from opswatch.state.maintenance import StoredMaintenance
from opswatch.state.sessions import StoredOwnership, StoredSessions
from opswatch.state.silences import StoredSilences
from opswatch.state.telling import StoredTelling
from opswatch.state.tokens import StoredTokens
from opswatch.state.used_links import StoredLinks


class State:
    """One repository per noun. Open it with `opened`; the command line may, while a server runs."""

    def __init__(self, database: Database) -> None:
        self.tokens = StoredTokens(database)
        self.sessions = StoredSessions(database)
        self.ownership = StoredOwnership(database)
        self.learned_schema = StoredSchema(database)
        self.ledger = StoredLedger(database)
        self.incidents = StoredIncidents(database)
        self.telling = StoredTelling(database)
        self.outbox = StoredOutbox(database)
        self.links = StoredLinks(database)
        self.explanations = StoredExplanations(database)
        self.silences = StoredSilences(database)
        self.maintenance = StoredMaintenance(database)
        self.duty = StoredDuty(database)

    @classmethod
    @asynccontextmanager
    async def opened(cls, path: Path) -> AsyncIterator[State]:
        """The state at this version, as long as the block runs. Raises DataDirectoryError, DataDirectoryTooNew."""
        database = Database(path)
        try:
            await asyncio.to_thread(database.migrate, path)
            yield cls(database)
        finally:
            await asyncio.to_thread(database.close)
