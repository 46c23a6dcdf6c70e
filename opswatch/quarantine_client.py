"""What stores refused, asked of whatever server there is: looked at, given to the store again, discarded. Shell."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from opswatch.server_client import Server, server_of
from opswatch.settings import Settings
from telemetry.errors import ServerError
from telemetry.quarantine import MAX_LISTED

_PATH = "/api/v1/quarantine"
_MAX_REASONS = 20  # that are told of a replay of all


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which items: all but what is empty must fit."""

    source: str = ""
    measurement: str = ""

    @property
    def parameters(self) -> tuple[tuple[str, str], ...]:
        """As the API takes them."""
        given = (("source", self.source), ("measurement", self.measurement))
        return tuple((name, value) for name, value in given if value)


@dataclass(slots=True)
class Replayed:
    """What became of items: `replayed` ones are in the store, `refused` ones stay, for `reasons` among others."""

    replayed: int = 0
    refused: int = 0
    reasons: list[str] = field(default_factory=list)

    def add(self, answer: dict[str, Any]) -> None:
        """Add a page's outcome."""
        self.replayed += answer["replayed"]
        self.refused += answer["refused"]
        known = dict.fromkeys([*self.reasons, *answer["reasons"]])
        self.reasons = list(known)[:_MAX_REASONS]


async def listed(settings: Settings, wanted: Wanted, limit: int) -> dict[str, Any]:
    """The answer of `GET /api/v1/quarantine` with up to `limit` items, however many pages that takes.

    Raises ServerError.
    """
    async with server_of(settings) as server:
        answer = await _page(server, wanted, limit, "")
        items = answer["items"]
        while answer["next_cursor"] and len(items) < limit:
            answer = await _page(server, wanted, limit - len(items), answer["next_cursor"])
            items += answer["items"]
        return answer | {"items": items}


async def shown(settings: Settings, identifier: str) -> dict[str, Any]:
    """One item, whole. Raises ServerError."""
    async with server_of(settings) as server:
        item: dict[str, Any] = await server.json("GET", f"{_PATH}/{quote(identifier, safe='')}")
        return item


async def replayed(settings: Settings, identifier: str) -> Replayed:
    """Give one item to the store. Raises ServerError, also when it is refused again."""
    outcome = Replayed()
    async with server_of(settings) as server:
        outcome.add(await server.json("POST", f"{_PATH}/{quote(identifier, safe='')}/replay"))
    return outcome


async def replayed_all(settings: Settings, wanted: Wanted) -> Replayed:
    """Give every item that fits to the store, page by page, with progress on stderr. Raises ServerError."""
    outcome = Replayed()
    async with server_of(settings) as server:
        first = await _page(server, wanted, 1, "")
        body: dict[str, Any] = dict(wanted.parameters)
        total = None if body else first["count"]
        with _progress(total) as tell:
            cursor: str | None = ""
            while cursor is not None:
                try:
                    answer = await server.json(
                        "POST", f"{_PATH}/replay", body=body | ({"cursor": cursor} if cursor else {})
                    )
                except ServerError as error:
                    raise ServerError(f"{error.message}; {outcome.replayed:,} items were stored before that") from error
                outcome.add(answer)
                cursor = answer["next_cursor"]
                tell(outcome.replayed + outcome.refused)
    return outcome


async def discarded(settings: Settings, identifier: str) -> None:
    """Take an item out for good. Raises ServerError."""
    async with server_of(settings) as server:
        await server.json("DELETE", f"{_PATH}/{quote(identifier, safe='')}")


async def _page(server: Server, wanted: Wanted, limit: int, cursor: str) -> dict[str, Any]:
    parameters = (
        *wanted.parameters,
        ("limit", str(min(limit, MAX_LISTED))),
        *((("cursor", cursor),) if cursor else ()),
    )
    answer: dict[str, Any] = await server.json("GET", _PATH, parameters)
    return answer


@contextmanager
def _progress(total: int | None) -> Iterator[Callable[[int], None]]:
    """How many items were tried, on stderr and only for a person."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("replaying"),
        BarColumn(bar_width=20),
        TaskProgressColumn(),
        TextColumn("{task.completed:,.0f} items"),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=total)
        yield lambda count: progress.update(task, completed=count)
        tried = progress.tasks[0].completed
        progress.update(task, total=max(tried, 1), completed=max(tried, 1))
