"""What is said of an InfluxDB that is not as it must be."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
from pydantic import SecretStr

from influx.connection import InfluxConnection
from influx.examination import Examination, examine
from influx.settings import InfluxSettings
from telemetry.clock import Clock
from telemetry.rollup import Retention
from telemetry.schema import MeasurementClass
from tests.collector.doubles import REAL_CLOCK
from tests.influx import stub
from tests.influx.plain_query import raw
from tests.influx.server import InfluxServer
from tests.influx.stub import PING, QUERY, WRITE, Reply, Stub, stub_server


async def examined(settings: InfluxSettings, clock: Clock = REAL_CLOCK) -> Examination:
    async with InfluxConnection.opened(settings) as connection:
        return await examine(connection, clock, Retention())


@pytest.fixture
async def server() -> AsyncIterator[Stub]:
    async with stub_server() as running:
        yield running


async def test_a_good_server_has_no_faults(influx: InfluxServer) -> None:
    """One that somebody built calls itself `dev`; nothing is written."""
    settings = influx.fresh()
    examination = await examined(settings)

    assert (examination.faults, examination.warnings) == ((), ())
    assert examination.version
    assert raw(influx, settings.bucket(MeasurementClass.SELF)) == []


async def test_missing_buckets_are_named_with_the_way_out(influx: InfluxServer) -> None:
    """Each with the command that makes it and keeps as long as we do by default."""
    settings = replace(influx.fresh(), bucket_prefix="missing")

    assert (await examined(settings)).faults == tuple(
        f"InfluxDB has no bucket missing_{word} in the organisation {influx.org}"
        " (make it: `opswatch provision apply`,"
        f" or `influx bucket create --name missing_{word} --org {influx.org} --retention {kept}`)"
        for word, kept in (("raw", "7d"), ("events", "400d"), ("self", "31d"))
    )


async def test_missing_rights_are_named(influx: InfluxServer) -> None:
    """By bucket; what a wrong token and a wrong organisation are is said once."""
    settings = influx.fresh()
    raw_bucket, events, own = (settings.bucket(one) for one in MeasurementClass)
    token = influx.make_token(("read", raw_bucket), ("write", raw_bucket), ("read", events), ("write", own))

    faults = (await examined(replace(settings, token=SecretStr(token)))).faults
    assert [fault.split(" (")[0] for fault in faults] == [
        f"the token may not write into the bucket {events} of InfluxDB",
        f"the token may not read the bucket {own} of InfluxDB",
    ]
    assert token not in "".join(faults)
    (fault,) = (await examined(replace(settings, token=SecretStr("nobodys")))).faults
    assert "does not know the token" in fault
    (fault,) = (await examined(replace(settings, org="nobodys"))).faults
    assert "no organisation nobodys" in fault


@pytest.mark.parametrize("version", ["1.8.10", "v1.11.8", "3.0.1", "v3.4.0"])
async def test_other_generations_are_refused(server: Stub, version: str) -> None:
    """They do not speak Flux to us, whatever else they answer; nothing more is asked."""
    server.headers["X-Influxdb-Version"] = version
    examination = await examined(server.settings())

    (fault,) = examination.faults
    assert f"InfluxDB {version.removeprefix('v')}, and OpsWatch needs InfluxDB 2" in fault
    assert "influxdb:2.9.1" in fault
    assert [request.path for request in server.requests] == [PING]


@pytest.mark.parametrize(("version", "warns"), [("v2.9.0", True), ("v2.9.1", False), ("2.7.12", False), ("dev", False)])
async def test_2_9_0_is_warned_of(server: Stub, version: str, *, warns: bool) -> None:
    """Its compaction stops; it works otherwise."""
    server.headers["X-Influxdb-Version"] = version
    examination = await examined(server.settings())

    assert examination.faults == ()
    assert [("use 2.9.1" in one) for one in examination.warnings] == ([True] if warns else [])


@pytest.mark.parametrize(
    ("seconds", "word"), [(-60, "s ahead of ours"), (60, "s behind ours"), (0, ""), (-4, ""), (4, "")]
)
async def test_a_clock_that_is_off_is_warned_of(server: Stub, seconds: float, word: str) -> None:
    """By more than five seconds, in either direction."""
    clock = Clock(lambda: REAL_CLOCK.now() + timedelta(seconds=seconds), REAL_CLOCK.monotonic)
    warnings = (await examined(server.settings(), clock)).warnings

    assert len(warnings) == bool(word)
    assert all(word in one for one in warnings)


async def test_what_is_no_influxdb_is_said_to_be_none(server: Stub) -> None:
    """A proxy's page, a program without our headers, nobody at all."""
    server.headers.clear()
    server.script(PING, [stub.HTML])
    (fault,) = (await examined(server.settings())).faults
    assert "no InfluxDB's answer" in fault
    assert server.url in fault
    (fault,) = (await examined(replace(server.settings(), url="http://127.0.0.1:1"))).faults
    assert "cannot be reached" in fault


@pytest.mark.parametrize("date", ["", "yesterday", "Tue, 99 Nov 2026 12:00:30 GMT"])
async def test_an_answer_with_a_strange_date_does_no_harm(server: Stub, date: str) -> None:
    """It is no clock then."""
    server.script(PING, [Reply(204, b"", {"Date": date})])

    assert (await examined(server.settings())).warnings == ()


async def test_a_server_in_trouble_is_a_fault_that_passes(server: Stub) -> None:
    """Writes or queries that fail at the moment are told as they are."""
    server.script(WRITE, [stub.WRITE_TIMEOUT])
    faults = (await examined(server.settings())).faults
    assert all("cannot be written at the moment: 500" in fault for fault in faults)
    assert len(faults) == 3
    server.script(WRITE, [stub.TAKEN])
    server.script(QUERY, [stub.error(400, "invalid", "queue length exceeded")])
    (fault,) = (await examined(server.settings())).faults
    assert "queue length exceeded" in fault
