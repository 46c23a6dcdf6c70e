"""Write the message of a delivery: incidents as they are now, links, and a picture. Shell."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from alerting.ledger import Incident
from alerting.outbox import Claimed, Notice, NoticeKind, Occasion, Told, TrendPicture
from alerting.rules import SOURCE_BLIND
from telemetry.errors import OpsWatchError
from telemetry.times import to_datetime

logger = logging.getLogger(__name__)

_LONGEST_DRAWING = 5.0  # seconds; then the message goes without a picture
Link = Callable[[str, str, str], str]  # delivery, receiver, `ack` or `snooze`: a URL


@dataclass(frozen=True, slots=True)
class NoticeWriter:
    """Call it with what is claimed. `unit` is that of a rule's values; `link` is None where nobody has said by which
    address people reach this server; times are of `zone`."""

    host: str
    public_url: str
    unit: Callable[[str], str]
    link: Link | None
    picture: TrendPicture | None
    zone: ZoneInfo
    pictured: frozenset[str] = frozenset()  # receivers whose messages can hold a picture

    async def __call__(self, claimed: Claimed) -> Notice:
        """The message; it never fails for want of a picture."""
        items = tuple(self._told(one, occasion) for one, occasion in claimed.items)
        urges = claimed.kind is NoticeKind.ALERT and claimed.firing > 0 and self.link is not None
        return Notice(
            claimed.identifier,
            claimed.kind,
            claimed.receiver,
            to_datetime(claimed.created).astimezone(self.zone),
            self.host,
            items,
            claimed.left_out,
            claimed.firing,
            claimed.resolved,
            claimed.critical,
            claimed.group,
            thread=_thread(claimed),
            note=claimed.note,
            page=f"{self.public_url}/alerts" if self.public_url else "",
            acknowledge=self._link(claimed, "ack") if urges else "",
            snooze=self._link(claimed, "snooze") if urges else "",
            picture=await self._picture(claimed),
            attempt=claimed.attempt,
        )

    def _told(self, one: Incident, occasion: Occasion) -> Told:
        return Told(
            one.id,
            occasion,
            one.severity,
            one.is_open,
            one.flapping,
            one.rule,
            one.facts.service,
            one.facts.summary,
            one.facts.labels,
            None if one.rule == SOURCE_BLIND else one.value,  # which says nothing
            self.unit(one.rule),
            one.opened.astimezone(self.zone),
            None if one.resolved is None else one.resolved.astimezone(self.zone),
            one.acknowledged_by,
            one.facts.runbook,
            f"{self.public_url}/incidents/{one.id}" if self.public_url else "",
        )

    def _link(self, claimed: Claimed, act: str) -> str:
        if self.link is None:
            return ""
        try:
            return self.link(claimed.identifier, claimed.receiver, act)
        except OpsWatchError as error:
            logger.warning("a message goes without its links", extra={"reason": error.message})
            return ""

    async def _picture(self, claimed: Claimed) -> bytes | None:
        if self.picture is None or not claimed.items or claimed.receiver not in self.pictured:
            return None
        try:
            async with asyncio.timeout(_LONGEST_DRAWING):
                return await self.picture.draw(claimed.items[0][0].id)
        except Exception:
            logger.warning("a message goes without its picture", exc_info=True)
            return None


def _thread(claimed: Claimed) -> str:
    """The same for all messages of one group to one receiver."""
    parts = [claimed.receiver, claimed.route, *(f"{name}={value}" for name, value in claimed.group)]
    return "/".join(parts) if claimed.items else claimed.identifier
