"""The trend picture: of its size, small, of whatever is in the values and names, and right where it can be measured."""

import math
import subprocess
import sys
import warnings
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from random import Random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dashboards.trend_picture import HEIGHT, WIDTH, TrendFacts, TrendLimit, round_steps, time_marks, trend_png
from telemetry.times import NANOSECONDS_PER_SECOND, from_datetime

START = datetime(2026, 11, 24, 2, 30, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
CRITICAL = TrendLimit("critical", 800.0, True, "critical above 800 ms")
LARGEST = 60_000  # bytes


def facts(values: Sequence[float | None], step: int = 20, limits: Sequence[TrendLimit] = (CRITICAL,)) -> TrendFacts:
    """A trend from START on; the incident opened in its middle."""
    first = from_datetime(START)
    return TrendFacts(
        title="checkout_latency: host web-1",
        unit="ms",
        written=lambda value: f"{value:.6g} ms",
        times=[first + number * step * NANOSECONDS_PER_SECOND for number in range(len(values))],
        values=values,
        limits=limits,
        opened=START + timedelta(seconds=step * len(values) / 2),
        resolved=None,
        zone=BERLIN,
    )


def drawn(one: TrendFacts) -> Image.Image:
    """The picture, after a look at its size."""
    png = trend_png(one)
    picture = Image.open(BytesIO(png)).convert("RGB")

    assert picture.size == (WIDTH, HEIGHT)
    assert len(png) <= LARGEST
    return picture


def count(picture: Image.Image, red: range, green: range, blue: range) -> int:
    """How many pixels are of a colour."""
    pixels = picture.getcolors(WIDTH * HEIGHT) or []
    return sum(n for n, (r, g, b) in pixels if r in red and g in green and b in blue)


def line(picture: Image.Image) -> int:
    return count(picture, range(80), range(130), range(170, 256))


def breach(picture: Image.Image) -> int:
    return count(picture, range(225, 250), range(170, 210), range(170, 215))


def test_a_breach_is_shaded_and_only_there() -> None:
    """Above a limit that is an upper one, below one that is a lower one."""
    calm, bad = [400.0] * 90, [1_200.0] * 90
    lower = replace(CRITICAL, is_upward=False)

    assert breach(drawn(facts(calm * 2))) < 2_000
    assert breach(drawn(facts(calm + bad))) > 10_000
    assert breach(drawn(facts(calm + bad, limits=(lower,)))) > 10_000
    assert breach(drawn(facts(bad * 2, limits=(lower,)))) < 2_000


def test_a_gap_is_a_gap() -> None:
    """Where nothing is known there is no line; a single value is a dot."""
    whole = line(drawn(facts([400.0] * 180)))
    half = line(drawn(facts([400.0] * 90 + [None] * 90)))

    assert 0.4 * whole < half < 0.75 * whole
    assert 0 < line(drawn(facts([None] * 90 + [400.0] + [None] * 89))) < 0.2 * whole


def test_noise_of_a_thousand_values_stays_small() -> None:
    """The worst that a rule can read."""
    random = Random(1)

    drawn(facts([random.uniform(0, 1_500) for _ in range(1_000)]))


HUGE = [None, math.nan, math.inf, -math.inf, 1.7e308, -1.7e308, 5e-324, 0.0]
NAMES = st.text(st.characters(), max_size=80) | st.sampled_from(
    ["$x^2$", "$\\frac{$", "\\$", "日本 🙂", "a\nb", "\u202e"]
)


@given(
    st.lists(st.none() | st.floats() | st.sampled_from(HUGE), min_size=1, max_size=30),
    NAMES,
    st.floats(-1e300, 1e300) | st.floats(-1_000, 1_000),
    st.sampled_from(["ms", "bytes", "s", "percent", "1"]),
)
@settings(deadline=None, max_examples=60)
def test_whatever_is_in_it_there_is_a_picture(values: list[float | None], name: str, limit: float, unit: str) -> None:
    """No value and no name makes it fail, or warn; what looks like mathematics is text."""
    limits = (replace(CRITICAL, value=limit, words=name), replace(CRITICAL, severity="warning", value=limit / 2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")

        drawn(replace(facts(values, limits=limits), title=name, unit=unit, written=lambda value: f"{value:g} {name}"))


def test_it_is_the_same_every_time() -> None:
    """Nothing of one picture is left for the next."""
    first = trend_png(facts([400.0, 900.0, 500.0]))
    trend_png(facts([1e9] * 50))

    assert trend_png(facts([400.0, 900.0, 500.0])) == first


def test_matplotlib_is_loaded_by_who_draws() -> None:
    """A start does not pay for it, and pyplot is never loaded."""
    code = (
        "import sys, dashboards.trend_picture as picture; print('matplotlib' in sys.modules);"
        "from tests.dashboards.test_trend_picture import facts; picture.trend_png(facts([1.0, 2.0]));"
        "print('matplotlib' in sys.modules, 'matplotlib.pyplot' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout

    assert told.split() == ["False", "True", "False"]


@given(
    st.floats(-1e12, 1e12).filter(lambda low: low == 0 or abs(low) > 1e-6),
    st.floats(1e-6, 1e12),
    st.sampled_from(["bytes", "s", "ms"]),
)
def test_steps_are_few_even_and_inside(low: float, span: float, unit: str) -> None:
    """Of every range, in every unit."""
    high = low + span
    if high - low < span / 2:
        return
    steps = round_steps(low, high, unit)

    assert len(steps) <= 7
    assert all(low - span * 1e-6 <= step <= high + span * 1e-6 for step in steps)


@pytest.mark.parametrize(
    ("low", "high", "unit", "steps"),
    [
        (0, 1_300, "ms", [0, 500, 1_000]),
        (0, 100, "percent", [0, 20, 40, 60, 80, 100]),
        (0, 5 * 1024**3, "bytes", [number * 1024**3 for number in range(6)]),
        (0, 18_000, "s", [0, 3_600, 7_200, 10_800, 14_400, 18_000]),
        (-1, 1, "1", [-1, -0.5, 0, 0.5, 1]),
    ],
)
def test_steps_are_round(low: float, high: float, unit: str, steps: list[float]) -> None:
    """As people would choose them: bytes by 1,024, seconds by hours."""
    assert round_steps(low, high, unit) == pytest.approx(steps)


@pytest.mark.parametrize(
    ("day", "hours"),
    [
        (datetime(2026, 3, 29, tzinfo=UTC), ["18:00\n28 Mar", "00:00\n29 Mar", "06:00", "12:00", "18:00"]),
        (datetime(2026, 10, 25, tzinfo=UTC), ["18:00\n24 Oct", "00:00\n25 Oct", "06:00", "12:00"]),
    ],
)
def test_times_are_round_on_the_wall_when_the_clocks_change(day: datetime, hours: list[str]) -> None:
    """Whole steps by the clock of the zone, ascending, a day named where it begins."""
    start, stop = from_datetime(day - timedelta(hours=8)), from_datetime(day + timedelta(hours=16))
    marks = time_marks(start, stop, BERLIN)

    assert [words for _, words in marks] == hours
    assert sorted({instant for instant, _ in marks}) == [instant for instant, _ in marks]
