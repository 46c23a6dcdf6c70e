"""From attempts to a confirmed state, and to the seconds that are accounted to it. Pure.

A probe's state changes only after `failure_threshold` attempts in a row say that it is worse, or
`success_threshold` that it is better; `streak` counts the attempts in a row that argue against the state, in the same
direction. An attempt
that says nothing of the target (our own trouble) argues for `unknown`, with the failure threshold: missing knowledge
neither resolves nor fires as down.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from collector.attempt import Attempt
from collector.targets import ProbeSpec
from telemetry.health import State, Verdict, verdict_of
from telemetry.histogram import bucket_field, bucket_of
from telemetry.points import FieldValue, Point
from telemetry.times import NANOSECONDS_PER_MILLISECOND, from_datetime

_ARGUED = {
    Verdict.UP: State.UP,
    Verdict.DEGRADED: State.DEGRADED,
    Verdict.DOWN: State.DOWN,
    Verdict.UNKNOWN: State.UNKNOWN,
}
_GOODNESS = {State.DOWN: 0, State.UNKNOWN: 1, State.DEGRADED: 2, State.UP: 3}


@dataclass(frozen=True, slots=True)
class ProbeMemory:
    """What is remembered of a probe between two attempts. `since` is when it entered its state, where known."""

    state: State = State.UNKNOWN
    streak: int = 0
    since: datetime | None = None
    last_attempt: datetime | None = None
    last: Attempt | None = None


@dataclass(frozen=True, slots=True)
class Accounting:
    """Seconds since the previous attempt, in the state that was confirmed then."""

    state: State
    seconds: float


def confirm(memory: ProbeMemory, attempt: Attempt, now: datetime, spec: ProbeSpec) -> tuple[ProbeMemory, Accounting]:
    """The memory after an attempt, and the time to account to the state before it."""
    accounting = Accounting(memory.state, _elapsed(memory.last_attempt, now, spec.interval))
    argued = _ARGUED[verdict_of(attempt.outcome)]
    if argued is memory.state:
        # A state that was read back at start keeps its beginning unknown: the restart is not when it began.
        return ProbeMemory(memory.state, 0, memory.since, now, attempt), accounting
    better = _is_better(argued, memory.state)
    # Attempts that contradict each other do not add up: one success after one failure is one of each.
    turned = (
        memory.last is not None and _is_better(_ARGUED[verdict_of(memory.last.outcome)], memory.state) is not better
    )
    streak = 1 if turned else memory.streak + 1
    if streak >= (spec.success_threshold if better else spec.failure_threshold):
        return ProbeMemory(argued, 0, now, now, attempt), accounting
    return ProbeMemory(memory.state, streak, memory.since, now, attempt), accounting


def remembered(state: int, streak: int, at: datetime, now: datetime, spec: ProbeSpec) -> ProbeMemory:
    """The memory from what was stored at `at`; nothing where that is older than two intervals, or makes no sense."""
    if not timedelta(0) <= now - at <= 2 * spec.interval or state not in State.__members__.values():
        return ProbeMemory()
    return ProbeMemory(State(state), max(0, streak), None, at)


def probe_point(spec: ProbeSpec, host: str, attempt: Attempt, memory: ProbeMemory, accounting: Accounting) -> Point:
    """The `probe` point of an attempt, stamped on whole milliseconds of `memory.last_attempt`."""
    assert memory.last_attempt is not None
    verdict = verdict_of(attempt.outcome)
    optional: dict[str, FieldValue | None] = {
        "up": None if verdict is Verdict.UNKNOWN else int(verdict is not Verdict.DOWN),
        "dns_ms": attempt.phases.dns_ms,
        "connect_ms": attempt.phases.connect_ms,
        "tls_ms": attempt.phases.tls_ms,
        "first_byte_ms": attempt.phases.first_byte_ms,
        "transfer_ms": attempt.phases.transfer_ms,
        "code": attempt.code,
        "cert_days_left": attempt.certificate_days_left,
        "message": attempt.message or None,
    }
    fields: dict[str, FieldValue] = {
        "outcome": int(attempt.outcome),
        "latency_ms": attempt.latency_ms,
        # For percentiles of times whose samples are no longer kept.
        bucket_field("latency_ms", bucket_of(attempt.latency_ms)): 1,
        "state": int(memory.state),
        "streak": memory.streak,
        **{name: value for name, value in optional.items() if value is not None},
        **{f"{state.word}_s": accounting.seconds if state is accounting.state else 0.0 for state in State},
    }
    instant = from_datetime(memory.last_attempt)
    tags = {"service": spec.service, "probe": spec.name, "kind": spec.kind, "host": host}
    return Point.of("probe", tags, fields, instant - instant % NANOSECONDS_PER_MILLISECOND)


def _is_better(argued: State, state: State) -> bool:
    # To know nothing is never good news, also where the last word was down.
    return argued is not State.UNKNOWN and _GOODNESS[argued] > _GOODNESS[state]


def _elapsed(before: datetime | None, now: datetime, interval: timedelta) -> float:
    if before is None:
        return 0.0
    # At most twice the interval: what lies further back was not observed, and stays unknown. Never negative,
    # also when the clock was set back.
    return max(0.0, min(now - before, 2 * interval).total_seconds())
