"""What people mute and plan by hand: silences, maintenance windows, overrides of duty; words and doors. Pure.

Each is kept with who made it, and each change by a person in the audit. A change names the version that it was made of,
so that of two people who edit at once the second is told instead of the first undone. `opswatch/state/` implements the
doors; every call of them raises StoreUnavailable when they cannot be used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from alerting.duty import Override, Rotation
from alerting.label_match import LabelMatch
from alerting.windows import Once, Window
from telemetry.errors import InvalidRequest
from telemetry.times import NANOSECONDS_PER_SECOND, from_datetime

MAX_COMMENT = 4_000  # characters
MAX_NAME = 100
LONGEST = timedelta(days=3_653)
_LONGEST_NS = LONGEST // timedelta(seconds=1) * NANOSECONDS_PER_SECOND


@dataclass(frozen=True, slots=True)
class SilenceDraft:
    """A silence as somebody wants it; one that matches everything has to say `everything`."""

    match: LabelMatch
    starts: datetime
    ends: datetime
    comment: str = ""
    everything: bool = False


@dataclass(frozen=True, slots=True)
class Silence:
    """Incidents that `match` are told to nobody from `starts` to `ends`. `ended_by`: who ended it before its time."""

    id: int
    match: LabelMatch
    author: str
    comment: str
    created: datetime
    starts: datetime
    ends: datetime
    ended_by: str
    version: int

    def holds(self, now: datetime) -> bool:
        """Whether it mutes now."""
        return self.starts <= now < self.ends


class SilenceBook(Protocol):
    """Silences."""

    async def list(self, after: datetime | None = None) -> tuple[Silence, ...]:
        """Those that end after this time (that are not over), by their ends; all without it, the newest first."""
        ...

    async def show(self, number: int) -> Silence:
        """One. Raises NotFound."""
        ...

    async def add(self, draft: SilenceDraft, author: str, now: datetime) -> Silence:
        """Make one. Raises InvalidRequest."""
        ...

    async def change(self, number: int, version: int, draft: SilenceDraft, author: str, now: datetime) -> Silence:
        """Make it so. Raises InvalidRequest, NotFound, Conflict when it is over or at another version."""
        ...

    async def end(self, number: int, author: str, now: datetime) -> Silence:
        """End it now. Raises NotFound, Conflict when it is over."""
        ...


@dataclass(frozen=True, slots=True)
class WindowDraft:
    """A maintenance window as somebody wants it."""

    window: Window
    comment: str = ""
    everything: bool = False


@dataclass(frozen=True, slots=True)
class StoredWindow:
    """A window that somebody planned, beside those of opswatch.yaml. `ended`: when somebody took it out."""

    id: int
    window: Window
    author: str
    comment: str
    created: datetime
    ended: datetime | None
    ended_by: str
    version: int


class MaintenanceBook(Protocol):
    """Maintenance windows that people planned."""

    async def list(self, *, with_ended: bool = False) -> tuple[StoredWindow, ...]:
        """Those that are planned; with those that were taken out too, the newest first."""
        ...

    async def show(self, number: int) -> StoredWindow:
        """One. Raises NotFound."""
        ...

    async def add(self, draft: WindowDraft, author: str, now: datetime) -> StoredWindow:
        """Make one. Raises InvalidRequest, Conflict when the name is taken."""
        ...

    async def change(self, number: int, version: int, draft: WindowDraft, author: str, now: datetime) -> StoredWindow:
        """Make it so. Raises InvalidRequest, NotFound, Conflict: taken out, at another version, the name is taken."""
        ...

    async def end(self, number: int, author: str, now: datetime) -> StoredWindow:
        """Take it out; if it holds, what it holds back is told. Raises NotFound, Conflict when it is out."""
        ...


@dataclass(frozen=True, slots=True)
class OverrideDraft:
    """Somebody steps in."""

    rotation: str
    override: Override
    comment: str = ""


@dataclass(frozen=True, slots=True)
class StoredOverride:
    """Somebody who steps in, in a rotation of opswatch.yaml."""

    id: int
    rotation: str
    override: Override
    author: str
    comment: str
    created: datetime


class DutyBook(Protocol):
    """Who steps in."""

    async def list(self, after: datetime) -> tuple[StoredOverride, ...]:
        """Those that end after this time, in the order in which they were added."""
        ...

    async def add(self, draft: OverrideDraft, author: str, now: datetime) -> StoredOverride:
        """Make one. Raises InvalidRequest."""
        ...

    async def end(self, number: int, author: str, now: datetime) -> None:
        """From now on it does not count. Raises NotFound, Conflict when it is over."""
        ...


def with_overrides(rotation: Rotation, stored: Sequence[StoredOverride]) -> Rotation:
    """A rotation of opswatch.yaml with those who step in; who was added last wins."""
    added = (one.override for one in stored if one.rotation == rotation.name)
    return replace(rotation, overrides=(*rotation.overrides, *added))


def check_silence(draft: SilenceDraft, now: datetime) -> None:
    """Raises InvalidRequest, naming the field and the way out."""
    _check_comment(draft.comment)
    _check_everything(draft.match, "silence", meant=draft.everything)
    if draft.ends <= draft.starts:
        raise InvalidRequest("a silence ends after it starts", field="until")
    if draft.ends <= now:
        raise InvalidRequest("a silence ends at a time that is still to come", field="until")
    if draft.ends - draft.starts > LONGEST:
        raise InvalidRequest("a silence lasts ten years at most", field="until")
    if draft.starts - now > LONGEST:
        raise InvalidRequest("a silence starts within ten years", field="starts")


def check_window(draft: WindowDraft, now: datetime) -> None:
    """As `check_silence`."""
    window, instant = draft.window, from_datetime(now)
    _check_comment(draft.comment)
    _check_everything(window.match, "window", meant=draft.everything)
    if not window.name.strip() or len(window.name) > MAX_NAME or not window.name.isprintable():
        raise InvalidRequest(f"a window's name has 1 to {MAX_NAME} printable characters", field="name")
    length = window.duration
    if isinstance(window.times, Once):
        length = window.times.stop - window.times.start
        if window.times.stop <= instant:
            raise InvalidRequest("the window is over already", field="stop")
        if window.times.start - instant > _LONGEST_NS:
            raise InvalidRequest("a window starts within ten years", field="start")
    if length < NANOSECONDS_PER_SECOND:
        raise InvalidRequest("a window lasts for a second at least", field="duration")
    if length > _LONGEST_NS:
        raise InvalidRequest("a window lasts ten years at most", field="duration")


def check_override(draft: OverrideDraft, now: datetime) -> None:
    """As `check_silence`."""
    override, instant = draft.override, from_datetime(now)
    _check_comment(draft.comment)
    if override.stop <= override.start:
        raise InvalidRequest("an override ends after it starts", field="stop")
    if override.stop <= instant:
        raise InvalidRequest("an override ends at a time that is still to come", field="stop")
    if override.stop - min(override.start, instant) > _LONGEST_NS:
        raise InvalidRequest("an override ends within ten years", field="stop")


def _check_comment(comment: str) -> None:
    if len(comment) > MAX_COMMENT:
        words = f"a comment has at most {MAX_COMMENT:,} characters; this one has {len(comment):,}"
        raise InvalidRequest(words, field="comment")


def _check_everything(match: LabelMatch, what: str, *, meant: bool) -> None:
    if not meant and all(wanted == "~.*" for _, wanted in match.conditions):
        words = f"this {what} mutes every incident; say everything: true if that is meant"
        raise InvalidRequest(words, field="match")
