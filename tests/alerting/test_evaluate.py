"""Evaluation on a real store and a real ledger: fires, resolves, knows what it does not know, and remembers."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest

from alerting.ledger import IncidentQuery
from alerting.machine import Status
from alerting.rules import Comparison, Forecast, NoData, Ratio, Rule, Selection, Severity, Threshold, Value
from influx.settings import InfluxSettings
from telemetry.errors import StoreUnavailable
from telemetry.points import Point
from telemetry.ports import DEFAULT_DEADLINE, QueryReader
from telemetry.series import Function, SeriesQuery, SeriesResult
from telemetry.times import from_datetime
from tests.alerting.house import MINUTE, START, house, load, load_rule, rule_set

BELOW = ((Severity.WARNING, Threshold(Comparison.BELOW, 2)),)
BLIND = ("source_blind", (("source", "store"),))


class AwayReader:
    """A reader whose store is away as long as `away` says so."""

    def __init__(self) -> None:
        self.inner: QueryReader | None = None
        self.away = False

    async def read(self, query: SeriesQuery, deadline: timedelta = DEFAULT_DEADLINE) -> SeriesResult:
        if self.away:
            raise StoreUnavailable("nobody is there")
        assert self.inner is not None
        return await self.inner.read(query, deadline)


async def test_a_breach_fires_after_its_time_and_resolves_when_it_is_clear(tmp_path: Path) -> None:
    """Pending, firing, more severe, and over; one incident with a timeline of all of it."""
    async with house(tmp_path, load_rule(hold_for=MINUTE)) as it:
        await it.go(timedelta(minutes=2), {"a": 1})
        assert it.status() == "inactive"
        await it.go(timedelta(minutes=1), {"a": 7})
        assert it.status() == "pending"
        await it.go(timedelta(minutes=2), {"a": 7})
        assert it.status() == "firing warning"
        await it.go(timedelta(minutes=3), {"a": 30})
        assert it.status() == "firing critical"
        await it.go(timedelta(minutes=2), {"a": 1})
        assert it.status() == "inactive"

        page = await it.incidents.list(IncidentQuery())
        incident, timeline = await it.incidents.show(page.incidents[0].id)
        assert page.count == 1
        assert (incident.worst.word, incident.is_open) == ("critical", False)
        assert [entry.what for entry in timeline] == [
            "pending",
            "opened",
            "opened",
            "raised",
            "raised",
            "resolved",
            "not_told_before",  # nobody looks at incidents here
        ]


@pytest.fixture(params=["embedded", "influxdb"])
def influx_settings(request: pytest.FixtureRequest) -> InfluxSettings | None:
    """Rules mean the same on either store."""
    if request.param == "embedded":
        return None
    settings: InfluxSettings = request.getfixturevalue("influx").fresh()
    return settings


async def test_a_store_that_is_away_for_an_hour_neither_fires_nor_resolves_anything(
    tmp_path: Path, influx_settings: InfluxSettings | None
) -> None:
    """One incident of the store itself opens and closes; what fired before fires after, with the same incident."""
    reader = AwayReader()
    async with house(tmp_path, load_rule(), load_rule("second"), reader=reader, influx=influx_settings) as it:
        reader.inner = it.store
        await it.go(timedelta(minutes=2), {"a": 7, "b": 1})
        before = it.alert()
        reader.away = True
        away = await it.go(timedelta(minutes=58), {"a": 1, "b": 20})
        away += await it.go(timedelta(minutes=2), {"a": 7, "b": 1})
        assert set(away) == {"unknown warning"}
        assert it.status(*BLIND) == "firing critical"
        reader.away = False
        await it.go(timedelta(seconds=15), {"a": 7, "b": 1})
        await it.go(timedelta(minutes=2), {"a": 7, "b": 1})

        page = await it.incidents.list(IncidentQuery())
        assert it.alert().incident == before.incident  # type: ignore[union-attr]
        assert it.status() == "firing warning"
        assert it.status(*BLIND) == "inactive"
        assert sorted(one.rule for one in page.incidents) == ["load_high", "second", "source_blind"]


async def test_a_measurement_that_ends_is_one_incident_and_not_one_per_rule(tmp_path: Path) -> None:
    """Nothing of it comes any more: its source is blind, its alerts are unknown."""
    async with house(tmp_path, load_rule(), load_rule("second")) as it:
        await it.go(timedelta(minutes=2), {"a": 7})
        await it.go(timedelta(minutes=4))
        assert it.status("source_blind", (("source", "system"),)) == "firing critical"
        assert it.status() == "unknown warning"
        await it.go(timedelta(minutes=2), {"a": 7})
        assert it.status("source_blind", (("source", "system"),)) == "inactive"


@pytest.mark.parametrize(
    ("policy", "expected"), [("unknown", "unknown"), ("alert", "firing critical"), ("ok", "inactive")]
)
async def test_a_series_that_ends_is_what_its_rule_says(tmp_path: Path, policy: str, expected: str) -> None:
    """Not known, the trouble itself, or fine; the reason is told."""
    async with house(tmp_path, load_rule(no_data=NoData(policy))) as it:
        await it.go(timedelta(minutes=2), {"a": 1, "b": 1})
        await it.go(timedelta(minutes=3), {"b": 1})
        alert = it.alert()
        assert it.status() == expected
        assert alert is not None
        assert alert.reason == "system load1 has no sample in the last 1m"


async def test_a_restart_in_the_middle_of_for_goes_on_where_it_was(tmp_path: Path) -> None:
    """The time of the stop does not count, what was watched before does; the incident keeps its number."""
    async with house(tmp_path, load_rule(hold_for=5 * MINUTE)) as it:
        await it.go(timedelta(minutes=4), {"a": 7})
        held = it.alert().warning.held  # type: ignore[union-attr]
        it.restart()
        await it.evaluator.restore()
        assert it.alert().warning.held == held  # type: ignore[union-attr]
        it.wall += timedelta(minutes=3)
        seen = await it.go(timedelta(minutes=3), {"a": 7})
        assert "firing warning" in seen
        number = it.alert().incident  # type: ignore[union-attr]
        it.restart()
        await it.evaluator.restore()
        await it.go(timedelta(minutes=1), {"a": 7})
        assert it.alert().incident == number  # type: ignore[union-attr]


@pytest.mark.parametrize("step", [timedelta(hours=1), timedelta(hours=-1), timedelta(minutes=-3), timedelta(days=3)])
async def test_a_clock_that_is_set_neither_fires_nor_resolves(tmp_path: Path, step: timedelta) -> None:
    """Not what fires, not what is fine, not what is pending."""
    async with house(tmp_path, load_rule(hold_for=2 * MINUTE)) as it:
        await it.go(timedelta(minutes=70), {"a": 1, "b": 7})
        kept = {"a": 1.0, "b": 7.0}
        it.step(step)
        for _ in range(20):
            await it.go(timedelta(seconds=15), kept)
            assert it.status().split()[-1] in {"inactive", "unknown"}
            assert it.status(tags=(("host", "b"),)).split()[-1] == "warning"
        assert it.status() == "inactive"
        assert it.status(tags=(("host", "b"),)) == "firing warning"
        assert (await it.incidents.list(IncidentQuery())).count == 1


async def test_late_samples_do_not_flip_what_was_evaluated(tmp_path: Path) -> None:
    """A window that is over is looked at once; samples that come later change what comes later."""
    async with house(tmp_path, load_rule()) as it:
        await it.go(timedelta(minutes=2), {"a": 1})
        early = it.wall - timedelta(minutes=30)
        await it.store.write([load("a", 99, early + timedelta(seconds=second)) for second in range(60)])
        assert set(await it.go(timedelta(minutes=2), {"a": 1})) == {"inactive"}


async def test_evaluating_twice_at_one_time_changes_nothing(tmp_path: Path) -> None:
    """A job that runs late and then at once finds nothing due."""
    async with house(tmp_path, load_rule(hold_for=MINUTE)) as it:
        await it.go(timedelta(minutes=1), {"a": 7})
        held = it.alert().warning.held  # type: ignore[union-attr]
        await it.evaluator.evaluate_once()
        assert it.alert().warning.held == held  # type: ignore[union-attr]


async def test_rules_that_look_at_the_same_field_ask_once(tmp_path: Path) -> None:
    """A hundred rules cost one query."""
    rules = [load_rule(f"rule_{number}", hold_for=number * MINUTE) for number in range(100)]
    async with house(tmp_path, *rules) as it:
        await it.go(timedelta(seconds=15), {"a": 1})
        assert it.evaluator.statistics.queries == 1


async def test_an_edited_threshold_keeps_the_incident(tmp_path: Path) -> None:
    """The same name and tags are the same alert; its acknowledgement stays."""
    async with house(tmp_path, load_rule()) as it:
        await it.go(timedelta(minutes=2), {"a": 7})
        before = it.alert()
        stricter = replace(
            load_rule(),
            thresholds=tuple((severity, Threshold(Comparison.ABOVE, 2)) for severity, _ in load_rule().thresholds),
        )
        assert await it.evaluator.replace_rules(rule_set(stricter)) == 0
        await it.go(timedelta(minutes=1), {"a": 7})
        assert it.status() == "firing critical"
        assert it.alert().incident == before.incident  # type: ignore[union-attr]


async def test_a_removed_rule_ends_its_incidents_and_says_so(tmp_path: Path) -> None:
    """Also when the rule was removed while OpsWatch was stopped."""
    for stopped in (False, True):
        folder = tmp_path / str(stopped)
        folder.mkdir()
        async with house(folder, load_rule(), load_rule("other")) as it:
            await it.go(timedelta(minutes=2), {"a": 7})
            if stopped:
                it.rules = rule_set(load_rule("other"))
                it.restart()
                await it.evaluator.restore()
                await it.go(timedelta(seconds=15), {"a": 7})
            else:
                assert await it.evaluator.replace_rules(rule_set(load_rule("other"))) == 1
            page = await it.incidents.list(IncidentQuery(status="resolved"))
            assert [one.resolution for one in page.incidents] == ["its rule is gone, or does not mean it any more"]
            assert it.alert() is None
            assert it.status("other") == "firing warning"


async def test_what_depends_on_what_is_in_trouble_is_not_told(tmp_path: Path) -> None:
    """By rule, with the same host; the decision says so, and what is over is not told either."""
    child = load_rule("child", depends_on=("load_high",), interval=load_rule().interval)
    async with house(tmp_path, child, load_rule()) as it:
        await it.go(timedelta(minutes=2), {"a": 70})
        page = await it.incidents.list(IncidentQuery(rule="child"))
        _, timeline = await it.incidents.show(page.incidents[0].id)
        assert "it depends on what is in trouble itself: load_high on host a" in [one.words for one in timeline]


async def test_ten_thousand_series_cross_at_once(tmp_path: Path) -> None:
    """Each has its incident, once; the cycle ends within its interval, others have their turn meanwhile."""
    rule = load_rule("disk_full", expression=Value(Selection("disk", "used_percent", Function.MEAN, MINUTE)))
    async with house(tmp_path, rule) as it:
        await it.store.write(
            [
                Point.of("disk", {"path": f"/{number}"}, {"used_percent": 99}, from_datetime(START))
                for number in range(10_000)
            ]
        )
        turns = 0

        async def others() -> None:
            nonlocal turns
            while True:
                await it.incidents.list(IncidentQuery(limit=1))
                turns += 1

        reading = asyncio.create_task(others())
        await it.go(timedelta(seconds=30))
        reading.cancel()
        counts = await it.incidents.counts()
        assert counts.critical == 10_000
        assert turns > 5
        assert it.evaluator.statistics.took_ms < 15_000
        it.restart()
        await it.evaluator.restore()
        await it.go(timedelta(seconds=15))
        assert (await it.incidents.list(IncidentQuery())).count == 10_000
        assert all(one.status is Status.FIRING for one in it.evaluator.alerts["disk_full"].values())


async def test_either_store_makes_the_same_transitions(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """A random walk over thresholds with gaps, for forty minutes, under rules of each kind."""
    growth = Selection("net", "bytes_recv", Function.RATE, MINUTE, group_by=("host",))
    newest = Selection("system", "load1", Function.LAST, MINUTE)
    rules = (
        load_rule(hold_for=MINUTE),
        load_rule("newest", expression=Value(newest)),
        load_rule("slope", expression=Forecast(newest, 20, 24 * MINUTE), thresholds=BELOW),
        load_rule("rate", expression=Value(growth), keep_firing_for=MINUTE),
        load_rule("share", expression=Ratio(growth, growth, percent=False), thresholds=BELOW),
    )
    made = []
    for influx in (None, request.getfixturevalue("influx").fresh()):
        chance, folder = Random(5), tmp_path / str(influx is None)
        folder.mkdir()
        async with house(folder, *rules, influx=influx) as it:
            start, value, total = it.wall, 5.0, 0
            for _ in range(160):
                value = max(0.0, value + chance.uniform(-2, 2))
                total += chance.randrange(300)
                if chance.random() < 0.8:
                    at = from_datetime(it.wall + timedelta(seconds=14))
                    await it.store.write([Point.of("net", {"host": "a", "interface": "e"}, {"bytes_recv": total}, at)])
                await it.go(timedelta(seconds=15), {"a": value} if chance.random() < 0.8 else None)
            points = await it.ledger.unwritten(10_000)
            made.append([(point.tags, point.time - from_datetime(start), point.fields["state"]) for _, point in points])
    assert len(made[0]) > 30
    assert made[0] == made[1]


async def test_an_alert_of_another_grouping_ends_with_it(tmp_path: Path) -> None:
    """What has every tag of the new grouping goes on; what has fewer would stay unknown for ever beside its heirs."""

    def grouped_by(*tags: str) -> Rule:
        return load_rule(expression=Value(Selection("system", "load1", Function.MEAN, MINUTE, group_by=tags)))

    async with house(tmp_path, grouped_by("host")) as it:
        await it.go(timedelta(minutes=2), {"a": 7})
        wider = rule_set(grouped_by("host", "zone"))
        assert len(it.evaluator.orphans_of(wider)) == 1
        await it.evaluator.replace_rules(wider)
        assert await it.incidents.open_incidents() == ()
