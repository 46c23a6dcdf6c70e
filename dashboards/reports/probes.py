"""The figures of services and probes from what a reader answered. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dashboards.reports.model import Curve, Latency, ProbeFigures, ServiceFigures, Standing
from dashboards.reports.period import Period, Span
from dashboards.reports.states import StateSeconds, StateWindows, levelled, of_service, outages, slots
from dashboards.reports.windows import Column, Key, bounds, columns, known, ratio, stretch
from telemetry.health import ServiceStatus, State
from telemetry.histogram import quantile
from telemetry.schema import Measurement
from telemetry.series import Function, SeriesResult

TAGS = ("service", "probe")
STATE_FIELDS = ("up_s", "degraded_s", "down_s")
LATENCY = "latency_ms"
LATENCY_FUNCTIONS = (Function.MIN, Function.MAX, Function.SUM, Function.COUNT)
SUCCESS = "up"
SUCCESS_FUNCTIONS = (Function.SUM, Function.COUNT)
QUANTILES = (0.95, 0.99)
MOST_SLOTS = 96
MOST_POINTS = 180


_Quantiles = Mapping[float, float | None]


@dataclass(frozen=True, slots=True)
class ProbeAnswers:
    """What a reader says of one period: seconds in states, latency and success, and either quantiles or buckets.

    `service_quantiles` are of all attempts of a service together.
    """

    states: Sequence[SeriesResult]
    latency: Sequence[SeriesResult]
    success: Sequence[SeriesResult]
    quantiles: SeriesResult | None = None
    service_quantiles: SeriesResult | None = None
    buckets: Sequence[SeriesResult] = ()


@dataclass(frozen=True, slots=True)
class _Measured:
    """One period of one probe."""

    windows: StateWindows
    latency: Mapping[Function, Column]
    success: Mapping[Function, Column]
    buckets: Mapping[float, float]
    quantiles: _Quantiles


def curve_length(span: Span) -> int:
    """How long the windows of a curve are."""
    return stretch(span.period, span.step, MOST_POINTS)


def slot_bounds(span: Span) -> tuple[int, ...]:
    """Where the segments of a strip begin, and where the last one ends."""
    return bounds(span.period, stretch(span.period, span.step, MOST_SLOTS))


def service_figures(
    span: Span,
    now: ProbeAnswers,
    before: ProbeAnswers,
    catalog: Mapping[str, ServiceStatus],
    names: Sequence[str],
    measurement: Measurement,
) -> tuple[ServiceFigures, ...]:
    """Of the named services, in this order, with what is configured and with what is only remembered."""
    bucket_bounds = {field.name: field.upper_bound for field in measurement.fields if field.histogram == LATENCY}
    mine = _measured(span.period, span, now, bucket_bounds)
    older = _measured(span.previous, span, before, bucket_bounds)
    return tuple(
        _service_figures(span, name, catalog, (mine, older), (_quantiles_of(now, name), _quantiles_of(before, name)))
        for name in names
    )


def _service_figures(
    span: Span,
    name: str,
    catalog: Mapping[str, ServiceStatus],
    measured: tuple[Mapping[Key, _Measured], Mapping[Key, _Measured]],
    quantiles: tuple[_Quantiles, _Quantiles],
) -> ServiceFigures:
    configured = {probe.name for probe in catalog[name].probes} if name in catalog else set()
    names = sorted(configured | {key[1] for some in measured for key in some if key[0] == name})
    probes = [
        _probe_figures(
            span,
            probe,
            (measured[0].get((name, probe)), measured[1].get((name, probe))),
            watched=probe in configured,
            down_now=_is_down(catalog, name, probe),
        )
        for probe in names
    ]
    standings, strips = [], []
    for period, some, exact in zip((span.period, span.previous), measured, quantiles, strict=True):
        there = [some[name, probe] for probe in names if (name, probe) in some]
        windows = of_service([one.windows for one in there]) if there else _nothing(period, span)
        down_now = period is span.period and any(one.ongoing for probe in probes for one in probe.now.outages)
        found = outages(windows, down_now=down_now)
        standings.append(Standing(windows.total(), found, _latency(there, exact, span), _error_rate(there)))
        strips.append(windows)
    now, before = standings
    return ServiceFigures(name, name in catalog, now, before, slots(strips[0], slot_bounds(span)), tuple(probes))


def _is_down(catalog: Mapping[str, ServiceStatus], service: str, probe: str) -> bool:
    if service not in catalog:
        return False
    return any(one.name == probe and one.state is State.DOWN for one in catalog[service].probes)


def _probe_figures(
    span: Span, name: str, pair: tuple[_Measured | None, _Measured | None], *, watched: bool, down_now: bool
) -> ProbeFigures:
    now, before = pair
    starts = bounds(span.period, curve_length(span))
    mine, older = (_means(one, len(starts) - 1) for one in pair)
    failed, failed_before = (_failed(one, len(starts) - 1) for one in pair)
    windows = now.windows if now else _nothing(span.period, span)
    return ProbeFigures(
        name,
        watched,
        _standing(span.period, span, now, down_now=down_now),
        _standing(span.previous, span, before),
        slots(windows, slot_bounds(span)),
        Curve(starts, tuple(mine), tuple(older)),
        Curve(starts, tuple(failed), tuple(failed_before)),
    )


def _standing(period: Period, span: Span, measured: _Measured | None, *, down_now: bool = False) -> Standing:
    if measured is None:
        return Standing(StateSeconds(_nothing(period, span).total().period_s), (), Latency())
    windows = measured.windows
    return Standing(
        windows.total(),
        outages(windows, down_now=down_now),
        _latency([measured], measured.quantiles, span),
        _error_rate([measured]),
    )


def _latency(probes: Sequence[_Measured], exact: _Quantiles, span: Span) -> Latency:
    def all_of(function: Function) -> list[float]:
        return [value for one in probes for value in known(one.latency.get(function, ()))]

    attempts = sum(all_of(Function.COUNT))
    if not attempts:
        return Latency()
    counts: dict[float, float] = {}
    for one in probes:
        for bound, count in one.buckets.items():
            counts[bound] = counts.get(bound, 0.0) + count
    low, high = min(all_of(Function.MIN), default=None), max(all_of(Function.MAX), default=None)
    p95, p99 = (exact.get(share) if span.keeps_samples else quantile(counts, share) for share in QUANTILES)
    return Latency(
        attempts=round(attempts),
        low=low,
        mean=sum(all_of(Function.SUM)) / attempts,
        p95=_within(p95, low, high),
        p99=_within(p99, low, high),
        high=high,
        about=not span.keeps_samples,
    )


def _within(value: float | None, low: float | None, high: float | None) -> float | None:
    # A bucket reaches further than the samples in it, whose ends are known.
    return value if value is None or low is None or high is None else min(max(value, low), high)


def _error_rate(probes: Sequence[_Measured]) -> float | None:
    made = sum(sum(known(one.success.get(Function.COUNT, ()))) for one in probes)
    good = sum(sum(known(one.success.get(Function.SUM, ()))) for one in probes)
    return 1 - good / made if made else None


def _measured(
    period: Period, span: Span, answers: ProbeAnswers, bucket_bounds: Mapping[str, float]
) -> dict[Key, _Measured]:
    states = columns(answers.states, TAGS)
    latencies = columns(answers.latency, TAGS)
    successes = columns(answers.success, TAGS)
    buckets = columns(answers.buckets, TAGS)
    found = {}
    for key in sorted({*states, *latencies, *successes}):
        counted = {bucket_bounds[field]: sum(known(column)) for (field, _), column in buckets.get(key, {}).items()}
        found[key] = _Measured(
            _windows(period, span, states.get(key, {})),
            {function: column for (_, function), column in latencies.get(key, {}).items()},
            {function: column for (_, function), column in successes.get(key, {}).items()},
            counted,
            _quantiles(answers.quantiles, key),
        )
    return found


def _windows(period: Period, span: Span, seconds: Mapping[tuple[str, Function], Column]) -> StateWindows:
    count = period.length // span.step
    up, degraded, down = (
        tuple(value or 0.0 for value in seconds.get((field, Function.SUM), [None] * count)) for field in STATE_FIELDS
    )
    return levelled(StateWindows(period.start, span.step, min(span.until, period.stop), up, degraded, down))


def _nothing(period: Period, span: Span) -> StateWindows:
    return _windows(period, span, {})


def _quantiles_of(answers: ProbeAnswers, service: str) -> _Quantiles:
    return _quantiles(answers.service_quantiles, (service,))


def _quantiles(result: SeriesResult | None, key: Key) -> _Quantiles:
    found: dict[float, float | None] = {}
    for one in result.series if result is not None else ():
        tags = dict(one.series.tags)
        value = one.values[0]
        if tuple(tags.get(tag, "") for tag in TAGS[: len(key)]) == key and one.quantile is not None:
            found[one.quantile] = None if value is None or isinstance(value, str) else float(value)
    return found


def _means(measured: _Measured | None, count: int) -> Column:
    if measured is None or Function.SUM not in measured.latency:
        return [None] * count
    return ratio(measured.latency[Function.SUM], measured.latency[Function.COUNT])


def _failed(measured: _Measured | None, count: int) -> Column:
    if measured is None or Function.SUM not in measured.success:
        return [None] * count
    shares = ratio(measured.success[Function.SUM], measured.success[Function.COUNT])
    return [None if share is None else 100 * (1 - share) for share in shares]
