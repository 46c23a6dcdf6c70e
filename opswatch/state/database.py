"""Open state.sqlite, bring it to this version, and run one transaction at a time in one thread. Shell."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, exc
from sqlalchemy.pool import StaticPool

from telemetry.errors import DataDirectoryError, DataDirectoryTooNew, StoreUnavailable

T = TypeVar("T")

_MIGRATIONS = Path(__file__).parent / "migrations"
_BUSY_MS = 10_000  # `opswatch token` and a server may write at the same time


class Database:
    """One engine, one thread. Several processes may have the file open."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(1, "state")
        self._engine = _engine(path)

    def migrate(self, path: Path) -> None:
        """Bring the file to this version. Raises DataDirectoryTooNew naming both, DataDirectoryError otherwise."""
        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
        scripts = ScriptDirectory.from_config(config)
        try:
            # Before SQLite opens it: its -wal and -shm files take over the mode that the file has then.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            path.chmod(0o600)
            with self._engine.begin() as connection:
                current = MigrationContext.configure(connection).get_current_revision()
                if current is not None and current not in {script.revision for script in scripts.walk_revisions()}:
                    raise DataDirectoryTooNew(
                        f"{path} is at migration {current}, made by a later OpsWatch; this one knows up to"
                        f" {scripts.get_current_head()}: run the later one, or restore a backup",
                        value=str(path),
                    )
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
        except (exc.DatabaseError, OSError) as error:
            reason = error.orig if isinstance(error, exc.DatabaseError) else error.strerror
            raise DataDirectoryError(
                f"{path} cannot be used: {reason}; restore a backup of it, or move it aside to begin without"
                " owner, tokens and sessions",
                value=str(path),
            ) from error

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in one transaction, in the state's thread. Raises StoreUnavailable: locked, full, damaged."""

        def transact() -> T:
            with self._engine.begin() as connection:
                return work(connection)

        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, transact)
        except exc.IntegrityError:
            raise
        except exc.DatabaseError as error:
            raise StoreUnavailable(f"{self._path.name} cannot be used at the moment: {error.orig}") from error

    def close(self) -> None:
        self._thread.shutdown(wait=True)
        self._engine.dispose()


def migrate_state(path: Path) -> None:
    """Bring a file to this version, and close it. Blocks; raises DataDirectoryTooNew, DataDirectoryError."""
    database = Database(path)
    try:
        database.migrate(path)
    finally:
        database.close()


def _engine(path: Path) -> Engine:
    engine = create_engine(
        f"sqlite:///{path}", poolclass=StaticPool, connect_args={"check_same_thread": False, "isolation_level": None}
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: object, _: object) -> None:
        for pragma in ("journal_mode = WAL", "synchronous = FULL", f"busy_timeout = {_BUSY_MS}", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}")  # type: ignore[attr-defined]  # a DBAPI connection

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # IMMEDIATE: two writers queue at the start, instead of one of them failing at its first write.
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine
