"""What a message says of its incidents: values and times as the pages show them."""

from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from alerting.ledger import Incident, IncidentFacts
from alerting.machine import Status
from alerting.messages import text_of
from alerting.outbox import Claimed, NoticeKind, Occasion
from alerting.rules import SOURCE_BLIND, Severity
from opswatch.notices import NoticeWriter
from telemetry.times import from_datetime

OPENED = datetime(2026, 11, 27, 2, 10, tzinfo=UTC)
DOWN = Incident(
    7,
    "key",
    "service_health",
    "1",
    (("service", "shop"),),
    Severity.CRITICAL,
    Severity.CRITICAL,
    Status.FIRING,
    flapping=False,
    opened=OPENED,
    resolved=None,
    resolution="",
    value=0.0,
    facts=IncidentFacts("shop is down", "shop", (("service", "shop"),), ""),
)


async def told(incident: Incident, unit: str = "state") -> str:
    """The text of a mail about it."""
    writer = NoticeWriter("h1", "", lambda _: unit, None, None, ZoneInfo("Europe/Berlin"))
    created = from_datetime(OPENED) + 90 * 10**9
    firing = int(incident.is_open)
    claimed = Claimed(
        1,
        "msg_1",
        NoticeKind.ALERT,
        "mail",
        "all",
        (),
        created,
        created,
        1,
        "",
        ((incident, Occasion.OPENED),),
        0,
        firing,
        1 - firing,
        firing,
    )
    return text_of(await writer(claimed))


async def test_times_are_of_the_zone_that_pages_show() -> None:
    """Whoever reads it at night has a clock of their own on the wall."""
    text = await told(DOWN)
    assert "Since:        Fri 27 Nov 2026, 03:10:00 CET (for 1.5 m)" in text
    assert "Made Fri 27 Nov 2026, 03:11:30 CET" in text
    over = await told(replace(DOWN, resolved=datetime(2026, 11, 27, 2, 20, tzinfo=UTC)))
    assert "From:         Fri 27 Nov 2026, 03:10:00 CET to 03:20:00 CET (10 m)" in over


async def test_a_state_has_a_name_and_blindness_no_value() -> None:
    """`0` tells nobody that something is down."""
    assert "Value:        down\n" in await told(DOWN)
    assert "Value:        0\n" in await told(DOWN, "1")
    assert "Value:" not in await told(replace(DOWN, rule=SOURCE_BLIND, value=1.0), "1")
