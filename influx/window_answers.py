"""The windows of series: from the samples, from rolled-up levels, or from both side by side. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from influx.annotated_csv import GarbledAnswer, Rows
from influx.asked import Asked, Question, asked_of
from influx.flux import COUNTER_FUNCTIONS, SAMPLES, level_query, windows_query
from influx.samples import SeriesRows, Values, as_registered
from influx.window_columns import SURELY_FEW, Column, Growth, WindowColumns, unwrapped
from telemetry.answers import check_size
from telemetry.rollup import RAW, Aggregate, aggregates
from telemetry.schema import FieldKind, FieldType
from telemetry.series import Coverage, Function, Segment, Series, SeriesResult, SeriesSamples, Window
from telemetry.times import NANOSECONDS_PER_SECOND

_ADDED_UP = frozenset({Function.SUM, Function.MEAN})
_BOUNDS = (Function.MIN, Function.MAX, Function.COUNT)
_RESULT = 1  # the column that names the result a row is of
# Where levels have the values of a function; a mean is a sum by a count.
_KEPT_AS: Mapping[Function, Aggregate] = {
    Function.MIN: Aggregate.MIN,
    Function.MAX: Aggregate.MAX,
    Function.SUM: Aggregate.SUM,
    Function.COUNT: Aggregate.COUNT,
    Function.LAST: Aggregate.LAST,
    Function.INCREASE: Aggregate.INCREASE,
    Function.RATE: Aggregate.INCREASE,
}
Columns = Mapping[Series, Column]


class WindowsAnswer:
    """The answer of `Window` and `Coverage`: fields of different kinds may come from different levels."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        shape = asked.query.shape
        self._functions = shape.functions if isinstance(shape, Window) else (Function.COUNT,)
        fields: dict[tuple[Segment, ...], list[str]] = defaultdict(list)
        for name in asked.fields(numeric=True):
            fields[asked.segments(_kind(asked, name), self._functions)].append(name)
        asked.rows()  # says what is wrong with the query, also where there is nothing to read
        self._parts = [PlannedWindows(asked, segments, some, self._functions) for segments, some in fields.items()]

    def questions(self) -> Sequence[Question]:
        return tuple(question for part in self._parts for question in part.questions())

    def result(self) -> SeriesResult:
        asked, axis = self._asked, self._asked.query.axis
        check_size(asked.query, sum(len(part.present) for part in self._parts) * len(self._functions))
        answer = []
        for part in self._parts:
            columns = {function: part.columns(function) for function in self._functions}
            for series in part.present:
                if isinstance(asked.query.shape, Coverage):
                    counts = columns[Function.COUNT].get(series, [None] * len(axis))
                    answer.append(SeriesSamples(series, axis, [count or 0 for count in counts]))
                    continue
                for function in self._functions:
                    values = self._typed(function, series, columns[function].get(series, [None] * len(axis)))
                    answer.append(SeriesSamples(series, axis, values, function))
        return asked.result(answer, plans=[part.segments for part in self._parts] or None)

    def _typed(self, function: Function, series: Series, values: Values) -> Values:
        if function is Function.RATE:
            seconds = self._asked.query.axis.step / NANOSECONDS_PER_SECOND
            return [None if value is None else float(value) / seconds for value in values]
        if function in {Function.COUNT, Function.MEAN}:
            return values
        field = self._asked.measurement.field(series.field)
        return as_registered(FieldType.FLOAT if field is None else field.type, values)


