"""state.sqlite remembers owner, tokens and sessions exactly, and of secrets only their digests."""

import asyncio
import sqlite3
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from api.access import Identity, Role
from opswatch.state import State
from opswatch.state.tables import metadata
from telemetry.errors import (
    Conflict,
    DataDirectoryError,
    DataDirectoryTooNew,
    InvalidRequest,
    NotFound,
    StoreUnavailable,
)

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
OWNER_TOKEN = "a-token-that-the-operator-chose-0123456789"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.sqlite"


@pytest.fixture
async def state(path: Path) -> AsyncIterator[State]:
    async with State.opened(path) as opened:
        yield opened


# Tokens


async def test_a_token_identifies_its_holder(state: State) -> None:
    """By name and role, for as long as it is good."""
    text = await state.tokens.create("grafana", Role.VIEWER, NOW, NOW + timedelta(days=1))

    assert text.startswith("opw_")
    assert len(text) >= 4 + 43  # 256 bits
    assert await state.tokens.identify(text, NOW) == Identity("grafana", Role.VIEWER)
    assert await state.tokens.identify(text, NOW + timedelta(days=1)) is None
    assert await state.tokens.identify(text[:-1], NOW) is None
    assert await state.tokens.identify("", NOW) is None


async def test_only_the_digest_of_a_secret_is_on_disk(path: Path) -> None:
    """Whoever reads the file, or its write-ahead log, gets no token and no session."""
    async with State.opened(path) as state:
        token = await state.tokens.create("grafana", Role.VIEWER, NOW)
        key = await state.sessions.open(Identity("grafana", Role.VIEWER), NOW, token)
        content = b"".join(one.read_bytes() for one in path.parent.iterdir())

    assert sha256(token.encode()).hexdigest().encode() in content
    assert token.encode() not in content
    assert key.encode() not in content


async def test_the_use_of_a_token_is_noted_once_a_minute(state: State) -> None:
    """So that it is known which are in use, without a write per request."""
    text = await state.tokens.create("ci", Role.OPERATOR, NOW)
    seen = []
    for seconds in (0, 59, 60, 61):
        await state.tokens.identify(text, NOW + timedelta(seconds=seconds))
        (record,) = await state.tokens.list()
        assert record.last_used is not None
        seen.append((record.last_used - NOW).total_seconds())

    assert seen == [0, 0, 60, 60]


async def test_a_revoked_token_is_kept_and_good_for_nothing(state: State) -> None:
    """It stays in the list, with when; its name is free again."""
    text = await state.tokens.create("ci", Role.VIEWER, NOW)
    await state.tokens.revoke("ci", NOW + timedelta(hours=1))
    again = await state.tokens.create("ci", Role.ADMIN, NOW)

    assert await state.tokens.identify(text, NOW) is None
    assert await state.tokens.identify(again, NOW) == Identity("ci", Role.ADMIN)
    assert [record.revoked for record in await state.tokens.list()] == [NOW + timedelta(hours=1), None]
    with pytest.raises(NotFound, match="nobody"):
        await state.tokens.revoke("nobody", NOW)


async def test_names_are_unique_among_the_good(state: State) -> None:
    """A second one is refused; that of an expired one is free."""
    await state.tokens.create("ci", Role.VIEWER, NOW, NOW + timedelta(days=1))
    with pytest.raises(Conflict, match="'ci' already"):
        await state.tokens.create("ci", Role.VIEWER, NOW)
    await state.tokens.create("ci", Role.VIEWER, NOW + timedelta(days=1))

    assert len(await state.tokens.list()) == 2


@pytest.mark.parametrize("name", ["", " ", "a\nb", "x" * 101, "\x1b[31m"])
async def test_a_name_is_short_and_printable(state: State, name: str) -> None:
    """It ends up in logs, terminals and pages."""
    with pytest.raises(InvalidRequest):
        await state.tokens.create(name, Role.VIEWER, NOW)


# Sessions


