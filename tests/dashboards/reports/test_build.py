"""Whole reports from a reader that answers as the oracle does: every figure against what the points say."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dashboards.reports.build import ReportContext, build_report
from dashboards.reports.model import Report, ReportName
from dashboards.reports.period import Asked, Span, resolve
from telemetry.health import Outcome, ProbeStatus, ServiceStatus, State
from telemetry.histogram import bucket_field, bucket_of
from telemetry.measurements import BUILT_IN
from telemetry.points import Point
from telemetry.rollup import Retention
from telemetry.series import SeriesQuery, SeriesResult, SeriesSamples, ValuesQuery
from telemetry.times import from_datetime
from tests.oracle import evaluate, values_of

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
END = from_datetime(NOW)
SECOND = 10**9
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DEFAULT = Retention()
SHORT = Retention(raw=timedelta(minutes=1))  # nothing but rolled-up levels: percentiles from buckets


@dataclass
class OracleReader:
    """A SeriesReader over points in memory."""

    points: list[Point]
    asked: list[SeriesQuery] = field(default_factory=list)

    async def read(self, query: SeriesQuery, deadline: timedelta = timedelta(seconds=1)) -> SeriesResult:
        self.asked.append(query)
        found = evaluate([point for point in self.points if point.measurement == query.measurement], query)
        return SeriesResult(query, "raw", tuple(found))

    async def values(self, query: ValuesQuery, deadline: timedelta = timedelta(seconds=1)) -> tuple[str, ...]:
        return values_of(self.points, query)

    def stream(self, query: SeriesQuery) -> list[SeriesSamples]:
        raise NotImplementedError


def attempt(
    before_end: int, state: str = "up", latency: float = 10.0, seconds: float = 300.0, probe: str = "shop/health"
) -> Point:
    """An attempt so many ns before the end."""
    service, name = probe.split("/")
    fields = {"latency_ms": latency, bucket_field("latency_ms", bucket_of(latency)): 1}
    if state != "unknown":
        fields["up"] = int(state != "down")
    accounted = {f"{word}_s": seconds if word == state else 0.0 for word in ("up", "degraded", "down", "unknown")}
    tags = {"host": "h1", "kind": "http", "probe": name, "service": service}
    return Point.of("probe", tags, {**fields, **accounted}, END - before_end)


def status(name: str, *probes: str, down: bool = False) -> ServiceStatus:
    state = State.DOWN if down else State.UP
    known = tuple(
        ProbeStatus(one, "http", "http://x", timedelta(minutes=5), state, outcome=Outcome.OK) for one in probes
    )
    return ServiceStatus(name, (), (), known)


def hours(count: int, retention: Retention = DEFAULT) -> Span:
    return resolve(Asked(f"-{count}h", "now"), NOW, ZoneInfo("UTC"), retention)


async def report_of(
    points: list[Point],
    span: Span,
    name: ReportName = ReportName.AVAILABILITY,
    services: tuple[ServiceStatus, ...] = (),
) -> Report:
    return await build_report(name, span, ReportContext(OracleReader(points), BUILT_IN, services, "h1"))  # type: ignore[arg-type]


async def test_states_outages_and_latency_of_both_periods() -> None:
    """Two hours against the two before: seconds, outages, latency, each by itself."""
    down = {70, 65, 60, 20}  # minutes before the end
    points = [attempt(m * MINUTE, "down" if m in down else "up", float(m)) for m in range(5, 125, 5)]
    points += [attempt(m * MINUTE, latency=500.0) for m in range(125, 185, 5)]

    (service,) = (await report_of(points, hours(2), services=(status("shop", "health"),))).services
    now, before = service.probes[0].now, service.probes[0].before

    assert now.seconds.availability == pytest.approx(20 / 24)
    assert [(END - one.start, END - one.stop, one.down_s) for one in now.outages] == [
        (70 * MINUTE, 55 * MINUTE, 900.0),
        (20 * MINUTE, 15 * MINUTE, 300.0),
    ]
    assert now.longest_s == 900.0
    latency = now.latency
    assert (latency.attempts, latency.low, latency.mean, latency.high) == (24, 5.0, 62.5, 120.0)
    assert (latency.p95, latency.p99, latency.about) == (115.0, 120.0, False)
    assert (before.seconds.availability, before.seconds.unknown_share) == (1.0, 0.5)
    assert before.latency.mean == 500.0
    assert service.now == now


async def test_percentiles_come_from_buckets_where_samples_are_gone() -> None:
    """Put together over all windows, the rest at the end too; marked as about right."""
    points = [attempt(m * MINUTE, latency=float(m)) for m in range(5, 5 * 200, 5)]
    span = hours(17, SHORT)
    (service,) = (await report_of(points, span)).services

    assert service.now.latency.about
    for exact, found in ((950.0, service.now.latency.p95), (990.0, service.now.latency.p99)):
        assert found == pytest.approx(exact, rel=0.26)
    assert service.now.latency.attempts == 199
    assert service.now.latency.p99 is not None
    assert service.now.latency.p99 <= service.now.latency.high


async def test_no_percentile_lies_beyond_what_was_measured() -> None:
    """A bucket reaches further than its samples, whose lowest and highest are known."""
    latency = (await report_of([attempt(5 * MINUTE, latency=1.47)], hours(1, SHORT))).services[0].now.latency

    assert (latency.p95, latency.p99) == (1.47, 1.47)


async def test_a_service_that_only_the_store_remembers_is_told_apart() -> None:
    """It stands after those that are configured; one that was never asked has no figures."""
    points = [attempt(10 * MINUTE, probe="retired/health")]
    services = (await report_of(points, hours(1), services=(status("young", "health"),))).services

    assert [(one.name, one.watched, one.now.is_known) for one in services] == [
        ("young", True, False),
        ("retired", False, True),
    ]
    young = services[0].probes[0].now
    assert (young.seconds.availability, young.latency.mean, young.longest_s) == (None, None, None)
    assert young.seconds.unknown_share == 1


async def test_an_outage_goes_on_while_its_probe_is_down() -> None:
    """As the collector knows it at this moment."""
    points = [attempt(m * MINUTE, "down" if m <= 10 else "up") for m in range(5, 60, 5)]

    (down,) = (await report_of(points, hours(1), services=(status("shop", "health", down=True),))).services
    (over,) = (await report_of(points, hours(1), services=(status("shop", "health"),))).services

    assert [one.ongoing for one in (*down.now.outages, *down.probes[0].now.outages)] == [True, True]
    assert [one.ongoing for one in over.now.outages] == [False]


async def test_the_host_by_mean_peak_and_when() -> None:
    """CPU over all samples; the rate of all interfaces but loopback; a mount by itself; nothing where nothing is."""
    points = []
    for number, minutes in enumerate(range(60, 0, -1)):
        time, tags = END - minutes * MINUTE, {"host": "h1"}
        busy = 90.0 if minutes == 33 else 10.0
        points.append(Point.of("cpu", {**tags, "cpu": "cpu-total"}, {"usage_active": busy}, time))
        points.append(Point.of("cpu", {**tags, "cpu": "cpu0"}, {"usage_active": 99.0}, time))
        points.append(Point.of("cpu", {"host": "h2", "cpu": "cpu-total"}, {"usage_active": 99.0}, time))
        for name, step in (("eth0", 6_000), ("eth1", 60_000), ("lo", 10**9)):
            counted = {"bytes_recv": step * number, "bytes_sent": 0}
            points.append(Point.of("net", {**tags, "interface": name}, counted, time))
        disk = {**tags, "device": "sda", "fstype": "ext4", "mode": "rw"}
        points.append(Point.of("disk", {**disk, "path": "/"}, {"used_percent": 40.0 + number / 60}, time))

    report = await report_of(points, hours(1), ReportName.TREND)
    figures = {(one.name, one.subject): one for one in report.host}

    cpu = figures["cpu", ""].now
    assert (cpu.mean, cpu.peak, cpu.coverage) == (pytest.approx(10 + 80 / 60), 90.0, 1.0)
    assert (cpu.peak_start, cpu.peak_stop) == (END - 35 * MINUTE, END - 30 * MINUTE)
    received = figures["received", ""].now
    assert received.mean == pytest.approx(1_100, rel=0.02)  # the very first sample has nothing to grow from
    assert received.peak == pytest.approx(1_100)
    assert figures["disk", "/"].now.peak_stop == END
    assert figures["cpu", ""].before.mean is None
    assert ("swap", "") not in figures
    assert ("memory", "") not in figures


async def test_nothing_of_the_period_before_gets_into_a_figure() -> None:
    """Also where windows of the curves do not divide the period: 37 hours and 5 minutes."""
    points = [attempt(m * MINUTE, latency=1.0) for m in range(5, (37 * 60 + 5) + 5, 5)]
    points += [attempt(m * MINUTE, "down", latency=1e4) for m in range(37 * 60 + 10, 2 * (37 * 60 + 5) + 5, 5)]
    span = resolve(Asked(f"-{37 * 60 + 5}m", "now"), NOW, ZoneInfo("UTC"), SHORT)
    (service,) = (await report_of(points, span)).services

    assert (service.now.latency.high, service.before.latency.low) == (1.0, 1e4)
    assert (service.now.seconds.availability, service.before.seconds.availability) == (1.0, 0.0)
    assert {value for value in service.probes[0].latency.now if value is not None} == {1.0}
    assert {value for value in service.probes[0].latency.before if value is not None} == {1e4}


async def test_many_services_are_asked_for_in_portions() -> None:
    """No question holds more services than fit in memory, and none is forgotten."""
    reader = OracleReader([])
    services = tuple(status(f"s{number}", "health") for number in range(100))
    span = resolve(Asked(preset="30d"), NOW, ZoneInfo("UTC"), Retention())
    report = await build_report(
        ReportName.AVAILABILITY,
        span,
        ReportContext(reader, BUILT_IN, services, "h1"),  # type: ignore[arg-type]
    )

    assert [one.name for one in report.services] == [f"s{number}" for number in range(100)]
    sizes = [len(query.where.values) for query in reader.asked]  # type: ignore[union-attr]
    assert max(sizes) * 8_640 * 3 <= 300_000


STATES = ("up", "degraded", "down", "unknown")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(st.integers(1, 4 * 60 - 1), st.sampled_from(STATES), st.integers(1, 600), st.floats(0.1, 1e5)),
        min_size=1,
        max_size=40,
        unique_by=lambda one: one[0],
    )
)
async def test_every_figure_is_what_the_points_say(attempts: list[tuple[int, str, int, float]]) -> None:
    """Any attempts: availability, seconds, failures and latency of each period are those of its points."""
    points = [attempt(minutes * MINUTE, state, latency, s) for minutes, state, s, latency in attempts]
    services = (await report_of(points, hours(2))).services
    (probe,) = services[0].probes

    for standing, inside in (
        (probe.now, [one for one in attempts if one[0] <= 120]),
        (probe.before, [one for one in attempts if one[0] > 120]),
    ):
        sums = {state: sum(s for _, word, s, _ in inside if word == state) for state in STATES}
        known = sums["up"] + sums["degraded"] + sums["down"]
        expected = (sums["up"] + sums["degraded"]) / known if known else None
        assert standing.seconds.availability == pytest.approx(expected)
        assert standing.seconds.down_s == pytest.approx(sums["down"])
        assert sum(one.down_s for one in standing.outages) == pytest.approx(sums["down"])
        made = [state for _, state, _, _ in inside if state != "unknown"]
        assert standing.error_rate == (pytest.approx(made.count("down") / len(made)) if made else None)
        latencies = sorted(latency for *_, latency in inside)
        assert standing.latency.attempts == len(latencies)
        if latencies:
            assert standing.latency.mean == pytest.approx(sum(latencies) / len(latencies))
            assert (standing.latency.low, standing.latency.high) == (latencies[0], latencies[-1])
            assert standing.latency.p95 == latencies[-(-len(latencies) * 95 // 100) - 1]
        else:
            assert standing.latency.mean is None


async def test_failed_attempts_are_a_curve_and_a_share_of_both_periods() -> None:
    """Of a service the share of all its probes' attempts; nothing, where no attempt could be made."""
    points = [attempt(m * MINUTE, "down" if m % 20 == 0 else "up") for m in range(5, 120, 5)]
    points += [attempt(m * MINUTE, probe="shop/port") for m in range(5, 60, 5)]
    points += [attempt(m * MINUTE, "unknown", probe="mail/health") for m in range(5, 60, 5)]
    shop, mail = sorted((await report_of(points, hours(1))).services, key=lambda one: one.name, reverse=True)

    assert [one.now.error_rate for one in shop.probes] == [pytest.approx(3 / 12), 0.0]
    assert shop.now.error_rate == pytest.approx(3 / 23)
    assert shop.before.error_rate == pytest.approx(2 / 11)
    assert list(shop.probes[0].failed.now).count(100.0) == 3
    assert mail.now.error_rate is None
    assert set(mail.probes[0].failed.now) == {None}