class PlannedWindows:
    """Some fields, which are all read from the same levels for the same stretches of time."""

    def __init__(
        self, asked: Asked, segments: tuple[Segment, ...], fields: Sequence[str], functions: Sequence[Function]
    ) -> None:
        self.segments = segments
        self._asked = asked
        self._fields = tuple(fields)
        self._axis = asked.query.axis
        bounds = _BOUNDS if self._may_wrap(functions) else ()
        self._sent = tuple(dict.fromkeys((*functions, *bounds)))
        self._aggregates = self._needed()
        self._samples = _FromSamples(asked, self._part(RAW), self._sent)
        self._windows = {one: WindowColumns(self._axis) for one in self._aggregates}
        self._rows = {one: asked.rows(one) for one in self._aggregates}
        self.present: dict[Series, None] = {}

    def questions(self) -> Sequence[Question]:
        """One of each level."""
        questions: list[Question] = []
        for segment in self.segments:
            axis = self._axis_of(segment)
            selection = self._asked.selection(self._fields, segment.level)
            if segment.level == RAW:
                flux = windows_query(selection, axis, self._sent)
                questions += asked_of(flux, lambda rows: self._note(self._samples.take(rows)))
            else:
                flux = level_query(selection, axis, self._aggregates)
                questions += asked_of(flux, self._taker(axis))
        return questions

    def columns(self, function: Function) -> Columns:
        """The values of a function in all windows, of the series that have any."""
        samples = self._samples.columns(function)
        levels = self._mean() if function is Function.MEAN else self._of_level(_KEPT_AS.get(function))
        if not levels:
            return samples
        return {series: _side_by_side(samples.get(series), levels.get(series)) for series in {**samples, **levels}}

    def _taker(self, axis: range) -> Callable[[Rows], None]:
        def take(rows: Rows) -> None:
            name = rows.first(_RESULT)
            if name not in self._windows:
                raise GarbledAnswer(f"there is a result {name[:60]!r}, which nobody asked for")
            aggregate = Aggregate(name)
            series = self._rows[aggregate].series(rows)
            if series is not None:
                times = self._rows[aggregate].times(rows) if len(axis) > 1 else [axis.start]
                self._windows[aggregate].take(series, times, self._rows[aggregate].values(rows))
                self._note(series)

        return take

    def _note(self, series: Series | None) -> None:
        if series is not None and series not in self.present:
            self.present[series] = None
            check_size(self._asked.query, len(self.present))

    def _part(self, level: str) -> range:
        """The windows that are read from a level."""
        return next((self._axis_of(one) for one in self.segments if one.level == level), range(0))

    def _axis_of(self, segment: Segment) -> range:
        return range(segment.start, segment.stop, self._axis.step)

    def _needed(self) -> tuple[Aggregate, ...]:
        """What is to be read of levels; of what was sent for the sake of wraps only what they keep."""
        if all(one.level == RAW for one in self.segments):
            return ()
        wanted: list[Aggregate] = []
        for function in self._sent:
            wanted += (Aggregate.SUM, Aggregate.COUNT) if function is Function.MEAN else (_KEPT_AS[function],)
        if set(wanted) == {
            Aggregate.INCREASE
        }:  # a series whose samples have nothing to grow from is there all the same
            wanted.append(Aggregate.COUNT)
        kept = {one for name in self._fields for one in aggregates(_kind(self._asked, name))}
        return tuple(one for one in dict.fromkeys(wanted) if one in kept)

    def _may_wrap(self, functions: Sequence[Function]) -> bool:
        """Whether integers are added up in windows so long that it matters how large they are."""
        kinds = {self._asked.measurement.field(name) for name in self._fields}
        return (
            not _ADDED_UP.isdisjoint(functions)
            and self._axis.step >= SURELY_FEW * NANOSECONDS_PER_SECOND
            and any(field is not None and field.type is FieldType.INTEGER for field in kinds)
        )

    def _of_level(self, aggregate: Aggregate | None) -> Columns:
        if aggregate is None or aggregate not in self._windows:
            return {}
        columns: Columns = self._windows[aggregate].columns
        if aggregate is not Aggregate.SUM:
            return columns
        bounds = [self._windows.get(Aggregate(str(one))) for one in _BOUNDS]
        return {
            series: _unwrapped(
                Function.SUM, column, [None if one is None else one.columns.get(series) for one in bounds]
            )
            for series, column in columns.items()
        }

    def _mean(self) -> Columns:
        sums, counts = self._of_level(Aggregate.SUM), self._of_level(Aggregate.COUNT)
        return {
            series: [
                None if total is None or not count else total / count  # type: ignore[operator]
                for total, count in zip(column, counts.get(series, [None] * len(self._axis)), strict=True)
            ]
            for series, column in sums.items()
        }


class _FromSamples:
    """What InfluxDB makes of samples for windows that are a part of the query's axis, or none of it."""

    def __init__(self, asked: Asked, part: range, sent: Sequence[Function]) -> None:
        self._asked = asked
        self._axis = asked.query.axis
        self._part = part
        self._rows: SeriesRows = asked.rows()
        self._windows = {function.value: WindowColumns(self._axis) for function in sent}
        self._growth = Growth(part)

    def take(self, rows: Rows) -> Series | None:
        """Whose rows they are, when they hold windows. Raises GarbledAnswer."""
        series = self._rows.series(rows)
        if series is None:
            return None
        name = rows.first(_RESULT)
        if name == SAMPLES:
            self._growth.take(series, self._rows.times(rows), self._rows.values(rows))
            return series if self._growth.has(series) else None
        if name not in self._windows:
            raise GarbledAnswer(f"there is a result {name[:60]!r}, which nobody asked for")
        times = self._rows.times(rows) if len(self._part) > 1 else [self._part.start]
        self._windows[name].take(series, times, self._rows.values(rows))
        return series

    def columns(self, function: Function) -> Columns:
        """The values of a function in all windows of the query."""
        if function in COUNTER_FUNCTIONS:
            return self._grown()
        columns: Columns = self._windows[function].columns
        if function not in _ADDED_UP or any(one not in self._windows for one in _BOUNDS):
            return columns
        found = {}
        for series, column in columns.items():
            is_whole = self._rows.type_of(series) is FieldType.INTEGER
            bounds = [self._windows[bound].columns.get(series) if is_whole else None for bound in _BOUNDS]
            found[series] = _unwrapped(function, column, bounds)
        return found

    def _grown(self) -> Columns:
        before = (self._part.start - self._axis.start) // self._axis.step if self._part else 0
        after = len(self._axis) - before - len(self._part)
        return {
            series: [*([None] * before), *column, *([None] * after)]
            for series, column in self._growth.columns().items()
        }


def _kind(asked: Asked, name: str) -> FieldKind:
    field = asked.measurement.field(name)
    return FieldKind.UNTYPED if field is None else field.kind


def _unwrapped(function: Function, column: Column, bounds: Sequence[Column | None]) -> Column:
    if any(one is None for one in bounds):
        return column
    return list(unwrapped(function, column, *bounds))  # type: ignore[arg-type]


def _side_by_side(one: Column | None, other: Column | None) -> Column:
    """Values of the same windows, of which at most one of both has each."""
    if one is None or other is None:
        return one or other or []
    return [right if left is None else left for left, right in zip(one, other, strict=True)]
