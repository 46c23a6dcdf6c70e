"""A commit that fails half way: what is known here is not what is kept, and nothing may be done by it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from alerting.evaluate import Evaluator
from alerting.ledger import Batch, IncidentQuery
from alerting.machine import Alert
from opswatch.state.ledger import StoredLedger
from telemetry.clock import Clock
from telemetry.errors import StoreUnavailable
from tests.alerting.house import House, around, house, load_rule, rule_set


class HalfKeepingLedger:
    """Keeps the whole batch, and says that it could not, as long as `fails` says so."""

    def __init__(self, inner: StoredLedger) -> None:
        self.inner = inner
        self.fails = False

    async def alerts(self) -> tuple[Alert, ...]:
        return await self.inner.alerts()

    async def commit(self, batch: Batch) -> Mapping[str, int]:
        numbers = await self.inner.commit(batch)
        if self.fails:
            raise StoreUnavailable("the second half was not kept")
        return numbers


async def _fires_in_half_a_commit(it: House) -> None:
    ledger = HalfKeepingLedger(it.ledger)
    it.evaluator = Evaluator(it.reader, ledger, it.rules, around(Clock(lambda: it.wall, lambda: it.monotonic)))
    await it.go(timedelta(minutes=1), {"a": 1})
    ledger.fails = True
    with pytest.raises(StoreUnavailable):
        await it.go(timedelta(minutes=2), {"a": 7})
    ledger.fails = False


async def test_a_rule_removed_after_half_a_commit_closes_its_incident(tmp_path: Path) -> None:
    """The incident that was kept is not left open without an alert."""
    async with house(tmp_path, load_rule(), load_rule("second")) as it:
        await _fires_in_half_a_commit(it)
        assert len(await it.incidents.open_incidents()) == 2
        await it.evaluator.replace_rules(rule_set(load_rule("second")))
        assert [one.rule for one in await it.incidents.open_incidents()] == ["second"]


async def test_a_person_closes_an_incident_after_half_a_commit(tmp_path: Path) -> None:
    """What the person saw is closed, though the evaluator had not heard that it was kept."""
    async with house(tmp_path, load_rule()) as it:
        await _fires_in_half_a_commit(it)
        [incident] = await it.incidents.open_incidents()
        assert await it.evaluator.close(incident.alert, "closed by anna")
        assert await it.incidents.open_incidents() == ()


async def test_other_rules_after_half_a_commit_open_no_second_incident(tmp_path: Path) -> None:
    """What is kept by a reload does not hide that something else was kept before."""
    async with house(tmp_path, load_rule(), load_rule("gone")) as it:
        await _fires_in_half_a_commit(it)
        await it.evaluator.replace_rules(rule_set(replace(load_rule(), description="edited")))
        await it.go(timedelta(minutes=1), {"a": 7})
        page = await it.incidents.list(IncidentQuery(rule="load_high"))
        assert page.count == 1
