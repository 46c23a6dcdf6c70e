"""Random questions with the samples that they are asked of: one list for every store, and how answers are compared.

Each case has three days of its own (windows of a day reach beyond their range), so that one store can serve them all
and nothing of another case gets into an answer.
"""

import functools
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import TypeVar

import pytest

from telemetry.points import Point
from telemetry.series import (
    EVERYTHING,
    AllOf,
    Coverage,
    Equals,
    Exists,
    Function,
    GroupBy,
    GroupFunction,
    Latest,
    Matches,
    Not,
    OneOf,
    Predicate,
    Quantile,
    Raw,
    SeriesQuery,
    SeriesSamples,
    Shape,
    ValuesOf,
    ValuesQuery,
    Window,
)
from tests.oracle import stored

T = TypeVar("T")
CASES = 2_000
SEED = 6
SECOND = 10**9
DAY = 86_400 * SECOND
FIRST_DAY = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()) * SECOND
HOSTILE = ["a", "b", "it's", 'say "x"', "new\nline", "back\\slash", "comma,=", "ü", "'; DROP TABLE raw; --"]
# A counter, a gauge, a state and a duration: what levels keep of each is another.
MEASUREMENTS = {
    "net": ("bytes_recv", "bytes_sent"),
    "cpu": ("usage_idle", "usage_user"),
    "probe": ("state", "down_s", "up_s"),
}
TAGS = {"net": ("host", "interface"), "cpu": ("host", "cpu"), "probe": ("host", "probe")}


def day_of(number: int) -> int:
    """The day (ns) of the case with this number; the next two are its own too."""
    return FIRST_DAY + number * 3 * DAY


@dataclass(frozen=True)
class Case:
    """What a case is made of: its samples come from `seed`, so that 2,000 cases of 150 samples are quick to draw."""

    seed: int
    measurement: str
    shape: Shape
    start: int  # seconds of the case's day
    length: int
    where: Predicate
    fields: tuple[str, ...]
    group_by: GroupBy | None
    top: int | None
    rolled_up_at: int | None  # seconds of the case's day: up to there the levels are made, before the last are written


def samples(case: Case, day: int) -> list[Point]:
    """At least three series of 50 samples of each field, with gaps, duplicates, equal values and resets."""
    chance = random.Random(case.seed)
    points = []
    # Pairs that differ, of which some agree in the one tag and some in the other.
    pairs = [(host, other) for host in chance.sample(HOSTILE, 2) for other in "01"]
    tag_sets = [
        dict(zip(TAGS[case.measurement], pair, strict=True)) for pair in chance.sample(pairs, chance.randint(3, 4))
    ]
    if chance.random() < 0.3:
        tag_sets.append({TAGS[case.measurement][1]: "only"})
    for tags in tag_sets:
        moment, value = chance.randint(0, 3_600), chance.randint(0, 1_000)
        without = set(chance.sample(range(54), 4))  # times at which a field is missing
        for number in range(54):
            moment += chance.choice([1, 10, 30, 60, 60, 400, 4_000 if chance.random() < 0.2 else 60])
            value = chance.randint(0, 10) if chance.random() < 0.05 else value + chance.randint(-5, 90)
            fields: dict[str, float] = {
                name: int(abs(value) + place) for place, name in enumerate(MEASUREMENTS[case.measurement])
            }
            if case.measurement == "cpu":
                fields = {name: whole / 7 for name, whole in fields.items()}
            if case.measurement == "probe":
                fields["state"] = int(abs(value)) % 4
            if number in without:
                del fields[chance.choice(list(fields))]
            points.append(Point.of(case.measurement, tags, fields, day + moment * SECOND + chance.randint(0, 2)))
            if chance.random() < 0.1:  # the same time twice: the later value wins
                again = {name: int(old) + 1 for name, old in fields.items()}
                points.append(Point.of(case.measurement, tags, again, points[-1].time))
    return points


