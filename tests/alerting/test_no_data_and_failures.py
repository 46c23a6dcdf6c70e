"""A query that fails says nothing, whatever a rule makes of a series that ends."""

from datetime import timedelta
from pathlib import Path

import pytest

from alerting.rules import NoData
from tests.alerting.house import house, load_rule
from tests.alerting.test_evaluate import AwayReader


@pytest.mark.parametrize("policy", ["unknown", "alert", "ok"])
async def test_a_store_that_is_away_is_not_a_series_that_ended(tmp_path: Path, policy: str) -> None:
    """What fires stays open, and what is fine does not begin to fire, with any `no_data`."""
    reader = AwayReader()
    async with house(tmp_path, load_rule(no_data=NoData(policy)), reader=reader) as it:
        reader.inner = it.store
        await it.go(timedelta(minutes=2), {"a": 7, "b": 1})
        reader.away = True
        assert set(await it.go(timedelta(minutes=5))) == {"unknown warning"}
        assert it.status("load_high", (("host", "b"),)) == "unknown"


@pytest.mark.parametrize("policy", ["unknown", "alert", "ok"])
async def test_a_clock_that_is_set_is_not_a_series_that_ended(tmp_path: Path, policy: str) -> None:
    """While windows hold what was measured by another clock, nothing is said of them."""
    async with house(tmp_path, load_rule(no_data=NoData(policy))) as it:
        await it.go(timedelta(minutes=2), {"a": 7, "b": 1})
        it.step(timedelta(minutes=30))
        assert await it.go(timedelta(seconds=15), {"a": 7, "b": 1}) == ["unknown warning"]
        assert it.status("load_high", (("host", "b"),)) == "unknown"
