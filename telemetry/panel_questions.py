"""What a panel of a dashboard asks, for products that ask it by themselves: InfluxDB's own pages, and Grafana. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from telemetry.schema import Measurement
from telemetry.series import EVERYTHING, Function, Predicate


class Asks(Enum):
    """What is wanted of the series of a question."""

    WINDOWS = "a value for each window of the chart and each series"
    HISTORY = "the same, from the level of hours"
    NUMBER = "one number, now"
    NEWEST = "the newest value of each field, in a row for each of some tags"


@dataclass(frozen=True, slots=True)
class PanelQuestion:
    """Some fields of a measurement. In `where` the values `$host` and `$service` are what the page is about.

    `combine` (max, sum or mean) makes one number of several series; `rows` are the tags that name a row.
    """

    asks: Asks
    measurement: Measurement
    fields: tuple[str, ...]
    where: Predicate = EVERYTHING
    function: Function = Function.MEAN
    combine: str = "max"
    rows: tuple[str, ...] = ()


class PanelTexts(Protocol):
    """Writes the texts of one kind of dashboard."""

    def text(self, question: PanelQuestion) -> str | None:
        """What the dashboard asks; None where it cannot be asked so (levels do not keep everything)."""
        ...

    def values_of(self, tag: str) -> str:
        """What lists the values of a tag of the last days; of an empty tag, the measurements."""
        ...
