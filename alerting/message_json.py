"""A message as JSON: the body of our webhooks, which other people's programs read. Pure.

Its names are a promise (docs/webhook-body.md): names are added, none is renamed or dropped within a version.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

from alerting.message_text import short_of
from alerting.message_view import labels_of, level_word, total_of, value_words
from alerting.outbox import Notice, NoticeKind, Told
from telemetry.visible_text import one_line, visible_lines

VERSION = 1
MOST_INCIDENTS = 100
_MOST_LABELS = 30
_MOST_TEXT = 500
_MOST_NOTE = 2_000


def json_of(notice: Notice) -> dict[str, Any]:
    """The body. `text` begins with the title, since chat programs show that field alone."""
    listed = notice.items[:MOST_INCIDENTS]
    title, body = short_of(notice)
    return {
        "version": VERSION,
        "id": one_line(notice.id, _MOST_TEXT),
        "kind": notice.kind.value,
        "status": _status(notice),
        "severity": _severity(notice),
        "title": title,
        "text": f"{title}\n{body}",
        "note": visible_lines(notice.note, _MOST_NOTE),
        "receiver": one_line(notice.receiver, _MOST_TEXT),
        "host": one_line(notice.host, _MOST_TEXT),
        "created": _written(notice.created),
        "attempt": notice.attempt,
        "group": labels_of(notice.group[:_MOST_LABELS], _MOST_TEXT),
        "counts": {
            "firing": notice.firing,
            "resolved": notice.resolved,
            "critical": notice.critical,
            "warning": max(0, notice.firing - notice.critical),
            "left_out": total_of(notice) - len(listed),
        },
        "incidents": [_incident(one) for one in listed],
        "links": {
            "page": _link(notice.page),
            "acknowledge": _link(notice.acknowledge),
            "snooze": _link(notice.snooze),
        },
    }


def _link(address: str) -> str:
    """Whole, however long: a part of a link is none. Half characters cannot be sent as UTF-8."""
    return address.encode("utf-8", "replace").decode()


def _incident(told: Told) -> dict[str, Any]:
    value = told.value if told.value is not None and math.isfinite(told.value) else None
    return {
        "id": told.number,
        "occasion": told.occasion.value,
        "status": "firing" if told.is_open else "resolved",
        "severity": told.severity.word,
        "level": level_word(told),
        "flapping": told.flapping,
        "rule": one_line(told.rule, _MOST_TEXT),
        "service": one_line(told.service, _MOST_TEXT),
        "summary": one_line(told.summary, _MOST_TEXT),
        "labels": labels_of(told.labels[:_MOST_LABELS], _MOST_TEXT),
        "value": value,
        "value_text": value_words(told),
        "unit": one_line(told.unit, _MOST_TEXT),
        "opened": _written(told.opened),
        "resolved": None if told.resolved is None else _written(told.resolved),
        "acknowledged_by": one_line(told.acknowledged_by, _MOST_TEXT),
        "runbook": one_line(told.runbook, _MOST_TEXT),
        "links": {"page": _link(told.page)},
    }


def _status(notice: Notice) -> str | None:
    """`resolved` when nothing that it tells of is open; None where it tells of no incident."""
    if notice.kind is not NoticeKind.ALERT:
        return None
    return "firing" if notice.firing > 0 or any(one.is_open for one in notice.items) else "resolved"


def _severity(notice: Notice) -> str | None:
    """The worst that is open; where nothing is, the worst of all; None where it tells of no incident."""
    if notice.critical:
        return "critical"
    listed = [one for one in notice.items if one.is_open] or list(notice.items)
    return max(listed, key=lambda one: one.severity).severity.word if listed else None


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
