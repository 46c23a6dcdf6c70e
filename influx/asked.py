"""A series query with where InfluxDB has what it asks for, and what is asked and answered for it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from influx.annotated_csv import Rows
from influx.flux import Selection
from influx.parameters import FluxQuery
from influx.samples import SeriesRows
from telemetry.answers import expired
from telemetry.grouping import finished
from telemetry.rollup import LEVELS, RAW, Aggregate, Standing, coarsest, is_answered, plan_levels
from telemetry.schema import FieldKind, FieldType, Measurement
from telemetry.series import Function, Latest, Raw, Segment, SeriesQuery, SeriesResult, SeriesSamples


@dataclass(frozen=True, slots=True)
class Question:
    """What is sent, and who takes the rows that come."""

    flux: FluxQuery
    take: Callable[[Rows], None]


class Answer(Protocol):
    """An answer that is being read: its questions are to be asked in turn, each once."""

    def questions(self) -> Sequence[Question]:
        """None of them where nothing can be meant."""
        ...

    def result(self) -> SeriesResult:
        """When all rows have been taken."""
        ...


@dataclass(frozen=True, slots=True)
class LevelBucket:
    """Where a rolled-up level is, and how far; `kept_since` (ns) is from when on it is whole, where that is known."""

    standing: Standing
    bucket: str
    kept_since: int | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A query with where its samples are, and those of its levels that can be relied on.

    `kept_since` (ns) is from when on the samples are all there, where that is known.
    """

    query: SeriesQuery
    measurement: Measurement
    bucket: str
    kept_since: int | None = None
    levels: tuple[LevelBucket, ...] = ()

    def fields(self, *, numeric: bool) -> tuple[str, ...]:
        """Those that are asked for: InfluxDB would fail a whole query for one text among what is to be averaged."""
        known = self.measurement.fields if self.query.fields else self.measurement.plain_fields
        return tuple(
            field.name
            for field in known
            if (not self.query.fields or field.name in self.query.fields)
            and not (numeric and field.type is FieldType.TEXT)
        )

    def selection(self, fields: tuple[str, ...], level: str = RAW) -> Selection:
        """The samples, or the windows of a level, of these fields in the query's range."""
        query = self.query
        bucket = self.bucket if level == RAW else self._level(level).bucket
        return Selection(bucket, (query.measurement,), fields, query.start, query.stop, query.where)

    def rows(self, aggregate: Aggregate | None = None) -> SeriesRows:
        """Reads what comes, of levels that of one aggregate. Raises InvalidQuery for a pattern that is none."""
        return SeriesRows(self.measurement, self.query.where, suffix="" if aggregate is None else f"_{aggregate}")

    def segments(self, kind: FieldKind, functions: Sequence[Function]) -> tuple[Segment, ...]:
        """From which levels the windows of a field of this kind are read."""
        shape = self.query.shape
        assert not isinstance(shape, Raw | Latest)
        standings = [one.standing for one in self.levels]
        return plan_levels(self.query.axis, shape.origin, standings, answered=is_answered(kind, functions))

    @property
    def samples(self) -> tuple[Segment, ...]:
        """The whole of it from the samples themselves."""
        if isinstance(self.query.shape, Raw | Latest):
            return (Segment(RAW, self.query.start, self.query.stop),)
        axis = self.query.axis
        return (Segment(RAW, axis.start, axis[-1] + axis.step),)

    def cut(self, segments: Sequence[Segment]) -> list[tuple[int, str]]:
        """(from when on it is whole, level) of each part whose beginning has been deleted."""
        kept: Mapping[str, int | None] = {
            RAW: self.kept_since,
            **{one.standing.level.name: one.kept_since for one in self.levels},
        }
        bounds = [(kept[part.level], part) for part in segments]
        return [(since, part.level) for since, part in bounds if since is not None and part.start < since]

    def result(
        self,
        series: Sequence[SeriesSamples],
        warnings: Sequence[str] = (),
        plans: Sequence[Sequence[Segment]] | None = None,
    ) -> SeriesResult:
        """The finished answer, which says what it was read from (the samples, if nothing else), and what is missing."""
        plans = (self.samples,) if plans is None else plans
        told = list(warnings)
        cuts = [cut for segments in plans for cut in self.cut(segments)]
        if cuts and not isinstance(self.query.shape, Latest):
            since, level = max(cuts)
            is_last = isinstance(self.query.shape, Raw) or level == LEVELS[-1].name or not self.levels
            told.insert(0, expired(since) + ("" if is_last else "; rolled-up levels answer longer steps, as every=1h"))
        longest = max(plans, key=len, default=())
        level = coarsest(part for segments in plans for part in segments)
        return SeriesResult(self.query, level, finished(self.query, series), tuple(told), tuple(longest))

    def _level(self, name: str) -> LevelBucket:
        (level,) = (one for one in self.levels if one.standing.level.name == name)
        return level


def asked_of(flux: FluxQuery | None, take: Callable[[Rows], None]) -> Sequence[Question]:
    """The question, where anything can be meant."""
    return () if flux is None else (Question(flux, take),)
