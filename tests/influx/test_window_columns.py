"""Windows are the oracle's wherever the rows of a long answer are cut, in the middle of a series and of a window."""

import random
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from influx.annotated_csv import GarbledAnswer
from influx.window_columns import Growth, Pools, WindowColumns
from telemetry.points import Point
from telemetry.series import GROWTH_LOOKBACK, Function, Quantile, Series, SeriesQuery, Window
from tests.oracle import evaluate

SECOND = 10**9
HOSTS = ("a", "b")


def series_of(host: str) -> Series:
    return Series("net", (("host", host),), "bytes_recv")


def points_of(chance: random.Random) -> list[Point]:
    """Of two series: resets, gaps longer than a lookback, several samples in a window, windows without any."""
    points = []
    for host in HOSTS[: chance.randint(1, 2)]:
        time, value = chance.randint(-7_200, 100), 0
        for _ in range(chance.randint(1, 40)):
            time += chance.choice([1, 10, 60, 400, 3_600, 3_601])
            value = chance.randint(0, 5) if chance.random() < 0.2 else value + chance.randint(0, 50)
            points.append(Point.of("net", {"host": host}, {"bytes_recv": value}, time * SECOND))
    return points


def pieces(
    chance: random.Random, points: list[Point], start: int, stop: int
) -> Iterator[tuple[Series, list[int], list[int]]]:
    """The samples of one series after the other, in runs of any length."""
    for host in HOSTS:
        rest = [point for point in points if dict(point.tags)["host"] == host and start <= point.time < stop]
        while rest:
            count = chance.randint(1, 7)
            run, rest = rest[:count], rest[count:]
            yield series_of(host), [one.time for one in run], [one.fields["bytes_recv"] for one in run]  # type: ignore[misc]


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_growth_and_quantiles_do_not_depend_on_where_rows_are_cut(seed: int) -> None:
    """Each sample is counted once, in its own window, with the one before it that came in another piece."""
    chance = random.Random(seed)
    points = points_of(chance)
    step, origin = chance.choice([7, 60, 3_600, 50_000]) * SECOND, chance.choice([0, -11]) * SECOND
    query = SeriesQuery("net", (), 0, 9_000 * SECOND, Window(step, (Function.INCREASE,), origin))
    axis = query.axis
    growth = Growth(axis)
    for piece in pieces(chance, points, axis.start - GROWTH_LOOKBACK, axis[-1] + step):
        growth.take(*piece)

    assert dict(growth.columns()) == {one.series: list(one.values) for one in evaluate(points, query)}

    shares = (0.0, 0.07, 0.5, 1.0)
    pools = Pools(axis)
    for piece in pieces(chance, points, axis.start, axis[-1] + step):
        pools.take(*piece)
    asked = SeriesQuery("net", (), 0, 9_000 * SECOND, Quantile(step, shares, origin))
    expected = [(one.series, one.quantile, list(one.values)) for one in evaluate(points, asked)]
    assert sorted(pools.columns(shares), key=lambda one: (one[0].tags, one[1])) == expected


@given(cuts=st.lists(st.integers(1, 5), min_size=1), gaps=st.sets(st.integers(0, 19)))
def test_columns_do_not_depend_on_where_rows_are_cut(cuts: list[int], gaps: set[int]) -> None:
    """A window stays at its place; those that did not come are None."""
    axis = range(1_000, 1_000 + 20 * 60, 60)
    present = [number for number in range(20) if number not in gaps]
    columns = WindowColumns(axis)
    for host in HOSTS:
        rest = present
        for count in [*cuts, 20]:
            run, rest = rest[:count], rest[count:]
            if run:
                columns.take(series_of(host), [axis[number] for number in run], [float(number) for number in run])

    expected = [float(number) if number in present else None for number in range(20)]
    assert columns.columns == ({series_of(host): expected for host in HOSTS} if present else {})


@pytest.mark.parametrize(("times", "values"), [([940], [1]), ([2_200], [1]), ([1_000], [1, 2]), (None, [1, 2])])
def test_what_is_in_no_window_is_garbage(times: list[int] | None, values: list[int]) -> None:
    """Not a value in another one."""
    with pytest.raises(GarbledAnswer, match="window"):
        WindowColumns(range(1_000, 2_200, 60)).take(series_of("a"), times, values)
