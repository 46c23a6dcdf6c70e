"""Questions of dashboards as Flux: what is chosen is never read as Flux, and the storage answers what it can."""

import re
from dataclasses import dataclass

import pytest

from influx.asking import FluxAsker
from influx.connection import InfluxConnection
from influx.dialects import Grafana, InfluxUi
from influx.panel_flux import PanelFlux
from influx.parameters import FluxQuery
from influx.settings import InfluxSettings
from telemetry.errors import InvalidQuery, NotFound
from telemetry.measurements import BUILT_IN
from telemetry.panel_queries import Lines, MeasurementNames, OneLine, PanelQuery, Selected, Shares, Standings, TagValues
from telemetry.schema import MeasurementClass
from telemetry.series import Function
from tests.influx.dashboard_users import as_grafana_sends, as_influxdb_sends
from tests.influx.flux_checker import checker
from tests.influx.plain_query import rows
from tests.influx.server import InfluxServer

SHOWN = ("2026-01-01T00:00:00Z", "2026-01-01T03:00:00Z")
START = 1_767_225_600 * 10**9
MINUTE = 60 * 10**9
NAMES = {"host": "opswatch_host", "service": "opswatch_service"}
PUSHED = [one for one in Function if one not in (Function.INCREASE, Function.RATE)]


def influxdb(registry=BUILT_IN, settings: InfluxSettings | None = None) -> PanelFlux:  # type: ignore[no-untyped-def]
    return PanelFlux(settings or InfluxSettings("", ""), registry, InfluxUi(NAMES))


def grafana(settings: InfluxSettings | None = None) -> PanelFlux:
    settings = settings or InfluxSettings("", "")
    return PanelFlux(settings, BUILT_IN, Grafana(("host", "service"), settings.bucket_prefix))


def net(*where: str, **more: object) -> Lines:
    return Lines(Selected("net", ("bytes_recv", "bytes_sent"), where), Function.MEAN, **more)  # type: ignore[arg-type]


def test_a_value_that_is_chosen_is_a_record_of_influxdb_and_escaped_by_grafana() -> None:
    """In each place where a condition can have it."""
    ui = influxdb()(net("host:$host", "host!:$host", "host~:$host", "host|:$host"))
    other = grafana()(net("host:$host", "host!:$host", "host~:$host", "host|:$host"))

    assert 'r["host"] == v.opswatch_host' in ui
    assert 'r["host"] != v.opswatch_host' in ui
    assert "regexp.compile(v: v.opswatch_host)" in ui
    assert 'r["host"] =~ /^${host:regex}$/' in other
    assert '(not exists r["host"] or r["host"] !~ /^${host:regex}$/)' in other
    # Whatever Grafana is to put in is escaped, but for the prefix, which nobody who looks can choose.
    assert set(re.findall(r"\$\{[^}]*\}", other)) == {"${host:regex}", "${bucket_prefix}"}


def test_a_text_of_a_condition_is_no_part_of_the_flux() -> None:
    """Nothing in it is a quotation mark, a line, a variable of Grafana or a word of its server."""
    hostile = '"${host} $host [[host]] \\x24\n/x.bucket v.windowPeriod'
    asked = net(f"host:{hostile}", f"interface~:{re.escape(hostile)}")
    ui, other = influxdb()(asked), grafana()(asked)

    assert all(word not in text for text in (ui, other) for word in ("${host}", "$host", "[[host]]"))
    assert "x.bucket" not in other
    assert checker().accepts(as_influxdb_sends(ui, {}, SHOWN, "1m"))
    assert checker().accepts(as_grafana_sends(other, {"host": "x"}, SHOWN, "1m0s"))