async def test_an_outage_over_both_periods_goes_on_in_one() -> None:
    """In the period before it ended with the period."""
    points = [attempt(m * MINUTE, "down" if m <= 70 else "up") for m in range(5, 120, 5)]
    (shop,) = (await report_of(points, hours(1), services=(status("shop", "health", down=True),))).services

    for figures in (shop, *shop.probes):
        assert [(one.ongoing, one.down_s) for one in figures.now.outages] == [(True, 3600.0)]
        assert [(one.ongoing, one.down_s) for one in figures.before.outages] == [(False, 600.0)]


async def test_a_rate_is_not_told_of_a_window_that_has_just_begun() -> None:
    """Nor of the first one after a gap, which holds all that was sent in the gap."""
    now = NOW + timedelta(minutes=2)
    points, count = [], 0
    for minutes in range(-70, 2):
        count += 6_000
        if -40 <= minutes < -20:
            continue
        counted = {"bytes_recv": count, "bytes_sent": 0}
        points.append(Point.of("net", {"host": "h1", "interface": "eth0"}, counted, END + minutes * MINUTE))
    span = resolve(Asked("-62m", "now"), now, ZoneInfo("UTC"), DEFAULT)

    (received,) = [one for one in (await report_of(points, span, ReportName.TREND)).host if one.name == "received"]
    assert (received.now.mean, received.now.peak) == (pytest.approx(100), pytest.approx(100))
    assert received.now.coverage == pytest.approx(1 - 25 / 62, abs=0.04)
