"""What stores refused: the items that quarantine keeps, how they are asked for, what a replay made of them. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from telemetry.points import Point

SOURCES = ("push", "spool", "store")  # who refuses
MAX_LISTED = 1_000  # items of one page of the list, and of one step of a replay of many


@dataclass(frozen=True, slots=True)
class QuarantinedItem:
    """One refused item. `time` is when it was refused last; `size` is in bytes, as it is kept.

    `point` is None for what is no point (a broken batch, half a line), and in lists also where it is very large.
    """

    id: str
    time: datetime | None
    source: str  # one of SOURCES; what else stands in a file is told as it is
    reason: str
    size: int
    point: Point | None


@dataclass(frozen=True, slots=True)
class SetAsideFile:
    """A file of the data directory that could not be opened and was renamed, never deleted."""

    path: str
    size: int
    time: datetime


@dataclass(frozen=True, slots=True)
class QuarantineQuery:
    """Which items: all but what is empty must fit. `cursor` is the one of the page before."""

    limit: int = 100
    cursor: str = ""
    source: str = ""
    measurement: str = ""


@dataclass(frozen=True, slots=True)
class QuarantinePage:
    """Items, the newest first; `count` and `size` of everything there is; `cursor` leads on, empty at the end."""

    items: tuple[QuarantinedItem, ...]
    cursor: str
    count: int
    size: int
    unkept: int = 0  # refused since start, and only counted: there was no room
    files: tuple[SetAsideFile, ...] = ()


@dataclass(frozen=True, slots=True)
class ReplayOutcome:
    """What became of replayed items: `refused` ones stay, with new reasons, of which `reasons` are some."""

    replayed: int
    refused: int
    reasons: tuple[str, ...] = ()
    cursor: str = ""
