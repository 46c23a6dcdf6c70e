"""Quarantine as lines for a terminal: whatever was refused, no line of it plays tricks there. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dashboards.units import format_value
from opswatch.log_record import inert

_MAX_TEXT = 200  # characters of what hostile points say in a list


def list_lines(answer: dict[str, Any]) -> Iterator[str]:
    """From the JSON of `/api/v1/quarantine`: two lines for each item, then how many there are."""
    for item in answer["items"]:
        yield inert(
            f"{item['id']}  {item['time'] or 'at an unknown time'}  {item['source'] or '?'}  {_short(_what(item))}"
        )
        yield inert(f"    {_short(item['reason'])}")
    yield from _sum_lines(answer)
    for file in answer["files"]:
        yield inert(f"set aside: {file['path']}, {format_value(file['bytes'], 'bytes')}, at {file['time']}")


def item_lines(item: dict[str, Any]) -> Iterator[str]:
    """One item with all that is known of it."""
    yield inert(f"id           {item['id']}")
    yield inert(f"refused      {item['time'] or 'at an unknown time'} by {item['source'] or '?'}")
    yield inert(f"reason       {item['reason']}")
    yield inert(f"size         {item['bytes']:,} bytes")
    point = item["point"]
    if point is None:
        yield "point        none: it cannot be replayed, only discarded"
        return
    yield inert(f"measurement  {point['measurement']}")
    yield inert(f"time         {point['time']}")
    for name, value in point["tags"].items():
        yield inert(f"tag          {name} = {value}")
    for name, value in point["fields"].items():
        yield inert(f"field        {name} = {value!r}")


def replayed_lines(answer: dict[str, Any]) -> Iterator[str]:
    """What became of replayed items, from `replayed`, `refused` and `reasons`."""
    yield f"{_counted(answer['replayed'])} stored"
    if answer["refused"]:
        yield f"{_counted(answer['refused'])} refused again, and still in quarantine:"
        for reason in answer["reasons"]:
            yield inert(f"    {_short(reason)}")


def _sum_lines(answer: dict[str, Any]) -> Iterator[str]:
    listed, count = len(answer["items"]), answer["count"]
    if not count:
        yield "nothing is in quarantine"
    elif listed < count:
        more = "; --limit shows more" if answer["next_cursor"] else ""
        yield f"{listed:,} of {_counted(count)}, {format_value(answer['bytes'], 'bytes')} in all{more}"
    else:
        yield f"{_counted(count)}, {format_value(answer['bytes'], 'bytes')}"
    if answer["unkept"]:
        yield f"{answer['unkept']:,} more were refused since the start and not kept: there was no room"


def _what(item: dict[str, Any]) -> str:
    point = item["point"]
    if point is None:
        return f"{item['bytes']:,} bytes"
    return ",".join([point["measurement"], *(f"{name}={value}" for name, value in point["tags"].items())])


def _short(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else text[: _MAX_TEXT - 1] + "…"


def _counted(number: int) -> str:
    return f"{number:,} item" if number == 1 else f"{number:,} items"