async def test_a_session_is_found_by_its_key_until_it_is_closed(state: State) -> None:
    """And by nothing else."""
    key = await state.sessions.open(Identity("owner", Role.ADMIN), NOW)
    found = await state.sessions.find(key, NOW)
    await state.sessions.close(key)

    assert found == Identity("owner", Role.ADMIN)
    assert await state.sessions.find(key, NOW) is None
    assert await state.sessions.find("", NOW) is None


async def test_a_session_ends_when_idle_and_when_old(state: State) -> None:
    """After 7 days without use, and after 30 days with it."""
    idle = await state.sessions.open(Identity("a", Role.VIEWER), NOW)
    busy = await state.sessions.open(Identity("b", Role.VIEWER), NOW)
    for day in range(1, 31):
        assert await state.sessions.find(busy, NOW + timedelta(days=day)) is not None

    assert await state.sessions.find(idle, NOW + timedelta(days=7, microseconds=1)) is None
    assert await state.sessions.find(busy, NOW + timedelta(days=30, seconds=1)) is None


async def test_a_session_ends_with_its_token(state: State) -> None:
    """Revoked or expired: whatever was opened with it is over."""
    short = await state.tokens.create("short", Role.VIEWER, NOW, NOW + timedelta(hours=1))
    revoked = await state.tokens.create("revoked", Role.VIEWER, NOW)
    keys = [await state.sessions.open(Identity("x", Role.VIEWER), NOW, text) for text in (short, revoked)]
    await state.tokens.revoke("revoked", NOW)

    assert await state.sessions.find(keys[0], NOW) is not None
    assert await state.sessions.find(keys[0], NOW + timedelta(hours=1)) is None
    assert await state.sessions.find(keys[1], NOW) is None


async def test_old_sessions_do_not_pile_up(state: State, path: Path) -> None:
    """Opening one clears away those that ended long ago."""
    for day in range(0, 100, 10):
        await state.sessions.open(Identity("x", Role.VIEWER), NOW + timedelta(days=day))
    with sqlite3.connect(path) as connection:
        (count,) = connection.execute("SELECT count(*) FROM session").fetchone()
    connection.close()

    assert count == 4


# The owner


async def test_the_key_makes_one_owner(state: State) -> None:
    """Once, even for many at the same time."""
    key = state.ownership.issue_key(NOW)
    before = await state.ownership.exists()
    made = await asyncio.gather(*(state.ownership.claim(key, NOW) for _ in range(8)))

    assert (before, await state.ownership.exists()) == (False, True)
    assert [one for one in made if one] == [Identity("owner", Role.ADMIN)]
    assert await state.ownership.claim(state.ownership.issue_key(NOW), NOW) is None


async def test_the_key_lives_15_minutes_and_not_through_a_restart(path: Path) -> None:
    """A key of before is good no more."""
    async with State.opened(path) as state:
        key = state.ownership.issue_key(NOW)
        assert await state.ownership.claim(key, NOW + timedelta(minutes=15)) is None
        assert await state.ownership.claim("", NOW) is None
    async with State.opened(path) as state:
        assert await state.ownership.claim(key, NOW) is None


async def test_an_unattended_start_makes_the_owner_by_a_token(path: Path) -> None:
    """The same at every start; a link makes no second owner then."""
    for _ in range(2):
        async with State.opened(path) as state:
            await state.ownership.ensure_token(OWNER_TOKEN, NOW)
            claimed = await state.ownership.claim(state.ownership.issue_key(NOW), NOW)

            assert claimed is None
            assert await state.tokens.identify(OWNER_TOKEN, NOW) == Identity("owner", Role.ADMIN)


async def test_an_owner_by_token_is_made_whole_or_not_at_all(state: State) -> None:
    """No owner without a way in: neither by a token that can be guessed, nor when the name is taken."""
    with pytest.raises(InvalidRequest, match="24 characters"):
        await state.ownership.ensure_token("secret", NOW)
    await state.tokens.create("owner", Role.VIEWER, NOW)
    with pytest.raises(Conflict):
        await state.ownership.ensure_token(OWNER_TOKEN, NOW)

    assert not await state.ownership.exists()


