"""How probes and services stand, as Flux: tables of states, availability and attempts. Pure.

Numbers of states and outcomes are written as the words of API and pages (telemetry/health.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from influx.dashboard_script import DashboardScript, piped
from influx.text import encode_name
from telemetry.health import Outcome, State, rank
from telemetry.panel_queries import Attempts, Availability, Standings
from telemetry.schema import Measurement

_RANGE = "|> range(start: v.timeRangeStart, stop: v.timeRangeStop)"
_OF_STANDING = ("state", "outcome", "latency_ms", "cert_days_left", "message")
_OF_ATTEMPT = ("outcome", "latency_ms", "code", "message")
_SECONDS = ("up_s", "degraded_s", "down_s")
# Numbers and texts make one table only as texts; what is a number becomes one again behind it.
_AS_ONE_TABLE = (
    "|> toString()",
    "|> group()",
    '|> pivot(rowKey: ["_time", "service", "probe", "kind"], columnKey: ["_field"], valueColumn: "_value")',
)
_RANKED = '|> sort(columns: ["rank", "service", "probe"])'


def standings_text(script: DashboardScript, source: str, probe: Measurement, query: Standings) -> str:
    """A row for each probe, or for each service the worst of its probes, worst first."""
    worst = ('|> group(columns: ["service"])', _RANKED, "|> limit(n: 1)", "|> group()") if query.by_service else ()
    shown = {
        "service": "r.service",
        "state": _word("states", "r.state", State.UNKNOWN.word),
        "probe": "r.probe",
        "kind": "r.kind",
        "outcome": _word("outcomes", "r.outcome", ""),
        "latency_ms": "float(v: r.latency_ms)",
        "cert_days_left": "float(v: r.cert_days_left)",
        "message": "r.message",
        "last_attempt": "r._time",
    }
    return script.text(
        f"{_states(script)}\n{_ranks(script)}\n{_outcomes(script)}",
        piped(
            source,
            *_newest(script, probe, query.where),
            *worst,
            _RANKED,
            _mapped(shown),
        ),
    )


def not_up_text(script: DashboardScript, source: str, probe: Measurement) -> str:
    """How many services are not up, as one number; nothing where there are no services."""
    return script.text(
        _ranks(script),
        piped(
            source,
            *_newest(script, probe, ()),
            '|> group(columns: ["service"])',
            '|> min(column: "rank")',
            "|> group()",
            f"|> map(fn: (r) => ({{r with _value: if r.rank < {rank(State.UP)} then 1 else 0}}))",
            "|> sum()",
        ),
    )


def availability_text(script: DashboardScript, source: str, probe: Measurement, query: Availability) -> str:
    """(up + degraded) / (up + degraded + down) in percent, and the seconds down; unknown time counts for nothing."""
    by = script.literal(encode_name(query.by))
    known = "r.up_s + r.degraded_s + r.down_s"
    shown = {
        query.by: script.column(query.by),
        "availability_percent": f"100.0 * (r.up_s + r.degraded_s) / ({known})",
        "down_s": "r.down_s",
        "degraded_s": "r.degraded_s",
        "known_s": known,
    }
    return script.text(
        piped(
            source,
            _RANGE,
            f"|> filter(fn: (r) => {script.condition(probe, _SECONDS, query.where)})",
            "|> sum()",
            f'|> group(columns: [{by}, "_field"])',
            "|> sum()",
            "|> group()",
            f'|> pivot(rowKey: [{by}], columnKey: ["_field"], valueColumn: "_value")',
            f"|> filter(fn: (r) => {known} > 0.0)",
            _mapped(shown),
            '|> sort(columns: ["availability_percent"])',
        ),
    )


def attempts_text(script: DashboardScript, source: str, probe: Measurement, query: Attempts) -> str:
    """The newest attempts, newest first."""
    shown = {
        "time": "r._time",
        "probe": "r.probe",
        "outcome": _word("outcomes", "r.outcome", ""),
        "latency_ms": "float(v: r.latency_ms)",
        "code": "int(v: r.code)",
        "message": "r.message",
    }
    return script.text(
        _outcomes(script),
        piped(
            source,
            _RANGE,
            f"|> filter(fn: (r) => {script.condition(probe, _OF_ATTEMPT, query.where)})",
            f"|> tail(n: {query.count})",
            *_AS_ONE_TABLE,
            # A message is not of every attempt, so the newest of them go further back.
            "|> filter(fn: (r) => exists r.outcome)",
            '|> sort(columns: ["_time"], desc: true)',
            _mapped(shown),
        ),
    )


def _newest(script: DashboardScript, probe: Measurement, where: Sequence[str]) -> Sequence[str]:
    """The newest attempt of each probe, with the rank of its state: 0 for the worst."""
    return (
        _RANGE,
        f"|> filter(fn: (r) => {script.condition(probe, _OF_STANDING, where)})",
        "|> last()",
        *_AS_ONE_TABLE,
        # The newest of each field is not always of the newest attempt, but the newest row is; each attempt has a state.
        "|> filter(fn: (r) => exists r.state)",
        '|> group(columns: ["service", "probe"])',
        '|> sort(columns: ["_time"])',
        "|> tail(n: 1)",
        "|> group()",
        f"|> map(fn: (r) => ({{r with rank: dict.get(dict: ranks, key: r.state, default: {rank(State.UNKNOWN)})}}))",
    )


def _states(script: DashboardScript) -> str:
    script.uses("dict")
    return f"states = [{_entries({one: _quoted(one.word) for one in State})}]"


def _ranks(script: DashboardScript) -> str:
    script.uses("dict")
    return f"ranks = [{_entries({one: str(rank(one)) for one in State})}]"


def _outcomes(script: DashboardScript) -> str:
    script.uses("dict")
    return f"outcomes = [{_entries({one: _quoted(one.word) for one in Outcome})}]"


def _entries(values: Mapping[int, str]) -> str:
    return ", ".join(f'"{int(number)}": {value}' for number, value in values.items())


def _quoted(word: str) -> str:
    return f'"{word}"'


def _word(words: str, number: str, otherwise: str) -> str:
    return f'dict.get(dict: {words}, key: {number}, default: "{otherwise}")'


def _mapped(shown: dict[str, str]) -> str:
    return f"|> map(fn: (r) => ({{{', '.join(f'{name}: {value}' for name, value in shown.items())}}}))"
