"""OpsWatch's own log: never blocks who logs, to stderr and to a rotated file. Shell."""

from __future__ import annotations

import logging
import queue
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from logging.handlers import QueueHandler, QueueListener
from pathlib import Path

from opswatch.log_file import RotatedLogFile
from opswatch.log_record import as_json, as_text, log_fields
from telemetry.correlation import correlation_id

# Some 10 MB of records. A disk or a terminal that stalls for longer costs lines, counted, and never a probe's time.
QUEUE_CAPACITY = 10_000


@dataclass(frozen=True, slots=True)
class LogOptions:
    """`level` is a name of R9; `form` is `json` or `text`; sizes and days are those of the rotated file."""

    level: str = "INFO"
    form: str = "json"
    rotation_enabled: bool = True
    retention_days: int = 30
    max_size_mb: int = 100


class ProgramLog:
    """The running log, and how it stands."""

    def __init__(self, queue_handler: DroppingQueueHandler, file: RotatedLogFile | None) -> None:
        self.queue_handler = queue_handler
        self._file = file

    @property
    def dropped(self) -> int:
        """Lines lost because the log could not be written fast enough."""
        return self.queue_handler.dropped

    def rotation_status(self) -> str:
        """`healthy`, `warning` (close to a full disk, or lines were dropped) or `critical` (cannot write)."""
        if self._file is None:
            return "healthy"
        status = self._file.status()
        return "warning" if status == "healthy" and self.dropped else status


class DroppingQueueHandler(QueueHandler):
    """Hands records to the listener's thread; when the queue is full it drops and counts."""

    def __init__(self, records: queue.Queue[logging.LogRecord]) -> None:
        super().__init__(records)
        self.dropped = 0

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        # The context is the caller's: in the listener's thread it would be gone.
        record.correlation_id = correlation_id.get()
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            self.dropped += 1


class PatientListener(QueueListener):
    """Stops also when the queue is full: it waits for room, and what was accepted is written."""

    def __init__(self, records: queue.Queue[logging.LogRecord], *sinks: logging.Handler) -> None:
        super().__init__(records, *sinks)
        self._records: queue.Queue[logging.LogRecord | None] = records  # type: ignore[assignment]  # None ends it

    def enqueue_sentinel(self) -> None:
        self._records.put(None, timeout=2)


class LineFormatter(logging.Formatter):
    """Renders the nine fields; `event_id` is unique per line, so that a line can be pointed at."""

    _start = secrets.token_hex(4)
    _numbers = count(1)

    def __init__(self, form: str) -> None:
        super().__init__()
        self._render = as_json if form == "json" else as_text

    def format(self, record: logging.LogRecord) -> str:
        # Kept on the record: stderr and the file name the same line alike.
        event_id = vars(record).setdefault("event_id", f"evt_{self._start}{next(self._numbers):08x}")
        return self._render(log_fields(record, event_id))


@contextmanager
def program_log(options: LogOptions, file: Path | None) -> Iterator[ProgramLog]:
    """Log to stderr, and to `file` while rotation is on, as long as the block runs; then write what waits."""
    records: queue.Queue[logging.LogRecord] = queue.Queue(QUEUE_CAPACITY)
    sinks: list[logging.Handler] = [_stderr(options.form)]
    log_file = None
    if options.rotation_enabled and file is not None:
        log_file = RotatedLogFile(file, options.max_size_mb * 1_000_000, options.retention_days)
        log_file.setFormatter(LineFormatter("json"))
        sinks.append(log_file)
    handler = DroppingQueueHandler(records)
    listener = PatientListener(records, *sinks)
    root = logging.getLogger()
    previous = root.handlers[:], root.level
    _configure(root, handler, options.level)
    listener.start()
    try:
        yield ProgramLog(handler, log_file)
    finally:
        listener.stop()
        root.handlers[:], _ = previous
        root.setLevel(previous[1])
        for sink in sinks:
            sink.close()


def _configure(root: logging.Logger, handler: logging.Handler, level: str) -> None:
    root.handlers[:] = [handler]
    root.setLevel(logging.getLevelNamesMapping()["WARNING" if level == "WARN" else level])
    # Per-request and per-job chatter of libraries is ours to say, with correlation ids.
    for name in ("aiohttp.access", "apscheduler", "asyncio", "alembic"):
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def _stderr(form: str) -> logging.Handler:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter(form))
    return handler
