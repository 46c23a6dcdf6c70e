"""The program's log file: rotated by size and day, gzipped, and deleted after its days. Shell."""

from __future__ import annotations

import gzip
import logging
import re
import shutil
from datetime import UTC, datetime, timedelta
from logging.handlers import BaseRotatingHandler
from pathlib import Path

# Below this share of free space, or these bytes, the disk is about to fill.
_LOW_SHARE, _LOW_BYTES = 0.05, 200_000_000
_ROTATED = re.compile(r"\.(\d{8}T\d{6})(?:-\d+)?\.gz$")


class RotatedLogFile(BaseRotatingHandler):
    """Writes lines to `file`; closed files become `NAME.YYYYMMDDTHHMMSS.gz` beside it.

    The time of a record decides, not the clock: so a test can turn the day by a record.
    """

    def __init__(self, file: Path, max_bytes: int, retention_days: int) -> None:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        super().__init__(str(file), "a", encoding="utf-8", errors="backslashreplace")
        self._file = file
        self._max_bytes = max_bytes
        self._retention = timedelta(days=retention_days)
        self._day = _day(file.stat().st_mtime) if file.stat().st_size else None
        self._failed = False

    def emit(self, record: logging.LogRecord) -> None:
        self._failed = False
        super().emit(record)
        self._day = _day(record.created)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802, ARG002 (the base class's name)
        # A full disk must not print a traceback per line; the status says it, and stderr still has the line.
        self._failed = True

    def shouldRollover(self, record: logging.LogRecord) -> bool:  # noqa: N802 (the base class's name)
        """Whether this record begins a new file: a new UTC day, or no room in this one."""
        if self._day is not None and self._day != _day(record.created):
            return True
        return self.stream is not None and self.stream.tell() + len(self.format(record)) + 1 > self._max_bytes

    def doRollover(self) -> None:  # noqa: N802 (the base class's name)
        """Close, compress and start anew; delete what is past its days."""
        if self.stream:
            self.stream.close()
        try:
            if self._file.exists() and self._file.stat().st_size:
                self.compress()
        finally:
            # Whatever became of the old file, the next line has one to go to.
            self.stream = self._open()
            self._day = None

    def status(self) -> str:
        """`healthy`, `warning` when the disk is nearly full, `critical` when the last line could not be written."""
        if self._failed:
            return "critical"
        try:
            usage = shutil.disk_usage(self._file.parent)
        except OSError:
            return "critical"
        low = usage.free < _LOW_BYTES or usage.free < usage.total * _LOW_SHARE
        return "warning" if low else "healthy"

    def compress(self) -> None:
        """Pack the closed file. Raises OSError, and leaves the plain one, when the disk cannot take it."""
        closed = datetime.fromtimestamp(self._file.stat().st_mtime, UTC)
        target = self._free_name(closed)
        try:
            with self._file.open("rb") as plain, gzip.open(target, "wb", compresslevel=6) as packed:
                shutil.copyfileobj(plain, packed)
        except OSError:
            target.unlink(missing_ok=True)  # half an archive is none; the plain file still has everything
            raise
        target.chmod(0o600)
        self._file.unlink()
        self._delete_expired(closed)

    def _free_name(self, closed: datetime) -> Path:
        stem = f"{self._file.name}.{closed:%Y%m%dT%H%M%S}"
        target, number = self._file.with_name(f"{stem}.gz"), 1
        while target.exists():
            target, number = self._file.with_name(f"{stem}-{number}.gz"), number + 1
        return target

    def _delete_expired(self, now: datetime) -> None:
        for path in self._file.parent.glob(f"{self._file.name}.*.gz"):
            match = _ROTATED.search(path.name)
            if match and datetime.strptime(match[1] + "Z", "%Y%m%dT%H%M%S%z") < now - self._retention:
                path.unlink(missing_ok=True)


def _day(seconds: float) -> int:
    return int(seconds // 86_400)
