"""Twenty-five minutes in which much goes wrong, for the tests of the pages of alerts: as points, always the same."""

import sqlite3
from contextlib import closing
from datetime import datetime, timedelta

from alerting.ledger import Action, PersonAction
from telemetry.health import State
from telemetry.points import Point
from telemetry.times import from_datetime
from tests.api.world import World, probe, service

TABLES = ("alert", "incident", "transition", "decision", "notification", "audit")
_KEPT: dict[str, list[tuple[object, ...]]] = {}
STEP = timedelta(seconds=15)
STEPS = 100
HOSTILE = "<script>window.ran = 1</script>\u202egnp.exe"
LONG = ("warehouse-" + "inventory-reconciliation-" * 8)[:200]
RULES = """
rules:
  - {name: load_high, query: {measurement: system, field: load1, window: 1m}, labels: {team: shop},
     warning: {above: 5, clear: 4}, critical: {above: 10, clear: 8}, runbook: "https://wiki.example/load",
     description: The load is high, summary: "The load of {{ tags.host }} is {{ value }}"}
  - name: service_health
    query: {measurement: probe, field: state, fn: last, window: 1m, group_by: [service, probe], group_fn: min}
    warning: {at_most: 1}
    critical: {at_most: 0}
    summary: "{{ tags.service }} is {% if severity == 'critical' %}down{% else %}degraded{% endif %}"
  - {name: probe_slow, query: {measurement: probe, field: latency_ms, fn: mean, window: 1m, group_by: [service, probe]},
     warning: {above: 1000, clear: 500}, for: 10m, depends_on: [service_health],
     summary: "{{ tags.service }} takes {{ value | unit }}"}
  - name: app_error_rate
    ratio:
      part: {measurement: app, field: errors, fn: increase, window: 2m, group_by: [service]}
      whole: {measurement: app, field: events, fn: increase, window: 2m, group_by: [service]}
      least: 20
    warning: {above: 5, clear: 3}
    critical: {above: 20, clear: 10}
    no_data: ok
    summary: "{{ value | unit }} of the events of {{ tags.service }} fail"
  - name: mount_fills
    forecast: {query: {measurement: disk, field: used_percent, group_by: [host, path]}, reaches: 100, over: 20m}
    warning: {below: 24}
    critical: {below: 4}
    no_data: ok
    summary: "{{ tags.path }} of {{ tags.host }} is full in {{ value | round(1) }} hours"
"""


def points(number: int, at: int) -> list[Point]:
    """What is measured in one step."""
    minute = number * STEP.total_seconds() / 60
    load = 2.0 if minute < 10 else 7.5 if minute < 14 else 12.25
    made = [
        Point.of("system", {"host": "h1"}, {"load1": load}, at),
        Point.of("system", {"host": HOSTILE}, {"load1": 7.0 if 5 < minute < 9 else 1.0}, at),
        Point.of("system", {"host": LONG}, {"load1": 8.0 if minute > 20 else 1.0}, at),
        Point.of("disk", {"host": "h1", "path": "/var/lib"}, {"used_percent": 70 + minute * 0.4}, at),
        Point.of("app", {"service": "checkout"}, {"events": 100 * number, "errors": _errors(number)}, at),
    ]
    states = {"checkout": 0 if minute > 16 else 2, "payments": 2, "search": 1 if 3 < minute < 6 else 2}
    for name, state in states.items():
        if name == "search" and minute > 22:
            continue
        latency = 1500.0 if name == "payments" and minute > 21 else 80.0
        tags = {"service": name, "probe": "health", "kind": "http", "host": "h1"}
        made.append(Point.of("probe", tags, {"state": state, "up": int(state > 0), "latency_ms": latency}, at))
    return made


def _errors(number: int) -> int:
    return number if number < 60 else 60 + 30 * (number - 60)


async def tell(world: World) -> datetime:
    """Let it happen, and let people act; when it began."""
    assert world.alerting is not None
    world.catalog.known = (
        service("checkout", probe(state=State.DOWN, message="status 503")),
        service("payments"),
        service("search", probe(state=State.UNKNOWN)),
    )
    (world.folder / "rules.yaml").write_text(RULES)
    await world.alerting.reload("test", dry_run=False)
    begun = world.clock.wall
    # All at once, which is quick: nobody looks beyond the end of its window.
    first = begun + STEP - timedelta(seconds=6)
    await world.write(*(one for number in range(STEPS) for one in points(number, from_datetime(first + number * STEP))))
    for number in range(0 if not _KEPT else STEPS - 1, STEPS):
        if number == STEPS - 1:
            await _remember_or_recall(world)
        world.clock.advance(STEP)
        await world.alerting.evaluate_once()
        if number == 75:
            await _act(world)
    return begun


async def _remember_or_recall(world: World) -> None:
    """The ledger just before the end: the story takes seconds, and is the same for everybody who is told it."""
    assert world.alerting is not None
    with closing(sqlite3.connect(world.folder / "state.sqlite", timeout=10)) as ledger, ledger:
        if not _KEPT:
            _KEPT.update({table: ledger.execute(f"SELECT * FROM {table}").fetchall() for table in TABLES})
            return
        for table, rows in _KEPT.items():
            if rows:
                ledger.executemany(f"INSERT OR REPLACE INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", rows)
    world.clock.advance((STEPS - 1) * STEP)
    await world.alerting.start()


async def _act(world: World) -> None:
    number = await incident_of(world, "service_health", "checkout")
    for act in (
        PersonAction(Action.SNOOZE, "ada", "", world.clock.wall + timedelta(hours=2)),
        PersonAction(Action.ACKNOWLEDGE, "ada", "looking into it"),
        PersonAction(Action.NOTE, "ada", f"deploy 4711 went out at 12:15\nrolling back; the log said {HOSTILE}"),
        PersonAction(Action.ASSIGN, "ada", "", None, "grace"),
    ):
        assert world.alerting is not None
        await world.alerting.act(number, act, world.clock.wall)


async def incident_of(world: World, rule: str, about: str = "") -> int:
    """The number of the newest incident of a rule."""
    answer = await (await world.get("/api/v1/incidents", rule=rule, service=about)).json()
    number: int = answer["incidents"][0]["id"]
    return number
