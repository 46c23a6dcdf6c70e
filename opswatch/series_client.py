"""Series from whatever server there is, as a reader like any other. Shell."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from opswatch.server_client import Server
from telemetry.conditions import written_conditions
from telemetry.errors import InvalidQuery, QueryTooLarge, ServerError
from telemetry.points import FieldValue, canonical_tags
from telemetry.ports import DEFAULT_DEADLINE
from telemetry.series import (
    Function,
    Latest,
    Quantile,
    Raw,
    Series,
    SeriesQuery,
    SeriesResult,
    SeriesSamples,
    Window,
)
from telemetry.times import format_instant

_MILLISECOND = 1_000_000
_RAW_LIMIT = 1_000_000


@dataclass(frozen=True, slots=True)
class ServedReader:
    """Implements `telemetry.ports.QueryReader` over `/api/v1/series`: times in whole milliseconds."""

    server: Server

    async def read(self, query: SeriesQuery, deadline: timedelta = DEFAULT_DEADLINE) -> SeriesResult:
        """The whole answer. Raises QueryTooLarge, InvalidQuery for what cannot be written as a URL, ServerError."""
        if _is_shifted(query):
            return await self._in_parts(query, deadline)
        try:
            answer = await self.server.json("GET", "/api/v1/series", _parameters(query))
        except ServerError as error:
            if error.refusal == QueryTooLarge.code:
                raise QueryTooLarge(error.message) from error
            raise
        return SeriesResult(query, answer["level"], _series(query, answer), tuple(answer["warnings"]))

    async def _in_parts(self, query: SeriesQuery, deadline: timedelta) -> SeriesResult:
        """Windows that begin somewhere else than the server's, one by one."""
        assert isinstance(query.shape, Window)
        columns: dict[tuple[Series, Function | None], list[FieldValue | None]] = {}
        warnings: dict[str, None] = {}
        level, axis = "", query.axis
        for place, start in enumerate(axis):
            whole = Window.whole(start, start + query.shape.step, *query.shape.functions)
            answer = await self.read(replace(query, start=start, stop=start + query.shape.step, shape=whole), deadline)
            level = level or answer.level
            warnings |= dict.fromkeys(answer.warnings)
            for one in answer.series:
                column = columns.setdefault((one.series, one.function), [None] * len(axis))
                column[place] = one.values[0]
        series = tuple(SeriesSamples(key, axis, column, function) for (key, function), column in columns.items())
        return SeriesResult(query, level, series, tuple(warnings))


def _is_shifted(query: SeriesQuery) -> bool:
    shape = query.shape
    if not isinstance(shape, Window) or (shape.origin, shape.step) == (query.start, query.stop - query.start):
        return False
    return bool(shape.origin % shape.step or shape.step % _MILLISECOND)


def _parameters(query: SeriesQuery) -> list[tuple[str, str]]:
    found = [("measurement", query.measurement)]
    found += [("field", field) for field in query.fields]
    found += [("where", text) for text in written_conditions(query.where)]
    found += [("start", format_instant(query.start)), ("stop", format_instant(query.stop))]
    shape = query.shape
    if isinstance(shape, Latest):
        return [*found, ("latest", "true")]
    if isinstance(shape, Raw):
        return [*found, ("limit", str(shape.limit))]
    if not isinstance(shape, Window | Quantile):
        raise InvalidQuery("coverage is not asked for so")
    is_whole = (shape.origin, shape.step) == (query.start, query.stop - query.start)
    if not is_whole and (shape.origin % shape.step or shape.step % _MILLISECOND):
        raise InvalidQuery("windows over this door begin at multiples of their length")
    found.append(("every", "range" if is_whole else f"{shape.step // _MILLISECOND}ms"))
    if isinstance(shape, Window):
        found += [("fn", function.value) for function in shape.functions]
    else:
        found += [("q", f"{quantile:.12f}".rstrip("0").rstrip(".")) for quantile in shape.quantiles]
    if query.group_by is not None:
        found += [("group_by", tag) for tag in query.group_by.tags] or [("group_by", "")]
    return found


def _series(query: SeriesQuery, answer: dict[str, Any]) -> tuple[SeriesSamples, ...]:
    is_windowed = isinstance(query.shape, Window | Quantile)
    found = []
    for one in answer["series"]:
        series = Series(query.measurement, canonical_tags(one["tags"]), one["field"])
        times = query.axis if is_windowed else [time * _MILLISECOND for time in one["time"]]
        function = Function(one["fn"]) if isinstance(query.shape, Window) else None
        quantile = query.shape.quantiles[0] if isinstance(query.shape, Quantile) else None
        found.append(SeriesSamples(series, times, one["values"], function, quantile))
    return tuple(found)
