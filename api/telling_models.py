"""The shapes of deliveries, explanations and receivers, as the OpenAPI document publishes them. Pure."""

from __future__ import annotations

from pydantic import Field

from api.models import Answer

_TIME = "RFC 3339, UTC."


class AttemptAnswer(Answer):
    """One try for one recipient."""

    time: str = Field(description=_TIME)
    number: int
    recipient: str = Field(description="An e-mail address; empty where the receiver is one.")
    outcome: str = Field(description="`delivered`, `later` (it is tried again) or `refused`.")
    code: str = Field(description="Status, SMTP code, or a word like `timeout`.")
    text: str = Field(description="The first 500 bytes of the answer.")
    took_ms: float


class DeliveryAnswer(Answer):
    """One message to one receiver."""

    id: str = Field(description="The same over every try.")
    kind: str = Field(description="`alert`, `test`, or `own` (of OpsWatch itself).")
    receiver: str
    route: str
    state: str = Field(description="`waiting`, `sending`, `delivered`, `dead` or `combined` (part of a later message).")
    created: str = Field(description=_TIME)
    finished: str | None = Field(description=_TIME)
    due: str | None = Field(description="When it is tried next; null unless it waits.")
    deadline: str = Field(description="Until when it is tried.")
    attempts: int
    note: str
    incidents: list[int] = Field(description="The first 20 incidents that it tells of.")
    incident_count: int
    occasions: list[str] = Field(description="Why: `opened`, `raised`, `released`, `escalated`, `resolved`, ...")
    tries: list[AttemptAnswer]


class DeliveriesAnswer(Answer):
    """Messages, the newest first."""

    deliveries: list[DeliveryAnswer]


class ReasonAnswer(Answer):
    """What a look at an incident decided."""

    time: str = Field(description=_TIME)
    receiver: str = Field(description="Empty: for everybody.")
    why: str
    tell: bool
    words: str


class ExplanationAnswer(Answer):
    """Why somebody was, or nobody was, told of an incident, as of a moment."""

    incident: int
    at: str = Field(description=_TIME)
    words: list[str] = Field(description="Sentences for people.")
    reasons: list[ReasonAnswer]
    deliveries: list[DeliveryAnswer]


class ReceiverAnswer(Answer):
    """Somebody who is told."""

    name: str
    kind: str
    to: str = Field(description="Whom it reaches, without secrets.")
    fallback: str
    routes: list[str]
    waiting: int
    last_delivered: str | None = Field(description=_TIME)
    last_failed: str | None = Field(description=_TIME)
    last_answer: str


class ReceiversAnswer(Answer):
    """Receivers in the order of the configuration."""

    receivers: list[ReceiverAnswer]
