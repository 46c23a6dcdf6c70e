"""What the pages of silences, maintenance, duty and messages are given: words ready to be shown. Pure.

Every text in them went through `telemetry.visible_text`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class FormView:
    """What stands in an editor: what was typed, and the item and version that it changes (None: a new one).

    `faults`: what is wrong with a field, by its name.
    """

    typed: Mapping[str, str] = field(default_factory=dict)
    number: int | None = None
    version: int | None = None
    faults: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PreviewView:
    """Which of the open incidents a silence would mute: the first of them, how many, and how many are open."""

    incidents: tuple[tuple[int, str, str], ...]  # number, severity, summary
    count: int
    open: int


@dataclass(frozen=True, slots=True)
class SilenceRow:
    """`state` is `holds`, `to come` or `over`."""

    number: int
    match: str
    author: str
    comment: str
    starts: datetime
    ends: datetime
    state: str
    ended_by: str


@dataclass(frozen=True, slots=True)
class SilencesView:
    """The page of silences; `lengths` to choose from."""

    rows: tuple[SilenceRow, ...]
    form: FormView
    preview: PreviewView | None
    lengths: tuple[tuple[str, str], ...]
    may_act: bool
    troubles: tuple[str, ...]
    now: datetime


@dataclass(frozen=True, slots=True)
class WindowRow:
    """A maintenance window; `number` is None for one of opswatch.yaml. `until`: it holds now; `following`: next."""

    number: int | None
    name: str
    match: str
    when: str
    until: datetime | None
    following: datetime | None
    author: str
    comment: str


@dataclass(frozen=True, slots=True)
class MaintenanceView:
    """The page of maintenance."""

    rows: tuple[WindowRow, ...]
    form: FormView
    zone: str
    may_act: bool
    troubles: tuple[str, ...]
    now: datetime


@dataclass(frozen=True, slots=True)
class ShiftRow:
    """Somebody's time on duty; `steps_in`: it is not their week."""

    person: str
    since: datetime
    until: datetime
    steps_in: bool


@dataclass(frozen=True, slots=True)
class OverrideRow:
    """Somebody who steps in."""

    number: int
    person: str
    start: datetime
    stop: datetime
    author: str
    comment: str


@dataclass(frozen=True, slots=True)
class RotationView:
    """People who take turns: who has it now, and what comes."""

    name: str
    zone: str
    people: tuple[str, ...]
    receiver: str
    present: ShiftRow
    coming: tuple[ShiftRow, ...]
    overrides: tuple[OverrideRow, ...]


@dataclass(frozen=True, slots=True)
class DutyView:
    """The page of duty."""

    rotations: tuple[RotationView, ...]
    form: FormView
    may_act: bool
    troubles: tuple[str, ...]
    now: datetime


@dataclass(frozen=True, slots=True)
class TryRow:
    """One try of a message, and what was answered."""

    at: datetime
    recipient: str
    outcome: str
    answer: str


@dataclass(frozen=True, slots=True)
class MessageRow:
    """A message. `what` says why it was sent, `incidents` are the first of `count`."""

    identifier: str
    receiver: str
    state: str
    what: str
    created: datetime
    due: datetime | None
    deadline: datetime
    note: str
    incidents: tuple[int, ...]
    count: int
    tries: tuple[TryRow, ...]


@dataclass(frozen=True, slots=True)
class ReceiverRow:
    """A receiver, and how it stands."""

    name: str
    kind: str
    to: str
    waiting: int
    last_delivered: datetime | None
    last_failed: datetime | None
    last_answer: str


@dataclass(frozen=True, slots=True)
class MessagesView:
    """The page of messages; `tried` is the test that was sent just now.

    `older`, `newest`: the query strings of the next page and of the first; empty and None where one is on it.
    """

    receivers: tuple[ReceiverRow, ...]
    rows: tuple[MessageRow, ...]
    receiver: str
    state: str
    states: tuple[str, ...]
    tried: MessageRow | None
    may_act: bool
    troubles: tuple[str, ...]
    now: datetime
    older: str = ""
    newest: str | None = None


@dataclass(frozen=True, slots=True)
class ReasonRow:
    """What a look at an incident decided."""

    at: datetime
    receiver: str
    tell: bool
    words: str


@dataclass(frozen=True, slots=True)
class WhyView:
    """Who was told of an incident, and why, as of a moment; `asked` is what was typed for it."""

    words: tuple[str, ...]
    reasons: tuple[ReasonRow, ...]
    messages: tuple[MessageRow, ...]
    asked: str = ""
    trouble: str = ""
