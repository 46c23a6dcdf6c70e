"""Open a DuckDB file and lock it down. Shell."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from embedded.schema import bring_forward, tables_of
from embedded.sql import TABLES, text_literal
from telemetry.errors import QueryTooLarge, StoreDamaged, StoreUnavailable


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """`memory_limit` as DuckDB writes it; files may be read and written below `allowed_directories` only.

    `spill_limit`: bytes of the disk that queries and exports together may take while they run, beyond the memory.
    """

    memory_limit: str = "512MB"
    threads: int = 2
    allowed_directories: tuple[Path, ...] = ()
    spill_limit: int = 2 * 10**9


# What the machine lacks: it says nothing about a file that is read.
_LACKING = re.compile(
    r"no space left|file too large|disk quota|could not write|cannot allocate|(could not|failed to) allocate"
    r"|out of memory|bad_alloc|too many open files",
    re.IGNORECASE,
)
# Troubles of the machine or of another process, which pass, and files that a later version must read.
_PASSING = re.compile(
    _LACKING.pattern + r"|could not set lock|permission denied|read-only file system|version number"
    r"|operation not permitted|input/output error",
    re.IGNORECASE,
)
# Else a foreign file makes the engine look for an extension that can read it, on the network.
_NO_EXTENSIONS: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}
_MAGIC = (8, b"DUCK")  # at this place of every DuckDB file
_CORRUPT = re.compile(r"corrupt|checksum|could not read enough bytes|failed to deserialize", re.IGNORECASE)
# What else is said of a file, or of its log, that is broken or no store, when it is opened. Whatever is not listed says
# nothing about the file, which stays where it is.
_BROKEN = re.compile(
    _CORRUPT.pattern + r"|serializ|not a valid duckdb|does not match|failure while replaying wal|encrypted",
    re.IGNORECASE,
)
_OTHER_TABLES = (duckdb.BinderException, duckdb.CatalogException)  # they have our names, and other columns
_SPILL_FULL = "max_temp_directory_size"
_PLACES = re.compile(r"""\"[^"\n]*\"|'[^'\n]*'|(?<!\w)/\S*""")  # paths, and what else somebody else has named


def open_engine(path: Path, options: EngineOptions) -> duckdb.DuckDBPyConnection:
    """A connection with our tables and nothing left to configure.

    Raises StoreDamaged for a file that is no store of ours or broken, StoreUnavailable naming the way out otherwise.
    """
    _check_file(path)
    try:
        connection = duckdb.connect(str(path), config=_NO_EXTENSIONS)
    except duckdb.Error as error:
        raise explained(path, error) from error
    try:
        _check_tables(path, connection)
        for statement in _lock_down(path.absolute().with_suffix(".spill"), options):
            connection.execute(statement)
        bring_forward(connection, path)
    except duckdb.Error as error:
        connection.close()
        raise explained(path, error) from error
    except StoreUnavailable:
        connection.close()
        raise
    path.chmod(0o600)
    return connection


def open_in_memory(folder: Path, options: EngineOptions) -> duckdb.DuckDBPyConnection:
    """An engine without a file of its own, which spills into the folder and may write there. Raises duckdb.Error."""
    connection = duckdb.connect(":memory:", config=_NO_EXTENSIONS)
    try:
        for statement in _lock_down(folder.absolute() / "spill", replace(options, allowed_directories=(folder,))):
            connection.execute(statement)
    except BaseException:
        connection.close()
        raise
    return connection


def fault_of(path: Path) -> str:
    """What keeps a store from being opened, without changing anything; empty when nothing does, or it is not there."""
    if not path.exists() and not recovery_journal(path).exists():
        return ""
    try:
        _check_file(path)
        with duckdb.connect(str(path), read_only=True, config=_NO_EXTENSIONS) as connection:
            _check_tables(path, connection)
            connection.execute("SELECT count(*) FROM series")
    except StoreUnavailable as error:
        return error.message
    except duckdb.Error as error:
        return explained(path, error).message
    return ""


def damage_marker(path: Path) -> Path:
    """A file that says: the store was found damaged while it was open, the next start is to set it aside."""
    return path.with_name(path.name + ".damaged")


def recovery_journal(path: Path) -> Path:
    """A file that says: the store is being set aside and filled again; see embedded/recovery.py."""
    return path.with_name(path.name + ".recovery")


