"""The levels in InfluxDB: its tasks make them, and what they missed or late samples touched is made again here. Shell.

InfluxDB runs no task for the time that it was away, and none again that failed. So every window that should be there is
counted against what it was made from, and where the counts differ, or samples came after it was made, the task's own
text is sent once more with `now` at the window's end. Nothing of this is remembered on disk: a process that starts
counts all that is kept, a second or two of work, and until it has, queries read samples. While it runs, it counts the
newest day again every hour, and an older one.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from influx import rollup_text
from influx.asking import OUT_OF_MEMORY, FluxAsker, message_of, within
from influx.connection import InfluxConnection
from influx.http_answers import Answer, shown
from influx.parameters import FluxQuery
from influx.recount import Recount
from influx.rollup_coverage import Counts, Oldest, countable, counts_query, oldest_query, windows_that_differ
from influx.rollup_levels import Failing, LevelState
from influx.rollup_tasks import LOOKBACK_WINDOWS, rollup_task
from telemetry.clock import Clock
from telemetry.errors import QueryTimedOut, QueryTooLarge, StoreUnavailable
from telemetry.ports import DEFAULT_DEADLINE
from telemetry.rollup import LEVELS, RAW, Level, Standing, windows_touched
from telemetry.rollup_progress import RollupProgress, followers, runs_of
from telemetry.schema import EARLIEST, MeasurementClass, Registry
from telemetry.series import GROWTH_LOOKBACK
from telemetry.store_status import LevelStatus
from telemetry.times import NANOSECONDS_PER_SECOND, format_instant, from_datetime, to_datetime

logger = logging.getLogger(__name__)

_HOUR = 3_600 * NANOSECONDS_PER_SECOND
_DAY = 24 * _HOUR
_PATIENCE = 20 * NANOSECONDS_PER_SECOND  # that a task has for its work before its windows are looked for
# How far back a start counts: what is older was counted by many starts before, and years of it would take minutes.
_RECOUNTED = 31 * _DAY
_COUNTED_AT_ONCE = {"5m": _DAY, "1h": 14 * _DAY}
# Seen once on a busy server, and not in sixty tries after: a window was not whole when its text had come to its end.
_AT_ONCE = 2  # tries before a window counts as one that would not be made
_AT_WORK = timedelta(seconds=15)  # for one turn
_FIRST_PAUSE, _LONGEST_PAUSE = 60 * NANOSECONDS_PER_SECOND, _HOUR  # before a window that would not be made is tried
_HEADERS = {"Content-Type": "application/json", "Prefer": "return-no-content-with-error"}

KeptSince = Callable[[str], int | None]


@dataclass(frozen=True, slots=True)
class _Compared:
    """Windows that are missing or wrong; whether their source holds nothing; whether the newest is missing."""

    differ: frozenset[int]
    is_empty: bool
    is_newest_missing: bool


class Rollups:
    """Call `roll_up` several times a minute, and `touched` with what was written.

    `kept_since` tells from when on (ns) a bucket is whole, None for all of it.
    """

    def __init__(
        self,
        connection: InfluxConnection,
        registry: Registry,
        clock: Clock,
        kept_since: KeptSince,
        asker: FluxAsker | None = None,
    ) -> None:
        self._connection = connection
        self._asker = asker or FluxAsker(connection)
        self._registry = registry
        self._clock = clock
        self._kept_since = kept_since
        self._opened = from_datetime(clock.now())
        self._progress = RollupProgress()
        self._levels = {one.name: LevelState(one, Recount(_COUNTED_AT_ONCE[one.name])) for one in LEVELS}
        self._meanwhile: set[int] = set()  # windows of the finest level that were written into during a step
        self._now: int | None = None  # of the newest step

    async def roll_up(self) -> None:
        """Look for windows that are missing or wrong and have them made, for some seconds at most.

        Raises StoreUnavailable, QueryTimedOut, QueryTooLarge when InfluxDB does not answer; the next call goes on.
        """
        end = self._clock.monotonic() + _AT_WORK.total_seconds()
        while await self.step(from_datetime(self._clock.now())) and self._clock.monotonic() < end:
            pass

    async def step(self, now: int) -> bool:
        """One piece of what is due at `now` (ns), the finest level first. False: all is made. Raises as `roll_up`."""
        self._meanwhile.clear()
        self._now = now
        try:
            self._follow_clock_back(now)
            for level in LEVELS:
                if await self._repair(level, now) or await self._advance(level, now):
                    return True
            for level in LEVELS:
                if await self._recount(level, now):
                    return True
            return False
        finally:
            # What was written while somebody counted is in the count or not: nobody knows.
            self._mark(self._meanwhile)

    def touched(self, times: Iterable[int]) -> None:
        """Samples of these times (ns) were written, or may have been."""
        windows = windows_touched(LEVELS[0], times)
        self._meanwhile |= windows
        self._mark(windows)

    def standings(self) -> tuple[Standing, ...]:
        """What queries may rely on."""
        return self._progress.standings()

    def status(self, now: datetime) -> tuple[LevelStatus, ...]:
        """How each level stands; asks nothing."""
        return tuple(self._status(state, from_datetime(now)) for state in self._levels.values())

    @property
    def notes(self) -> tuple[str, ...]:
        """What somebody should look at, in sentences with the way out."""
        return tuple(
            words for state in self._levels.values() for words in (state.reason, state.complaint, state.idle) if words
        )

    def _status(self, state: LevelState, now: int) -> LevelStatus:
        until, level = self._progress.until(state.level), state.level
        oldest = None if until is None else min((until, *state.failing))
        since = self._opened if oldest is None else oldest  # it may be older, but who knows
        return LevelStatus(
            level=level.name,
            until=None if oldest is None else to_datetime(oldest),
            lag_s=max(0, now - since) / NANOSECONDS_PER_SECOND,
            missed_windows=self._progress.missed(level, now - _PATIENCE),
            late_windows=len(self._progress.stale(level)),
            made_windows=state.made_windows,
            failures=state.failures,
        )

    def _mark(self, windows: Iterable[int]) -> None:
        windows = set(windows)
        self._progress.note_stale(self._progress.touched_by(windows, self._repairable_from))
        finest = LEVELS[0]
        self._expect(finest, {later for window in windows for later in followers(finest, window)})

    def _expect(self, level: Level, windows: set[int]) -> None:
        """What these are made from has changed; the task may have made them before that, uncounted as they are."""
        until, now = self._progress.until(level), self._now
        if now is None:
            return
        over = now - level.grace - level.step
        state = self._levels[level.name]
        state.outdated |= {one for one in windows if one <= over and (until is None or one >= until)}

    def _note_mended(self, level: Level, windows: set[int]) -> None:
        """Those of the next level were made from what these were before."""
        for longer in (one for one in LEVELS if one.source == level.name):
            touched, until = windows_touched(longer, windows), self._progress.until(longer)
            self._expect(longer, touched)
            if until is not None:
                self._progress.note_stale({longer: {one for one in touched if one < until}})

    def _waiting(self, level: Level) -> set[int]:
        """Windows of which a part is to be made again first."""
        stale = (self._progress.stale(one) for one in LEVELS if one.name == level.source)
        return {window for some in stale for window in windows_touched(level, some)}

    def _source(self, level: Level) -> str:
        settings = self._connection.settings
        if level.source == RAW:
            return settings.bucket(MeasurementClass.METRICS)
        (source,) = (one for one in LEVELS if one.name == level.source)
        return settings.level_bucket(source)

    def _repairable_from(self, level: Level) -> int:
        """Windows before this must stay as they are: what they were made from is deleted, or they are themselves."""
        kept = self._kept_since(self._connection.settings.level_bucket(level))
        since = self._kept_since(self._source(level))
        if since is not None and level.source == RAW:
            since += GROWTH_LOOKBACK
        first = max((one for one in (kept, since) if one is not None), default=EARLIEST + _DAY)
        return -(-first // level.step) * level.step

    def _follow_clock_back(self, now: int) -> None:
        """What a clock noted that was ahead must not stand in the way: windows that are not over are not made."""
        for level in LEVELS:
            until, due = self._progress.until(level), self._progress.due(level, now - _PATIENCE)
            if until is not None and until > due:
                early = [window for window in self._progress.stale(level) if window >= due]
                self._forget(level, due, early)

    async def _advance(self, level: Level, now: int) -> bool:
        # Nothing is made of windows that are missing themselves.
        due = min((self._progress.due(level, now - _PATIENCE), *self._waiting(level)))
        until = self._progress.until(level)
        if until is None:
            first = self._first_counted(level, now)
            oldest = await self._oldest(self._source(level), first, now)
            self._progress.note_made(level, due if oldest is None else min(due, oldest // level.step * level.step))
            return True
        if until >= due:
            return False
        # What it would be made from is deleted meanwhile, where nothing was counted for so long.
        start = max(until, min(due, self._repairable_from(level)))
        if start >= due:
            self._note_counted(level, due, set())
            return True
        stop = min(due, start + self._levels[level.name].recount.size)
        seen = await self._compared(level, range(start, stop, level.step))
        if seen.is_empty and stop < due:  # nor need all the windows be counted in which there is nothing
            oldest = await self._oldest(self._source(level), stop, due)
            stop = due if oldest is None else oldest // level.step * level.step
        self._note_counted(level, stop, seen.differ)
        if stop == due and not seen.is_empty:
            state = self._levels[level.name]
            state.idle_runs = state.idle_runs + 1 if seen.is_newest_missing else 0
            if not seen.is_newest_missing:  # it does its work again, and nothing may have to be made for a long time
                state.complaint = ""
        return True

    async def _recount(self, level: Level, now: int) -> bool:
        until = self._progress.until(level)
        if until is None:
            return False
        piece = self._levels[level.name].recount.due(now, range(self._first_counted(level, now), until, level.step))
        if piece is None:
            return False
        seen = await self._compared(level, piece)
        self._levels[level.name].recount.counted()
        self._note_counted(level, until, seen.differ)
        return True

    def _first_counted(self, level: Level, now: int) -> int:
        return max(self._repairable_from(level), (now - _RECOUNTED) // level.step * level.step)

    def _note_counted(self, level: Level, until: int, differ: Collection[int]) -> None:
        """The level was compared with its source up to there."""
        state = self._levels[level.name]
        outdated = {window for window in state.outdated if window < until}
        state.outdated -= outdated
        self._progress.note_made(level, until)
        if level.source == RAW:
            self._mark(differ)
        self._progress.note_stale({level: outdated.union(differ)})

    async def _repair(self, level: Level, now: int) -> bool:
        state, until = self._levels[level.name], self._progress.until(level)
        pausing = {window for window, one in state.failing.items() if one.is_pausing(now)}
        stale = sorted(self._progress.stale(level) - pausing - self._waiting(level))
        if not stale or until is None:
            return False
        gone = [window for window in stale if window < self._repairable_from(level)]
        if gone:
            self._forget(level, until, gone)
            return True
        first, last = runs_of(stale, level.step)[0]
        last = min(last, first + (state.at_once - 1) * level.step)
        piece = range(first, last + level.step, level.step)
        wrong = frozenset(piece)
        for _ in range(_AT_ONCE):
            await self._make(level, piece)
            wrong = (await self._compared(level, piece)).differ
            if not wrong:
                break
        right = set(piece) - wrong
        self._forget(level, self._progress.until(level) or until, right)
        self._note_mended(level, right)
        state.made_windows += len(right)
        if not self._progress.stale(level):
            state.make_many()
        for window in wrong:
            state.failures += 1
            pause = min(2 * state.failing[window].pause, _LONGEST_PAUSE) if window in state.failing else _FIRST_PAUSE
            state.failing[window] = Failing(now + pause, pause)
        return True

    def _forget(self, level: Level, until: int, windows: Iterable[int]) -> None:
        """They are not stale any more, and the level is made until there."""
        windows = set(windows)
        self._progress.note_made(level, until, windows)
        state = self._levels[level.name]
        state.failing = {window: one for window, one in state.failing.items() if window not in windows}
        if not state.failing:
            state.reason = ""

    async def _make(self, level: Level, windows: range) -> None:
        """Have the windows made; what cannot be made is in the level's `reason`. Raises StoreUnavailable."""
        state, settings = self._levels[level.name], self._connection.settings
        end = windows[-1] + level.step
        # The task's own text makes a window more than one: it may, if what that is made from is there.
        is_own = len(windows) == LOOKBACK_WINDOWS or (
            len(windows) == 1 and windows.start - level.step >= self._repairable_from(level)
        )
        count = LOOKBACK_WINDOWS if is_own else len(windows)
        state.complaint = ""
        try:
            words = await self._run(rollup_task(settings, level, windows=count).flux, end)
            if words and level.source == RAW:
                # Somebody else has written into our bucket what no rollup can be made of: without all that is unknown.
                closed = rollup_task(settings, level, self._registry, count, is_open=False)
                state.complaint = rollup_text.foreign(level, self._source(level), words)
                words = await self._run(closed.flux, end)
        except StoreUnavailable:
            state.make_fewer()  # it may have been too much for the time that it had
            raise
        if words:
            if OUT_OF_MEMORY in words:
                state.make_fewer()
            state.complaint = ""
            state.reason = rollup_text.not_made(level, words)
            logger.debug("windows were not made", extra={"level": level.name, "reason": words})

    async def _run(self, flux: str, now: int) -> str:
        """Have InfluxDB run a text for what it writes, as if it were `now`; what it says when it fails."""
        body = json.dumps({"type": "flux", "query": flux, "now": format_instant(now)}).encode()
        organisation = {"org": self._connection.settings.org}
        answer = await self._connection.ask("POST", "/api/v2/query", organisation, body, _HEADERS)
        return "" if answer.status == 200 and not answer.body.strip() else _words(answer)

    async def _compared(self, level: Level, windows: range) -> _Compared:
        bucket, from_samples = self._connection.settings.level_bucket(level), level.source == RAW
        try:
            there, made = await asyncio.gather(
                self._counts(counts_query(self._source(level), windows, of_level=not from_samples)),
                self._counts(counts_query(bucket, windows, of_level=True)),
            )
        except (QueryTimedOut, QueryTooLarge):
            self._levels[level.name].recount.count_less(level.step)
            raise
        differ = windows_that_differ(countable(self._registry), there.found, made.found, from_samples=from_samples)
        present = {window for counts in made.found.values() for window in counts}
        newest = max((window for counts in there.found.values() for window in counts), default=None)
        return _Compared(frozenset(differ), not there.found, newest in differ and newest not in present)

    async def _counts(self, question: FluxQuery) -> Counts:
        counts = Counts()
        async with within(DEFAULT_DEADLINE):
            await self._asker.ask(question, counts.take)
        return counts

    async def _oldest(self, bucket: str, start: int, now: int) -> int | None:
        oldest = Oldest()
        if start < now:
            async with within(DEFAULT_DEADLINE):
                await self._asker.ask(oldest_query(bucket, start, now), oldest.take)
        return oldest.time


def _words(answer: Answer) -> str:
    """Why a text failed, on one line: the message of an error table, or of an answer with another status."""
    if answer.status != 200:
        return f"{answer.status} {message_of(answer)}"
    text = answer.body.decode("utf-8", "replace")
    cells = (line.strip(',"') for line in text.splitlines())
    return next((shown(cell.encode()) for cell in cells if cell and cell != "error,reference"), "it does not say why")
