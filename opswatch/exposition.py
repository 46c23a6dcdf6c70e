"""OpsWatch's own points as Prometheus text. Pure.

Each measurement and field becomes one metric, `opswatch_spool_pending_batches`; a counter ends in `_total`. Format:
Prometheus' text exposition format 0.0.4, written by prometheus_client.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from telemetry.points import Point
from telemetry.schema import FieldKind, FieldType, Measurement, Registry


class _Points(Collector):
    def __init__(self, points: Sequence[Point], registry: Registry) -> None:
        self._points = points
        self._registry = registry

    def collect(self) -> Iterable[Metric]:
        for point in self._points:
            measurement = self._registry.get(point.measurement)
            if measurement is not None:
                yield from _metrics(point, measurement)


def exposition(points: Sequence[Point], registry: Registry) -> bytes:
    """The newest point of each of OpsWatch's own series, as text."""
    collectors = CollectorRegistry(auto_describe=False)
    collectors.register(_Points(points, registry))
    return bytes(generate_latest(collectors))


def _metrics(point: Point, measurement: Measurement) -> Iterator[Metric]:
    tags = [(name, value) for name, value in point.tags if name != "host"]
    labels, values = [name for name, _ in tags], [value for _, value in tags]
    for field in measurement.fields:
        value = point.fields.get(field.name)
        if value is None or field.type is FieldType.TEXT:
            continue
        make = CounterMetricFamily if field.kind is FieldKind.COUNTER else GaugeMetricFamily
        metric = make(f"{measurement.name}_{field.name}", field.description or measurement.description, labels=labels)
        metric.add_metric(values, float(value))
        yield metric
