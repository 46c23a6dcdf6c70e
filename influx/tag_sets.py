"""Which tag sets there are: what a start must know to go on counting them. Shell."""

from __future__ import annotations

from datetime import timedelta

from influx.annotated_csv import Rows
from influx.asking import FluxAsker, within
from influx.connection import InfluxConnection
from influx.flux import Selection, values_query
from influx.text import decode, encode_name
from telemetry.points import Tags
from telemetry.schema import MeasurementClass, Registry


async def read_tag_sets(
    connection: InfluxConnection, registry: Registry, span: tuple[int, int], deadline: timedelta
) -> tuple[tuple[str, Tags], ...]:
    """(measurement, tags) of all series of the class metrics with a sample in [start, stop) (ns), by registered tags.

    Raises QueryTimedOut, QueryTooLarge, StoreUnavailable.
    """
    known = [one for one in registry if one.measurement_class is MeasurementClass.METRICS]
    tags = sorted({tag for one in known for tag in one.tags})
    found: set[tuple[str, Tags]] = set()

    def take(rows: Rows) -> None:
        names = {name: place for place, name in enumerate(rows.header.names)}
        held = [(tag, names[encode_name(tag)]) for tag in tags if encode_name(tag) in names]
        columns = [rows.column(names["_measurement"]), *(rows.column(place) for _, place in held)]
        for measurement, *cells in set(zip(*columns, strict=True)):
            pairs = tuple((tag, decode(cell)) for (tag, _), cell in zip(held, cells, strict=True) if cell)
            found.add((decode(measurement), pairs))

    bucket = connection.settings.bucket(MeasurementClass.METRICS)
    selection = Selection(bucket, tuple(one.name for one in known), (), *span)
    flux = values_query(selection, ["_measurement", *tags])
    if flux is not None:
        async with within(deadline):
            await FluxAsker(connection).ask(flux, take)
    return tuple(sorted(found))