def note_samples(seen: Counter[str], points: list[Point]) -> None:
    """Count what the samples of a case are like, which every case must be."""
    series = stored(points)
    full = [samples for samples in series.values() if len(samples) >= 50]
    times = [sorted(samples.items()) for samples in series.values()]
    seen["cases with three series of 50"] += len(full) >= 3 and len({(one.tags) for one in series}) >= 3
    seen["cases with a gap"] += any(b - a > 600 * SECOND for one in times for (a, _), (b, _) in pairwise(one))
    seen["cases with a reset"] += any(y < x for one in times for (_, x), (_, y) in pairwise(one))  # type: ignore[operator]
    written = [(point.tags, point.time) for point in points]
    seen["cases with a time written twice"] += len(set(written)) < len(written)


# What levels keep of a measurement's first field: of half the cases, so that enough of them are answered from levels.
KEPT = {
    "net": (Function.INCREASE, Function.LAST, Function.COUNT, Function.RATE),
    "cpu": (Function.MIN, Function.MAX, Function.SUM, Function.MEAN),
    "probe": (Function.MIN, Function.MAX, Function.LAST, Function.COUNT),
}
STEPS = [7, 60, 300, 600, 900, 900, 1_800, *[3_600] * 3, 7_200, 7_200, 86_400]
ORIGINS = [0] * 8 + [300, 1_800, 11]
SHARES = [0.0, 0.07, 0.5, 0.95, 0.99, 1.0]
SHAPES = [Window] * 8 + [Quantile, Coverage, Raw, Latest]
GROUPED_BY = ["host", "interface", "cpu", "probe"]


def _some(chance: random.Random, among: Sequence[T], least: int, most: int) -> tuple[T, ...]:
    return tuple(chance.sample(among, chance.randint(least, most)))


def _shape(chance: random.Random) -> Shape:
    kind = chance.choice(SHAPES)
    if kind is Latest:
        return Latest()
    if kind is Raw:
        return Raw(chance.randint(1, 60))
    step, origin = chance.choice(STEPS) * SECOND, chance.choice(ORIGINS) * SECOND
    if kind is Coverage:
        return Coverage(step, origin)
    if kind is Quantile:
        return Quantile(step, _some(chance, SHARES, 1, 3), origin)
    return Window(step, _some(chance, list(Function), 1, 2), origin)


def _leaf(chance: random.Random) -> Predicate:
    kind = chance.choice([Equals, OneOf, Matches, Exists])
    if kind is Equals:
        return Equals(chance.choice(["host", "interface", "absent"]), chance.choice(HOSTILE))
    if kind is OneOf:
        return OneOf("host", _some(chance, HOSTILE, 0, 3))
    if kind is Matches:
        return Matches("host", chance.choice(["^a$", "[abc]", "x", "'", "\\\\"]))
    return Exists(chance.choice(["host", "interface", "cpu"]))


def _nested(chance: random.Random, depth: int = 2) -> Predicate:
    kind = chance.choice([Not, AllOf, None]) if depth else None
    if kind is Not:
        return Not(_nested(chance, depth - 1))
    if kind is AllOf:
        return AllOf(tuple(_nested(chance, depth - 1) for _ in range(chance.randint(0, 3))))
    return _leaf(chance)


def _group_by(chance: random.Random, shape: Shape) -> GroupBy | None:
    if chance.random() < 0.4:
        return None
    function = None if isinstance(shape, Quantile) else chance.choice([None, *GroupFunction])
    return GroupBy(_some(chance, GROUPED_BY, 0, 2), function)


def drawn(chance: random.Random) -> Case:
    """A case by chance: by Python's generator, whose numbers are the same in every process of every machine.

    Not by hypothesis, which takes constants from the modules that happen to be loaded: its cases differed with the
    tests that ran before.
    """
    shape, measurement = _shape(chance), chance.choice(sorted(MEASUREMENTS))
    start, length = chance.randint(0, 6_000), chance.randint(1, 20_000)
    if not isinstance(shape, Raw | Latest) and chance.random() < 0.15:  # one window over the range, whatever that is
        start, length = start // 300 * 300, max(300, length // 300 * 300)
        shape = replace(shape, step=length * SECOND, origin=start * SECOND)
    fields = chance.choice([(), MEASUREMENTS[measurement][:1]])
    if isinstance(shape, Window) and chance.random() < 0.5:
        shape = replace(shape, functions=_some(chance, KEPT[measurement], 1, 2))
        fields = MEASUREMENTS[measurement][:1]
    part = chance.choice([None, *range(2, 9)])
    return Case(
        seed=chance.getrandbits(32),
        measurement=measurement,
        shape=shape,
        start=start,
        length=length,
        where=chance.choice([lambda _: EVERYTHING, lambda _: EVERYTHING, _leaf, _nested])(chance),
        fields=fields,
        group_by=_group_by(chance, shape) if not isinstance(shape, Raw | Latest) else None,
        top=None if isinstance(shape, Raw) else chance.choice([None, chance.randint(1, 3)]),
        rolled_up_at=part and start + length * part // 8 + 400,
    )


