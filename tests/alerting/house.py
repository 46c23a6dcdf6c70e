"""An evaluator on a real store and a real ledger, with a clock that tests set."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from alerting.evaluate import Evaluator, Surroundings
from alerting.machine import Alert
from alerting.rule_set import RuleSet
from alerting.rules import Comparison, Rule, Selection, Severity, Threshold, Value
from embedded.store import EmbeddedOptions, EmbeddedStore
from influx.settings import InfluxSettings
from influx.store import InfluxStore
from opswatch.state import State
from opswatch.state.incidents import StoredIncidents
from opswatch.state.ledger import StoredLedger
from telemetry.clock import Clock
from telemetry.measurements import BUILT_IN
from telemetry.points import Point, Tags
from telemetry.ports import QueryReader
from telemetry.rollup import Retention
from telemetry.series import Function
from telemetry.times import from_datetime

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
INTERVAL = 15 * SECOND
START = datetime(2026, 11, 26, 12, tzinfo=UTC)


def load_rule(name: str = "load_high", **changes: object) -> Rule:
    """Warns above 5 and is critical above 10 of load1, over one minute."""
    rule = Rule(
        name,
        Value(Selection("system", "load1", Function.MEAN, MINUTE)),
        (
            (Severity.WARNING, Threshold(Comparison.ABOVE, 5, 4)),
            (Severity.CRITICAL, Threshold(Comparison.ABOVE, 10, 8)),
        ),
        INTERVAL,
        summary="load of {{ tags.host }} is {{ value }}",
    )
    return replace(rule, **changes)  # type: ignore[arg-type]


def rule_set(*rules: Rule, lag: int = 0) -> RuleSet:
    """Rules in force together, looked at every 15 s."""
    return RuleSet(rules, INTERVAL, lag, "test", "1")


def load(host: str, value: float, at: datetime) -> Point:
    """One sample of load1."""
    return Point.of("system", {"host": host}, {"load1": value}, from_datetime(at))


def around(clock: Clock, dependencies: Mapping[str, tuple[str, ...]] | None = None) -> Surroundings:
    """What an evaluator is told where nothing but the clock and dependencies matter."""
    return Surroundings(
        clock,
        lambda measurement: 0,
        lambda measurement, tags: None,
        lambda service: (dependencies or {}).get(service, ()),
        lambda rule, alert: f"{rule.name} at {alert.value}",
    )


@dataclass
class House:
    """`wall` and `monotonic` seconds are set by `go`; `step` sets the wall clock alone."""

    state: State
    store: EmbeddedStore | InfluxStore
    rules: RuleSet
    reader: QueryReader
    dependencies: dict[str, tuple[str, ...]] = field(default_factory=dict)
    wall: datetime = START
    monotonic: float = 0.0

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Another evaluator, which knows what the ledger knows."""
        told = around(Clock(lambda: self.wall, lambda: self.monotonic), self.dependencies)
        self.evaluator = Evaluator(self.reader, self.ledger, self.rules, told)

    @property
    def ledger(self) -> StoredLedger:
        return self.state.ledger

    @property
    def incidents(self) -> StoredIncidents:
        return self.state.incidents

    async def go(self, span: timedelta, values: dict[str, float] | None = None) -> list[str]:
        """Let time pass, with a sample of each host and an evaluation every 15 s; the statuses at the end of each."""
        seen = []
        for _ in range(int(span / timedelta(seconds=15))):
            self.wall += timedelta(seconds=15)
            self.monotonic += 15
            if values:
                await self.store.write(
                    [load(host, value, self.wall - timedelta(seconds=1)) for host, value in values.items()]
                )
            await self.evaluator.evaluate_once()
            seen.append(self.status())
        return seen

    def step(self, span: timedelta) -> None:
        """Set the wall clock."""
        self.wall += span

    def alert(self, rule: str = "load_high", tags: Tags = (("host", "a"),)) -> Alert | None:
        """An alert as it is now."""
        return self.evaluator.alerts.get(rule, {}).get(tags)

    def status(self, rule: str = "load_high", tags: Tags = (("host", "a"),)) -> str:
        """As `firing critical`; empty when there is no such alert."""
        alert = self.alert(rule, tags)
        if alert is None:
            return ""
        return alert.status.value + (f" {alert.severity.word}" if alert.severity else "")


@asynccontextmanager
async def house(
    folder: Path, *rules: Rule, reader: QueryReader | None = None, influx: InfluxSettings | None = None
) -> AsyncIterator[House]:
    """A house with these rules, on the embedded store, or on InfluxDB as of now."""
    async with State.opened(folder / "state.sqlite") as state, AsyncExitStack() as stack:
        store: EmbeddedStore | InfluxStore
        if influx is None:
            opened = EmbeddedStore.opened(folder / "metrics.duckdb", EmbeddedOptions(), BUILT_IN)
            store, wall = await stack.enter_async_context(opened), START
        else:
            now = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(hours=3)
            clock = Clock(lambda: datetime.now(UTC), lambda: 0.0)
            server = InfluxStore.opened(influx, Retention(), BUILT_IN, clock, "h1")
            store, wall = await stack.enter_async_context(server), now
        yield House(state, store, rule_set(*rules), reader or store, wall=wall)
