"""What stores refused, as the page shows it. Pure."""

from __future__ import annotations

from dashboards.panels import QuarantinePanel
from dashboards.units import format_value
from dashboards.views import QuarantineView, RefusedRow
from telemetry.points import Point
from telemetry.quarantine import QuarantinePage

_MAX_TEXT = 300  # characters


def quarantine_view(panel: QuarantinePanel, page: QuarantinePage) -> QuarantineView:
    """The newest items, and how many there are in all."""
    items = "1 item" if page.count == 1 else f"{page.count:,} items"
    return QuarantineView(
        panel.title,
        f"{items}, {format_value(page.size, 'bytes')}" if page.count else "",
        tuple(
            RefusedRow(one.id, one.time, one.source, "" if one.point is None else _named(one.point), _short(one.reason))
            for one in page.items
        ),
        tuple((one.path, format_value(one.size, "bytes"), one.time) for one in page.files),
    )


def _named(point: Point) -> str:
    return _short(", ".join([point.measurement, *(f"{name}={value}" for name, value in point.tags)]))


def _short(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else text[: _MAX_TEXT - 1] + "…"