def test_what_no_page_could_answer_is_refused() -> None:
    """Named as pages name it: a measurement, a field, a condition, a pattern; texts have no windows."""
    flux_of = influxdb()
    with pytest.raises(NotFound, match="no measurement 'nett'"):
        flux_of(Lines(Selected("nett", ("x",)), Function.MEAN))
    with pytest.raises(NotFound, match="no field 'x'"):
        flux_of(Lines(Selected("net", ("x",)), Function.MEAN))
    with pytest.raises(InvalidQuery, match="no tag 'hots'"):
        flux_of(net("hots:a"))
    with pytest.raises(InvalidQuery, match="not a regular expression"):
        flux_of(net("host~:("))
    with pytest.raises(InvalidQuery, match="no field asked of probe is a number"):
        flux_of(Lines(Selected("probe", ("message",)), Function.LAST))
    with pytest.raises(InvalidQuery, match="no level keeps what first of net"):
        flux_of(Lines(Selected("net", ("bytes_recv",)), Function.FIRST, of_history=True))
    with pytest.raises(InvalidQuery, match="no level keeps"):
        flux_of(Lines(Selected("opswatch_process", ("rss_bytes",)), Function.MEAN, of_history=True))


def test_a_condition_that_no_series_can_meet_is_a_text_that_finds_nothing() -> None:
    """`host:` and `host!:` together, and a choice of nothing but nothing."""
    assert 'r._measurement == ""' in influxdb()(net("host|:|"))


@dataclass
class World:
    settings: InfluxSettings
    connection: InfluxConnection
    server: InfluxServer

    async def operators(self, text: str) -> list[str]:
        """The operators that ran, by the server's own profiler, without what only drops columns.

        The server makes its profile while the last operators still end: on a busy machine `keep` may be missing in it.
        """
        found: list[str] = []

        def take(answer) -> None:  # type: ignore[no-untyped-def]
            names = answer.header.names
            if "Label" in names:
                found.extend(answer.column(names.index("Label")))

        profiled = 'option profiler.enabledProfilers = ["operator"]\n'
        imports = re.findall(r"^import .*\n", text, re.MULTILINE)
        rest = re.sub(r"^import .*\n", "", text, flags=re.MULTILINE)
        whole = "".join(['import "profiler"\n', *imports, profiled, rest])
        await FluxAsker(self.connection).ask(FluxQuery(whole, {}), take)
        words = ["".join(letter for letter in label if not letter.isdigit()) for label in found]
        return sorted(word for word in words if word != "keep")


@pytest.fixture
async def world(influx: InfluxServer):  # type: ignore[no-untyped-def]
    settings = influx.fresh()
    lines = [
        f"net,host={host},interface=eth0 bytes_recv={number}i,bytes_sent=1i {START + number * 60 * 10**9}"
        for host in ("a", "b")
        for number in range(180)
    ]
    influx.write(settings.bucket(MeasurementClass.METRICS), "\n".join(lines))
    async with InfluxConnection.opened(settings) as connection:
        yield World(settings, connection, influx)


@pytest.mark.parametrize("function", PUSHED)
async def test_windows_are_made_by_the_storage(world: World, function: Function) -> None:
    """For both, with a value that is chosen, a pattern and a negation in the conditions; only columns are dropped."""
    asked = Lines(
        Selected("net", ("bytes_recv",), ("host:$host", "interface~:^eth[0-9]", "interface!:lo", "host!~:^x")),
        function,
    )
    ui = as_influxdb_sends(influxdb(settings=world.settings)(asked), {"opswatch_host": "a"}, SHOWN, "10m")
    chosen = {"host": "a", "bucket_prefix": world.settings.bucket_prefix}
    other = as_grafana_sends(grafana(world.settings)(asked), chosen, SHOWN, "10m0s")

    assert await world.operators(ui) == ["ReadWindowAggregateByTime"]
    assert await world.operators(other) == ["ReadWindowAggregateByTime"]
    assert len(rows(world.server, ui)) == len(rows(world.server, other)) >= 18