@functools.cache
def listed(count: int) -> list[Case]:
    """The first so many cases, the same in every run and for every store."""
    chance = random.Random(SEED)
    return [drawn(chance) for _ in range(count)]


@functools.cache
def listed_values(count: int) -> list[tuple[Case, ValuesOf, str, bool]]:
    """Cases with what values are asked for: of what, of which tag, and whether their measurement is named."""
    chance = random.Random(SEED + 1)
    asked = [(ValuesOf.TAG, "host"), (ValuesOf.FIELD, ""), (ValuesOf.MEASUREMENT, "")]
    return [(drawn(chance), *chance.choice(asked), chance.random() < 0.5) for _ in range(count)]


def parted(case: Case, points: list[Point]) -> tuple[list[Point], list[Point]]:
    """What is written before the levels are made, and what comes late."""
    if case.rolled_up_at is None or case.seed % 3:
        return points, []
    late = [number for number in range(len(points)) if number % 7 == 3]
    return [point for number, point in enumerate(points) if number not in late], [points[number] for number in late]


def query_of(case: Case, day: int) -> SeriesQuery:
    shape = case.shape
    if isinstance(shape, Window | Quantile | Coverage):
        shape = replace(shape, origin=day + shape.origin)
    start = day + case.start * SECOND
    return SeriesQuery(
        case.measurement,
        case.fields,
        start,
        start + case.length * SECOND,
        shape,
        case.where,
        case.group_by,
        case.top,
    )


def note(seen: Counter[str], case: Case, levels: set[str]) -> None:
    """Count which operators a case has shown, for the figures at the end."""
    shape = case.shape
    words = [type(shape).__name__.lower(), f"measurement {case.measurement}"]
    if isinstance(shape, Window):
        words += [f"fn {function}" for function in shape.functions]
    words += ["grouped"] * (case.group_by is not None) + ["top"] * (case.top is not None)
    if case.group_by is not None and not isinstance(shape, Quantile):
        words.append(f"grouped by {case.group_by.function or 'what is natural'}")
    words += [f"level {level}" for level in levels]
    if isinstance(shape, Window) and levels - {"raw"}:
        words += [f"fn {function} from levels" for function in shape.functions]
    words += [" across a seam"] * (len(levels) > 1)
    words.append(f"predicate {type(case.where).__name__}")
    for word in words:
        seen[word.strip()] += 1


def plain(series: list[SeriesSamples] | tuple[SeriesSamples, ...]) -> list[tuple[object, ...]]:
    return [(one.series, list(one.times), list(one.values), one.label) for one in series]


def same(expected: list[SeriesSamples], actual: tuple[SeriesSamples, ...]) -> bool:
    """Names and times to the bit, values to 1e-9: sums in another order differ in their last bits."""
    if [(one.series, one.label, list(one.times)) for one in expected] != [
        (one.series, one.label, list(one.times)) for one in actual
    ]:
        return False
    for one, other in zip(expected, actual, strict=True):
        if [value is None for value in one.values] != [value is None for value in other.values]:
            return False
        numbers = [value for value in one.values if value is not None]
        if numbers != pytest.approx([value for value in other.values if value is not None], rel=1e-9, abs=1e-9):
            return False
    return True


def values_query_of(case: Case, day: int, of: ValuesOf, tag: str, *, named: bool) -> ValuesQuery:
    start = day + case.start * SECOND
    return ValuesQuery(of, start, start + case.length * SECOND, case.measurement if named else "", tag, case.where)
