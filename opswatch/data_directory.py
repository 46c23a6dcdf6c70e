"""The data directory: where everything is kept, who holds it, and which version wrote it. Shell."""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from telemetry.errors import DataDirectoryError, DataDirectoryInUse, DataDirectoryTooNew

VERSION = 2  # opswatch/migration.py says what came with which
RESTORING = ".restore"  # a folder that is there as long as a restore is under way

_SUBDIRECTORIES = ("archive", "exports", "quarantine", "log", "keys")


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What `server.json` says of the running server, so that commands find it. `token` is good until it stops."""

    url: str
    pid: int
    token: str


@dataclass(frozen=True, slots=True)
class DataDirectory:
    """The paths below one data directory (design.md 5)."""

    root: Path

    @property
    def state(self) -> Path:
        return self.root / "state.sqlite"

    @property
    def spool(self) -> Path:
        return self.root / "spool.sqlite"

    @property
    def metrics(self) -> Path:
        return self.root / "metrics.duckdb"

    @property
    def quarantine(self) -> Path:
        return self.root / "quarantine"

    @property
    def archive(self) -> Path:
        return self.root / "archive"

    @property
    def exports(self) -> Path:
        return self.root / "exports"

    @property
    def keys(self) -> Path:
        return self.root / "keys"

    @property
    def influx_token(self) -> Path:
        """The token for InfluxDB that `opswatch provision apply` makes, unless the settings name another file."""
        return self.keys / "influx_token"

    @property
    def log_file(self) -> Path:
        return self.root / "log" / "opswatch.jsonl"

    @property
    def server_file(self) -> Path:
        return self.root / "server.json"

    def prepare(self) -> None:
        """Make the folders, readable by their owner alone. Raises DataDirectoryError when that cannot be done."""
        try:
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
            for name in _SUBDIRECTORIES:
                (self.root / name).mkdir(exist_ok=True, mode=0o700)
        except OSError as error:
            raise DataDirectoryError(
                f"the data directory {self.root} cannot be made: {error.strerror};"
                " choose another with data_dir or OPSWATCH_DATA_DIR",
                field="data_dir",
                value=str(self.root),
            ) from error

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the directory's LOCK and check its version, as long as the block runs; a new one gets ours.

        An older one stays as it is: opswatch/migration.py brings it forward. Raises DataDirectoryInUse naming the
        process that holds it, DataDirectoryTooNew naming both versions, DataDirectoryError.
        """
        with self.locked():
            if self.version() is None:
                self.write_version(VERSION)
            yield

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the directory's LOCK, whatever is in it. Raises DataDirectoryInUse, DataDirectoryError."""
        self.prepare()
        descriptor = os.open(self.root / "LOCK", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._lock(descriptor)
            yield
        finally:
            os.close(descriptor)

    def version(self) -> int | None:
        """The version of what is in it, None for a new one.

        Raises DataDirectoryTooNew naming both versions, DataDirectoryError when it is no version, or a restore into the
        directory did not come to its end.
        """
        if (self.root / RESTORING).exists():
            raise DataDirectoryError(
                f"a restore into {self.root} was cut off: run `opswatch restore` again, or empty the directory",
                field="data_dir",
                value=str(self.root),
            )
        file = self.root / "version"
        try:
            text = file.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise self._unreadable_version(file, str(error)) from error
        if not text.isdigit() or not 0 < len(text) < 10 or int(text) < 1:
            raise self._unreadable_version(file, f"it holds {text[:40]!r}")
        if int(text) > VERSION:
            raise DataDirectoryTooNew(
                f"the data directory {self.root} has version {text}, written by a later OpsWatch;"
                f" this one knows version {VERSION}: run the later one, or restore a backup of version {VERSION}",
                field="data_dir",
                value=str(self.root),
            )
        return int(text)

    def write_version(self, version: int) -> None:
        """Say which version it has now."""
        write_atomically(self.root / "version", f"{version}\n")

    def write_server_facts(self, facts: ServerFacts) -> None:
        """Say where the server is; 0600, because of its token."""
        write_atomically(self.server_file, json.dumps(asdict(facts)) + "\n")

    def remove_server_facts(self) -> None:
        with suppress(FileNotFoundError):
            self.server_file.unlink()

    def read_server_facts(self) -> ServerFacts | None:
        """Where the running server is, or None when none runs here (a file left by a killed one counts as none)."""
        try:
            facts = ServerFacts(**json.loads(self.server_file.read_text(encoding="utf-8")))
            os.kill(facts.pid, 0)
        except (OSError, ValueError, TypeError):
            return None
        return facts

    def _lock(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            raise DataDirectoryInUse(
                f"the data directory {self.root} is in use by process {holder};"
                " stop that one, or give this one another with OPSWATCH_DATA_DIR",
                field="data_dir",
                value=str(self.root),
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)

    def _unreadable_version(self, file: Path, reason: str) -> DataDirectoryError:
        return DataDirectoryError(
            f"{file} should hold one whole number, but {reason}; write {VERSION} into it if this directory is yours",
            field="data_dir",
            value=str(self.root),
        )


def write_atomically(file: Path, text: str) -> None:
    """Replace a file so that a crash leaves the old or the new one, whole; mode 0600."""
    descriptor, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).replace(file)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(temporary).unlink()
        raise
