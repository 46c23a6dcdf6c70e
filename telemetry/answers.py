"""What every store's answers have in common: how much they may hold, what is said of it, quantiles of buckets. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from telemetry.errors import QueryTooLarge
from telemetry.grouping import group_tags
from telemetry.histogram import quantile
from telemetry.points import FieldValue
from telemetry.schema import FieldType, Measurement
from telemetry.series import Quantile, Series, SeriesQuery, SeriesSamples
from telemetry.times import format_instant

MAX_VALUES = 2_000_000  # of one answer in memory; an export streams instead
MAX_SERIES = 20_000


def check_size(query: SeriesQuery, columns: int) -> None:
    """Raise QueryTooLarge when an answer of so many columns of windows would not fit in memory."""
    if len(query.axis) * columns > MAX_VALUES:
        raise QueryTooLarge(
            f"{columns:,} series of {len(query.axis):,} windows are more than {MAX_VALUES:,} values:"
            " lengthen every, shorten the range, or narrow it with where",
            field="every",
        )


def check_series(count: int) -> None:
    """Raise QueryTooLarge when a query means more series than that."""
    if count > MAX_SERIES:
        raise QueryTooLarge(f"the query means more than {MAX_SERIES:,} series: narrow it with where", field="where")


def too_many_values() -> QueryTooLarge:
    """That an answer would hold more than MAX_VALUES samples."""
    return QueryTooLarge(
        f"the answer has more than {MAX_VALUES:,} values: shorten the range, narrow it with where,"
        " or ask for windows with every",
        field="limit",
    )


def cut(limit: int) -> str:
    """That some series have more samples than were asked for, for people."""
    return f"only the first {limit:,} samples of a series are shown; ask again from the last time"


def expired(since: int) -> str:
    """That samples are missing because they are no longer kept, for people."""
    return f"samples before {format_instant(since)} are no longer kept, and not in this answer"


def quantiles_from_buckets(name: str) -> str:
    """That quantiles are not as exact as they might be, for people."""
    return (
        f"the quantiles of {name} come from the buckets of its histogram, because its samples are not all kept;"
        " they are good to the width of a bucket, a quarter of the value"
    )


def pool_of(query: SeriesQuery, series: Series, field: str | None = None) -> Series:
    """What the answer is called for which the samples of a series are taken together with those of others."""
    tags = series.tags if query.group_by is None else group_tags(series.tags, query.group_by)
    return Series(series.measurement, tags, field or series.field)


def quantiles_of_buckets(
    query: SeriesQuery, measurement: Measurement, counts: Iterable[tuple[Series, Sequence[FieldValue | None]]]
) -> list[SeriesSamples]:
    """The answer to a `Quantile` from what the buckets of histograms have counted in each window."""
    shape, axis = query.shape, query.axis
    assert isinstance(shape, Quantile)
    buckets = {field.name: field for field in measurement.fields if field.histogram}
    pools: dict[Series, list[dict[float, float]]] = {}
    for series, column in counts:
        bucket = buckets[series.field]
        pool = pools.setdefault(pool_of(query, series, bucket.histogram), [defaultdict(float) for _ in axis])
        for counted, count in zip(pool, column, strict=True):
            counted[bucket.upper_bound] += float(count or 0)
    return [
        SeriesSamples(series, axis, [quantile(counted, share) for counted in windows], quantile=share)
        for series, windows in pools.items()
        if any(any(counted.values()) for counted in windows)
        for share in shape.quantiles
    ]


def typed(kind: FieldType, values: Sequence[FieldValue | None]) -> Sequence[FieldValue | None]:
    """Values as the registry has them, where a store holds integers as doubles, exact up to 2^53."""
    if kind is FieldType.INTEGER:
        return [None if value is None else int(value) for value in values]
    return values
