"""Join telling people to the ledger, the senders and the settings. Shell."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from alerting.delivery import Post
from alerting.notifiers.chat import ChatSender
from alerting.notifiers.email import EmailSender
from alerting.notifiers.webhook import WebhookSender
from alerting.outbox import Sender, TrendPicture
from alerting.receivers import ReceiverKind
from api.incident_picture import IncidentPicture
from opswatch.alerting import Alerting
from opswatch.link_desk import StoredLinkDesk
from opswatch.link_keys import LinkKeys
from opswatch.notices import Link, NoticeWriter
from opswatch.state import State
from opswatch.storage import Place
from opswatch.telling import Telling, TellingParts
from opswatch.telling_settings import TellingSettings
from telemetry.clock import Clock


@dataclass(frozen=True, slots=True)
class Means:
    """By which ways people are told, and what messages hold beside words."""

    senders: Mapping[ReceiverKind, Sender]
    link: Link | None
    picture: TrendPicture | None
    host: str
    zone: ZoneInfo


@asynccontextmanager
async def open_telling(place: Place, state: State, alerting: Alerting) -> AsyncIterator[tuple[Telling, StoredLinkDesk]]:
    """Telling, and the links in its messages, as long as the block runs. Raises StoreUnavailable."""
    settings, clock = place.settings, place.clock
    async with AsyncExitStack() as stack:
        keys, public_url = LinkKeys(place.directory), settings.telling.public_url
        links = StoredLinkDesk(keys, state, public_url, clock, alerting.refresh)
        zone = ZoneInfo(settings.time_zone)
        picture = IncidentPicture(alerting, alerting, alerting, clock, zone)
        stack.callback(picture.close)
        means = Means(senders(clock), links.link if public_url else None, picture, place.host, zone)
        joined = joined_telling(settings.telling, state, alerting, means, clock)
        yield await stack.enter_async_context(joined), links


@asynccontextmanager
async def joined_telling(
    settings: TellingSettings, state: State, alerting: Alerting, means: Means, clock: Clock
) -> AsyncIterator[Telling]:
    """Telling by these means, as long as the block runs; then nothing is sent any more. Raises StoreUnavailable."""
    pictured = frozenset(one.name for one in settings.receivers if one.kind is ReceiverKind.EMAIL)
    writer = NoticeWriter(
        means.host, settings.public_url, alerting.unit, means.link, means.picture, means.zone, pictured
    )
    post = Post(state.outbox, means.senders, writer, clock, random.random)
    telling = Telling(TellingParts(settings, state, post, alerting.suppressed, clock))
    try:
        yield telling
    finally:
        await telling.close()


def senders(clock: Clock) -> Mapping[ReceiverKind, Sender]:
    """Every way of telling people."""
    return {
        ReceiverKind.EMAIL: EmailSender(clock),
        ReceiverKind.WEBHOOK: WebhookSender(clock),
        ReceiverKind.APPRISE: ChatSender(),
    }
