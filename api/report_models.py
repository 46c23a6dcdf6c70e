"""The shapes of reports in JSON, and a report in that shape. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from api.models import Answer
from dashboards.reports.model import (
    Change,
    HostFigures,
    Latency,
    ProbeFigures,
    Reading,
    Report,
    ServiceFigures,
    Standing,
)
from dashboards.reports.period import Period
from dashboards.reports.states import Outage
from telemetry.times import format_instant


class PeriodAnswer(Answer):
    start: str = Field(description="RFC 3339, UTC.")
    stop: str = Field(description="Not included.")


class OutageAnswer(Answer):
    start: str = Field(description="The start of the first window with seconds down.")
    stop: str = Field(description="The end of the last one.")
    down_s: float = Field(description="How long it lasted: the seconds accounted as down.")
    ongoing: bool


class LatencyAnswer(Answer):
    """Of all attempts, in ms. Null where there was none."""

    attempts: int
    min: float | None
    mean: float | None
    p95: float | None
    p99: float | None
    max: float | None
    about: bool = Field(description="The percentiles come from histogram buckets: good to a quarter of the value.")


class StandingAnswer(Answer):
    """What one period was like."""

    availability: float | None = Field(
        description="(up + degraded) / (up + degraded + down) from 0 to 1; null: nothing is known."
    )
    up_s: float
    degraded_s: float
    down_s: float
    unknown_s: float = Field(description="What the three others do not cover of the period until now.")
    unknown_share: float
    outages: list[OutageAnswer] = Field(description="Oldest first.")
    longest_outage_s: float | None
    error_rate: float | None = Field(
        description="Failed attempts as a share of those that could be made, from 0 to 1; null: there were none."
    )
    latency: LatencyAnswer


class ChangeAnswer(Answer):
    """Against the period before. Null where one of the two is not known; `percent` also where it was 0."""

    difference: float | None
    percent: float | None


class StandingChangeAnswer(Answer):
    availability: ChangeAnswer = Field(description="The difference is one of shares: 0.01 is one percentage point.")
    down_s: ChangeAnswer
    outages: ChangeAnswer
    error_rate: ChangeAnswer
    latency_mean: ChangeAnswer
    latency_p95: ChangeAnswer


class ProbeReportAnswer(Answer):
    name: str
    watched: bool = Field(description="Whether it is still configured.")
    now: StandingAnswer
    before: StandingAnswer
    change: StandingChangeAnswer


class ServiceReportAnswer(ProbeReportAnswer):
    """A service is, window by window, what its worst probe is."""

    probes: list[ProbeReportAnswer]


class ReadingAnswer(Answer):
    mean: float | None
    peak: float | None
    peak_start: str | None = Field(description="Of the window of the highest value.")
    peak_stop: str | None
    coverage: float = Field(description="The share of the period that there are samples of.")


class HostFigureAnswer(Answer):
    name: str
    subject: str = Field(description="The mount; else empty.")
    unit: str
    now: ReadingAnswer
    before: ReadingAnswer
    mean_change: ChangeAnswer
    peak_change: ChangeAnswer


class ReportAnswer(Answer):
    """A report over a period, against the one of the same length before it."""

    name: Literal["trend", "availability"]
    period: PeriodAnswer = Field(description="As it was used: rounded outwards to whole windows.")
    previous: PeriodAnswer
    as_of: str
    step_s: float = Field(description="The length of the windows in which outages are looked for.")
    levels: list[str] = Field(description="The levels of the store that answered, finest first.")
    warnings: list[str]
    services: list[ServiceReportAnswer]
    host: str = Field(description="The name of the host that the figures are of.")
    host_figures: list[HostFigureAnswer] = Field(description="Only of the report trend.")


def report_answer(report: Report) -> ReportAnswer:
    """The report as JSON has it."""
    span = report.span
    return ReportAnswer(
        name=report.name.value,
        period=_period(span.period),
        previous=_period(span.previous),
        as_of=format_instant(span.until),
        step_s=span.step / 1e9,
        levels=list(report.levels),
        warnings=list(report.warnings),
        services=[_service(one) for one in report.services],
        host=report.host_name,
        host_figures=[_host(one) for one in report.host],
    )


def _period(period: Period) -> PeriodAnswer:
    return PeriodAnswer(start=format_instant(period.start), stop=format_instant(period.stop))


def _service(service: ServiceFigures) -> ServiceReportAnswer:
    return ServiceReportAnswer(
        name=service.name,
        watched=service.watched,
        now=_standing(service.now),
        before=_standing(service.before),
        change=_standing_change(service.now, service.before),
        probes=[_probe(probe) for probe in service.probes],
    )


def _probe(probe: ProbeFigures) -> ProbeReportAnswer:
    return ProbeReportAnswer(
        name=probe.name,
        watched=probe.watched,
        now=_standing(probe.now),
        before=_standing(probe.before),
        change=_standing_change(probe.now, probe.before),
    )


def _standing(standing: Standing) -> StandingAnswer:
    seconds = standing.seconds
    return StandingAnswer(
        availability=seconds.availability,
        up_s=round(seconds.up_s, 3),
        degraded_s=round(seconds.degraded_s, 3),
        down_s=round(seconds.down_s, 3),
        unknown_s=round(seconds.unknown_s, 3),
        unknown_share=seconds.unknown_share,
        outages=_outages(standing.outages),
        longest_outage_s=_rounded(standing.longest_s),
        error_rate=standing.error_rate,
        latency=_latency(standing.latency),
    )


def _standing_change(now: Standing, before: Standing) -> StandingChangeAnswer:
    known = now.is_known and before.is_known

    def change(value: float | None, older: float | None) -> ChangeAnswer:
        return _change(Change(value, older) if known else Change(None, None))

    return StandingChangeAnswer(
        availability=change(now.seconds.availability, before.seconds.availability),
        down_s=change(now.seconds.down_s, before.seconds.down_s),
        outages=change(len(now.outages), len(before.outages)),
        error_rate=change(now.error_rate, before.error_rate),
        latency_mean=change(now.latency.mean, before.latency.mean),
        latency_p95=change(now.latency.p95, before.latency.p95),
    )


def _outages(outages: Sequence[Outage]) -> list[OutageAnswer]:
    return [
        OutageAnswer(
            start=format_instant(one.start),
            stop=format_instant(one.stop),
            down_s=round(one.down_s, 3),
            ongoing=one.ongoing,
        )
        for one in outages
    ]


def _latency(latency: Latency) -> LatencyAnswer:
    return LatencyAnswer(
        attempts=latency.attempts,
        min=_rounded(latency.low),
        mean=_rounded(latency.mean),
        p95=_rounded(latency.p95),
        p99=_rounded(latency.p99),
        max=_rounded(latency.high),
        about=latency.about,
    )


def _host(figures: HostFigures) -> HostFigureAnswer:
    return HostFigureAnswer(
        name=figures.name,
        subject=figures.subject,
        unit=figures.unit,
        now=_reading(figures.now),
        before=_reading(figures.before),
        mean_change=_change(Change(figures.now.mean, figures.before.mean)),
        peak_change=_change(Change(figures.now.peak, figures.before.peak)),
    )


def _reading(reading: Reading) -> ReadingAnswer:
    return ReadingAnswer(
        mean=reading.mean,
        peak=reading.peak,
        peak_start=None if reading.peak_start is None else format_instant(reading.peak_start),
        peak_stop=None if reading.peak_stop is None else format_instant(reading.peak_stop),
        coverage=reading.coverage,
    )


def _change(change: Change) -> ChangeAnswer:
    return ChangeAnswer(difference=change.difference, percent=change.percent)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
