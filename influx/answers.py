"""What is asked of InfluxDB for a series query, and the answer from the rows that come. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from influx.annotated_csv import Rows
from influx.asked import Answer, Asked, Question, asked_of
from influx.flux import latest_query, samples_query
from influx.samples import Samples, as_registered
from influx.window_answers import PlannedWindows, WindowsAnswer
from influx.window_columns import Pools
from telemetry.answers import check_size, cut, pool_of, quantiles_from_buckets, quantiles_of_buckets
from telemetry.schema import FieldKind
from telemetry.series import (
    Coverage,
    Function,
    Latest,
    Quantile,
    Raw,
    SeriesResult,
    SeriesSamples,
    Window,
)


def answer_of(asked: Asked) -> Answer:
    """The answer to be read. Raises InvalidQuery for a pattern that is none."""
    match asked.query.shape:
        case Raw() | Latest():
            return _SamplesAnswer(asked)
        case Window() | Coverage():
            return WindowsAnswer(asked)
        case Quantile():
            return _QuantilesAnswer(asked)


class _SamplesAnswer:
    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._samples = Samples(asked.rows())

    def questions(self) -> Sequence[Question]:
        fields, shape = self._asked.fields(numeric=False), self._asked.query.shape
        if not fields:
            return ()
        selection = self._asked.selection(fields)
        # One more than the limit, to see whether it cut.
        flux = samples_query(selection, shape.limit + 1) if isinstance(shape, Raw) else latest_query(selection)
        return asked_of(flux, self._samples.take)

    def result(self) -> SeriesResult:
        found, shape = self._samples.found(), self._asked.query.shape
        if not isinstance(shape, Raw):
            return self._asked.result([SeriesSamples(series, *samples) for series, samples in found.items()])
        is_cut = any(len(times) > shape.limit for times, _ in found.values())
        return self._asked.result(
            [
                SeriesSamples(series, times[: shape.limit], values[: shape.limit])
                for series, (times, values) in found.items()
            ],
            (cut(shape.limit),) if is_cut else (),
        )


class _QuantilesAnswer:
    """Of the samples where they are kept, of the buckets of histograms where these alone are written or left."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._rows = asked.rows()
        self._pools = Pools(asked.query.axis)
        measurement, query = asked.measurement, asked.query
        assert isinstance(query.shape, Quantile)
        self._shares = query.shape.quantiles
        counted = [name for name in query.fields or measurement.histograms if name in measurement.histograms]
        is_whole = not asked.cut(asked.samples)
        self._from_buckets = [name for name in counted if measurement.field(name) is None or not is_whole]
        buckets = [field.name for name in self._from_buckets for field in measurement.buckets(name)]
        segments = asked.segments(FieldKind.HISTOGRAM, (Function.SUM,))
        self._buckets = PlannedWindows(asked, segments, buckets, (Function.SUM,)) if buckets else None

    def questions(self) -> Sequence[Question]:
        asked = self._asked
        questions: list[Question] = []
        fields = tuple(name for name in asked.fields(numeric=True) if name not in self._from_buckets)
        if fields:
            (segment,) = asked.samples
            flux = samples_query(replace(asked.selection(fields), start=segment.start, stop=segment.stop))
            questions += asked_of(flux, self._take_samples)
        if self._buckets is not None:
            questions += self._buckets.questions()
        return questions

    def _take_samples(self, rows: Rows) -> None:
        series = self._rows.series(rows)
        if series is not None:
            pool = pool_of(self._asked.query, series)
            self._pools.take(pool, self._rows.times(rows), self._rows.values(rows))
            check_size(self._asked.query, len(self._pools) * len(self._shares))

    def result(self) -> SeriesResult:
        asked, query, axis = self._asked, self._asked.query, self._asked.query.axis
        answer = [
            SeriesSamples(pool, axis, as_registered(self._rows.type_of(pool), column), quantile=share)
            for pool, share, column in self._pools.columns(self._shares)
        ]
        plans = [asked.samples] if answer or self._buckets is None else []
        if self._buckets is not None:
            counts = self._buckets.columns(Function.SUM)
            answer += quantiles_of_buckets(query, asked.measurement, counts.items())
            plans.append(self._buckets.segments)
        return asked.result(answer, tuple(map(quantiles_from_buckets, self._replaced())), plans)

    def _replaced(self) -> list[str]:
        """The fields that have samples, of which not all are kept."""
        return [name for name in self._from_buckets if self._asked.measurement.field(name) is not None]
