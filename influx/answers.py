"""What is asked of InfluxDB for a series query, and the answer from the rows that come. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from influx.annotated_csv import GarbledAnswer, Rows
from influx.flux import (
    COUNTER_FUNCTIONS,
    SAMPLES,
    Selection,
    latest_query,
    samples_query,
    windows_query,
)
from influx.parameters import FluxQuery
from influx.samples import Samples, SeriesRows, Values, as_registered
from influx.window_columns import SURELY_FEW, Growth, Pools, WindowColumns, unwrapped
from telemetry.answers import check_size, cut, expired, pool_of, quantiles_of_buckets
from telemetry.grouping import finished
from telemetry.rollup import RAW
from telemetry.schema import FieldType, Measurement
from telemetry.series import (
    Coverage,
    Function,
    Latest,
    Quantile,
    Raw,
    Segment,
    Series,
    SeriesQuery,
    SeriesResult,
    SeriesSamples,
    Window,
)
from telemetry.times import NANOSECONDS_PER_SECOND

_ADDED_UP = frozenset({Function.SUM, Function.MEAN})
_BOUNDS = (Function.MIN, Function.MAX, Function.COUNT)
_RESULT = 1  # the column that names the result a row is of


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
class Asked:
    """A query with where its samples are: `kept_since` (ns) is from when on they are all there, where that is known."""

    query: SeriesQuery
    measurement: Measurement
    bucket: str
    kept_since: int | None = None

    def fields(self, *, numeric: bool) -> tuple[str, ...]:
        """Those that are asked for: InfluxDB would fail a whole query for one text among what is to be averaged."""
        known = self.measurement.fields if self.query.fields else self.measurement.plain_fields
        return tuple(
            field.name
            for field in known
            if (not self.query.fields or field.name in self.query.fields)
            and not (numeric and field.type is FieldType.TEXT)
        )

    def selection(self, fields: tuple[str, ...]) -> Selection:
        """The samples themselves, of these fields, in the query's range."""
        query = self.query
        return Selection(self.bucket, (query.measurement,), fields, query.start, query.stop, query.where)

    def rows(self) -> SeriesRows:
        """Reads what comes. Raises InvalidQuery for a pattern that is none."""
        return SeriesRows(self.measurement, self.query.where)

    @property
    def segment(self) -> Segment:
        """What is read: everything comes from the samples themselves, until there are levels to choose from."""
        if isinstance(self.query.shape, Raw | Latest):
            return Segment(RAW, self.query.start, self.query.stop)
        axis = self.query.axis
        return Segment(RAW, axis.start, axis[-1] + axis.step)

    def result(self, series: Sequence[SeriesSamples], warnings: Sequence[str] = ()) -> SeriesResult:
        """The finished answer, which says what is missing."""
        told, segment = list(warnings), self.segment
        is_cut = self.kept_since is not None and segment.start < self.kept_since
        if self.kept_since is not None and is_cut and not isinstance(self.query.shape, Latest):
            told.insert(0, expired(self.kept_since))
        return SeriesResult(self.query, RAW, finished(self.query, series), tuple(told), (segment,))


def answer_of(asked: Asked) -> Answer:
    """The answer to be read. Raises InvalidQuery for a pattern that is none."""
    match asked.query.shape:
        case Raw() | Latest():
            return _SamplesAnswer(asked)
        case Window() | Coverage():
            return _WindowsAnswer(asked)
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
        return _asked_of(flux, self._samples.take)

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


