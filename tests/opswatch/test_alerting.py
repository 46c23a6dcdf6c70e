"""Alerting as the rest of the house has it: jobs, points, trouble that is said, people who close things."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from alerting.ledger import Action, Batch, IncidentQuery, PersonAction
from alerting.rule_set import RuleSet
from alerting.rules import Rule
from opswatch.alert_surroundings import WatchedServices
from opswatch.alerting import Alerting, Parts
from opswatch.scheduler import Job
from opswatch.settings import load_settings
from telemetry.clock import Clock
from telemetry.errors import StoreUnavailable
from telemetry.measurements import BUILT_IN
from telemetry.points import Point
from telemetry.ports import WRITTEN, WriteOutcome, WriteStatus
from tests.alerting.house import House, around, house, load, load_rule, rule_set
from tests.collector.doubles import REAL_CLOCK


@dataclass
class Writer:
    """Keeps points, or says that it cannot."""

    points: list[Point] = field(default_factory=list)
    away: bool = False

    async def write(self, points: Sequence[Point]) -> WriteOutcome:
        if self.away:
            return WriteOutcome(WriteStatus.RETRY, "away")
        self.points += points
        return WRITTEN


@dataclass
class Planner:
    """Notes the jobs that are planned."""

    jobs: list[Job] = field(default_factory=list)

    def add(self, job: Job) -> None:
        self.jobs.append(job)


def alerting_of(it: House, writer: Writer, rules: RuleSet | None = None) -> Alerting:
    clock = Clock(lambda: it.wall, lambda: it.monotonic)
    parts = Parts(
        it.evaluator,
        it.store,
        around(clock),
        it.ledger,
        it.incidents,
        writer,
        lambda: rules or it.rules,
        BUILT_IN,
        clock,
    )
    return Alerting(parts)


async def test_transitions_that_could_not_be_written_are_written_later_each_once(tmp_path: Path) -> None:
    """The store of points may be away while the ledger is not."""
    async with house(tmp_path, load_rule()) as it:
        writer = Writer(away=True)
        alerting = alerting_of(it, writer)
        await it.go(timedelta(minutes=2), {"a": 7})
        await alerting.evaluate_once()
        assert writer.points == []
        writer.away = False
        await it.go(timedelta(minutes=2), {"a": 1})
        await alerting.evaluate_once()
        await alerting.evaluate_once()
        assert [point.fields["state"] for point in writer.points] == [2, 0]
        assert {dict(point.tags)["rule"] for point in writer.points} == {"load_high"}


async def test_what_cannot_be_kept_is_said_and_then_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk: nothing is believed that is not committed, and the trouble is told until it is over."""
    async with house(tmp_path, load_rule()) as it:
        alerting = alerting_of(it, Writer())
        alerting.plan_jobs(Planner())  # type: ignore[arg-type]
        await it.go(timedelta(minutes=2), {"a": 1})
        commit = it.ledger.commit

        async def full(batch: object) -> None:
            raise StoreUnavailable("the disk is full")

        with monkeypatch.context() as patch:
            patch.setattr(it.ledger, "commit", full)
            with pytest.raises(StoreUnavailable):
                await it.go(timedelta(minutes=1), {"a": 70})
            assert alerting.trouble(it.wall) == "what rules find cannot be kept: the disk is full"
            assert it.status() == "inactive"
        assert it.ledger.commit == commit
        await it.go(timedelta(minutes=1), {"a": 70})
        assert alerting.trouble(it.wall) == ""
        assert it.status() == "firing critical"
        assert (await it.incidents.list(IncidentQuery())).count == 1


async def test_an_evaluation_that_does_not_come_is_said(tmp_path: Path) -> None:
    """But not where nothing is evaluated at all."""
    async with house(tmp_path, load_rule()) as it:
        alerting = alerting_of(it, Writer())
        assert alerting.trouble(it.wall + timedelta(hours=1)) == ""
        alerting.plan_jobs(Planner())  # type: ignore[arg-type]
        assert alerting.trouble(it.wall + timedelta(hours=1)) == "no rule has been evaluated for 1h"


@pytest.mark.parametrize("rules", [(), (load_rule(interval=3_600 * 10**9),)], ids=["none", "hourly"])
async def test_rules_that_are_not_due_or_not_there_are_no_trouble(tmp_path: Path, rules: tuple[Rule, ...]) -> None:
    """Somebody looks each interval; that nothing was due is no sign that nobody does."""
    async with house(tmp_path, *rules) as it:
        alerting = alerting_of(it, Writer())
        alerting.plan_jobs(Planner())  # type: ignore[arg-type]
        await it.go(timedelta(minutes=10))
        assert alerting.trouble(it.wall) == ""
        assert alerting.trouble(it.wall + timedelta(hours=1)) == "no rule has been evaluated for 1h"


async def test_the_job_runs_when_samples_had_the_time_to_arrive(tmp_path: Path) -> None:
    """At multiples of the interval, the lag later; a reload with another interval plans it anew."""
    async with house(tmp_path, load_rule()) as it:
        it.rules = RuleSet((load_rule(),), 15 * 10**9, 5 * 10**9, "test", "1")
        it.restart()
        planner = Planner()
        alerting = alerting_of(it, Writer(), RuleSet((), 30 * 10**9, 0, "test", "2"))
        alerting.plan_jobs(planner)  # type: ignore[arg-type]
        await alerting.reload("ada", dry_run=False)
        spans = [
            (job.interval.total_seconds(), job.offset.total_seconds()) for job in planner.jobs if job.key == "rules"
        ]
        assert spans == [(15, 5), (30, 0)]


