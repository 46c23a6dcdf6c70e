"""OpsWatch watches itself: points of its own, readiness, and the figures of `/metrics` and `/status`. Shell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from api.doors import DiskHealth, LostPeriod, OwnHealth, RollupHealth, ServerHealth
from collector.collect import Collector
from collector.disk_room import DiskRoom, RoomLevel
from collector.process import ProcessSampler
from collector.spool import Spool, oldest_age_seconds
from dashboards.units import format_seconds
from opswatch.alerting import Alerting
from opswatch.canary import Canary
from opswatch.catch_up import CatchUp
from opswatch.exposition import exposition
from opswatch.loop_lag import LoopLag
from opswatch.program_log import ProgramLog
from opswatch.scheduler import Scheduler
from opswatch.storage import Storage
from opswatch.telling import Telling
from telemetry.clock import Clock
from telemetry.errors import StoreUnavailable
from telemetry.points import FieldValue, Point
from telemetry.rollup import LEVELS
from telemetry.schema import Registry
from telemetry.store_status import LevelStatus, StoreCondition
from telemetry.times import NANOSECONDS_PER_MILLISECOND, from_datetime

TOLD_FOR = timedelta(days=31)  # how long a page tells of samples that were lost


@dataclass(frozen=True, slots=True)
class Watched:
    """The parts that are looked at."""

    storage: Storage
    spool: Spool
    room: DiskRoom
    collector: Collector
    scheduler: Scheduler
    lag: LoopLag
    log: ProgramLog
    alerting: Alerting
    telling: Telling
    canary: Canary


class SelfWatch:
    """Samples OpsWatch itself, and answers how it stands."""

    def __init__(self, parts: Watched, registry: Registry, clock: Clock, host: str) -> None:
        self._parts = parts
        self._registry = registry
        self._clock = clock
        self._host = host
        self._process = ProcessSampler(host)
        self._started = clock.now()
        self._catch_up = CatchUp()
        self._points: Sequence[Point] = ()
        self._server_time: int | None = None  # of the newest points of a server that were kept
        self.first_sample_due: datetime | None = None

    async def sample_once(self) -> None:
        """One sample of everything that is ours, written like any other point."""
        now = self._clock.now()
        instant = from_datetime(now)
        time = instant - instant % NANOSECONDS_PER_MILLISECOND
        self._points = (
            self._process.sample(now, self._parts.lag.take_ms()),
            self._collector_point(time),
            await self._spool_point(time),
            self._store_point(time),
            *self._rollup_points(now, time),
            self._point("opswatch_alerting", time, self._parts.alerting.figures()),
            *await self._notify_points(time),
        )
        await self._parts.collector.keep((*self._points, *self._new_server_points()))

    async def _notify_points(self, time: int) -> Sequence[Point]:
        try:
            return (self._point("opswatch_notify", time, await self._parts.telling.figures()),)
        except StoreUnavailable:
            return ()  # nothing is known of it at the moment

    async def own_health(self) -> OwnHealth:
        """How OpsWatch stands at this moment."""
        spool = await self._parts.spool.refresh()
        store, disk, now = self._figures("opswatch_store"), self._parts.room.figures(), self._clock.now()
        condition = self._parts.storage.figures.condition(now)
        return OwnHealth(
            reasons=tuple(
                code
                for code, trouble in (
                    ("store_takes_no_points", spool.trouble),
                    ("spool_cannot_commit", spool.disk_trouble),
                    ("store_damaged", condition.damage),
                    ("disk_low", disk.level is not RoomLevel.ENOUGH),
                    ("alerting_stalled", self._parts.alerting.trouble(now)),
                    ("loop_broken", self._parts.canary.breakage() is not None),
                )
                if trouble
            ),
            log_rotation_status=self._parts.log.rotation_status(),
            spool_pending_batches=spool.pending.batches,
            spool_oldest_s=oldest_age_seconds(spool.pending, from_datetime(now)),
            spool_trouble=spool.disk_trouble or spool.trouble,
            spool_dropped_points=spool.dropped.total(),
            store_kind=self._parts.storage.kind,
            store_file_bytes=_whole(store.get("file_bytes")),
            store_series=_whole(store.get("series")),
            store_notes=(*condition.notes, *filter(None, map(_late_words, condition.levels))),
            alerting_trouble=self._parts.alerting.trouble(now),
            loop_trouble=self._parts.canary.trouble(),
            server=ServerHealth(condition.address, condition.version, condition.canary_ms)
            if condition.address
            else None,
            longest_write_ms=store.get("write_ms"),
            longest_query_ms=store.get("read_ms"),
            catch_up_s=self._catch_up.seconds(now, spool.pending.batches),
            started=self._started,
            first_sample_due=self.first_sample_due,
            disk=self._disk(),
            lost=_lost(condition, now),
            rollups=_rollups(condition),
        )

    def _disk(self) -> DiskHealth:
        disk, refusals = self._parts.room.figures(), self._parts.room.refusals
        filesystem = disk.filesystem
        return DiskHealth(filesystem.free, filesystem.total, disk.reserve, disk.level.name.lower(), refusals)

    def exposition(self) -> bytes:
        """The newest sample as Prometheus text."""
        return exposition((*self._points, *self._parts.storage.figures.server_points()), self._registry)

    def _new_server_points(self) -> Sequence[Point]:
        """What a server said of itself since it was kept last."""
        points = self._parts.storage.figures.server_points()
        times = [point.time for point in points]
        if not points or times[0] == self._server_time:
            return ()
        self._server_time = times[0]
        return points

    def _figures(self, measurement: str) -> dict[str, float | int]:
        fields = next((point.fields for point in self._points if point.measurement == measurement), {})
        return {name: value for name, value in fields.items() if not isinstance(value, str)}

    def _point(self, measurement: str, time: int, fields: dict[str, FieldValue], **tags: str) -> Point:
        return Point.of(measurement, {"host": self._host, **tags}, fields, time)

    def _collector_point(self, time: int) -> Point:
        statistics = self._parts.collector.statistics
        late_ms, statistics.late_ms = statistics.late_ms, 0.0
        fields: dict[str, FieldValue] = {
            "attempts": statistics.attempts,
            "points_rejected": statistics.points_rejected,
            "late_ms": late_ms,
            "running": statistics.running,
            "skipped": self._parts.scheduler.statistics.skipped,
        }
        return self._point("opswatch_collector", time, fields)

    async def _spool_point(self, time: int) -> Point:
        statistics = await self._parts.spool.refresh()
        self._catch_up.note(self._clock.now(), statistics.pending.batches)
        fields: dict[str, FieldValue] = {
            "pending_batches": statistics.pending.batches,
            "pending_bytes": statistics.pending.bytes,
            "oldest_s": oldest_age_seconds(statistics.pending, time),
            "acknowledged_points": statistics.acknowledged_points,
            "delivered_points": statistics.delivered_points,
            "dropped_points": statistics.dropped.total(),
            "refused_points": self._parts.spool.refused_points,
        }
        return self._point("opswatch_spool", time, fields)

    def _rollup_points(self, now: datetime, time: int) -> list[Point]:
        points = []
        for one in self._parts.storage.figures.condition(now).levels:
            fields: dict[str, FieldValue] = {
                "lag_s": one.lag_s,
                "missed_windows": one.missed_windows,
                "late_windows": one.late_windows,
                "made_windows": one.made_windows,
                "failures": one.failures,
            }
            points.append(self._point("opswatch_rollup", time, fields, level=one.level))
            late = _late_words(one)
            trouble: dict[str, FieldValue] = {"active": int(bool(late)), **({"reason": late} if late else {})}
            points.append(self._point("opswatch_trouble", time, trouble, kind="rollup_late", subject=one.level))
        return points

    def _store_point(self, time: int) -> Point:
        statistics, disk = self._parts.storage.figures.take_statistics(), self._parts.room.figures()
        fields: dict[str, FieldValue] = {
            "write_ms": statistics.longest_commit_ms,
            "read_ms": statistics.longest_query_ms,
            "written_values": statistics.written_values,
            "queries": statistics.queries,
            "disk_free_bytes": disk.filesystem.free,
            "disk_reserve_bytes": disk.reserve,
            "disk_refusals": self._parts.room.refusals,
        }
        known = {"series": statistics.series, "file_bytes": statistics.file_bytes}
        fields |= {name: value for name, value in known.items() if value is not None}
        return self._point("opswatch_store", time, fields, kind=self._parts.storage.kind)


def _late_words(status: LevelStatus) -> str:
    """That a level is late, for people; empty where it is not."""
    (level,) = (one for one in LEVELS if one.name == status.level)
    if not status.is_late(level):
        return ""
    until = "" if status.until is None else f", made up to {status.until:%Y-%m-%d %H:%M} UTC"
    return (
        f"the rolled-up level {status.level} is {format_seconds(status.lag_s)} behind{until}; queries read finer levels"
        " meanwhile, and samples that are deleted before it is made are in no level"
    )


def _whole(figure: float | None) -> int | None:
    return None if figure is None else int(figure)


def _lost(condition: StoreCondition, now: datetime) -> tuple[LostPeriod, ...]:
    since = now - TOLD_FOR
    return tuple(LostPeriod(one.start, one.stop, one.reason, one.file) for one in condition.lost if one.stop > since)


def _rollups(condition: StoreCondition) -> tuple[RollupHealth, ...]:
    return tuple(
        RollupHealth(one.level, one.until, one.lag_s, one.missed_windows, one.late_windows, one.failures)
        for one in condition.levels
    )
