"""The figures of the host from what a reader answered: mean, peak and when it was. Pure.

Of what is measured as it is (CPU, memory, swap, space, load) the mean is over all samples and the peak is the highest
of them. Of what is counted (traffic) both are of the rates per window, and the peak is the busiest window.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dashboards.charts import without_catching_up
from dashboards.reports.model import Curve, HostFigures, Reading
from dashboards.reports.period import Period, Span
from dashboards.reports.windows import Column, bounds, columns, key_of, known, lengths_s, merged, ratio, stretch
from telemetry.series import AllOf, Equals, Function, Not, Predicate, SeriesResult

MOST_POINTS = 180
GAUGE_FUNCTIONS = (Function.SUM, Function.COUNT, Function.MAX)


@dataclass(frozen=True, slots=True)
class HostMeasure:
    """Something of the host that a report speaks of: a gauge, or the rate of a counter over all that are selected.

    `by` is the tag that names the subjects, each of which has figures of its own.
    """

    name: str
    title: str
    unit: str
    measurement: str
    field: str
    by: str = ""
    rate: bool = False
    where: tuple[Predicate, ...] = ()
    maximum: float | None = None

    @property
    def functions(self) -> tuple[Function, ...]:
        return (Function.RATE,) if self.rate else GAUGE_FUNCTIONS

    def selects(self, host: str) -> Predicate:
        """Its series on this host."""
        return AllOf((Equals("host", host), *self.where))


_LOOPBACK = Not(Equals("interface", "lo"))
MEASURES: tuple[HostMeasure, ...] = (
    HostMeasure("cpu", "CPU", "percent", "cpu", "usage_active", where=(Equals("cpu", "cpu-total"),), maximum=100.0),
    HostMeasure("memory", "Memory", "percent", "mem", "used_percent", maximum=100.0),
    HostMeasure("load", "Load (1 min)", "count", "system", "load1"),
    HostMeasure("swap", "Swap", "percent", "swap", "used_percent", maximum=100.0),
    HostMeasure("received", "Received", "bytes_per_second", "net", "bytes_recv", rate=True, where=(_LOOPBACK,)),
    HostMeasure("sent", "Sent", "bytes_per_second", "net", "bytes_sent", rate=True, where=(_LOOPBACK,)),
    HostMeasure("disk", "Disk", "percent", "disk", "used_percent", by="path", maximum=100.0),
)


def host_figures(measure: HostMeasure, span: Span, now: SeriesResult, before: SeriesResult) -> tuple[HostFigures, ...]:
    """The figures of each subject, by name; of none where neither period has a sample."""
    mine = _subjects(measure, span.period, span, now)
    older = _subjects(measure, span.previous, span, before)
    wanted = bounds(span.period, stretch(span.period, span.step, MOST_POINTS))
    found = []
    for subject in sorted({*mine, *older}):
        current, previous = mine.get(subject, _NOTHING), older.get(subject, _NOTHING)
        curve = Curve(
            wanted,
            current.drawn(span.period, span, wanted),
            previous.drawn(span.previous, span, wanted),
            current.highest(span.period, span, wanted),
        )
        found.append(
            HostFigures(
                measure.name,
                measure.title,
                subject,
                measure.unit,
                current.reading(span.period, span),
                previous.reading(span.previous, span),
                curve,
                measure.maximum,
            )
        )
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Samples:
    """Of one subject in one period: sums, counts and highest per window. A rate counts as one sample per window."""

    sums: Column
    counts: Column
    highs: Column

    def reading(self, period: Period, span: Span) -> Reading:
        counted = sum(known(self.counts))
        if not counted:
            return Reading()
        starts = bounds(period, span.step)
        peak, number = max((value, -number) for number, value in enumerate(self.highs) if value is not None)
        covered = sum(length for length, count in zip(lengths_s(starts, span.until), self.counts, strict=True) if count)
        whole = sum(lengths_s(starts, span.until))
        return Reading(
            mean=sum(known(self.sums)) / counted,
            peak=peak,
            peak_start=starts[-number],
            peak_stop=starts[-number + 1],
            coverage=min(1.0, covered / whole) if whole else 0.0,
        )

    def drawn(self, period: Period, span: Span, wanted: Sequence[int]) -> tuple[float | None, ...]:
        """The mean per window of the curve."""
        groups = self._groups(period, span, wanted)
        return tuple(
            ratio(
                [_total(self.sums, numbers) for numbers in groups], [_total(self.counts, numbers) for numbers in groups]
            )
        )

    def highest(self, period: Period, span: Span, wanted: Sequence[int]) -> tuple[float | None, ...]:
        """The highest per window of the curve."""
        groups = self._groups(period, span, wanted)
        return tuple(max(known([self.highs[number] for number in numbers]), default=None) for numbers in groups)

    def _groups(self, period: Period, span: Span, wanted: Sequence[int]) -> list[range]:
        if not self.sums:
            return [range(0)] * (len(wanted) - 1)
        shift = period.start - wanted[0]
        return list(merged(bounds(period, span.step), [at + shift for at in wanted]).values())


_NOTHING = _Samples([], [], [])


def _total(column: Sequence[float | None], numbers: Iterable[int]) -> float | None:
    values = known([column[number] for number in numbers])
    return sum(values) if values else None


def _subjects(measure: HostMeasure, period: Period, span: Span, result: SeriesResult) -> Mapping[str, _Samples]:
    if measure.rate:
        added = _added(without_catching_up(result))
        open_from = span.until - span.until % span.step
        # Of a window that is not over yet a rate says too little.
        starts = bounds(period, span.step)
        rates = [None if start >= open_from else value for start, value in zip(starts, added, strict=False)]
        counts: Column = [None if value is None else 1.0 for value in rates]
        return {"": _Samples(rates, counts, rates)} if known(rates) else {}
    tags = (measure.by,) if measure.by else ()
    _check_one_series_each(result, tags)
    found = {}
    for key, by_function in columns([result], tags).items():
        sums, counts, highs = (by_function[measure.field, function] for function in GAUGE_FUNCTIONS)
        found[key[0] if key else ""] = _Samples(sums, counts, highs)
    return found


def _added(result: SeriesResult) -> Column:
    """The rates of all series together; None where none is known."""
    rows = zip(*(one.values for one in result.series), strict=True)
    numbers = ([value for value in row if isinstance(value, int | float)] for row in rows)
    return [sum(row) if row else None for row in numbers]


def _check_one_series_each(result: SeriesResult, tags: Sequence[str]) -> None:
    # The query groups by the tags, so that nothing is overwritten here.
    keys = [(key_of(one.series.tags, tags), one.function) for one in result.series]
    assert len(keys) == len(set(keys))
