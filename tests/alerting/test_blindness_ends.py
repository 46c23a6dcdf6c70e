"""An incident of `source_blind` ends when nothing is wrong with the source any more, or nobody reads it."""

from datetime import timedelta
from pathlib import Path

from alerting.rules import NoData
from telemetry.errors import QueryTooLarge
from telemetry.ports import DEFAULT_DEADLINE, QueryReader
from telemetry.series import SeriesQuery, SeriesResult
from tests.alerting.house import house, load_rule, rule_set

SYSTEM = (("source", "system"),)


class RefusingReader:
    """A reader that refuses every query as too large, as long as `refuses` says so."""

    def __init__(self) -> None:
        self.inner: QueryReader | None = None
        self.refuses = False

    async def read(self, query: SeriesQuery, deadline: timedelta = DEFAULT_DEADLINE) -> SeriesResult:
        if self.refuses:
            raise QueryTooLarge("it is too much")
        assert self.inner is not None
        return await self.inner.read(query, deadline)


async def test_it_ends_when_the_last_rule_that_reads_the_source_is_removed(tmp_path: Path) -> None:
    """Otherwise nothing would ever look at it again."""
    async with house(tmp_path, load_rule()) as it:
        await it.go(timedelta(minutes=1), {"a": 1})
        await it.go(timedelta(minutes=4))
        assert it.status("source_blind", SYSTEM) == "firing critical"
        await it.evaluator.replace_rules(rule_set())
        assert await it.incidents.open_incidents() == ()


async def test_it_ends_when_a_query_is_answered_again_with_nothing(tmp_path: Path) -> None:
    """A query that was refused and then finds no series, where none was known before, is no trouble any more."""
    reader = RefusingReader()
    async with house(tmp_path, load_rule(no_data=NoData.OK), reader=reader) as it:
        reader.inner, reader.refuses = it.store, True
        await it.go(timedelta(minutes=3))
        assert it.status("source_blind", SYSTEM) == "firing critical"
        reader.refuses = False
        await it.go(timedelta(minutes=3))
        assert it.status("source_blind", SYSTEM) == "inactive"
