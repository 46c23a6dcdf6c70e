"""`/api/v1/schema` and `/api/v1/series`: what can be asked, and the answers. Shell."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from api.answer_bodies import ANSWER_BODIES
from api.columns import encoded
from api.errors import json_response
from api.keys import DOORS
from api.models import FieldAnswer, MeasurementAnswer, SchemaAnswer, ValuesAnswer
from api.query_parameters import NANOSECONDS_PER_MILLISECOND, series_request, values_request
from telemetry.schema import Registry
from telemetry.series import Coverage, Quantile, SeriesResult, SeriesSamples, Window
from telemetry.times import format_instant


async def show_schema(request: web.Request) -> web.StreamResponse:
    """`GET /api/v1/schema`."""
    return json_response(schema_answer(request.app[DOORS].registry).model_dump(by_alias=True))


async def show_series(request: web.Request) -> web.StreamResponse:
    """`GET /api/v1/series`."""
    doors = request.app[DOORS]
    if "values" in request.query:
        return await _show_values(request)
    asked = series_request(request.query, doors.registry, doors.clock.now())
    result = await doors.reader.read(asked.query)
    body = await request.app[ANSWER_BODIES].of(result)
    return web.Response(body=body, content_type="application/json", charset="utf-8")


async def _show_values(request: web.Request) -> web.StreamResponse:
    doors = request.app[DOORS]
    query = values_request(request.query, doors.registry, doors.clock.now())
    values = await doors.reader.values(query)
    answer = ValuesAnswer(start=format_instant(query.start), stop=format_instant(query.stop), values=list(values))
    return json_response(answer.model_dump())


def series_body(result: SeriesResult) -> bytes:
    """An answer as JSON."""
    return encoded(series_answer(result))


def schema_answer(registry: Registry) -> SchemaAnswer:
    """Every measurement with its tags and fields."""
    return SchemaAnswer(
        measurements=[
            MeasurementAnswer(
                name=measurement.name,
                measurement_class=measurement.measurement_class.value,
                description=measurement.description,
                tags=list(measurement.tags),
                fields=[
                    FieldAnswer(
                        name=field.name,
                        type=field.type.value,
                        kind=field.kind.value,
                        unit=field.unit,
                        description=field.description,
                    )
                    for field in measurement.plain_fields
                ],
                histograms=list(measurement.histograms),
            )
            for measurement in registry
        ]
    )


def series_answer(result: SeriesResult) -> dict[str, Any]:
    """The matrix of windows on one time axis, or samples with times of their own (see `SeriesAnswer`).

    A plain dictionary, for it may hold a million numbers that need no validation any more.
    """
    query, warnings = result.query, list(result.warnings)
    answer: dict[str, Any] = {
        "start": format_instant(query.start),
        "stop": format_instant(query.stop),
        "step_ms": None,
        "level": result.level,
        "levels": [
            {"level": part.level, "start": format_instant(part.start), "stop": format_instant(part.stop)}
            for part in result.segments
        ],
    }
    if isinstance(query.shape, Window | Quantile | Coverage):
        answer["step_ms"] = query.shape.step // NANOSECONDS_PER_MILLISECOND
        answer["time"] = [start // NANOSECONDS_PER_MILLISECOND for start in query.axis]
        covered = {"fn": "coverage"} if isinstance(query.shape, Coverage) else {}
        answer["series"] = [_named(one) | covered | {"values": list(one.values)} for one in result.series]
    else:
        answer["series"] = [_named(one) | _in_milliseconds(one, warnings) for one in result.series]
    answer["warnings"] = warnings
    return answer


def _named(one: SeriesSamples) -> dict[str, Any]:
    return {"tags": dict(one.series.tags), "field": one.series.field, "fn": one.label}


def _in_milliseconds(one: SeriesSamples, warnings: list[str]) -> dict[str, Any]:
    by_millisecond = dict(zip((time // NANOSECONDS_PER_MILLISECOND for time in one.times), one.values, strict=True))
    if len(by_millisecond) < len(one.times):
        hidden = len(one.times) - len(by_millisecond)
        warnings.append(
            f"{one.series.field} {dict(one.series.tags)}: {hidden} samples share a millisecond with a later one and are"
            " not shown; export.csv has them"
        )
    return {"time": list(by_millisecond), "values": list(by_millisecond.values())}
