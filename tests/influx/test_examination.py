"""What is said of an InfluxDB that is not as it must be."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import trustme
from pydantic import SecretStr

from influx.connection import InfluxConnection
from influx.examination import Examination, examine
from influx.settings import InfluxSettings
from telemetry.clock import Clock
from telemetry.rollup import Retention
from telemetry.schema import MeasurementClass
from tests.collector.doubles import REAL_CLOCK
from tests.influx import stub
from tests.influx.plain_query import raw, write_lines
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
    server.script(PING, [Reply(302, headers={"Location": "https://login.example/"})])
    (fault,) = (await examined(server.settings())).faults
    assert f"at {server.url}: the server sends us on to https://login.example/" in fault
    (fault,) = (await examined(replace(server.settings(), url="http://127.0.0.1:1"))).faults
    assert fault == (
        "InfluxDB at http://127.0.0.1:1 cannot be reached: Connection refused (is it running, and is that its address?)"
    )


def certified(folder: Path, authority: trustme.CA) -> InfluxSettings:
    """Settings that trust this authority alone; nothing else of them matters."""
    authority.cert_pem.write_to_path(folder / "ca.pem")
    return InfluxSettings("", "ops", SecretStr("t"), ca_file=folder / "ca.pem")


async def test_what_tls_fails_with_is_said_with_the_way_out(tmp_path: Path, server: Stub) -> None:
    """A certificate that nobody knows, one for another name, and none at all; in words, not as Python has them."""
    ours, other = trustme.CA(), trustme.CA()
    settings = certified(tmp_path, ours)
    said = []
    for authority, name in ((other, "127.0.0.1"), (ours, "influxdb.example"), (ours, "127.0.0.1")):
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert(name).configure_cert(context)
        async with await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context) as secure:
            url = f"https://127.0.0.1:{secure.sockets[0].getsockname()[1]}"
            said += (await examined(replace(settings, url=url))).faults
    said += (await examined(replace(settings, url=server.url.replace("http:", "https:")))).faults

    assert ["storage.influxdb.ca_file" in fault for fault in said] == [True, True, False, False]
    assert "its certificate is not trusted: unable to get local issuer certificate" in said[0]
    assert "certificate is not valid for '127.0.0.1'" in said[1]
    assert "no TLS can be agreed on" in said[3]
    assert "is it a server of http://?" in said[3]
    assert not any("ssl:" in fault or "_ssl.c" in fault for fault in said)


async def test_commands_that_are_named_can_be_typed(influx: InfluxServer) -> None:
    """An organisation may be called anything; and a token with the rights for one bucket alone helps nobody."""
    settings = influx.fresh()
    org = "Grüße & Söhne"
    made = influx.call("POST", "/api/v2/orgs", {"name": org})
    missing = (await examined(replace(settings, org=org))).faults
    influx.call("DELETE", f"/api/v2/orgs/{made['id']}")
    reader = influx.make_token(*(("read", settings.bucket(one)) for one in MeasurementClass))
    rights = (await examined(replace(settings, token=SecretStr(reader)))).faults

    assert len(missing) == len(rights) == len(MeasurementClass)
    assert all(" --org 'Grüße & Söhne' " in fault for fault in missing)
    assert all("for each bucket" in fault and "influx bucket list" in fault for fault in rights)


@pytest.mark.parametrize("date", ["", "yesterday", "Tue, 99 Nov 2026 12:00:30 GMT"])
async def test_an_answer_with_a_strange_date_does_no_harm(server: Stub, date: str) -> None:
    """It is no clock then."""
    server.script(PING, [Reply(204, b"", {"Date": date})])

    assert (await examined(server.settings())).warnings == ()


async def test_a_server_in_trouble_is_a_fault_that_passes(server: Stub) -> None:
    """Writes or queries that fail at the moment are told as they are."""
    server.script(WRITE, [stub.WRITE_TIMEOUT])
    faults = (await examined(server.settings())).faults
    words = "cannot be written at the moment: InfluxDB answers 500: unexpected error writing points to database"
    assert all(words in fault for fault in faults)
    assert len(faults) == 3
    server.script(WRITE, [stub.TAKEN])
    server.script(QUERY, [stub.error(400, "invalid", "queue length exceeded")])
    (fault,) = (await examined(server.settings())).faults
    assert "queue length exceeded" in fault


async def test_a_text_that_looks_like_an_error_is_no_fault(influx: InfluxServer) -> None:
    """Whoever is watched writes texts: they are not even read."""
    settings = influx.fresh()
    now = int(REAL_CLOCK.now().timestamp()) * 10**9
    write_lines(
        influx, settings.bucket(MeasurementClass.METRICS), f'probe,probe=p message="no\n,error,reference\n,x," {now}'
    )

    assert (await examined(settings)).faults == ()


async def test_a_proxy_whose_influxdb_is_away_is_no_other_product(server: Stub) -> None:
    """It passes, so nothing is held back for it; what the proxy says is told."""
    server.headers.clear()
    server.script(PING, [Reply(502, b"<h1>Bad gateway</h1>", {"Content-Type": "text/html"})])
    examination = await examined(server.settings())

    (fault,) = examination.faults
    assert "502" in fault
    assert "Bad gateway" in fault
    assert not examination.is_another