async def test_an_incident_that_was_closed_opens_anew_if_its_values_breach(tmp_path: Path) -> None:
    """A close ends this incident, not the trouble; the next one begins without its acknowledgement (B10)."""
    async with house(tmp_path, load_rule()) as it:
        alerting = alerting_of(it, Writer())
        await it.go(timedelta(minutes=2), {"a": 7})
        await alerting.act(1, PersonAction(Action.ACKNOWLEDGE, "ada"), it.wall)
        await alerting.act(1, PersonAction(Action.CLOSE, "ada", "not ours"), it.wall)
        await it.go(timedelta(minutes=1), {"a": 7})
        await alerting.evaluate_once()
        page = await it.incidents.list(IncidentQuery())
        assert [(one.id, one.is_open, one.acknowledged_by) for one in page.incidents] == [
            (2, True, ""),
            (1, False, "ada"),
        ]
        assert alerting.counts().unacknowledged == 1


async def test_a_reload_that_fails_in_the_middle_leaves_the_rules_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The incidents that would end cannot be ended: then nothing has changed."""
    async with house(tmp_path, load_rule()) as it:
        alerting = alerting_of(it, Writer(), rule_set(load_rule("other")))
        await it.go(timedelta(minutes=2), {"a": 7})

        async def full(batch: object) -> None:
            raise StoreUnavailable("the disk is full")

        with monkeypatch.context() as patch:
            patch.setattr(it.ledger, "commit", full)
            with pytest.raises(StoreUnavailable):
                await alerting.reload("ada", dry_run=False)
        assert [one.rule.name for one in alerting.standing().rules] == ["load_high", "source_blind"]
        await it.go(timedelta(minutes=1), {"a": 7})
        assert it.status() == "firing warning"


def test_alerting_can_be_switched_off() -> None:
    """R79: by the story's variable; on when nothing is said."""
    assert load_settings({}).alerting_enabled is True
    assert load_settings({"ALERTING_ENABLED": "false"}).alerting_enabled is False


def test_what_a_service_depends_on_is_found_all_the_way_up_also_in_a_circle() -> None:
    """Nearest first, each once."""
    from collector.targets import ServiceSpec

    watched = WatchedServices(
        [
            ServiceSpec("shop", (), ("cart", "db")),
            ServiceSpec("cart", (), ("db", "shop")),
            ServiceSpec("db", (), ("disk",)),
        ]
    )
    assert watched.dependencies("shop") == ("cart", "db", "disk")
    assert watched.dependencies("nobody") == ()
    assert watched.lookback("probe") == 0
    assert REAL_CLOCK.monotonic() > 0


async def test_what_a_reload_cannot_put_on_record_is_in_force_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rules were taken: whoever evaluates them keeps to their interval, whatever fails afterwards."""
    async with house(tmp_path, load_rule()) as it:
        planner = Planner()
        alerting = alerting_of(it, Writer(), RuleSet((), 30 * 10**9, 0, "test", "2"))
        alerting.plan_jobs(planner)  # type: ignore[arg-type]

        async def full() -> None:
            raise StoreUnavailable("the disk is full")

        monkeypatch.setattr(it.incidents, "open_incidents", full)
        with pytest.raises(StoreUnavailable):
            await alerting.reload("ada", dry_run=False)
        assert [job.interval.total_seconds() for job in planner.jobs if job.key == "rules"] == [15, 30]


async def test_counts_are_read_again_after_an_evaluation_that_was_half_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was kept of it counts, though the next evaluation finds nothing new."""
    async with house(tmp_path, load_rule()) as it:
        alerting = alerting_of(it, Writer())
        await it.go(timedelta(minutes=1), {"a": 7})
        await alerting.evaluate_once()
        commit = it.ledger.commit

        async def half(batch: Batch) -> None:
            await commit(batch)
            raise StoreUnavailable("the disk is full")

        with monkeypatch.context() as patch:
            patch.setattr(it.ledger, "commit", half)
            await it.store.write([load("a", 1_000, it.wall + timedelta(seconds=5))])
            it.wall, it.monotonic = it.wall + timedelta(seconds=15), it.monotonic + 15
            patch.setattr(it.incidents, "open_incidents", _away)
            with pytest.raises(StoreUnavailable):
                await alerting.evaluate_once()
        it.wall, it.monotonic = it.wall + timedelta(seconds=15), it.monotonic + 15
        await alerting.evaluate_once()
        assert alerting.counts().critical == 1


async def _away() -> None:
    raise StoreUnavailable("the disk is full")


async def test_what_a_rule_read_has_a_value_for_each_of_its_times(tmp_path: Path) -> None:
    """Also where the longest stretch begins between two steps."""
    async with house(tmp_path, load_rule()) as it:
        alerting = alerting_of(it, Writer())
        await it.go(timedelta(minutes=1), {"a": 7})
        [incident] = await it.incidents.open_incidents()
        start = it.wall + timedelta(seconds=15)
        found = await alerting.evaluations(incident, start, start + 2_000 * timedelta(seconds=15))
        assert len(found.times) == len(found.values)
