"""What stores refused, as the page shows it. Pure."""

from __future__ import annotations

from dashboards.panels import QuarantinePanel
from dashboards.units import format_value
from dashboards.views import QuarantineView, RefusedRow
from telemetry.quarantine import QuarantinedItem, QuarantinePage
from telemetry.visible_text import visible

_MAX_TEXT = 300  # characters


def quarantine_view(panel: QuarantinePanel, page: QuarantinePage) -> QuarantineView:
    """The newest items, and how many there are in all."""
    items, verb = ("1 item", "was") if page.count == 1 else (f"{page.count:,} items", "were")
    return QuarantineView(
        panel.title,
        f"{items}, {format_value(page.size, 'bytes')}, {verb}" if page.count else "",
        tuple(
            RefusedRow(one.id, one.time, one.source, _what(one), visible(one.reason, _MAX_TEXT)) for one in page.items
        ),
        tuple((one.path, format_value(one.size, "bytes"), one.time) for one in page.files),
        f"{page.unkept:,} more were refused since the start and not kept: there was no room." if page.unkept else "",
    )


def _what(item: QuarantinedItem) -> str:
    point = item.point
    if point is None:
        return format_value(item.size, "bytes")
    return visible(", ".join([point.measurement, *(f"{name}={value}" for name, value in point.tags)]), _MAX_TEXT)
