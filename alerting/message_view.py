"""What a message shows, in words, whichever way it goes: harmless, bounded, each thing once. Pure.

Names, labels and summaries come from anywhere. Here, and nowhere after, they are put on one line, what has no shape is
made visible, and what is too long is cut. Times are shown in the zone that they carry.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from alerting.outbox import Notice, NoticeKind, Occasion, Told
from alerting.rules import Severity
from alerting.template import in_words, with_unit
from telemetry.points import Tags
from telemetry.visible_text import one_line, visible_lines

MOST_SHOWN = 20  # incidents; the page has all
MOST_LABELS = 12
_MOST_NAME = 80
_MOST_VALUE = 120
_MOST_SUMMARY = 300
_MOST_NOTE = 2_000
_MOST_ADDRESS = 900  # characters; a line of a mail has at most 998
_TOLD_ELSEWHERE = frozenset({"rule", "service", "severity"})
_WHY = {
    Occasion.RAISED: "It became worse.",
    Occasion.FLAPPING: "It opens and closes again and again, and is told as one.",
    Occasion.RELEASED: "Nothing holds it back any more.",
    Occasion.ESCALATED: "Nobody has acknowledged it so far, so you are next.",
    Occasion.REMINDER: "It is still open, and nobody has acknowledged it.",
    Occasion.BACK: "Its snooze is over, and it is still open.",
}


@dataclass(frozen=True, slots=True)
class ItemView:
    """One incident. `level`: `critical`, `warning` or `resolved`; `span` is since when, or from when to when.

    `value` is empty where there is none, `why` where it simply began or ended; `labels` are those that no other line
    tells. `runbook_link` is empty where the runbook is no address.
    """

    number: int
    level: str
    service: str
    summary: str
    rule: str
    value: str
    span: str
    why: str
    labels: tuple[tuple[str, str], ...]
    acknowledged_by: str
    runbook: str
    runbook_link: str
    page: str

    @property
    def headline(self) -> str:
        """The summary, with the service before it unless it names it."""
        if not self.service or self.service.casefold() in self.summary.casefold():
            return self.summary
        return f"{self.service}: {self.summary}"


@dataclass(frozen=True, slots=True)
class MessageView:
    """A message. `level` as of an item, or `test`, `own`; `mark` is what stands in brackets: `CRITICAL`, `3 critical`.

    `title` is what the first incident says, and `more` how many others there are. `items` are at most `MOST_SHOWN`,
    `left_out` are those beyond. `note` may have several lines.
    """

    level: str
    mark: str
    title: str
    more: int
    items: tuple[ItemView, ...]
    left_out: int
    group: str
    note: str
    page: str
    acknowledge: str
    snooze: str
    footer: tuple[str, ...]
    has_picture: bool


def view_of(notice: Notice) -> MessageView:
    """The message in words."""
    items = tuple(_item(one, notice.created) for one in notice.items[:MOST_SHOWN])
    total = total_of(notice)
    group = ", ".join(f"{one_line(name, _MOST_NAME)} {one_line(value, _MOST_NAME)}" for name, value in notice.group[:5])
    title, note = _title_and_note(notice, items)
    return MessageView(
        level=_level(notice, items),
        mark=_mark(notice, items, total),
        title=title,
        more=max(0, total - 1),
        items=items,
        left_out=total - len(items),
        group=group,
        note=note,
        page=_link(notice.page),
        acknowledge=_link(notice.acknowledge),
        snooze=_link(notice.snooze),
        footer=_footer(notice),
        has_picture=notice.picture is not None,
    )


def total_of(notice: Notice) -> int:
    """How many incidents it tells of, whether it lists them or not."""
    return max(notice.firing + notice.resolved, len(notice.items) + notice.left_out)


def level_word(told: Told) -> str:
    """`critical`, `warning`, `resolved`."""
    return told.severity.word if told.is_open else "resolved"


def value_words(told: Told) -> str:
    """The value with its unit, or nothing."""
    return "" if told.value is None else one_line(with_unit(told.value, told.unit), _MOST_NAME)


def moment_words(moment: datetime) -> str:
    """`Tue 24 Nov 2026, 03:12:07 UTC`."""
    return moment.strftime("%a %-d %b %Y, %H:%M:%S %Z")


def _item(told: Told, created: datetime) -> ItemView:
    labels = [(name, value) for name, value in told.labels if value and name not in _TOLD_ELSEWHERE]
    shown = tuple((one_line(name, _MOST_NAME), one_line(value, _MOST_VALUE)) for name, value in labels[:MOST_LABELS])
    more = len(labels) - len(shown)
    return ItemView(
        number=told.number,
        level=level_word(told),
        service=one_line(told.service, _MOST_NAME),
        summary=one_line(told.summary, _MOST_SUMMARY) or one_line(told.rule, _MOST_NAME),
        rule=one_line(told.rule, _MOST_NAME),
        value=value_words(told),
        span=_span(told, created),
        why=_why(told),
        labels=(*shown, ("…", f"and {more} more")) if more else shown,
        acknowledged_by=one_line(told.acknowledged_by, _MOST_NAME),
        runbook=one_line(told.runbook, _MOST_ADDRESS),
        runbook_link=_link(told.runbook),
        page=_link(told.page),
    )


def _why(told: Told) -> str:
    if not told.is_open:
        return ""
    return _WHY.get(told.occasion, _WHY[Occasion.FLAPPING] if told.flapping else "")


def _span(told: Told, created: datetime) -> str:
    began = moment_words(told.opened)
    if told.resolved is None:
        return f"{began}{_lasting(told.opened, created, 'for ')}"
    end = told.resolved.astimezone(told.opened.tzinfo)
    ended = end.strftime("%H:%M:%S %Z") if end.date() == told.opened.date() else moment_words(end)
    return f"{began} to {ended}{_lasting(told.opened, end)}"


def _lasting(start: datetime, stop: datetime, word: str = "") -> str:
    # In UTC: two times of one zone would be subtracted as they stand on the wall.
    seconds = (stop.astimezone(UTC) - start.astimezone(UTC)).total_seconds()
    return f" ({word}{in_words(seconds)})" if seconds >= 1 else ""


def _level(notice: Notice, items: tuple[ItemView, ...]) -> str:
    if notice.kind is not NoticeKind.ALERT:
        return notice.kind.value
    if notice.critical or any(one.level == "critical" for one in items):
        return "critical"
    return "warning" if notice.firing or any(one.level == "warning" for one in items) else "resolved"


def _mark(notice: Notice, items: tuple[ItemView, ...], total: int) -> str:
    if notice.kind is NoticeKind.TEST:
        return "TEST"
    if notice.kind is NoticeKind.OWN:
        return "OPSWATCH"
    if total <= 1 and items:
        return items[0].level.upper()
    counts = (
        (notice.critical, Severity.CRITICAL.word),
        (notice.firing - notice.critical, Severity.WARNING.word),
        (notice.resolved, "resolved"),
    )
    return ", ".join(f"{count:,} {word}" for count, word in counts if count > 0) or "ALERT"


def _title_and_note(notice: Notice, items: tuple[ItemView, ...]) -> tuple[str, str]:
    whole = notice.note.strip()
    note = visible_lines(whole, _MOST_NOTE) + ("…" if len(whole) > _MOST_NOTE else "")
    if notice.kind is NoticeKind.TEST:
        return f"OpsWatch on {one_line(notice.host, _MOST_NAME)} reaches {one_line(notice.receiver, _MOST_NAME)}", note
    if items:
        return items[0].headline, note
    first, _, rest = note.partition("\n")
    if len(first) <= _MOST_SUMMARY:
        return first or f"OpsWatch on {one_line(notice.host, _MOST_NAME)} has something to say", rest.strip()
    return first[: _MOST_SUMMARY - 1] + "…", note


def _footer(notice: Notice) -> tuple[str, ...]:
    made = f"Made {moment_words(notice.created)}"
    return (
        f"OpsWatch on {one_line(notice.host, _MOST_NAME)}, for {one_line(notice.receiver, _MOST_NAME)}",
        made if notice.attempt <= 1 else f"{made}, sent at try {notice.attempt}",
        f"Message {one_line(notice.id, _MOST_NAME)}",
    )


def _link(address: str) -> str:
    """An address that a mail may link to and a line may hold, else nothing: cut, it would lead elsewhere."""
    good = len(address) <= _MOST_ADDRESS and address.isprintable() and not set(address) & set(' "<>\\^`{|}')
    return address if good and address.startswith(("https://", "http://")) else ""


def labels_of(tags: Tags, most: int) -> dict[str, str]:
    """Labels for machines: as they are, but for halves of characters, each cut to `most` characters."""
    return {_whole(name, most): _whole(value, most) for name, value in tags}


def _whole(text: str, most: int) -> str:
    short = text if len(text) <= most else text[: most - 1] + "…"
    return short.encode("utf-8", "replace").decode()