class _WindowsAnswer:
    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._rows = asked.rows()
        shape = asked.query.shape
        self._functions = shape.functions if isinstance(shape, Window) else (Function.COUNT,)
        bounds = _BOUNDS if self._may_wrap() else ()
        self._sent = tuple(dict.fromkeys((*self._functions, *bounds)))
        self._windows = {function.value: WindowColumns(asked.query.axis) for function in self._sent}
        self._growth = Growth(asked.query.axis)
        self._present: dict[Series, None] = {}

    def questions(self) -> Sequence[Question]:
        fields = self._asked.fields(numeric=True)
        if not fields:
            return ()
        flux = windows_query(self._asked.selection(fields), self._asked.query.axis, self._sent)
        return _asked_of(flux, self._take)

    def _may_wrap(self) -> bool:
        """Whether integers are added up in windows so long that it matters how large they are."""
        kinds = {self._asked.measurement.field(name) for name in self._asked.fields(numeric=True)}
        return (
            not _ADDED_UP.isdisjoint(self._functions)
            and self._asked.query.axis.step >= SURELY_FEW * NANOSECONDS_PER_SECOND
            and any(field is not None and field.type is FieldType.INTEGER for field in kinds)
        )

    def _take(self, rows: Rows) -> None:
        series = self._rows.series(rows)
        if series is None:
            return
        name = rows.first(_RESULT)
        if name == SAMPLES:
            self._growth.take(series, self._rows.times(rows), self._rows.values(rows))
            return
        if series not in self._present:
            self._present[series] = None
            check_size(self._asked.query, len(self._present) * len(self._functions))
        if name not in self._windows:
            raise GarbledAnswer(f"there is a result {name[:60]!r}, which nobody asked for")
        times = self._rows.times(rows) if len(self._asked.query.axis) > 1 else None
        self._windows[name].take(series, times, self._rows.values(rows))

    def result(self) -> SeriesResult:
        axis, grown = self._asked.query.axis, self._growth.columns()
        present = dict.fromkeys([*self._present, *grown])
        check_size(self._asked.query, len(present) * len(self._functions))
        nothing = [None] * len(axis)
        if isinstance(self._asked.query.shape, Coverage):
            counts = self._windows[Function.COUNT].columns
            return self._asked.result(
                [SeriesSamples(series, axis, [count or 0 for count in counts[series]]) for series in present]
            )
        answer = []
        for series in present:
            for function in self._functions:
                source = grown if function in COUNTER_FUNCTIONS else self._windows[function].columns
                values: Values = source.get(series, nothing)
                if function in _ADDED_UP and len(self._sent) > len(self._functions):
                    values = self._unwrapped(series, function, values)
                values = self._typed(series, function, values)
                answer.append(SeriesSamples(series, axis, values, function))
        return self._asked.result(answer)

    def _unwrapped(self, series: Series, function: Function, values: Values) -> Values:
        bounds = [self._windows[bound].columns.get(series) for bound in _BOUNDS]
        if self._rows.type_of(series) is not FieldType.INTEGER or None in bounds:
            return values
        return unwrapped(function, values, *bounds)  # type: ignore[arg-type]

    def _typed(self, series: Series, function: Function, values: Values) -> Values:
        if function is Function.RATE:
            seconds = self._asked.query.axis.step / 1_000_000_000
            return [None if value is None else float(value) / seconds for value in values]
        if function in {Function.COUNT, Function.MEAN}:
            return values
        return as_registered(self._rows.type_of(series), values)


class _QuantilesAnswer:
    """Of the samples where there are some, of the buckets of histograms where these alone are written."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._rows = asked.rows()
        self._pools = Pools(asked.query.axis)
        self._buckets = WindowColumns(asked.query.axis)
        shape = asked.query.shape
        assert isinstance(shape, Quantile)
        self._shares = shape.quantiles

    def questions(self) -> Sequence[Question]:
        asked, axis = self._asked, self._asked.query.axis
        measurement = asked.measurement
        counted = [name for name in asked.query.fields or measurement.histograms if measurement.field(name) is None]
        buckets = tuple(field.name for name in counted for field in measurement.buckets(name))
        questions: list[Question] = []
        if fields := asked.fields(numeric=True):
            segment = asked.segment
            flux = samples_query(replace(asked.selection(fields), start=segment.start, stop=segment.stop))
            questions += _asked_of(flux, self._take_samples)
        if buckets:
            questions += _asked_of(windows_query(asked.selection(buckets), axis, (Function.SUM,)), self._take_counts)
        return questions

    def _take_samples(self, rows: Rows) -> None:
        series = self._rows.series(rows)
        if series is not None:
            pool = pool_of(self._asked.query, series)
            self._pools.take(pool, self._rows.times(rows), self._rows.values(rows))
            check_size(self._asked.query, len(self._pools) * len(self._shares))

    def _take_counts(self, rows: Rows) -> None:
        series = self._rows.series(rows)
        if series is not None:
            times = self._rows.times(rows) if len(self._asked.query.axis) > 1 else None
            self._buckets.take(series, times, self._rows.values(rows))
            check_size(self._asked.query, len(self._buckets.columns))

    def result(self) -> SeriesResult:
        query, axis = self._asked.query, self._asked.query.axis
        exact = [
            SeriesSamples(pool, axis, as_registered(self._rows.type_of(pool), column), quantile=share)
            for pool, share, column in self._pools.columns(self._shares)
        ]
        return self._asked.result(
            [*exact, *quantiles_of_buckets(query, self._asked.measurement, self._buckets.columns.items())]
        )


def _asked_of(flux: FluxQuery | None, take: Callable[[Rows], None]) -> Sequence[Question]:
    return () if flux is None else (Question(flux, take),)
