"""What OpsWatch measures of telling people: the canary and the outbox. Pure."""

from __future__ import annotations

from telemetry.schema import Field, FieldKind, FieldType, Measurement, MeasurementClass


def _gauge(name: str, unit: str, description: str) -> Field:
    return Field(name, FieldType.FLOAT, FieldKind.GAUGE, unit, description)


def _amount(name: str, description: str) -> Field:
    return Field(name, FieldType.INTEGER, FieldKind.GAUGE, "1", description)


TELLING = (
    Measurement(
        "opswatch_loop",
        MeasurementClass.SELF,
        ("host",),
        (_gauge("latency_ms", "ms", "of the page's own answer to the canary's probe"),),
        1_000,
        "A point that goes all the way, every interval of the dead man's switch",
    ),
    Measurement(
        "opswatch_notify",
        MeasurementClass.SELF,
        ("host",),
        (
            _amount("waiting", "messages on their way"),
            _gauge("oldest_s", "s", "age of the oldest of them"),
            _amount("delivered", "messages, of all that are kept"),
            _amount("dead", "dead letters, of all that are kept"),
            _amount("dead_lately", "dead letters of the last hour"),
        ),
        1_000,
        "Messages to receivers",
    ),
)
