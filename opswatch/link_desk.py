"""Links in messages: made when one is written, shown and used by whoever has one. Shell."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from alerting.ledger import Action, PersonAction
from alerting.links import LIFETIME, Claim, LinkAct, LinkView, digest_of, read, sign
from opswatch.link_keys import LinkKeys
from opswatch.state import State
from telemetry.clock import Clock
from telemetry.errors import Gone

MOST_SHOWN = 50


@dataclass(frozen=True, slots=True)
class StoredLinkDesk:
    """Implements `alerting.links.LinkDesk`. `changed` is called when incidents are others than before."""

    keys: LinkKeys
    state: State
    public_url: str
    clock: Clock
    changed: Callable[[], Awaitable[None]]

    def link(self, delivery: str, receiver: str, act: str) -> str:
        """The URL for a message; empty where nobody said by which address people reach this server."""
        if not self.public_url:
            return ""
        now = self.clock.now()
        claim = Claim(delivery, LinkAct(act), receiver, now + LIFETIME)
        return f"{self.public_url}/act/{sign(self.keys.signing(now), claim)}"

    async def show(self, token: str, now: datetime) -> LinkView:
        """See `LinkDesk.show`."""
        claim = read(self.keys.good(now), token, now)
        await self.state.links.check(digest_of(token))
        numbers = await self._incidents(claim)
        incidents, still_open = await self.state.links.incidents(numbers, MOST_SHOWN)
        return LinkView(claim, incidents, len(numbers), still_open)

    async def _incidents(self, claim: Claim) -> tuple[int, ...]:
        found = await self.state.outbox.incidents_of(claim.delivery)
        if not found:
            raise Gone("what this message told was told anew by a later one: use the link in that, or log in")
        return found

    async def act(self, token: str, until: datetime | None, now: datetime) -> int:
        """See `LinkDesk.act`."""
        claim = read(self.keys.good(now), token, now)
        numbers = await self._incidents(claim)
        author = f"link: {claim.receiver}"
        if claim.act is LinkAct.SNOOZE:
            action = PersonAction(Action.SNOOZE, author, "by the link in the message", until)
        else:
            action = PersonAction(Action.ACKNOWLEDGE, author, "by the link in the message")
        done = await self.state.links.spend(digest_of(token), numbers, action, now)
        await self.changed()
        return done
