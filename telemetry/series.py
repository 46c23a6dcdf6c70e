"""The query algebra: a question as data, and the shape of its answer. Pure.

A query selects the series of one measurement by fields and tags, over the half-open range
[start, stop), and then asks one of three things of each series by itself:

- `Raw`: its samples, oldest first, at most `limit` of each series;
- `Window`: one value per window. Windows are aligned to 1970-01-01T00:00:00Z and stamped at their
  start; the first and the last are whole windows even where the range cuts them, so a query answers
  the same whatever second it is asked in. A window without samples has no value (None), never 0;
- `Latest`: its newest sample in the range.

The answer is sorted by (field, tags), and holds neither NaN nor infinities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from telemetry.errors import InvalidQuery, QueryTooLarge
from telemetry.points import FieldValue, Tags

MAX_WINDOWS = 11_000  # per series; Prometheus draws the same line, and no screen is wider
MAX_RAW_LIMIT = 1_000_000
MAX_PATTERN_LENGTH = 500


@dataclass(frozen=True, slots=True)
class Equals:
    """The tag is there and has this value."""

    tag: str
    value: str


@dataclass(frozen=True, slots=True)
class OneOf:
    """The tag is there and has one of these values."""

    tag: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Matches:
    """The tag is there and this pattern (RE2) is found in its value; anchor it yourself."""

    tag: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Exists:
    """The tag is there."""

    tag: str


@dataclass(frozen=True, slots=True)
class Not:
    """The other does not hold; so `Not(Equals(...))` holds for a series without the tag."""

    predicate: Predicate


@dataclass(frozen=True, slots=True)
class AllOf:
    """Each of them holds; of none, true."""

    predicates: tuple[Predicate, ...]


Predicate = Equals | OneOf | Matches | Exists | Not | AllOf
EVERYTHING = AllOf(())


class Function(StrEnum):
    """How the samples of one window become one value.

    `increase` is the growth of a counter: the sum over the window's samples of the difference to the
    sample before it, which may lie before the window (looked for as far back as one step, at least
    5 minutes, before the range); a sample lower than the one before it is a reset and counts whole.
    The series' very first sample has nothing to grow from. `rate` is increase per second of the step.
    `first` and `last` are by time. `count` counts samples.
    """

    MIN = "min"
    MAX = "max"
    MEAN = "mean"
    SUM = "sum"
    COUNT = "count"
    FIRST = "first"
    LAST = "last"
    INCREASE = "increase"
    RATE = "rate"


@dataclass(frozen=True, slots=True)
class Raw:
    limit: int = 10_000


@dataclass(frozen=True, slots=True)
class Window:
    """`step` in ns; one answer series per function, in the order given."""

    step: int
    functions: tuple[Function, ...] = (Function.MEAN,)


@dataclass(frozen=True, slots=True)
class Latest:
    """The newest sample; the range of the query is how far it looks back."""


Shape = Raw | Window | Latest


@dataclass(frozen=True, slots=True)
class SeriesQuery:
    """A question. `fields` empty means every field; `start` and `stop` are ns since 1970 UTC, half-open.

    Raises InvalidQuery or QueryTooLarge when it is made, so that no store meets a senseless one.
    """

    measurement: str
    fields: tuple[str, ...]
    start: int
    stop: int
    shape: Shape
    where: Predicate = EVERYTHING

    def __post_init__(self) -> None:
        if self.stop <= self.start:
            raise InvalidQuery("the range is empty: stop must be after start", field="stop", value=self.stop)
        if isinstance(self.shape, Window):
            self._check_window(self.shape)
        if isinstance(self.shape, Raw) and not 1 <= self.shape.limit <= MAX_RAW_LIMIT:
            raise InvalidQuery(f"limit must be from 1 to {MAX_RAW_LIMIT:,}", field="limit", value=self.shape.limit)

    def _check_window(self, window: Window) -> None:
        if window.step < 1_000_000:
            raise InvalidQuery("a window must be at least 1 ms long", field="every", value=window.step)
        if not window.functions:
            raise InvalidQuery("a windowed query needs a function", field="fn")
        count = len(window_starts(self.start, self.stop, window.step))
        if count > MAX_WINDOWS:
            wanted = -(-(self.stop - self.start) // MAX_WINDOWS) // 1_000_000_000 + 1
            raise QueryTooLarge(
                f"{count:,} windows per series are more than {MAX_WINDOWS:,}:"
                f" shorten the range, or ask for every={wanted}s or more",
                field="every",
                value=f"{window.step // 1_000_000}ms",
            )


def window_starts(start: int, stop: int, step: int) -> range:
    """The starts, in ns, of the epoch-aligned windows that [start, stop) touches."""
    return range(start - start % step, stop, step)


@dataclass(frozen=True, slots=True)
class Series:
    """One tag set of one field over time: who it is, without its samples."""

    measurement: str
    tags: Tags
    field: str


@dataclass(frozen=True, slots=True)
class SeriesSamples:
    """One series with its answer. `times` and `values` have one length.

    After a window `times` is the axis of the whole answer, shared by all series, and a window without
    a sample holds None; `function` says which one made the values. Else both hold what was stored.
    """

    series: Series
    times: Sequence[int]
    values: Sequence[FieldValue | None]
    function: Function | None = None


@dataclass(frozen=True, slots=True)
class SeriesResult:
    """The answer to a query. `level` is what was read (`raw`, later `5m`, `1h`); `warnings` are for people."""

    query: SeriesQuery
    level: str
    series: tuple[SeriesSamples, ...]
    warnings: tuple[str, ...] = ()
