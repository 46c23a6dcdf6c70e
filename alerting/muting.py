"""What mutes incidents at a moment: silences and maintenance windows, those of people and those of the file. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from alerting.label_match import LabelMatch
from alerting.outlook import Muting, Why
from alerting.silences import Silence
from alerting.windows import Window, active
from telemetry.times import from_datetime, to_datetime

Mute = Callable[[Mapping[str, str]], Muting | None]


def muting_of(silences: Sequence[Silence], windows: Sequence[Window], now: datetime) -> Mute:
    """What says of labels by what they are muted now; of several, by the one that lasts longest."""
    instant = from_datetime(now)
    found: list[tuple[LabelMatch, Muting]] = [
        (silence.match, Muting(Why.SILENCE, _silenced(silence), from_datetime(silence.ends)))
        for silence in silences
        if silence.holds(now)
    ]
    for window in windows:
        until = active(window, instant)
        if until is not None:
            words = f"maintenance {window.name} until {to_datetime(until):%Y-%m-%d %H:%M} UTC"
            found.append((window.match, Muting(Why.MAINTENANCE, words, until)))
    found.sort(key=lambda one: -one[1].until)

    def mute(labels: Mapping[str, str]) -> Muting | None:
        return next((muting for match, muting in found if match.holds(labels)), None)

    return mute


def _silenced(silence: Silence) -> str:
    comment = f": {silence.comment}" if silence.comment else ""
    return f"silence {silence.id} of {silence.author} until {silence.ends:%Y-%m-%d %H:%M} UTC{comment}"