async def test_the_newest_values_are_read_alone(world: World) -> None:
    """One sample of each series, however long the range."""
    asked = Shares(Selected("net", ("bytes_recv", "bytes_sent")), "host")
    text = as_influxdb_sends(influxdb(settings=world.settings)(asked), {}, SHOWN, "1m")

    assert (await world.operators(text))[0] == "ReadWindowAggregate"


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (OneLine(Selected("net", ("bytes_recv",)), Function.INCREASE, "sum"), 20.0),
        (OneLine(Selected("net", ("bytes_recv",)), Function.LAST, "max"), 174.0),
        (OneLine(Selected("net", ("bytes_recv",)), Function.LAST, "mean"), 174.0),
    ],
)
async def test_series_come_together_in_each_window(world: World, asked: PanelQuery, expected: float) -> None:
    """Two hosts that grow by one a minute; a window that is still open says nothing of what was gathered."""
    now = "2026-01-01T02:55:00Z"
    found = rows(world.server, as_influxdb_sends(influxdb(settings=world.settings)(asked), {}, ("-1h", now), "10m"))

    assert float(found[-1]["_value"]) == expected


async def test_a_gap_of_more_than_an_hour_is_no_growth(world: World) -> None:
    """As on pages: a counter has grown only since a sample that is an hour old at most."""
    bucket = world.settings.bucket(MeasurementClass.METRICS)
    minutes = {5: 1, 10: 6, 110: 9, 112: 10}  # after five o'clock
    lines = [
        f"net,host=c,interface=x bytes_recv={value}i {START + (300 + at) * MINUTE}" for at, value in minutes.items()
    ]
    world.server.write(bucket, "\n".join(lines))
    asked = Lines(Selected("net", ("bytes_recv",), ("host:c",)), Function.INCREASE)
    shown = ("2026-01-01T05:00:00Z", "2026-01-01T07:00:00Z")
    found = rows(world.server, as_influxdb_sends(influxdb(settings=world.settings)(asked), {}, shown, "10m"))

    assert [(row["_time"], row["_value"]) for row in found] == [
        ("2026-01-01T05:10:00Z", "5"),
        ("2026-01-01T06:50:00Z", "1"),
    ]


@pytest.mark.parametrize("tag", ["elapsed", "growth"])
async def test_a_tag_may_be_called_as_what_growth_is_made_of(world: World, tag: str) -> None:
    """It is whoever pushes that names tags; a panel shows its series all the same, each for itself."""
    bucket = world.settings.bucket(MeasurementClass.METRICS)
    lines = [
        f"net,host=d,{tag}={one} bytes_recv={at}i {START + (300 + at) * MINUTE}" for at in range(10) for one in "xy"
    ]
    world.server.write(bucket, "\n".join(lines))
    asked = Lines(Selected("net", ("bytes_recv",), ("host:d",)), Function.INCREASE)
    shown = ("2026-01-01T05:00:00Z", "2026-01-01T06:00:00Z")
    found = rows(world.server, as_influxdb_sends(influxdb(settings=world.settings)(asked), {}, shown, "10m"))

    assert [row["_value"] for row in found] == ["9", "9"]


async def test_a_point_without_a_state_is_no_attempt(world: World) -> None:
    """Somebody may push such a thing; it says nothing of how the probe stands."""
    tags = "probe,service=s,probe=p,kind=http,host=a"
    lines = f"{tags} state=2i,outcome=0i,latency_ms=7 {START}\n{tags} latency_ms=9 {START + MINUTE}"
    world.server.write(world.settings.bucket(MeasurementClass.METRICS), lines)
    (row,) = rows(world.server, as_influxdb_sends(influxdb(settings=world.settings)(Standings()), {}, SHOWN, "1m"))

    assert (row["state"], row["last_attempt"]) == ("up", SHOWN[0])


async def test_choices_are_those_of_the_conditions(world: World) -> None:
    """Hosts of one interface, by the index; measurements of the bucket."""
    flux_of = influxdb(settings=world.settings)
    hosts = flux_of(TagValues("host", "net", ("interface:eth0", "host!:b"))).replace("-30d", SHOWN[0])
    names = flux_of(MeasurementNames()).replace("-30d", SHOWN[0])

    assert [row["_value"] for row in rows(world.server, hosts)] == ["a"]
    assert [row["_value"] for row in rows(world.server, names)] == ["net"]
