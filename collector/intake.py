"""What applications push: lines in, points acknowledged by the spool out. Shell.

Nobody registers what Telegraf or an application sends, so what is not known yet is learned (telemetry/schema.py) and
kept, before the first point of it is acknowledged: a restart must know it before it reads the spool.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from collector.line_protocol import Faults, Keys, Line, Part, Value, parse_in_parts
from collector.quarantine import Quarantine
from collector.series_budget import SeriesBudget
from telemetry.clock import Clock
from telemetry.errors import PointRejected
from telemetry.points import FieldValue, Point, Tags
from telemetry.ports import IntakeOutcome, PointWriter, Refused, WriteStatus
from telemetry.schema import MAX_EXACT_INTEGER, FieldType, Measurement, Registry
from telemetry.times import duration_nanoseconds, format_any_instant, format_duration, format_instant, from_datetime

OWN_PREFIX = "opswatch_"  # what OpsWatch says of itself, nobody else says
MAX_AHEAD = timedelta(days=1)
_AT_ONCE = 2  # large bodies that are worked on; the others wait
_PARTS_KEPT = 4  # of a body whose lines are all checked before the first is kept; larger ones are parsed twice
_SMALL = 50_000  # bytes, which take two milliseconds; more are parsed in a thread
_MAX_KNOWN = 50_000  # series that are remembered, so that their lines are read quickly
_SMALL_AT_ONCE = 64  # small bodies that are worked on, or wait for the commit
_MAX_KEPT = 10_000  # refused points of one body that go to quarantine with their reasons


class LearnedSchema(Protocol):
    """Where learned measurements outlive the process."""

    async def save(self, measurements: Sequence[Measurement]) -> None:
        """Keep these, each whole. Raises StoreUnavailable."""
        ...


@dataclass(frozen=True, slots=True)
class IntakeSettings:
    """`retention` of raw samples: what is older is refused, as InfluxDB refuses it. `known` as SeriesBudget has it."""

    retention: timedelta = timedelta(days=7)
    known: Iterable[tuple[str, Tags]] = ()


@dataclass(slots=True)
class IntakeStatistics:
    """Counted since start. `left_out` counts text fields that nobody registered, by (measurement, field)."""

    accepted_points: int = 0
    refused_points: int = 0
    unparseable_bodies: int = 0
    left_out: Counter[tuple[str, str]] = field(default_factory=Counter)


@dataclass(slots=True)
class _Sorted:
    """What became of a body so far; `points`, `learned` and `left_out` are those of its present part."""

    points: list[Point] = field(default_factory=list)
    learned: dict[str, Measurement] = field(default_factory=dict)
    refused: list[Refused] = field(default_factory=list)
    dropped: int = 0
    left_out: list[Refused] = field(default_factory=list)
    accepted: int = 0
    first: int = 0  # the number of the first line that was refused

    def refuse(self, point: Point, reason: str, number: int) -> None:
        self.dropped += 1
        self.first = self.first or number
        if len(self.refused) < _MAX_KEPT:
            self.refused.append(Refused(point, reason))


class Intake:
    """Implements `api.doors.PointIntake` in front of the spool."""

    def __init__(
        self,
        writer: PointWriter,
        registry: Registry,
        learned: LearnedSchema,
        quarantine: Quarantine,
        clock: Clock,
        settings: IntakeSettings | None = None,
    ) -> None:
        self._writer = writer
        self._registry = registry
        self._learned = learned
        self._quarantine = quarantine
        self._clock = clock
        self._settings = settings or IntakeSettings()
        self._budget = SeriesBudget(self._settings.known)
        self._unsaved: dict[str, Measurement] = {}  # learned, and not yet what a restart would know
        self._saving = asyncio.Lock()
        self._keys: Keys = {}
        self._admitted: set[tuple[str, Tags]] = set()  # series whose names, tags and budget were checked
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._small_places = asyncio.Semaphore(_SMALL_AT_ONCE)
        self.statistics = IntakeStatistics()

    async def take(self, body: bytes, precision: str) -> IntakeOutcome:
        """Acknowledge the points of a body of line protocol, `precision` being `ns`, `us`, `ms` or `s`.

        All lines must be lines, else nothing is kept; points that cannot be kept leave the others unharmed, and are in
        quarantine with their reasons. Raises StoreUnavailable.
        """
        # Small ones wait for no large one, and for the spool's commit together, which is one for all of them.
        is_small = len(body) <= _SMALL
        async with self._small_places if is_small else self._places:
            text = body.decode("utf-8", "surrogateescape")  # what is no UTF-8 is refused line by line
            if is_small:
                faults, parts = _checked(text, precision, self._keys)
            else:
                faults, parts = await asyncio.to_thread(_checked, text, precision, self._keys)
            if faults.count:
                self.statistics.unparseable_bodies += 1
                return IntakeOutcome(unparseable=faults.shown())
            return await self._keep_all(parts)

    async def _keep_all(self, parts: Iterable[Part]) -> IntakeOutcome:
        found, left = _Sorted(), iter(parts)
        is_parsed = isinstance(parts, list)
        while (part := next(left, None) if is_parsed else await asyncio.to_thread(next, left, None)) is not None:
            trouble = await self._keep(part.lines, found)
            if trouble:
                # Those before are acknowledged; sent again, they overwrite themselves.
                return IntakeOutcome(found.accepted, unavailable=trouble)
        return await self._finish(found)

    async def admit(self, point: Point) -> Point:
        """A point that was refused before, as it may be kept now. Raises PointRejected, StoreUnavailable."""
        found = _Sorted()
        self._sort_out([Line(0, point.measurement, point.tags, dict(point.fields), point.time)], found)
        await self._note(found)
        if found.refused:
            raise PointRejected(found.refused[0].reason)
        return found.points[0]

    async def _note(self, found: _Sorted) -> None:
        """Keep what was learned, and the first of each text field that is left out."""
        self._unsaved |= found.learned
        if self._unsaved:
            await self._save_learned()
        if found.left_out:
            await asyncio.to_thread(self._quarantine.add, found.left_out, "push")

    async def _save_learned(self) -> None:
        # Whoever comes while it is saved waits for it: the registry knows already what a restart would not.
        async with self._saving:
            unsaved = dict(self._unsaved)
            if unsaved:
                await self._learned.save(list(unsaved.values()))
            self._unsaved = {name: one for name, one in self._unsaved.items() if unsaved.get(name) is not one}

    async def _keep(self, lines: Sequence[Line], found: _Sorted) -> str:
        """Acknowledge what can be kept of a part; what keeps it from being acknowledged, if anything does."""
        found.points, found.learned, found.left_out = [], {}, []
        self._sort_out(lines, found)
        await self._note(found)
        outcome = await self._writer.write(found.points)
        if outcome.status not in {WriteStatus.OK, WriteStatus.PARTIAL}:
            return outcome.message or "points cannot be kept at the moment"
        found.dropped += len(outcome.refused)
        found.accepted += len(found.points) - len(outcome.refused)
        return ""

    async def _finish(self, found: _Sorted) -> IntakeOutcome:
        if found.refused:
            await asyncio.to_thread(self._quarantine.add, found.refused, "push")
        self.statistics.accepted_points += found.accepted
        self.statistics.refused_points += found.dropped
        reason = f"{found.refused[0].reason} (line {found.first}) dropped={found.dropped}" if found.refused else ""
        return IntakeOutcome(found.accepted, found.dropped, refused=reason)

    def _sort_out(self, lines: Sequence[Line], found: _Sorted) -> None:
        now = from_datetime(self._clock.now())
        oldest = now - duration_nanoseconds(self._settings.retention)
        newest = now + duration_nanoseconds(MAX_AHEAD)
        if len(self._admitted) > _MAX_KNOWN:
            self._admitted = set()
        for line in lines:
            time = now if line.time is None else line.time
            if oldest <= time <= newest and (fields := self._plain_fields(line)) is not None:
                found.points.append(Point(line.measurement, line.tags, fields, time))
                continue
            try:
                self._check_time(line, time, oldest, newest)
                accepted = self._registry.coerce(Point(line.measurement, line.tags, self._fields(line, found), time))
                self._check_budget(accepted)
                self._admitted.add((line.measurement, line.tags))
                found.points.append(accepted)
            except PointRejected as error:
                shown_fields = {name: _number(value) for name, value in line.fields.items()}
                found.refuse(Point(line.measurement, line.tags, shown_fields, time), error.message, line.number)

    def _plain_fields(self, line: Line) -> dict[str, FieldValue] | None:
        """The fields of a line of which nothing has to be checked any more, as nearly all are; None for the others."""
        if (line.measurement, line.tags) not in self._admitted:
            return None
        types = self._registry.field_types(line.measurement)
        fields: dict[str, FieldValue] = {}
        for name, value in line.fields.items():
            registered = types.get(name)
            if type(value) is float and registered is FieldType.FLOAT:
                fields[name] = value + 0.0  # as the registry does it: -0.0 is 0.0
            elif type(value) is int and registered is FieldType.INTEGER and abs(value) <= MAX_EXACT_INTEGER:
                fields[name] = value
            else:
                return None
        return fields

    def _check_time(self, line: Line, time: int, oldest: int, newest: int) -> None:
        if time < oldest:
            raise PointRejected(
                f"points outside retention policy of duration {format_duration(self._settings.retention)} - point"
                f" {line.measurement[:60]} at {format_any_instant(time)} dropped because it violates a Retention Policy"
                f" Lower Bound at {format_instant(oldest)}"
            )
        if time > newest:
            raise PointRejected(
                f"point {line.measurement[:60]} at {format_any_instant(time)} is more than {format_duration(MAX_AHEAD)}"
                " in the future: is the precision right?"
            )

    def _fields(self, line: Line, found: _Sorted) -> dict[str, FieldValue]:
        """What is to be kept of a line's fields, in the types of the registry; learns what is new."""
        if line.measurement.startswith(OWN_PREFIX):
            raise PointRejected(f"measurement {line.measurement[:60]!r} is OpsWatch's own: nobody else writes it")
        known = self._registry.get(line.measurement)
        kept = {name: _number(value) for name, value in line.fields.items()}
        unknown = []
        left_out = []
        for name, value in line.fields.items():
            registered = None if known is None else known.field(name)
            if registered is not None:
                _check_type(line, name, kept[name], registered.type)
            elif isinstance(value, str):
                left_out.append(name)
                del kept[name]
            else:
                unknown.append(name)
        if not kept:
            words = f"{line.measurement[:60]} has only text fields, which are not registered: {left_out[0][:60]}"
            raise PointRejected(words)
        if known is None or unknown:
            found.learned[line.measurement] = self._registry.learn(
                line.measurement, (name for name, _ in line.tags), unknown
            )
        for name in left_out:
            self._note_left_out(line, name, found)
        return kept

    def _note_left_out(self, line: Line, name: str, found: _Sorted) -> None:
        key = (line.measurement, name)
        if key in self.statistics.left_out or len(self.statistics.left_out) < _MAX_KEPT:
            if key not in self.statistics.left_out:
                example = Point(line.measurement, line.tags, {name: str(line.fields[name])}, line.time or 0)
                reason = f"text field {name!r} is not registered and left out; this is the first one, more are counted"
                found.left_out.append(Refused(example, reason))
            self.statistics.left_out[key] += 1

    def _check_budget(self, point: Point) -> None:
        measurement = self._registry.get(point.measurement)
        assert measurement is not None
        self._budget.check(measurement, point.tags)


def _checked(text: str, precision: str, keys: Keys) -> tuple[Faults, Iterable[Part]]:
    """The faults of a whole body, and its parts, which are parsed again if they are many: memory is bounded."""
    faults, kept, count = Faults(), list[Part](), 0
    for part in parse_in_parts(text, precision, keys):
        faults.add(part.bad)
        count += 1
        kept = [*kept, part] if count <= _PARTS_KEPT else []
    return faults, kept if count <= _PARTS_KEPT else parse_in_parts(text, precision, keys)


def _number(value: Value) -> FieldValue:
    return int(value) if isinstance(value, bool) else value


def _check_type(line: Line, name: str, value: FieldValue, registered: FieldType) -> None:
    fits = isinstance(value, str) == (registered is FieldType.TEXT)
    if fits and (registered is not FieldType.INTEGER or float(value).is_integer()):
        return
    given = {bool: "boolean", int: "integer", float: "float", str: "string"}[type(line.fields[name])]
    word = {FieldType.TEXT: "string", FieldType.INTEGER: "integer", FieldType.FLOAT: "float"}[registered]
    raise PointRejected(
        f'field type conflict: input field "{name[:60]}" on measurement "{line.measurement[:60]}" is type {given},'
        f" already exists as type {word}"
    )
