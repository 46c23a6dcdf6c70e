"""What `opswatch provision` prints: what is there against what should be, for people and for programs. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from influx import changes
from influx.blueprint import Blueprint
from influx.changes import Change, There, kept
from influx.stack_changes import counted, parts_of
from opswatch.log_record import inert

_MARKS = {"alter": "~", "delete": "-", "remove": "-"}


@dataclass(frozen=True, slots=True)
class Account:
    """How a server stands. `files` are those of the tokens, by our name for them; `exposed` can be read by others."""

    url: str
    wanted: Blueprint
    there: There
    files: Mapping[str, str]
    exposed: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What is told, and waits for nobody."""
        open_files = (f"{file} can be read by other users: chmod 600 {file}" for file in self.exposed)
        return (*changes.notes(self.wanted, self.there), *open_files)

    @property
    def changes(self) -> tuple[Change, ...]:
        return changes.plan(self.wanted, self.there)


def plan_lines(account: Account) -> Iterator[str]:
    """Everything, right or not: `+` is made, `~` is changed, `-` is removed, `!` waits for a word."""
    yield inert(f"InfluxDB at {account.url}, organisation {account.wanted.org}")
    waiting: dict[str, list[Change]] = defaultdict(list)
    for change in account.changes:
        waiting[change.subject].append(change)
    right = _right(account)
    yield from map(_line, waiting.pop("server", ()))
    for subject, words in _subjects(account):
        yield from map(_line, waiting.pop(subject, ()))
        if subject in right:
            yield inert(f"  {subject}: right, {words}")
    for rest in waiting.values():
        yield from map(_line, rest)
    yield from _notes(account)
    yield _sum(account, "waits", "wait", "nothing waits")


def drift_lines(account: Account) -> Iterator[str]:
    """What is not as it should be, and nothing else but the sum."""
    yield from map(_line, account.changes)
    yield from _notes(account)
    yield _sum(account, "is needed", "are needed", "everything is as it should be")


def as_dict(account: Account) -> dict[str, Any]:
    """The same for programs."""
    waiting = account.changes
    return {
        "url": account.url,
        "org": account.wanted.org,
        "set_up": account.there.is_set_up,
        "changes": [
            {"kind": one.kind, "subject": one.subject, "message": one.words, "needs": one.needs} for one in waiting
        ],
        "right": _right(account),
        "notes": list(account.notes),
        "token_files": dict(account.files),
    }


def _subjects(account: Account) -> Iterator[tuple[str, str]]:
    """What must be there, and what is to be said of each that is right."""
    for bucket in account.wanted.buckets:
        yield f"bucket {bucket.name}", kept(bucket)
    for token in account.wanted.tokens:
        yield f"token {token.name}", f"in {account.files[token.name]}"
    for task in account.wanted.tasks:
        yield f"task {task.name}", "runs with its own text"
    if account.wanted.stack is not None and account.wanted.stack.objects:
        yield "dashboards", counted(parts_of(account.wanted.stack.objects))


def _right(account: Account) -> list[str]:
    """The subjects of what is as it should be; nothing on a server that was not set up."""
    wrong = {change.subject for change in account.changes}
    if not account.there.is_set_up:
        return []
    return [subject for subject, _ in _subjects(account) if subject not in wrong]


def _line(change: Change) -> str:
    mark = "!" if change.needs else _MARKS.get(change.kind.partition(" ")[0], "+")
    waits = f" (waits for {change.needs})" if change.needs else ""
    return inert(f"{mark} {change.subject}: {change.words}{waits}")


def _notes(account: Account) -> Iterator[str]:
    for note in account.notes:
        yield inert(f"note: {note}")


def _sum(account: Account, one: str, many: str, none: str) -> str:
    waiting = account.changes
    if not waiting:
        return none
    words = sorted({change.needs for change in waiting if change.needs})
    command = " ".join(("opswatch provision apply", *words))
    count = f"1 change {one}" if len(waiting) == 1 else f"{len(waiting)} changes {many}"
    return f"{count}: `{command}`"
