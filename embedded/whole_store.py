"""All that a store's file holds, a piece at a time, for who takes it elsewhere. Shell.

A piece is some hours of one table: samples with the fields that were written at the same time together, or a level's
windows with all their aggregates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from embedded.engine import EngineOptions, open_engine
from embedded.sql import TABLES, WIDE_TABLES
from telemetry.points import Point, canonical_tags
from telemetry.rollup import LEVELS, Aggregate, Level
from telemetry.schema import MeasurementClass

_HOUR = 3_600 * 10**9
_PIECE = {"raw": 6 * _HOUR, "events": 240 * _HOUR, "self": 6 * _HOUR, "5m": 24 * _HOUR, "1h": 240 * _HOUR}  # ns
_ROWS = 5_000  # fetched at once


@dataclass(frozen=True, slots=True)
class Part:
    """What is read by itself: the samples of a class, or a level; so many rows over [start, stop) (ns)."""

    name: str
    table: str
    rows: int
    start: int
    stop: int
    measurement_class: MeasurementClass
    level: Level | None = None


class WholeStore:
    """Open it with `opened`, when no OpsWatch has it open; whoever reads it blocks."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    @classmethod
    def opened(cls, path: Path) -> WholeStore:
        """Raises StoreUnavailable, naming the file and the way out."""
        return cls(open_engine(path, EngineOptions()))

    def close(self) -> None:
        self._connection.close()

    def parts(self, since: Callable[[str], int]) -> Iterator[Part]:
        """What there is, the levels last; `since` tells from when on (ns) a part is wanted: `raw`, `self`, `5m` ..."""
        for measurement_class, table in TABLES.items():
            if (part := self._part(table, table, since(table), measurement_class)) is not None:
                yield part
        for level in LEVELS:
            metrics, table = MeasurementClass.METRICS, WIDE_TABLES[level.name]
            if (part := self._part(level.name, table, since(level.name), metrics, level)) is not None:
                yield part

    def _part(
        self, name: str, table: str, since: int, measurement_class: MeasurementClass, level: Level | None = None
    ) -> Part | None:
        row = self._connection.execute(f"SELECT count(*), min(ts), max(ts) FROM {table} WHERE ts >= {since}").fetchone()
        if row is None or not row[0]:
            return None
        return Part(name, table, int(row[0]), int(row[1]), int(row[2]) + 1, measurement_class, level)

    def samples(self, part: Part) -> Iterator[tuple[int, list[Point]]]:
        """(rows, points) of a part with samples, in order of time."""
        columns = "list(field), list(value), list(text)"
        for rows in self._pieces(part, columns):
            points = []
            count = 0
            for measurement, tags, time, names, values, texts in rows:
                fields = {
                    name: text if value is None else value
                    for name, value, text in zip(names, values, texts, strict=True)
                    if value is not None or text is not None
                }
                count += len(names)
                if fields:
                    points.append(Point(measurement, canonical_tags(tags), fields, time))
            yield count, points

    def windows(self, part: Part, named: Callable[[str, Aggregate], str]) -> Iterator[tuple[int, list[Point]]]:
        """(rows, points) of a level, a field for each aggregate, which `named` calls."""
        aggregates = list(Aggregate)
        columns = ", ".join(["list(field)", *(f"list({one})" for one in aggregates)])
        for rows in self._pieces(part, columns):
            points = []
            count = 0
            for measurement, tags, time, names, *columns_of in rows:
                fields: dict[str, float | int | str] = {}
                for aggregate, values in zip(aggregates, columns_of, strict=True):
                    fields |= {
                        named(name, aggregate): value
                        for name, value in zip(names, values, strict=True)
                        if value is not None
                    }
                count += len(names)
                points.append(Point(measurement, canonical_tags(tags), fields, time))
            yield count, points

    def _pieces(self, part: Part, columns: str) -> Iterator[list[tuple[Any, ...]]]:
        step = _PIECE[part.name]
        for start in range(part.start, part.stop, step):
            stop = min(part.stop, start + step)
            self._connection.execute(
                f"SELECT measurement, tags, ts, {columns} FROM {part.table} JOIN series USING (series_id)"
                f" WHERE ts >= {start} AND ts < {stop} GROUP BY measurement, tags, ts ORDER BY ts"
            )
            while rows := self._connection.fetchmany(_ROWS):
                yield rows
