"""What a message says: its subject, its text, the body of our webhooks. Pure.

Names, labels and summaries are hostile text: what has no shape of its own is shown by its number, what is long is cut.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from alerting.outbox import Notice, NoticeKind, Occasion, Told
from alerting.template import in_words, with_unit
from telemetry.visible_text import visible

JSON_VERSION = 1
MAX_SUBJECT = 150  # characters
MAX_SHORT = 1_000
_MAX_LINE = 500
_WIDTH = 78
_SHOWN_IN_FULL = 10
_WORDS = {
    Occasion.OPENED: "new",
    Occasion.RAISED: "worse than before",
    Occasion.FLAPPING: "opens and closes again and again",
    Occasion.RELEASED: "nothing holds it back any more",
    Occasion.ESCALATED: "nobody has acknowledged it",
    Occasion.REMINDER: "still open, nobody has acknowledged it",
    Occasion.BACK: "the snooze is over",
    Occasion.RESOLVED: "over",
}


def subject_of(notice: Notice) -> str:
    """One line, as `[CRITICAL] checkout: p95 latency is 900 ms` or `[3 critical, 12 warning] load_high`."""
    if notice.kind is NoticeKind.TEST:
        return f"[TEST] OpsWatch on {_name(notice.host)} can reach {_name(notice.receiver)}"
    if notice.kind is NoticeKind.OWN:
        return visible(f"[OPSWATCH] {notice.note}", MAX_SUBJECT)
    if len(notice.items) == 1 and not notice.left_out:
        told = notice.items[0]
        return visible(f"[{status_of(told)}] {title_of(told)}", MAX_SUBJECT)
    rules = sorted({told.rule for told in notice.items})
    where = ", ".join(f"{name} {value}" for name, value in notice.group if value and name != "rule")
    what = _name(rules[0]) if len(rules) == 1 and not notice.left_out else f"{len(rules)} rules or more"
    return visible(f"[{counts_of(notice)}] {what}{f' ({where})' if where else ''}", MAX_SUBJECT)


def counts_of(notice: Notice) -> str:
    """As `3 critical, 12 warning, 2 resolved`."""
    warning = notice.firing - notice.critical
    parts = ((notice.critical, "critical"), (warning, "warning"), (notice.resolved, "resolved"))
    return ", ".join(f"{count:,} {word}" for count, word in parts if count) or "nothing"


def status_of(told: Told) -> str:
    """`CRITICAL`, `WARNING`, `RESOLVED`."""
    return told.severity.name if told.is_open else "RESOLVED"


def title_of(told: Told) -> str:
    """Service and summary, on one line."""
    summary = _line(told.summary) or told.rule
    return f"{_name(told.service)}: {summary}" if told.service and told.service not in summary else summary


def facts_of(told: Told) -> list[tuple[str, str]]:
    """What is known of an incident, each with its name; times in UTC."""
    why = _WORDS[told.occasion if told.is_open else Occasion.RESOLVED]
    facts = [("Status", f"{why}, flapping" if told.flapping and told.occasion is not Occasion.FLAPPING else why)]
    if told.value is not None:
        facts.append(("Value", with_unit(told.value, told.unit)))
    facts.append(("Since", _clock(told.opened)))
    if told.resolved is not None:
        lasted = (told.resolved - told.opened).total_seconds()
        facts.append(("Until", f"{_clock(told.resolved)}, after {in_words(lasted)}"))
    if told.acknowledged_by:
        facts.append(("Acknowledged", f"by {_name(told.acknowledged_by)}"))
    labels = ", ".join(f"{_name(name)}={_name(value)}" for name, value in told.labels[:20])
    facts.append(("Rule", _name(told.rule)))
    if labels:
        facts.append(("Labels", labels))
    if told.runbook:
        facts.append(("Runbook", _line(told.runbook)))
    return facts


def text_of(notice: Notice) -> str:
    """The whole as plain text, for mail; lines are at most 78 wide where words allow it."""
    return "\n".join(_lines(notice)) + "\n"


def _lines(notice: Notice) -> Iterator[str]:
    if notice.kind is not NoticeKind.ALERT:
        yield from textwrap.wrap(_line(own_words(notice)), _WIDTH)
    elif notice.note:
        yield from (*textwrap.wrap(f"({_line(notice.note)})", _WIDTH), "")
    if len(notice.items) + notice.left_out > 1:
        yield from (counts_of(notice), "")
    for told in notice.items[:_SHOWN_IN_FULL]:
        yield from _in_full(told)
    yield from _in_short(notice)
    for words, link in (("Acknowledge", notice.acknowledge), ("Snooze", notice.snooze), ("All alerts", notice.page)):
        if link:
            yield f"{words}: {link}"
    yield from ("", "-- ", f"OpsWatch on {_name(notice.host)}, to {_name(notice.receiver)}; {notice.id}")


def _in_full(told: Told) -> Iterator[str]:
    yield from textwrap.wrap(f"[{status_of(told)}] {title_of(told)}", _WIDTH)
    for name, value in facts_of(told):
        line = f"{name + ':':<14}{value}"
        yield from textwrap.wrap(line, _WIDTH, initial_indent="  ", subsequent_indent=" " * 16)
    if told.page:
        yield f"  {'Page:':<14}{told.page}"
    yield ""


def _in_short(notice: Notice) -> Iterator[str]:
    for told in notice.items[_SHOWN_IN_FULL:]:
        yield visible(f"[{status_of(told)}] {title_of(told)}", _WIDTH)
    if notice.left_out:
        yield f"… and {notice.left_out:,} more{f': {notice.page}' if notice.page else ''}"
    if len(notice.items) > _SHOWN_IN_FULL or notice.left_out:
        yield ""


def own_words(notice: Notice) -> str:
    """What a message that is not about incidents says."""
    if notice.kind is NoticeKind.TEST:
        return f"This is a test: {notice.note}. If you read this, it does, and there is nothing to do."
    return notice.note


def short_of(notice: Notice) -> tuple[str, str]:
    """A title and a body of at most 1,000 characters, for chats and pagers."""
    lines = []
    if notice.kind is not NoticeKind.ALERT:
        lines.append(_line(own_words(notice)))
    if notice.note and notice.kind is NoticeKind.ALERT:
        lines.append(f"({_line(notice.note)})")
    single = len(notice.items) == 1
    for told in notice.items[:5]:
        value = "" if told.value is None else f" ({with_unit(told.value, told.unit)})"
        since = f"since {_clock(told.opened)}" if told.is_open else f"over, after {in_words(_lasted(told))}"
        lines.append(visible(f"{'' if single else f'[{status_of(told)}] {title_of(told)}, '}{since}{value}", 200))
    more = len(notice.items) - 5 + notice.left_out
    if more > 0:
        lines.append(f"… and {more:,} more")
    links = [f"Acknowledge: {notice.acknowledge}"] if notice.acknowledge else []
    page = notice.items[0].page if single else notice.page
    links += [page] if page else []
    body = "\n".join(lines)
    room = MAX_SHORT - sum(len(link) + 1 for link in links)
    body = body if len(body) <= room else body[: max(0, room - 1)] + "…"
    return subject_of(notice), "\n".join([body, *links])


def json_of(notice: Notice) -> dict[str, Any]:
    """The body of our webhooks; fields are added, never changed (docs/notifications.md)."""
    return {
        "version": JSON_VERSION,
        "id": notice.id,
        "kind": notice.kind.value,
        "status": ("firing" if notice.firing else "resolved") if notice.kind is NoticeKind.ALERT else None,
        "severity": ("critical" if notice.critical else "warning") if notice.firing else None,
        "title": subject_of(notice),
        "text": text_of(notice),
        "note": notice.note,
        "receiver": notice.receiver,
        "host": notice.host,
        "created": _written(notice.created),
        "attempt": notice.attempt,
        "group": dict(notice.group),
        "counts": {"firing": notice.firing, "critical": notice.critical, "resolved": notice.resolved},
        "left_out": notice.left_out,
        "incidents": [_incident(told) for told in notice.items],
        "links": {"page": notice.page, "acknowledge": notice.acknowledge, "snooze": notice.snooze},
    }


def _incident(told: Told) -> dict[str, Any]:
    value = told.value
    return {
        "id": told.number,
        "status": "firing" if told.is_open else "resolved",
        "occasion": told.occasion.value,
        "severity": told.severity.word,
        "flapping": told.flapping,
        "rule": told.rule,
        "service": told.service,
        "summary": told.summary[:_MAX_LINE],
        "labels": dict(told.labels),
        "value": value if value is not None and math.isfinite(value) else None,
        "unit": told.unit,
        "opened": _written(told.opened),
        "resolved": None if told.resolved is None else _written(told.resolved),
        "acknowledged_by": told.acknowledged_by,
        "runbook": told.runbook,
        "page": told.page,
    }


def _lasted(told: Told) -> float:
    return 0.0 if told.resolved is None else (told.resolved - told.opened).total_seconds()


def _line(text: str) -> str:
    return visible(" ".join(text[: 4 * _MAX_LINE].split()), _MAX_LINE)


def _name(text: str) -> str:
    return visible(text, 100)


def _clock(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _written(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
