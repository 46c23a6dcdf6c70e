"""A message as plain text: its subject, its body for a mail, and a short form for chat and pagers. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from textwrap import wrap

from alerting.message_view import ItemView, MessageView, view_of
from alerting.outbox import Notice

COLUMNS = 78
MOST_SUBJECT = 150
MOST_SHORT = 1_000
_NAME = 14  # columns for the name of a fact
TEST_WORDS = "Nothing is wrong: somebody wanted to know whether messages come through, and this one did."
# What chat programs take for a call of everybody in the room, or for one of their own links.
_CALLS = re.compile(r"@(?=(?:everyone|here|channel|all)\b)|<(?=[!@#])", re.IGNORECASE)


def subject_of(notice: Notice) -> str:
    """`[CRITICAL] checkout: p95 latency above 800 ms`; one line."""
    return _subject(view_of(notice))


def text_of(notice: Notice) -> str:
    """The whole message, readable on a phone at 3 a.m.; only addresses are longer than a line."""
    view = view_of(notice)
    parts = [_head(view), _links(view)]
    if view.items:
        parts.append(_facts(view.items[0]))
    parts += [_others(view), _foot(view)]
    return "\n\n".join(part for part in parts if part) + "\n"


def short_of(notice: Notice) -> tuple[str, str]:
    """Title and body, together at most `MOST_SHORT` characters."""
    view = view_of(notice)
    title = _uncalled(_subject(view))
    first = view.items[0] if view.items else None
    lines = [one for one in (view.note, TEST_WORDS if view.level == "test" else "") if one]
    if first:
        lines += [one for one in (first.why, _short_facts(first)) if one]
    lines += [f"{one.level}: {one.headline}" for one in view.items[1:6]]
    if view.more > 5:
        lines.append(f"and {view.more - 5:,} more")
    links = "\n".join(
        f"{name}: {address}"
        for name, address in (("Open", view.page or (first.page if first else "")), ("Acknowledge", view.acknowledge))
        if address and len(address) <= 300
    )
    body = _uncalled("\n".join(lines))
    room = MOST_SHORT - len(title) - len(links) - 1
    body = body if len(body) <= room else body[: room - 1] + "…"
    return title, "\n".join(one for one in (body, links) if one)


def _subject(view: MessageView) -> str:
    mark, tail = f"[{view.mark}] ", _more(view)
    room = MOST_SUBJECT - len(mark) - len(tail)
    return mark + (view.title if len(view.title) <= room else view.title[: room - 1] + "…") + tail


def _more(view: MessageView) -> str:
    return f" (and {view.more:,} more)" if view.more else ""


def _head(view: MessageView) -> str:
    lines = [*_wrapped(f"[{view.mark}] {view.title}{_more(view)}")]
    if view.level == "test":
        lines += ["", *_wrapped(TEST_WORDS)]
    if view.items and view.items[0].why:
        lines += ["", *_wrapped(view.items[0].why)]
    if view.note:
        lines += ["", *(wrapped for line in view.note.split("\n") for wrapped in (_wrapped(line) or [""]))]
    return "\n".join(lines)


def _links(view: MessageView) -> str:
    page = view.page or (view.items[0].page if view.items else "")
    links = (("Acknowledge", view.acknowledge), ("Snooze", view.snooze), ("Open", page))
    return "\n".join(f"{name}: {address}" for name, address in links if address)


def _facts(item: ItemView) -> str:
    labels = ", ".join(f"{name} {value}" for name, value in item.labels)
    facts = (
        ("Service", item.service),
        ("Value", item.value),
        ("Since" if item.level != "resolved" else "From", item.span),
        ("Where", labels),
        ("Rule", item.rule),
        ("Incident", f"#{item.number}"),
        ("Acknowledged", f"by {item.acknowledged_by}" if item.acknowledged_by else ""),
    )
    lines = [line for name, words in facts if words for line in _fact(name, words)]
    if item.runbook:
        lines += [f"{'Runbook:':<{_NAME}}{item.runbook_link}"] if item.runbook_link else _fact("Runbook", item.runbook)
    return "\n".join(lines)


def _fact(name: str, words: str) -> list[str]:
    return wrap(
        words,
        COLUMNS,
        initial_indent=f"{name + ':':<{_NAME}}",
        subsequent_indent=" " * _NAME,
        break_on_hyphens=False,
    )


def _others(view: MessageView) -> str:
    lines = [line for item in view.items[1:] for line in _other(item)]
    if view.left_out:
        lines.append(f"and {view.left_out:,} more" + (", all of them on the page" if view.page else ""))
    return "\n".join(["Also:", *lines]) if lines else ""


def _other(item: ItemView) -> Iterator[str]:
    words = f"{item.headline} #{item.number}"
    yield from wrap(words, COLUMNS, initial_indent=f"  {item.level:<10}", subsequent_indent=" " * 12)


def _foot(view: MessageView) -> str:
    return "\n".join(["-- ", *(line for words in view.footer for line in _wrapped(words))])


def _short_facts(item: ItemView) -> str:
    where = ", ".join(f"{name} {value}" for name, value in item.labels)
    since = f"since {item.span}" if item.level != "resolved" else f"from {item.span}"
    return "\n".join(one for one in (item.value, since, where) if one)


def _wrapped(words: str) -> list[str]:
    return wrap(words, COLUMNS, break_on_hyphens=False)


def _uncalled(text: str) -> str:
    return _CALLS.sub(lambda found: f"{found[0]}\u200b", text)
