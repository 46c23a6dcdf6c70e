"""The doors that two rooms share: what writes points and what answers queries. Pure."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Protocol

from telemetry.points import Point
from telemetry.series import SeriesQuery, SeriesResult, SeriesSamples, ValuesQuery

DEFAULT_DEADLINE = timedelta(seconds=30)


class WriteStatus(Enum):
    """What a destination made of a batch (design.md 5)."""

    OK = "ok"
    RETRY = "retry"  # try again later; nothing is wrong with the points
    PAUSE = "pause"  # nobody can write there now (credentials, a missing bucket); keep everything, ask people
    SPLIT = "split"  # too large, or some are bad: halve it
    PARTIAL = "partial"  # the rest landed; `refused` did not, and never will
    POISON = "poison"  # the single point can never be taken


@dataclass(frozen=True, slots=True)
class Refused:
    """A point that a destination will never take, with its reason."""

    point: Point
    reason: str


@dataclass(frozen=True, slots=True)
class WriteOutcome:
    """What became of a batch. `retry_after` is the least wait that the destination asked for."""

    status: WriteStatus
    message: str = ""
    retry_after: timedelta | None = None
    refused: tuple[Refused, ...] = ()


WRITTEN = WriteOutcome(WriteStatus.OK)


class PointWriter(Protocol):
    """Takes points. Same series and time overwrite, so a batch may be written again."""

    async def write(self, points: Sequence[Point]) -> WriteOutcome:
        """Write them all, or say what became of them. Does not raise for the destination's troubles."""
        ...


class QueryReader(Protocol):
    """Answers queries, each as a whole."""

    async def read(self, query: SeriesQuery, deadline: timedelta = DEFAULT_DEADLINE) -> SeriesResult:
        """The whole answer. Raises QueryTimedOut, QueryTooLarge, InvalidQuery, StoreUnavailable."""
        ...


class SeriesReader(QueryReader, Protocol):
    """Answers queries, streams what is too large for memory, and lists values."""

    def stream(self, query: SeriesQuery) -> AsyncGenerator[list[SeriesSamples], None]:
        """A raw query in bounded slices: each holds every selected field of one tag set over one stretch of time.

        Slices come tag set by tag set, oldest first; closing the iterator stops the engine. `Raw.limit` is
        per series. Raises as `read`, at the first slice or in the middle.
        """
        ...

    async def values(self, query: ValuesQuery, deadline: timedelta = DEFAULT_DEADLINE) -> tuple[str, ...]:
        """The values asked for, sorted. Raises as `read`."""
        ...


@dataclass(frozen=True, slots=True)
class IntakeOutcome:
    """What became of lines that somebody pushed; in InfluxDB's words where they are for its clients.

    `unparseable` says which lines are none (then nothing was kept); `refused` why `dropped` points were not kept beside
    the others; `unavailable` why none could be acknowledged at the moment.
    """

    accepted: int = 0
    dropped: int = 0
    unparseable: str = ""
    refused: str = ""
    unavailable: str = ""


class TableForm(Enum):
    """How an export is written. `LONG` has a row per value, `WIDE` a row per time with a column per field."""

    CSV_LONG = "csv long"
    CSV_WIDE = "csv wide"
    PARQUET_LONG = "parquet long"
    PARQUET_WIDE = "parquet wide"


class TableExport(Protocol):
    """An export that is ready to be run."""

    @property
    def samples(self) -> int:
        """How many values it will hold, for whoever shows progress."""
        ...

    def pieces(self) -> AsyncGenerator[bytes]:
        """The file in pieces of bounded size, with flat memory; closing the iterator stops the engine.

        Raises as `SeriesReader.read`, before the first piece or in the middle.
        """
        ...


class TableExporter(Protocol):
    """Writes samples as a file, faster than a reader could hand out its rows."""

    async def prepare(self, query: SeriesQuery, form: TableForm, *, unlimited: bool) -> TableExport:
        """Plan the export of a `Raw` query; `unlimited` when nobody asked for its limit. Raises as `read`."""
        ...
