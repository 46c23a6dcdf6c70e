"""One of the addresses of a receiver cannot take its mail: the others wait for nothing, and it loses nothing."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest
from aiosmtpd.smtp import Envelope

from alerting.notifiers.email import EmailSender
from alerting.outbox import Answer, DeliveryState, Notice, Outcome
from alerting.receivers import MINUTE, Budget, EmailTarget, Receiver, ReceiverKind, SmtpServer
from alerting.retries import Verdict
from tests.alerting.notifiers.test_email import CLOCK, TO, Desk, serving
from tests.alerting.office import START, Office, office, receiver
from tests.untold import rows

ANNA, BEN, CARL = TO
AWAY = "451 the mailbox is busy"


@asynccontextmanager
async def mailing(folder: Path, desk: Desk, to: tuple[str, ...] = TO) -> AsyncIterator[Office]:
    """One receiver with these addresses on a real SMTP server, and a chat that notes what it gets."""
    with serving(desk) as server:
        ops = Receiver("ops", EmailTarget(to, server), budget=Budget(1_000), retry_for=60 * MINUTE, fallback="chat")
        senders = {ReceiverKind.EMAIL: EmailSender(CLOCK)}
        async with office(folder, ops, receiver("chat"), senders=senders) as it:
            it.routes = it.routes[:1]
            yield it


def told(desk: Desk) -> list[tuple[tuple[str, ...], str]]:
    """To whom each mail came, and its subject."""
    return [(tuple(one.rcpt_tos), _subject(one)) for one in desk.taken]


def _subject(one: Envelope) -> str:
    assert isinstance(one.content, bytes)
    return next(line for line in one.content.decode().splitlines() if line.startswith("Subject: "))[len("Subject: ") :]


async def test_the_others_hear_the_end_while_one_is_away(tmp_path: Path) -> None:
    """It gets one mail when it is back, of how things are then; nobody gets anything twice."""
    desk = Desk({BEN: AWAY})
    async with mailing(tmp_path, desk) as it:
        await it.fire("a")
        await it.go(60)
        await it.resolve("a")
        await it.go(600)
        both = (ANNA, CARL)
        assert told(desk) == [(both, "[CRITICAL] load is high on a"), (both, "[RESOLVED] load is high on a")]
        now = START + timedelta(seconds=it.seconds)
        words = (await it.state.explanations.explain(1, now)).words
        since = "since 2026-11-26 12:05:10 UTC (451 the mailbox is busy)."
        assert words == (
            f"{BEN} of ops had not been told “opened and resolved” yet: one try {since}",
            "ops was told “resolved” at 2026-11-26 12:05:10 UTC (250 kept).",
        )
        desk.refused = {}
        await it.go(600)
        assert told(desk)[2:] == [((BEN,), "[RESOLVED] load is high on a")]
        assert it.log == []
    states = rows(tmp_path / "state.sqlite", "SELECT state, only, note FROM delivery ORDER BY id")
    assert states == [
        ("delivered", "", ""),
        ("combined", BEN, "is part of delivery 4"),
        ("delivered", "", ""),
        ("delivered", BEN, f"for {BEN} alone: an older message waits for it"),
    ]


async def test_what_one_address_never_takes_is_a_dead_letter_of_its_own(tmp_path: Path) -> None:
    """Seen and counted; no second route, for the others have it."""
    desk = Desk({BEN: AWAY})
    async with mailing(tmp_path, desk) as it:
        await it.fire("a")
        await it.go(4_000, 10)
        assert len(told(desk)) == 1
        assert it.log == []
        figures = await it.state.explanations.figures(it.now)
        assert figures["dead_lately"] == 1
        last = rows(tmp_path / "state.sqlite", "SELECT recipient, code FROM attempt WHERE delivery = 2 GROUP BY 1, 2")
        assert last == [(BEN, "451")]
        # The end goes to all of them again: a dead letter keeps no later one waiting.
        desk.refused = {}
        await it.resolve("a")
        await it.go(600)
        assert told(desk)[1:] == [(TO, "[RESOLVED] load is high on a")]


async def test_another_of_its_addresses_may_go_away_meanwhile(tmp_path: Path) -> None:
    """Each gets its own, in order; when none is left over, the message itself waits for nobody."""
    desk = Desk({BEN: AWAY})
    async with mailing(tmp_path, desk, (ANNA, BEN)) as it:
        await it.fire("a")
        await it.go(30)
        desk.refused = {ANNA: AWAY, BEN: AWAY}
        await it.fire("b", rule="disk")
        await it.resolve("a")
        await it.go(600)
        desk.refused = {}
        await it.go(900)
        found = told(desk)
        assert found[0] == ((ANNA,), "[CRITICAL] load is high on a")
        for one in (ANNA, BEN):
            mine = [subject for to, subject in found[1:] if one in to]
            assert sorted(mine) == ["[CRITICAL] disk is high on b", "[RESOLVED] load is high on a"]


async def test_an_address_that_was_taken_out_gets_nothing_any_more(tmp_path: Path) -> None:
    """What waits for it is a dead letter."""
    desk = Desk({BEN: AWAY})
    async with mailing(tmp_path, desk) as it:
        await it.fire("a")
        await it.go(60)
        ops = it.receivers["ops"]
        assert isinstance(ops.target, EmailTarget)
        it.receivers["ops"] = replace(ops, target=replace(ops.target, to=(ANNA, CARL)))
        it.restart()
        desk.refused = {}
        await it.go(600)
        assert len(told(desk)) == 1
        assert rows(tmp_path / "state.sqlite", "SELECT state FROM delivery ORDER BY id") == [("delivered",), ("dead",)]


async def test_a_restart_before_the_answer_leaves_no_second_rest(tmp_path: Path) -> None:
    """An address that is left out is left out once."""
    desk = Desk({BEN: AWAY})
    async with mailing(tmp_path, desk) as it:
        await it.fire("a")
        await it.go(60)
        await it.resolve("a")
        it.seconds += 300
        while await it.state.telling.plan(it.policy(), it.now):
            pass
        it.seconds += 10
        await it.state.telling.batch(it.policy(), it.now)
        claimed = [await it.state.outbox.claim("ops", it.now, MINUTE) for _ in range(3)]
        assert [(one.only, one.without) if one else None for one in claimed] == [(BEN, ()), ("", (BEN,)), None]
        await it.state.outbox.reclaim(it.now)
        desk.refused = {}
        await it.go(900)
        over = "[RESOLVED] load is high on a"
        assert sorted(told(desk)[1:]) == [((ANNA, CARL), over), ((BEN,), over), ((BEN,), over)]
    found = rows(tmp_path / "state.sqlite", "SELECT only, state FROM delivery ORDER BY id")
    assert found == [("", "delivered"), (BEN, "delivered"), ("", "delivered"), (BEN, "delivered")]


async def test_a_rest_keeps_the_place_of_what_it_is_of(tmp_path: Path) -> None:
    """Also where a later message was made before the first one had its answers."""
    async with mailing(tmp_path, Desk()) as it:
        await it.fire("a")
        outbox, telling = it.state.outbox, it.state.telling
        for seconds in (0, 10):
            it.seconds += seconds
            await telling.plan(it.policy(), it.now)
            await telling.batch(it.policy(), it.now)
        first = await outbox.claim("ops", it.now, 1_000 * MINUTE)
        await it.resolve("a")
        for seconds in (300, 10):
            it.seconds += seconds
            await telling.plan(it.policy(), it.now)
            await telling.batch(it.policy(), it.now)
        assert first is not None
        assert await outbox.claim("ops", it.now, MINUTE) is None
        verdict = Verdict(DeliveryState.DELIVERED, it.now + MINUTE, partly=True, rest=(BEN,))
        await outbox.settle(first, [], verdict, it.now)
        second = await outbox.claim("ops", it.now, MINUTE)
        assert second is not None
        assert (second.without, second.resolved) == ((BEN,), 1)
        await outbox.settle(second, [], Verdict(DeliveryState.DELIVERED), it.now)
        await it.go(600)


@dataclass
class Post:
    """A server that notes what each address got, `host open` or `host over`, and knows which are away, or dead."""

    away: set[str] = field(default_factory=set)
    got: dict[str, list[str]] = field(default_factory=dict)

    async def send(self, receiver: Receiver, notice: Notice, recipients: Sequence[str]) -> Sequence[Answer]:
        """One answer for each; who takes it has it."""
        for one in set(recipients) - self.away:
            lines = (f"{dict(told.labels)['host']} {'open' if told.is_open else 'over'}" for told in notice.items)
            self.got.setdefault(one, []).extend(lines)
        return [
            Answer(Outcome.LATER if one in self.away else Outcome.DELIVERED, "451", "", 1.0, one) for one in recipients
        ]


@pytest.mark.parametrize("seed", range(12))
async def test_whoever_is_away_when_each_address_hears_all_in_order(tmp_path: Path, seed: int) -> None:
    """Over any story, with restarts: each hears of each end, never of a beginning after it, and waits for no other."""
    chance, post = Random(seed), Post()
    ops = Receiver("ops", EmailTarget(TO, SmtpServer("h")), budget=Budget(1_000), retry_for=900 * MINUTE)
    async with office(tmp_path, ops, senders={ReceiverKind.EMAIL: post}) as it:
        burning: set[str] = set()
        number = 0
        for _ in range(30):
            match chance.randrange(5):
                case 0 | 1:
                    number += 1
                    burning.add(f"h{number}")
                    await it.fire(f"h{number}", rule=chance.choice(["load", "disk"]))
                case 2 if burning:
                    host = chance.choice(sorted(burning))
                    burning.remove(host)
                    await it.resolve(host, rule=await _rule_of(it, host))
                case 3:
                    post.away ^= {chance.choice(TO)}
                case 4:
                    it.restart()
                    await it.state.outbox.reclaim(it.now)
            await it.go(chance.choice([5, 60, 400]), 20)
        for host in sorted(burning):
            await it.resolve(host, rule=await _rule_of(it, host))
        await it.go(1_200, 20)
        here = set(TO) - post.away
        post.away = set()
        before = {one: list(post.got.get(one, [])) for one in TO}
        await it.go(3_600, 60)
        for one in TO:
            last: dict[str, str] = {}
            for line in post.got.get(one, []):
                host, how = line.split()
                assert not (last.get(host) == "over" and how == "open"), (one, line)
                last[host] = how
            assert set(last.values()) <= {"over"}, (one, last)
        for one in here:  # had heard all before the others came back
            assert post.got.get(one, []) == before[one]


async def _rule_of(it: Office, host: str) -> str:
    return next(alert.rule for alert in await it.state.ledger.alerts() if ("host", host) in alert.tags)
