"""The query algebra: a question as data, and the shape of its answer. Pure.

A query selects the series of one measurement by fields and tags, over the half-open range
[start, stop), and then asks one of these of each series by itself:

- `Raw`: its samples, oldest first, at most `limit` of each series;
- `Window`: one value per window and function;
- `Quantile`: one value per window and quantile, from the samples themselves or from histogram buckets;
- `Coverage`: per window, how many samples there are, and 0 where there is none;
- `Latest`: its newest sample in the range.

Windows are aligned to their `origin` (1970-01-01T00:00:00Z) and stamped at their start; the first and the
last are whole windows even where the range cuts them, so a query answers the same whatever second it is
asked in. A window without samples has no value (None), never 0 (`Coverage` alone counts to 0).

After windows, `group_by` makes one series of all those that agree in some tags, and `top` leaves the few
with the greatest values. What values a tag has is another question: `ValuesQuery`.

Fields without a name in the query mean every field but the buckets of histograms. The answer is sorted by
(tags, field, function in the order asked), and holds neither NaN nor infinities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from telemetry.errors import InvalidQuery, QueryTooLarge
from telemetry.points import FieldValue, Tags

MAX_WINDOWS = 11_000  # per series; Prometheus draws the same line, and no screen is wider
MAX_SPAN = 2**62  # ns, 146 years: of a query's range and of its windows, whose sum then fits 64 bits
MAX_RAW_LIMIT = 1_000_000
MAX_PATTERN_LENGTH = 500
MAX_TOP = 1_000
MAX_QUANTILES = 10
# How much older than a sample its predecessor may be for a counter to have grown from it. One number for all queries
# and rollups, so that what a window has grown by depends neither on the range asked for nor on the level read.
GROWTH_LOOKBACK = 3_600 * 1_000_000_000  # ns


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
    sample before it, which may lie before the window, but at most an hour before the sample
    (`GROWTH_LOOKBACK`); a sample lower than the one before it is a reset and counts whole. A sample without
    such a predecessor has nothing to grow from. `rate` is increase per second of the step.
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
    """`step` in ns; one answer series per function, in the order given. `origin` (ns) is where a window begins.

    With `origin` = start and `step` = stop - start it is one window over just the range: `Window.whole`.
    """

    step: int
    functions: tuple[Function, ...] = (Function.MEAN,)
    origin: int = 0

    @classmethod
    def whole(cls, start: int, stop: int, *functions: Function) -> Window:
        """One window over [start, stop)."""
        return cls(stop - start, functions or (Function.MEAN,), start)


@dataclass(frozen=True, slots=True)
class Quantile:
    """Quantiles per window by nearest rank: the smallest sample that at least q of all samples do not exceed.

    `quantiles` are from 0 to 1; one answer series each, in the order given. For a field that has a histogram
    (`telemetry/histogram.py`), and for a range whose samples are no longer kept, the value comes from the buckets
    and is good to the width of one: it is what `histogram.quantile` makes of their counts.
    """

    step: int
    quantiles: tuple[float, ...]
    origin: int = 0

    @classmethod
    def whole(cls, start: int, stop: int, *quantiles: float) -> Quantile:
        """One window over [start, stop)."""
        return cls(stop - start, quantiles, start)


@dataclass(frozen=True, slots=True)
class Coverage:
    """Samples per window, 0 where there is none; series without any sample in the windows are left out."""

    step: int
    origin: int = 0


@dataclass(frozen=True, slots=True)
class Latest:
    """The newest sample; the range of the query is how far it looks back."""


Windowed = Window | Quantile | Coverage
Shape = Raw | Latest | Windowed


class GroupFunction(StrEnum):
    """How the values that several series have in one window become one: over those that have a value there.

    `mean` weighs every series alike; `count` is how many have a value.
    """

    MIN = "min"
    MAX = "max"
    MEAN = "mean"
    SUM = "sum"
    COUNT = "count"


@dataclass(frozen=True, slots=True)
class GroupBy:
    """One answer series for all series that agree in `tags`; those without a tag make a group of their own.

    `function` None takes what fits the window's function (`natural_grouping`). With `Quantile` it must be None:
    the samples of a group's series are taken together, because quantiles of quantiles mean nothing.
    """

    tags: tuple[str, ...]
    function: GroupFunction | None = None


def natural_grouping(function: Function | None) -> GroupFunction:
    """Sums and counts add up, extremes stay extremes, all else is a mean; None stands for `Coverage`."""
    match function:
        case None | Function.SUM | Function.COUNT | Function.INCREASE | Function.RATE:
            return GroupFunction.SUM
        case Function.MIN:
            return GroupFunction.MIN
        case Function.MAX:
            return GroupFunction.MAX
    return GroupFunction.MEAN


@dataclass(frozen=True, slots=True)
class SeriesQuery:
    """A question. `fields` empty means every field; `start` and `stop` are ns since 1970 UTC, half-open.

    `top` keeps, of each field, the so many tag sets with the greatest values: by the mean over the windows of the
    first function, or by the newest sample; ties go to the first in order. None keeps all.

    Raises InvalidQuery or QueryTooLarge when it is made, so that no store meets a senseless one.
    """

    measurement: str
    fields: tuple[str, ...]
    start: int
    stop: int
    shape: Shape
    where: Predicate = EVERYTHING
    group_by: GroupBy | None = None
    top: int | None = None

    def __post_init__(self) -> None:
        _check_range(self.start, self.stop)
        if isinstance(self.shape, Window | Quantile | Coverage):
            self._check_windows(self.shape)
        elif self.group_by is not None:
            raise InvalidQuery("group_by needs windows: ask for every as well", field="group_by")
        if isinstance(self.shape, Raw) and not 1 <= self.shape.limit <= MAX_RAW_LIMIT:
            raise InvalidQuery(f"limit must be from 1 to {MAX_RAW_LIMIT:,}", field="limit", value=self.shape.limit)
        if isinstance(self.shape, Raw) and self.top is not None:
            raise InvalidQuery("top needs windows or latest: it cannot rank series of raw samples", field="top")
        if self.top is not None and not 1 <= self.top <= MAX_TOP:
            raise InvalidQuery(f"top must be from 1 to {MAX_TOP:,}", field="top", value=self.top)
        if isinstance(self.shape, Quantile) and self.group_by is not None and self.group_by.function is not None:
            raise InvalidQuery("quantiles are grouped by taking samples together, not by a function", field="group_fn")

    def _check_windows(self, shape: Windowed) -> None:
        if shape.step < 1_000_000:
            raise InvalidQuery("a window must be at least 1 ms long", field="every", value=shape.step)
        if max(shape.step, self.stop - self.start) > MAX_SPAN:
            raise InvalidQuery("a window, and a range with windows, is at most 146 years long", field="every")
        if isinstance(shape, Window) and not shape.functions:
            raise InvalidQuery("a windowed query needs a function", field="fn")
        if isinstance(shape, Quantile):
            _check_quantiles(shape.quantiles)
        count = len(self.axis)
        if count > MAX_WINDOWS:
            raise QueryTooLarge(
                f"{count:,} windows per series are more than {MAX_WINDOWS:,}:"
                f" shorten the range, or ask for every={_round_step((self.stop - self.start) // MAX_WINDOWS)} or more",
                field="every",
                value=f"{shape.step // 1_000_000}ms",
            )

    @property
    def axis(self) -> range:
        """The starts of the windows, in ns. Only for a query that has windows."""
        assert not isinstance(self.shape, Raw | Latest)
        return window_starts(self.start, self.stop, self.shape.step, self.shape.origin)


def _round_step(least: int) -> str:
    """A step of more than `least` ns: of whole hours or five minutes where it is that long, so that a level answers."""
    seconds = least // 1_000_000_000 + 1
    if seconds > 3_600:
        return f"{-(-seconds // 3_600)}h"
    return f"{-(-seconds // 300) * 5}m" if seconds > 300 else f"{seconds}s"


def _check_range(start: int, stop: int) -> None:
    if stop <= start:
        raise InvalidQuery("the range is empty: stop must be after start", field="stop", value=stop)


def _check_quantiles(quantiles: tuple[float, ...]) -> None:
    if not 1 <= len(quantiles) <= MAX_QUANTILES:
        raise InvalidQuery(f"q is given 1 to {MAX_QUANTILES} times", field="q", value=len(quantiles))
    for quantile in quantiles:
        if not 0 <= quantile <= 1:
            raise InvalidQuery("q is a number from 0 to 1, as 0.95", field="q", value=quantile)


def window_starts(start: int, stop: int, step: int, origin: int = 0) -> range:
    """The starts, in ns, of the windows that [start, stop) touches."""
    return range(start - (start - origin) % step, stop, step)


class ValuesOf(StrEnum):
    """What is listed: the values of a tag, the names of fields, or those of measurements."""

    TAG = "tag"
    FIELD = "field"
    MEASUREMENT = "measurement"


@dataclass(frozen=True, slots=True)
class ValuesQuery:
    """Which values there are among the series that have a sample in [start, stop), sorted, at most `limit`.

    `measurement` empty means all of them; `tag` names the tag whose values are asked for, and only then.
    """

    of: ValuesOf
    start: int
    stop: int
    measurement: str = ""
    tag: str = ""
    where: Predicate = EVERYTHING
    limit: int = 10_000

    def __post_init__(self) -> None:
        _check_range(self.start, self.stop)
        if (self.of is ValuesOf.TAG) != bool(self.tag):
            raise InvalidQuery("values of a tag name it, as values=tag:service", field="values", value=self.tag)
        if not 1 <= self.limit <= MAX_RAW_LIMIT:
            raise InvalidQuery(f"limit must be from 1 to {MAX_RAW_LIMIT:,}", field="limit", value=self.limit)


@dataclass(frozen=True, slots=True)
class Series:
    """One tag set of one field over time: who it is, without its samples."""

    measurement: str
    tags: Tags
    field: str


@dataclass(frozen=True, slots=True)
class SeriesSamples:
    """One series with its answer. `times` and `values` have one length.

    After windows `times` is the axis of the whole answer, shared by all series, and a window without a sample holds
    None; `function` or `quantile` says what made the values. Else both hold what was stored.
    """

    series: Series
    times: Sequence[int]
    values: Sequence[FieldValue | None]
    function: Function | None = None
    quantile: float | None = None

    @property
    def label(self) -> str | None:
        """What made the values, as people write it: `mean`, `p95`, `p99.9`; None when they are what was stored."""
        if self.quantile is not None:
            return quantile_label(self.quantile)
        return None if self.function is None else self.function.value


def quantile_label(quantile: float) -> str:
    """`p95` of 0.95, `p99.9` of 0.999."""
    return f"p{round(quantile * 100, 10):g}"


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch [start, stop) (ns) of an answer that was read from one level: `raw`, `5m` or `1h`."""

    level: str
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class SeriesResult:
    """The answer to a query; `warnings` are for people.

    `segments` say which level was read for which stretch of time, oldest first, as of the fields that took the most
    of them; `level` is the coarsest level of all.
    """

    query: SeriesQuery
    level: str
    series: tuple[SeriesSamples, ...]
    warnings: tuple[str, ...] = ()
    segments: tuple[Segment, ...] = ()
