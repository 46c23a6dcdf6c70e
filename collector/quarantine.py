"""Quarantine: where single items that a store refuses end, with the reason. Shell."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from telemetry.clock import Clock
from telemetry.ports import Refused
from telemetry.times import format_instant

logger = logging.getLogger(__name__)


class Quarantine:
    """JSON lines, one file per UTC day, readable by the owner alone. Bounded: past `max_bytes` a day only counts."""

    def __init__(self, directory: Path, clock: Clock, max_bytes: int = 50_000_000) -> None:
        self._directory = directory
        self._clock = clock
        self._max_bytes = max_bytes
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
        text = "".join(line + "\n" for line in lines)
        try:
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "a", encoding="utf-8") as stream:
                if stream.tell() + len(text) > self._max_bytes:
                    self.unwritten_points += len(lines)
                    return
                stream.write(text)
        except OSError as error:
            self.unwritten_points += len(lines)
            logger.error("quarantine cannot be written", extra={"path": str(path), "reason": error.strerror})


def _as_line(refused: Refused, source: str, now: datetime) -> str:
    point = refused.point
    return json.dumps(
        {
            "time": now.isoformat(),
            "source": source,
            "reason": refused.reason,
            "measurement": point.measurement,
            "tags": dict(point.tags),
            "fields": dict(point.fields),
            "point_time": format_instant(point.time),
        },
        default=str,
    )