# The file


async def test_the_file_is_for_its_owner_alone(state: State, path: Path) -> None:
    """So is its write-ahead log."""
    await state.tokens.create("x", Role.VIEWER, NOW)

    modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in path.parent.iterdir()}
    assert "state.sqlite-wal" in modes
    assert set(modes.values()) == {0o600}


async def test_a_commit_survives_the_power_cut(state: State, path: Path) -> None:
    """Write-ahead log, and synchronous FULL: what was told is on disk."""

    def ask(name: str) -> object:
        return state.tokens._database.run(lambda connection: connection.exec_driver_sql(f"PRAGMA {name}").scalar())

    assert await ask("journal_mode") == "wal"  # type: ignore[misc]
    assert await ask("synchronous") == 2  # type: ignore[misc]


async def test_two_processes_may_have_it_open(state: State, path: Path) -> None:
    """`opswatch token create` works while the server runs, and the server knows the token at once."""
    code = f"""
import asyncio, pathlib
from datetime import datetime, UTC
from api.access import Role
from opswatch.state import State
async def main():
    async with State.opened(pathlib.Path({str(path)!r})) as state:
        print(await state.tokens.create("cli", Role.VIEWER, datetime(2026, 11, 24, tzinfo=UTC)))
asyncio.run(main())
"""
    work = asyncio.create_task(
        asyncio.to_thread(subprocess.run, [sys.executable, "-c", code], capture_output=True, text=True, check=True)
    )
    while not work.done():
        await state.sessions.open(Identity("x", Role.VIEWER), NOW)
        await asyncio.sleep(0.01)
    text = (await work).stdout.strip()

    assert await state.tokens.identify(text, NOW) == Identity("cli", Role.VIEWER)


async def test_reopened_it_is_as_it_was(path: Path) -> None:
    """Tokens and sessions outlive the process."""
    async with State.opened(path) as state:
        token = await state.tokens.create("x", Role.OPERATOR, NOW)
        key = await state.sessions.open(Identity("x", Role.OPERATOR), NOW, token)
    async with State.opened(path) as state:
        assert await state.tokens.identify(token, NOW) == Identity("x", Role.OPERATOR)
        assert await state.sessions.find(key, NOW) == Identity("x", Role.OPERATOR)


async def test_a_file_of_a_later_version_is_refused(path: Path) -> None:
    """Naming both migrations, and without touching it."""
    async with State.opened(path):
        pass
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0099'")
    connection.close()

    with pytest.raises(DataDirectoryTooNew, match=r"0099.*0007"):
        async with State.opened(path):
            pass


@pytest.mark.parametrize(
    "content", [b"not a database, and longer than a header would be" * 9, b"SQLite format 3\x00" * 90]
)
async def test_a_broken_file_is_refused_with_a_way_out(path: Path, content: bytes) -> None:
    """And left as it is."""
    path.write_bytes(content)

    with pytest.raises(DataDirectoryError, match="restore a backup"):
        async with State.opened(path):
            pass
    assert path.read_bytes() == content


async def test_a_file_in_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """By our error, naming the path."""
    with pytest.raises(DataDirectoryError, match="absent"):
        async with State.opened(tmp_path / "absent" / "state.sqlite"):
            pass


async def test_a_file_that_others_hold_for_long_is_a_passing_trouble(state: State, path: Path) -> None:
    """A lock that is not let go is StoreUnavailable: 503, not 500."""
    await state.tokens._database.run(lambda connection: connection.exec_driver_sql("PRAGMA busy_timeout = 50"))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="locked"):
        await state.tokens.create("x", Role.VIEWER, NOW)
    other.execute("ROLLBACK")
    other.close()

    assert await state.tokens.create("x", Role.VIEWER, NOW)


async def test_the_migrations_make_the_tables_that_the_code_uses(state: State, path: Path) -> None:
    """Neither has a column that the other lacks."""
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, metadata)
    engine.dispose()

    # The partial index stands in the migration alone: queries do not name it.
    assert [one for one in differences if one[0] != "remove_index"] == []
