"""Line protocol from points, with the types that the registry has, the same bytes for the same points. Pure.

Equal byte for byte to `influxdb_client.Point.to_line_protocol()`, but for what that one does wrong, each decided here:

- a whole number for a float field is written as a float, a whole float for an integer field as an integer: the type is
  the registry's and not Python's, since InfluxDB refuses a field whose type flips;
- NaN, infinities, integers beyond 2^53 and times that no query reaches are refused with their reason, not left out;
- a newline, a carriage return and a backslash that would get lost are written as `influx/text.py` says: the client
  writes a newline as a backslash and an `n`, and puts a space behind a backslash at the end;
- -0.0 is written as 0, as everywhere in OpsWatch;
- a tab is itself: the client writes it as a backslash and a `t`;
- a point without fields is refused: the client writes an empty line;
- a measurement that begins with `#`, which InfluxDB takes for a comment and drops with a 204, is refused;
- a series key beyond 60,000 bytes is refused: with one such line InfluxDB refuses the whole batch.

A tag without a value is left out by both.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from influx.field_layouts import Layout, escaped, layout_of
from influx.text import encode_name, encode_tag
from telemetry.errors import PointRejected
from telemetry.points import Point, Tags, canonical_tags
from telemetry.ports import Refused
from telemetry.schema import EARLIEST, LATEST, Registry, check_name

MAX_KEY_BYTES = 60_000  # InfluxDB takes some 65,500, and refuses the whole batch beyond
_MAX_KEYS, _MAX_KEPT_KEY = 50_000, 512  # series that are remembered, and the longest key of one, in characters
_MAX_LAYOUTS = 10_000


@dataclass(slots=True)
class Encoded:
    """`lines[i]` is the line of `points[i]`, without a line end; a line that holds text may have some inside."""

    points: list[Point] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)


class Encoder:
    """Remembers series and fields that it has seen, a bounded number of them. May be used by several threads."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._keys: dict[tuple[str, Tags], str] = {}
        self._layouts: dict[tuple[str, ...], Layout] = {}

    def encode(self, points: Iterable[Point]) -> Encoded:
        """The points as lines; one that cannot be written is refused alone, with its reason."""
        encoded = Encoded()
        kept, lines, keys, layouts = encoded.points, encoded.lines, self._keys, self._layouts
        for point in points:
            fields, time = point.fields, point.time
            layout = layouts.get((point.measurement, *fields))
            key = keys.get((point.measurement, point.tags))
            text = layout.written(fields) if layout is not None and key is not None else ""
            if text and type(time) is int and EARLIEST <= time <= LATEST:
                line = f"{key}{text} {time}"
            else:
                try:
                    line = self._line(point)
                except PointRejected as error:
                    encoded.refused.append(Refused(point, error.message))
                    continue
            kept.append(point)
            lines.append(line)
        return encoded

    def _line(self, point: Point) -> str:
        """The line of a point that is new, or is not as the registry wants it. Raises PointRejected."""
        point = self._registry.coerce(point)
        layout = self._layouts.get((point.measurement, *point.fields)) or self._new_layout(point)
        key = self._keys.get((point.measurement, point.tags)) or self._new_key(point)
        return f"{key}{layout.written(point.fields)} {point.time}"

    def _new_key(self, point: Point) -> str:
        """The measurement and the tags, up to and with the space behind them. Raises PointRejected."""
        name = point.measurement
        if name.startswith("#"):
            raise PointRejected(f"{name[:60]!r} cannot be a measurement: InfluxDB takes it for a comment", value=name)
        tags = canonical_tags(dict(point.tags))
        for one in (name, *(tag for tag, _ in tags)):
            check_name(one)
        parts = [encode_name(name).replace(",", "\\,").replace(" ", "\\ ")]
        for tag, value in tags:
            if "\0" in value:
                raise PointRejected(f"tag {tag} holds NUL", field=tag)
            parts.append(f"{escaped(encode_name(tag))}={escaped(encode_tag(value))}")
        key = ",".join(parts)
        if (size := len(key.encode("utf-8"))) > MAX_KEY_BYTES:
            raise PointRejected(
                f"measurement and tags of a {name} point have {size:,} bytes, more than the {MAX_KEY_BYTES:,} that"
                " InfluxDB can take",
                field="tags",
            )
        if len(key) <= _MAX_KEPT_KEY:
            if len(self._keys) >= _MAX_KEYS:
                self._keys.clear()
            self._keys[name, point.tags] = key + " "
        return key + " "

    def _new_layout(self, point: Point) -> Layout:
        for name in point.fields:
            check_name(name)
        layout = layout_of(point.fields, self._registry.field_types(point.measurement))
        if len(self._layouts) >= _MAX_LAYOUTS:
            self._layouts.clear()
        self._layouts[(point.measurement, *point.fields)] = layout
        return layout
