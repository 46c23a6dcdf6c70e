"""Who is told, muted and on duty, as lines for a terminal; no line of it plays tricks there. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from opswatch.log_record import inert

_MAX_TEXT = 200


def explanation_lines(answer: dict[str, Any]) -> Iterator[str]:
    """From the JSON of an explanation: the sentences, then every decision and try, the oldest first."""
    yield inert(f"incident {answer['incident']}, as of {answer['at']}")
    for sentence in answer["words"]:
        yield _line(f"  {sentence}")
    events = [(one["time"], _reason(one)) for one in answer["reasons"]]
    for delivery in answer["deliveries"]:
        what = f"{delivery['receiver']}: message {delivery['id'][:12]} ({', '.join(delivery['occasions'])})"
        events.append((delivery["created"], f"{what} is {delivery['state']}"))
        events += [(one["time"], f"{delivery['receiver']}: {try_words(one)}") for one in delivery["tries"]]
    if events:
        yield ""
    for time, words in sorted(events, key=lambda event: event[0]):
        yield _line(f"{time}  {words}")


def try_words(one: dict[str, Any]) -> str:
    """One try of a message: whom it went to, what was answered."""
    to = f" to {one['recipient']}" if one["recipient"] else ""
    return f"try {one['number']}{to}: {one['outcome']}, {one['code']} {one['text']}".rstrip()


def silence_line(one: dict[str, Any]) -> str:
    """A silence with what it mutes."""
    match = ", ".join(f"{label}={_wanted(wanted)}" for label, wanted in one["match"].items()) or "everything"
    comment = f": {one['comment']}" if one["comment"] else ""
    return _line(f"silence {one['id']} of {one['author']}, {one['starts']} to {one['ends']}, mutes {match}{comment}")


def receiver_line(one: dict[str, Any]) -> str:
    """A receiver with how it stands."""
    last = f", last delivered {one['last_delivered']}" if one["last_delivered"] else ", nothing delivered yet"
    waiting = f", {one['waiting']} waiting" if one["waiting"] else ""
    return _line(f"{one['name']:<20} {one['kind']:<8} {one['to']}{last}{waiting}")


def duty_lines(answer: dict[str, Any]) -> Iterator[str]:
    """From the JSON of `/api/v1/duty`: of each rotation who has it until when, and who comes next."""
    for one in answer["rotations"]:
        now = one["on_duty"]
        yield _line(f"{one['name']}: {now['person']} ({now['receiver']}) until {now['until']}")
        for shift in one["shifts"][:3]:
            yield _line(f"    then {shift['person']} from {shift['since']}")
    if not answer["rotations"]:
        yield "opswatch.yaml names no rotation (duty)"


def _reason(one: dict[str, Any]) -> str:
    whom = f"{one['receiver']}: " if one["receiver"] else ""
    return f"{whom}{'tell' if one['tell'] else 'do not tell'}: {one['words']}"


def _wanted(wanted: str | list[str]) -> str:
    return wanted if isinstance(wanted, str) else "|".join(wanted)


def _line(text: str) -> str:
    return inert(text if len(text) <= _MAX_TEXT else text[: _MAX_TEXT - 1] + "…")
