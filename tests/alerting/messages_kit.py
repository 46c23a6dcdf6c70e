"""Messages to try senders and templates with."""

from dataclasses import replace
from datetime import UTC, datetime

from alerting.outbox import Notice, NoticeKind, Occasion, Told
from alerting.rules import Severity

NOW = datetime(2026, 11, 27, 3, 0, tzinfo=UTC)
TOLD = Told(
    number=7,
    occasion=Occasion.OPENED,
    severity=Severity.CRITICAL,
    is_open=True,
    flapping=False,
    rule="latency_p95",
    service="checkout",
    summary="p95 latency of checkout is 934 ms",
    labels=(("probe", "health"), ("service", "checkout")),
    value=934.2,
    unit="ms",
    opened=NOW,
    resolved=None,
    runbook="https://wiki.example/latency",
    page="https://ops.example/incidents/7",
)
NOTICE = Notice(
    id="msg_0123456789abcdef0123456789abcdef",
    kind=NoticeKind.ALERT,
    receiver="ops",
    created=NOW,
    host="h1",
    items=(TOLD,),
    firing=1,
    critical=1,
    group=(("rule", "latency_p95"),),
    thread="ops/1 to ops/rule=latency_p95",
    page="https://ops.example/alerts",
    acknowledge="https://ops.example/act/x",
)


def notice(**told: object) -> Notice:
    """One incident, with these facts of it changed."""
    return replace(NOTICE, items=(replace(TOLD, **told),))  # type: ignore[arg-type]
