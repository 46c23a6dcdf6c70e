"""OpsWatch's own log: nine fields, hostile text inert, never in the way of who logs."""

import gzip
import json
import logging
import queue
from pathlib import Path

import pytest

from opswatch.log_file import RotatedLogFile
from opswatch.log_record import FIELDS, as_json, as_text, log_fields
from opswatch.program_log import DroppingQueueHandler, LogOptions, program_log
from telemetry.correlation import correlation_id


def lines_of(file: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def record_of(message: str, created: float = 0.0) -> logging.LogRecord:
    return logging.makeLogRecord({"msg": message, "levelname": "INFO", "name": "collector.spool", "created": created})


def test_a_line_has_exactly_the_fields_of_the_story(tmp_path: Path) -> None:
    """R55-R63, in their order, with WARN written so and the correlation id of the caller."""
    file = tmp_path / "log" / "opswatch.jsonl"
    with program_log(LogOptions(), file):
        token = correlation_id.set("req_abc123")
        logging.getLogger("collector").warning(
            "spool is %d %% full", 80, extra={"entity_id": "spool", "processing_time_ms": 4.5, "pending": 7}
        )
        correlation_id.reset(token)

    (line,) = lines_of(file)
    assert tuple(line) == FIELDS
    assert line.pop("event_id")
    assert str(line.pop("timestamp")).endswith("Z")
    assert line == {
        "level": "WARN",
        "service": "opswatch",
        "component": "collector",
        "message": "spool is 80 % full pending=7",
        "entity_id": "spool",
        "processing_time_ms": 4.5,
        "correlation_id": "req_abc123",
    }


def test_the_file_and_stderr_name_a_line_by_one_id(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever quotes a line from the terminal can find it in the file."""
    file = tmp_path / "opswatch.jsonl"
    with program_log(LogOptions(), file):
        logging.getLogger("a").info("hello")

    assert json.loads(capsys.readouterr().err)["event_id"] == lines_of(file)[0]["event_id"]


def test_an_error_is_logged_with_its_context_and_without_a_page_of_traceback(tmp_path: Path) -> None:
    """R53: the exception, its text and where it came from, on one line."""
    file = tmp_path / "opswatch.jsonl"
    with program_log(LogOptions(), file):
        try:
            raise ZeroDivisionError("by zero")
        except ZeroDivisionError:
            logging.getLogger("a").exception("unit failed")

    message = str(lines_of(file)[0]["message"])
    assert message.startswith("unit failed error=ZeroDivisionError: by zero at=test_program_log.py:")


def test_a_line_in_text_form_cannot_play_tricks_on_a_terminal() -> None:
    """Log injection: escape sequences, line breaks and direction marks are shown, not obeyed."""
    text = as_text(log_fields(record_of("\x1b[2Jgone\nFAKE line\u202e"), "evt_1"))

    assert "\\x1b[2Jgone\\x0aFAKE line\\x202e" in text
    assert len(text.splitlines()) == 1


def test_a_line_in_json_form_is_one_line_for_every_reader() -> None:
    """Also for readers that split at Unicode's line separators."""
    text = as_json(log_fields(record_of("a\nb\u2028c\x85d"), "evt_1"))

    assert len(text.splitlines()) == 1
    assert json.loads(text)["message"] == "a\nb\u2028c\x85d"


@pytest.mark.parametrize("secret", ["Bearer abcdefgh12345678", "token AAAABBBBCCCCDDDD==", "opw_abcdefgh12345678"])
def test_what_looks_like_a_credential_is_masked(secret: str) -> None:
    """Whoever logged it, a token does not reach the log."""
    message = log_fields(record_of(f"header was {secret} end"), "evt_1")["message"]

    assert "[redacted] end" in message
    assert secret not in message


def test_a_full_queue_drops_and_counts_instead_of_blocking() -> None:
    """R122: a sink that hangs costs lines, which are counted, and never the time of who logs."""
    handler = DroppingQueueHandler(queue.Queue(maxsize=2))  # and nobody takes from it
    for number in range(5):
        handler.handle(record_of(f"line {number}"))

    assert handler.dropped == 3


def test_dropped_lines_are_a_warning_of_the_rotation_status(tmp_path: Path) -> None:
    """R112: who looks at the health answer sees that the log has holes."""
    with program_log(LogOptions(), tmp_path / "opswatch.jsonl") as log:
        assert log.rotation_status() == "healthy"

        log.queue_handler.dropped = 1

        assert log.rotation_status() == "warning"


def test_a_new_day_begins_a_new_file_and_the_old_one_is_gzipped(tmp_path: Path) -> None:
    """R125, R127: daily, and compressed."""
    file = tmp_path / "opswatch.jsonl"
    handler = RotatedLogFile(file, max_bytes=10_000, retention_days=30)
    handler.handle(record_of("first day", created=86_400 * 20_000 - 1))
    handler.handle(record_of("second day", created=86_400 * 20_000))
    handler.close()

    (archive,) = tmp_path.glob("*.gz")
    assert "first day" in gzip.decompress(archive.read_bytes()).decode()
    assert "second day" in file.read_text()


def test_a_file_that_would_grow_too_large_is_rotated_and_loses_no_line(tmp_path: Path) -> None:
    """R125: by size as well, and each line is in exactly one file."""
    file = tmp_path / "opswatch.jsonl"
    handler = RotatedLogFile(file, max_bytes=1_000, retention_days=30)
    for number in range(300):
        handler.handle(record_of(f"line {number:04d}", created=1_800_000_000))
    handler.close()

    texts = [gzip.decompress(path.read_bytes()).decode() for path in tmp_path.glob("*.gz")] + [file.read_text()]
    assert sorted("".join(texts).splitlines()) == [f"line {number:04d}" for number in range(300)]
    assert all(len(text) <= 1_000 for text in texts)


def test_archives_are_deleted_after_their_days(tmp_path: Path) -> None:
    """R126: 30 days, cleaned when a file is closed; what is not ours stays."""
    file = tmp_path / "opswatch.jsonl"
    (tmp_path / "opswatch.jsonl.20200101T000000.gz").write_bytes(b"")
    (tmp_path / "opswatch.jsonl.notes.gz").write_bytes(b"")
    handler = RotatedLogFile(file, max_bytes=20, retention_days=30)
    handler.handle(record_of("one line of some length", created=1_800_000_000))
    handler.handle(record_of("another", created=1_800_000_000))
    handler.close()

    assert not (tmp_path / "opswatch.jsonl.20200101T000000.gz").exists()
    assert (tmp_path / "opswatch.jsonl.notes.gz").exists()


def test_a_disk_that_was_full_at_a_rotation_costs_no_later_line(tmp_path: Path) -> None:
    """D9: the archive fails, the line after it has a file, and so have all the others."""
    file = tmp_path / "opswatch.jsonl"
    handler = RotatedLogFile(file, max_bytes=60, retention_days=30)
    handler.handle(record_of("first line of some length", created=1_800_000_000))
    whole = handler.compress
    handler.compress = failing  # type: ignore[method-assign]
    handler.handle(record_of("second line of some length", created=1_800_000_001))
    handler.compress = whole  # type: ignore[method-assign]
    for number in range(5):
        handler.handle(record_of(f"line {number} after the trouble", created=1_800_000_002 + number))
    handler.close()

    texts = [gzip.decompress(path.read_bytes()).decode() for path in tmp_path.glob("*.gz")] + [file.read_text()]
    assert all(f"line {number} after" in "".join(texts) for number in range(5))
    assert handler.status() != "critical"


def failing() -> None:
    raise OSError(28, "No space left on device")
