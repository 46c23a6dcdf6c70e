"""Runs as a process of its own: tells people over a story, and is killed at each point of that in turn.

`telling_victim.py FOLDER FIRST EVERY` makes a directory for each point from FIRST on, every EVERY-th, in which a child
that was killed there has left its ledger, and what has left the house in `sent.txt`; then it goes on from there, as the
next start would. It prints how many points there are. They are found by SQLAlchemy's events, before and after every
statement, before every commit and, as the next begin, after it; and before and after every message.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from sqlalchemy import Engine, event

from alerting.label_match import LabelMatch
from alerting.outbox import Answer, Notice
from alerting.receivers import Receiver
from alerting.routes import Escalation, Route, Step
from opswatch.state import State
from tests.alerting.office import ANSWERED, Office, receiver

MINUTE = 60 * 10**9
ROUTES = (Route("all", LabelMatch(), "", "ladder"),)
LADDER = {"ladder": Escalation("ladder", (Step(0, "mail"), Step(MINUTE, "phone")))}
# When something happens, in seconds, and what; a round of telling follows each.
STORY: tuple[tuple[float, str, tuple[str, ...]], ...] = (
    (0, "fire", ("a", "b")),
    (12, "", ()),
    (61, "", ()),
    (73, "resolve", ("a",)),
    (400, "resolve", ("b",)),
    (800, "", ()),
    (1_200, "", ()),
)


class Post:
    """Notes what leaves the house where a kill cannot take it back; `reached` is told before and after."""

    def __init__(self, file: Path, reached: Callable[[], None]) -> None:
        self._file = file
        self._reached = reached

    async def send(self, receiver: Receiver, notice: Notice, recipients: Sequence[str]) -> Sequence[Answer]:
        self._reached()
        with self._file.open("a") as file:
            for told in notice.items:
                host = dict(told.labels)["host"]
                file.write(f"{receiver.name} {host} {'open' if told.is_open else 'over'} {notice.id}\n")
        self._reached()
        return [ANSWERED]


async def live(place: Path, reached: Callable[[], None]) -> None:
    """From where it was left to the end of the story."""
    progress = place / "step"
    first = int(progress.read_text()) if progress.exists() else 0
    async with State.opened(place / "state.sqlite") as state:
        it = Office(state, {name: receiver(name) for name in ("mail", "phone")}, ROUTES, LADDER)
        it.mailbox = Post(place / "sent.txt", reached)  # type: ignore[assignment]
        it.restart()
        it.seconds = STORY[first][0]
        await state.outbox.reclaim(it.now)
        await it.touch()
        for number in range(first, len(STORY)):
            progress.write_text(str(number))
            seconds, what, hosts = STORY[number]
            it.seconds = seconds
            is_open = {dict(alert.tags)["host"] for alert in await state.ledger.alerts() if alert.is_open}
            if what == "fire":
                await it.fire(*(host for host in hosts if host not in is_open)) if set(hosts) - is_open else None
            elif what == "resolve" and set(hosts) <= is_open:
                await it.resolve(*hosts)
            await it.round()
            it.seconds += 12  # what waits for others of its group
            await it.round()


def killing(point: int) -> Callable[[], None]:
    """From now on, the process ends at this point."""
    seen = 0

    def reached(*_: object, **__: object) -> None:
        nonlocal seen
        seen += 1
        if seen == point:
            os.kill(os.getpid(), signal.SIGKILL)

    for name in ("before_cursor_execute", "after_cursor_execute", "commit", "begin"):
        event.listen(Engine, name, reached)
    return reached


def ended(place: Path, point: int) -> int:
    """A child that is killed at this point, or never (0); how it ended."""
    child = os.fork()  # before any thread: the process that forks runs no loop
    if child == 0:
        reached = killing(point) if point else lambda: None
        asyncio.run(live(place, reached))
        os._exit(0)
    return os.waitpid(child, 0)[1]


def main(folder: Path, first: int, every: int) -> None:
    asyncio.run(_prepare(folder / "empty"))
    point = first
    while True:
        place = folder / str(point)
        place.mkdir()
        (place / "state.sqlite").write_bytes((folder / "empty" / "state.sqlite").read_bytes())
        if os.WIFEXITED(ended(place, point)):
            print(point)
            return
        if status := ended(place, 0):
            print("the next start failed", point, status)
            return
        point += every


async def _prepare(folder: Path) -> None:
    folder.mkdir()
    async with State.opened(folder / "state.sqlite"):
        pass


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