def is_corrupt(text: str) -> bool:
    """Whether what an open store says means that the file itself is broken."""
    return _CORRUPT.search(_PLACES.sub("", text)) is not None


def is_lacking(text: str) -> bool:
    """Whether what the engine says means that there is no room, no memory or the like."""
    return _LACKING.search(_PLACES.sub("", text)) is not None


def took_too_much(error: duckdb.Error, options: EngineOptions) -> QueryTooLarge | None:
    """What is told to whoever asked for more memory or disk than there is to give; None for an error of another sort.

    What the engine cannot put on the disk, since it is at work on it, fills the memory before the disk is full.
    """
    if _SPILL_FULL in str(error):
        taken = f"{options.spill_limit // 10**6:,} MB of the disk"
    elif isinstance(error, duckdb.OutOfMemoryException):
        taken = f"{options.memory_limit} of memory"
    else:
        return None
    return QueryTooLarge(
        f"this takes more than {taken} meanwhile, all that queries and exports that run at once may take: shorten the"
        " range, ask for fewer series, or take CSV, which is made in parts"
    )


def explained(path: Path, error: duckdb.Error) -> StoreUnavailable:
    """What an error at opening means."""
    text = str(error)
    said = _PLACES.sub("", text.replace(str(path.absolute()), "").replace(str(path), ""))
    if _PASSING.search(said) is None and (isinstance(error, _OTHER_TABLES) or _BROKEN.search(said)):
        return _damaged(path, text)
    holder = re.search(r"PID (\d+)", text)
    if "Could not set lock" in text:
        process = f"process {holder[1]}" if holder else "another process"
        words = f"the store {path} is in use by {process}; stop that one first"
    else:
        words = f"the store {path} cannot be opened: {_first_line(text)}"
    return StoreUnavailable(words, field="data_dir", value=str(path))


def _check_file(path: Path) -> None:
    """Raise StoreDamaged for what is no DuckDB file at all, StoreUnavailable for one that is set aside just now."""
    if not path.exists() and recovery_journal(path).exists():
        words = f"the store {path} was set aside, and the new one is not filled yet; `opswatch run` goes on with it"
        raise StoreUnavailable(words, field="data_dir", value=str(path))
    marker = damage_marker(path)
    if marker.exists():
        raise _damaged(path, marker.read_text(encoding="utf-8", errors="replace") or "it was found damaged")
    if not path.exists():
        return
    try:
        with path.open("rb") as stream:
            beginning = stream.read(64)
    except OSError as error:
        words = f"the store {path} cannot be read: {error.strerror}"
        raise StoreUnavailable(words, field="data_dir", value=str(path)) from error
    place, magic = _MAGIC
    if not beginning:
        raise _damaged(path, "the file is empty")
    if beginning[place : place + len(magic)] != magic:
        raise _damaged(path, "the file is not a DuckDB database")


def _check_tables(path: Path, connection: duckdb.DuckDBPyConnection) -> None:
    """Raise StoreDamaged for somebody else's database."""
    tables = tables_of(connection)
    if tables and not {"series", *TABLES.values()} <= tables:
        raise _damaged(path, f"it is another database, with the tables {', '.join(sorted(tables)[:5])}")


def _damaged(path: Path, text: str) -> StoreDamaged:
    reason = _first_line(text)
    words = (
        f"the store {path} cannot be opened: {reason}."
        f" Move it aside (mv {path.name} {path.name}.broken) to start with an empty one, and keep it for recovery"
    )
    return StoreDamaged(words, reason=reason, value=str(path))


def _first_line(text: str) -> str:
    return text.splitlines()[0][:300] if text else "no reason is given"


def _lock_down(spill: Path, options: EngineOptions) -> tuple[str, ...]:
    # The order matters: each later setting forbids something that an earlier one needs.
    folders = ", ".join(text_literal(str(folder.absolute())) for folder in options.allowed_directories)
    return (
        f"SET temp_directory = {text_literal(str(spill))}",
        f"SET max_temp_directory_size = '{int(options.spill_limit)}B'",
        f"SET memory_limit = {text_literal(options.memory_limit)}",
        f"SET threads = {int(options.threads)}",
        f"SET allowed_directories = [{folders}]",
        "SET enable_external_access = false",
        "SET lock_configuration = true",
    )
