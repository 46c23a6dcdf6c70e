"""The picture of an incident: what its rule read, or none, and never a reason to wait or to fail."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from alerting.ledger import Incident, IncidentFacts
from alerting.machine import Status
from alerting.rule_status import RuleStatus
from alerting.rules import Comparison, Rule, Selection, Severity, Threshold, Value
from api import incident_picture
from api.doors import Evaluations
from api.incident_picture import IncidentPicture, trend_facts
from telemetry.clock import Clock
from telemetry.errors import NotFound, StoreUnavailable
from telemetry.series import Function
from telemetry.times import from_datetime

NOW = datetime(2026, 11, 24, 3, 30, tzinfo=UTC)
MINUTE = 60 * 1_000_000_000
RULE = Rule(
    "load_high",
    Value(Selection("system", "load1", Function.MEAN, 5 * MINUTE)),
    (
        (Severity.WARNING, Threshold(Comparison.ABOVE, 5.0, 4.0)),
        (Severity.CRITICAL, Threshold(Comparison.AT_LEAST, 10.0)),
    ),
    MINUTE,
)
STATUS = RuleStatus(RULE, 1, 0, 0, NOW, "ms", "")
INCIDENT = Incident(
    7, "key", "load_high", "v1", (("host", "h1"),), Severity.WARNING, Severity.WARNING, Status.FIRING, False,
    NOW - timedelta(minutes=20), None, "", 7.0, IncidentFacts("", "", (), ""),
)  # fmt: skip


class Rooms:
    """The doors that a picture is made by: one incident, one rule, and what it read."""

    def __init__(self) -> None:
        self.values: tuple[float | None, ...] = (1.0, None, 7.0, 12.0)
        self.trouble: Exception | None = None
        self.takes = 0.0
        self.asked: list[tuple[datetime, datetime]] = []

    async def show(self, number: int) -> tuple[Incident, tuple[()]]:
        if number != INCIDENT.id:
            raise NotFound("no such incident")
        return INCIDENT, ()

    def standing(self) -> Any:
        return SimpleNamespace(rules=(STATUS,))

    async def evaluations(self, incident: Incident, start: datetime, stop: datetime) -> Evaluations:
        self.asked.append((start, stop))
        await asyncio.sleep(self.takes)
        if self.trouble is not None:
            raise self.trouble
        first = from_datetime(start)
        return Evaluations(range(first, first + len(self.values) * MINUTE, MINUTE), self.values)


@pytest.fixture
def rooms() -> Rooms:
    return Rooms()


@pytest.fixture
async def picture(rooms: Rooms) -> AsyncIterator[IncidentPicture]:
    doors: Any = rooms
    made = IncidentPicture(doors, doors, doors, Clock(lambda: NOW, lambda: 0.0), ZoneInfo("UTC"))
    yield made
    made.close()


async def test_it_draws_what_the_rule_read(picture: IncidentPicture, rooms: Rooms) -> None:
    """From some time before it opened until now, as the page does."""
    drawn = await picture.draw(7)

    assert drawn is not None
    assert drawn.startswith(b"\x89PNG")
    assert rooms.asked == [(NOW - timedelta(minutes=30), NOW)]


@pytest.mark.parametrize(
    "trouble", [StoreUnavailable("away"), NotFound("its rule is gone"), RuntimeError("what nobody expected")]
)
async def test_a_message_goes_without_it_when_it_fails(
    picture: IncidentPicture, rooms: Rooms, trouble: Exception
) -> None:
    """None, whatever happens."""
    rooms.trouble = trouble

    assert await picture.draw(7) is None


async def test_there_is_none_of_what_is_not_known(picture: IncidentPicture, rooms: Rooms) -> None:
    """No incident of that number; no value at all."""
    rooms.values = (None, None)

    assert await picture.draw(8) is None
    assert await picture.draw(7) is None


async def test_a_slow_store_is_not_waited_for(
    picture: IncidentPicture, rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the deadline the message goes."""
    monkeypatch.setattr(incident_picture, "DEADLINE", 0.05)
    rooms.takes = 60.0

    assert await asyncio.wait_for(picture.draw(7), 5) is None


def test_thresholds_have_words() -> None:
    """Severity, side and limit, in the unit of the values."""
    read = Evaluations(range(0, 2 * MINUTE, MINUTE), (1.0, 2.0))
    facts = trend_facts(INCIDENT, STATUS, read, ZoneInfo("UTC"))

    assert [limit.words for limit in facts.limits] == ["warning above 5 ms", "critical at least 10 ms"]
    assert facts.title == "load_high: host h1"
    assert facts.written(1_500.0) == "1,500 ms"
