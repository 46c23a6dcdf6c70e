"""Notices for tests: what the planner hands over, with whatever differs."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from alerting.outbox import Notice, NoticeKind, Occasion, Told
from alerting.rules import Severity

OPENED = datetime(2026, 11, 24, 3, 12, 7, tzinfo=UTC)
INCIDENT = Told(
    number=4711,
    occasion=Occasion.OPENED,
    severity=Severity.CRITICAL,
    is_open=True,
    flapping=False,
    rule="checkout_latency",
    service="checkout",
    summary="p95 latency above 800 ms",
    labels=(("host", "web-1"), ("path", "/pay"), ("service", "checkout"), ("severity", "critical")),
    value=1240.0,
    unit="ms",
    opened=OPENED,
    resolved=None,
    runbook="https://wiki.example/checkout",
    page="https://ops.example/incidents/4711",
)
OVER: dict[str, Any] = {
    "is_open": False,
    "occasion": Occasion.RESOLVED,
    "resolved": OPENED + timedelta(minutes=41),
    "value": 310.0,
}


def told(**changes: Any) -> Told:
    """One incident, critical and open."""
    return replace(INCIDENT, **changes)


def notice(*items: Told, **changes: Any) -> Notice:
    """A message that tells of these incidents."""
    whole = Notice(
        id="msg_01KB3XW9G0",
        kind=NoticeKind.ALERT,
        receiver="ops-mail",
        created=OPENED + timedelta(minutes=2),
        host="ops-1",
        items=items,
        firing=sum(one.is_open for one in items),
        resolved=sum(not one.is_open for one in items),
        critical=sum(one.is_open and one.severity is Severity.CRITICAL for one in items),
        page="https://ops.example/alerts",
        acknowledge="https://ops.example/act/ack-link",
        snooze="https://ops.example/act/snooze-link",
    )
    return replace(whole, **changes)


def digest() -> Notice:
    """A storm of 10,000, of which fifty are listed."""
    items = [
        told(
            number=5000 + number,
            severity=Severity.CRITICAL if number < 14 else Severity.WARNING,
            service=f"shop-{number}",
            summary=f"disk is {99 - number} % full",
        )
        for number in range(50)
    ]
    return notice(*items, left_out=9_950, firing=9_990, resolved=10, critical=14, note="Too many for one minute.")
