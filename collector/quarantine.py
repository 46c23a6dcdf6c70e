"""Quarantine: where single items that a store refuses end, with the reason. Shell."""

from __future__ import annotations

import json
import logging
import math
import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from telemetry.clock import Clock
from telemetry.points import FieldValue
from telemetry.ports import Refused
from telemetry.times import format_instant

logger = logging.getLogger(__name__)


class Quarantine:
    """JSON lines, one file per UTC day, readable by the owner alone.

    Bounded: past `max_bytes` in all the oldest days make room, and where today alone fills it, items are only counted.
    """

    def __init__(self, directory: Path, clock: Clock, max_bytes: int = 50_000_000) -> None:
        self._directory = directory
        self._clock = clock
        self._max_bytes = max_bytes
        self._failing = ""
        self.refused_points = 0
        self.unwritten_points = 0

    def add(self, refused: Sequence[Refused], source: str) -> None:
        """Keep points with their reasons. Blocks shortly; never raises: a full disk must not stop the neighbours."""
        now = self._clock.now()
        self.refused_points += len(refused)
        self._append(now, [_as_line(one, source, now) for one in refused])

    def add_bytes(self, payload: bytes, reason: str, source: str) -> None:
        """Keep a batch that cannot even be read as points."""
        now = self._clock.now()
        line = {"time": now.isoformat(), "source": source, "reason": reason, "payload": payload.hex()}
        self._append(now, [json.dumps(line)])

    def _append(self, now: datetime, lines: Sequence[str]) -> None:
        path = self._directory / f"points-{now:%Y%m%d}.jsonl"
        text = "".join(line + "\n" for line in lines).encode()
        try:
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            if self._make_room(path, len(text)):
                _write(path, text)
                self._failing = ""
                return
            reason = f"today's file would grow past {self._max_bytes:,} bytes"
        except OSError as error:
            reason = error.strerror or str(error)
        self.unwritten_points += len(lines)
        if reason != self._failing:
            self._failing = reason
            logger.error(
                "quarantine cannot be written; what is refused is only counted",
                extra={"path": str(path), "reason": reason},
            )

    def _make_room(self, today: Path, size: int) -> bool:
        sizes = {path: path.stat().st_size for path in sorted(self._directory.glob("points-*.jsonl"))}
        for path in [path for path in sizes if path != today]:
            if sum(sizes.values()) + size <= self._max_bytes:
                break
            path.unlink(missing_ok=True)
            logger.warning("quarantine is full; its oldest day was deleted", extra={"path": str(path)})
            del sizes[path]
        return sum(sizes.values()) + size <= self._max_bytes


def _write(path: Path, text: bytes) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "r+b") as stream:
        end = stream.seek(0, os.SEEK_END)
        if end:
            stream.seek(end - 1)
            if stream.read(1) != b"\n":  # whoever wrote before us was killed in the middle of a line
                text = b"\n" + text
        stream.write(text)


def _as_line(refused: Refused, source: str, now: datetime) -> str:
    point = refused.point
    return json.dumps(
        {
            "time": now.isoformat(),
            "source": source,
            "reason": refused.reason,
            "measurement": point.measurement,
            "tags": dict(point.tags),
            "fields": {name: _as_json(value) for name, value in point.fields.items()},
            "point_time": _instant(point.time),
        },
        default=str,
    )


def _as_json(value: FieldValue) -> FieldValue:
    # JSON knows neither NaN nor infinities.
    return value if not isinstance(value, float) or math.isfinite(value) else str(value)


def _instant(time: int) -> str:
    try:
        return format_instant(time)
    except (OverflowError, ValueError):
        return str(time)  # beyond the calendar, which may be why it is here
