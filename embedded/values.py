"""Which values a tag has, and which fields and measurements there are. Shell."""

from __future__ import annotations

from collections.abc import Iterable

import duckdb

from embedded.rollup import RollupLedger
from embedded.selection import first_line
from embedded.sql import RAW_TABLE, TABLES, WIDE_TABLES, select_series_with_samples
from telemetry.errors import InvalidQuery
from telemetry.schema import Registry
from telemetry.series import ValuesOf, ValuesQuery


def read_values(
    cursor: duckdb.DuckDBPyConnection, ledger: RollupLedger, registry: Registry, query: ValuesQuery
) -> tuple[str, ...]:
    """The values, sorted. What is so old that only rolled-up levels have it is seen by their windows.

    Raises InvalidQuery for a pattern that is none; duckdb.Error.
    """
    found: set[str] = set()
    for table, measurements in _by_table(registry, query).items():
        for source in (table, *_coarser(ledger, table, query.start)):
            try:
                rows = cursor.execute(select_series_with_samples(source, query, measurements)).fetchall()
            except duckdb.InvalidInputException as error:
                raise InvalidQuery(
                    f"a pattern in where is not a regular expression as RE2 knows them: {first_line(error)}",
                    field="where",
                ) from error
            found |= {value for row in rows if (value := _value(query, registry, *row))}
    return tuple(sorted(found)[: query.limit])


def _by_table(registry: Registry, query: ValuesQuery) -> dict[str, list[str]]:
    tables: dict[str, list[str]] = {}
    for measurement in registry:
        if query.measurement in ("", measurement.name):
            tables.setdefault(TABLES[measurement.measurement_class], []).append(measurement.name)
    return tables


def _coarser(ledger: RollupLedger, table: str, start: int) -> Iterable[str]:
    """The levels to look at as well, because the samples do not go back to `start`."""
    if table != RAW_TABLE:
        return
    since = ledger.kept_since(table)
    for wide in WIDE_TABLES.values():
        if since is None or start >= since:
            return
        yield wide
        since = ledger.kept_since(wide)


def _value(query: ValuesQuery, registry: Registry, measurement: str, field: str, tags: dict[str, str]) -> str | None:
    match query.of:
        case ValuesOf.MEASUREMENT:
            return measurement
        case ValuesOf.TAG:
            return tags.get(query.tag)
    known = registry.get(measurement)
    described = None if known is None else known.field(field)
    # A histogram is one thing to people, not sixty.
    return described.histogram or field if described is not None else field
