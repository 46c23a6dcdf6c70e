"""Series in a small text, as tests of rules write them, and back. Pure.

::

    cpu{cpu="cpu-total",host="web-1"} usage_active: 50x5 97 98+0.5x20 _x3 10

A series is named by its measurement, its tags in braces, and its field. Its samples stand at equal distances:

- `97`: one sample; `50x5`: five of 50 each;
- `98+0.5x20`: twenty that begin with 98 and grow by 0.5 each; `98-0.5x20` likewise, falling;
- `_`: one is missing; `_x3`: three are.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from itertools import groupby

from telemetry.points import Tags, canonical_tags
from telemetry.series import Series

MAX_SAMPLES = 100_000  # of one series
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_STEP = re.compile(rf"(?:(_)|({_NUMBER})(?:([-+](?:\d+\.?\d*|\.\d+))(?=x))?)(?:x(\d{{1,9}}))?", re.ASCII)
_SERIES = re.compile(r"\s*([^\s{}]+?)\s*(?:\{(.*)\})?\s+([^\s{}]+)\s*", re.DOTALL)
_TAG = re.compile(r'\s*([^\s=,{}"]+)\s*=\s*("(?:[^"\\]|\\.)*")\s*(,|$)')


class NotationError(ValueError):
    """What is wrong, for people; quotes the text."""


def parse_series(text: str) -> Series:
    """Read `measurement{tag="value"} field`. Raises NotationError."""
    found = _SERIES.fullmatch(text)
    if found is None:
        raise NotationError(f'{_short(text)} is no series: write measurement{{tag="value"}} field')
    measurement, inside, field = found.groups()
    return Series(measurement, _tags(inside or "", text), field)


def parse_samples(text: str) -> list[float | None]:
    """Read `50x5 97 98+0.5x20 _x3`; None is a sample that is missing. Raises NotationError."""
    values: list[float | None] = []
    for word in text.split():
        found = _STEP.fullmatch(word)
        if found is None:
            raise NotationError(f"{_short(word)} is no sample: write 50, 50x5, 98+0.5x20, _ or _x3")
        missing, number, growth, times = found.groups()
        count = int(times) if times else 1
        if len(values) + count > MAX_SAMPLES:
            raise NotationError(f"a series has at most {MAX_SAMPLES:,} samples; {_short(word)} goes beyond")
        if missing:
            values += [None] * count
            continue
        first, step = float(number), float(growth or 0)
        if not math.isfinite(first + step * count):
            raise NotationError(f"{_short(word)} is too large a number")
        # What does not grow stays as it is written: a counter of bytes has more digits than sums are rounded to.
        values += [_rounded(first + step * index) for index in range(count)] if growth else [first] * count
    return values


def write_series(series: Series) -> str:
    """The name of a series, as `parse_series` reads it."""
    tags = ",".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in series.tags)
    return f"{series.measurement}{{{tags}}} {series.field}"


def write_samples(values: Sequence[float | None]) -> str:
    """Samples, as `parse_samples` reads them; equal neighbours are written once."""
    words = []
    for value, some in groupby(values):
        word, count = "_" if value is None else _number(value), sum(1 for _ in some)
        words.append(word if count == 1 else f"{word}x{count}")
    return " ".join(words)


def _tags(inside: str, text: str) -> Tags:
    tags: dict[str, str] = {}
    place = 0
    while inside[place:].strip():
        found = _TAG.match(inside, place)
        if found is None:
            raise NotationError(f'the tags of {_short(text)} are written tag="value", with commas between them')
        name, value, _ = found.groups()
        if name in tags:
            raise NotationError(f"the tag {_short(name)} stands twice in {_short(text)}")
        try:
            tags[name] = json.loads(value)
        except ValueError as error:
            raise NotationError(f"{_short(value)} is no text in quotes, as JSON writes it") from error
        place = found.end()
    return canonical_tags(tags)


def _number(value: float) -> str:
    # repr gives the shortest text that reads back as the same number, and never a plus that looks like growth.
    text = repr(float(value))
    return text.removesuffix(".0").replace("e+", "e")


def _rounded(value: float) -> float:
    # 98 + 3 * 0.1 is meant to be 98.3.
    return float(f"{value:.12g}")


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")
