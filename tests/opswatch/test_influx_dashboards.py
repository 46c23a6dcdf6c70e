"""Our pages in InfluxDB and in Grafana: every cell asks in Flux that is right, and answers as the page does."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dashboards.cells import Cell, cells_of, history_of
from dashboards.charts import combined, label_of, without_catching_up
from dashboards.panels import Dashboard, DashboardConfig
from influx.connection import InfluxConnection
from influx.dialects import InfluxUi
from influx.encoder import Encoder
from influx.panel_flux import PanelFlux
from influx.reader import InfluxReader
from influx.rollup_tasks import rollup_task
from influx.settings import InfluxSettings
from influx.text import encode_tag
from opswatch.boards import load_boards
from opswatch.influx_dashboards import FOLDER, grafana_files, main, template_objects, variable_name
from telemetry.conditions import parse_conditions
from telemetry.health import Outcome, State
from telemetry.measurements import BUILT_IN
from telemetry.panel_queries import (
    Attempts,
    Availability,
    Lines,
    NotUp,
    OneLine,
    PanelQuery,
    Selected,
    Shares,
    Standings,
)
from telemetry.points import Point
from telemetry.rollup import LEVELS
from telemetry.schema import FieldType, Measurement
from telemetry.series import Function, SeriesQuery, SeriesResult, Window
from tests.influx.dashboard_users import as_grafana_sends, as_influxdb_sends
from tests.influx.flux_checker import checker
from tests.influx.plain_query import rows
from tests.influx.server import InfluxServer

SECOND = 10**9
MINUTE, HOUR = 60 * SECOND, 3_600 * SECOND
BOARDS = load_boards(None)
HOST = 'it\'s ${x} "y" \\ a.bucket /.*|$ ü'
START = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp()) * SECOND
# Behind the first hour, so that every counter has a sample before the range.
SHOWN = ("2026-11-01T01:00:00Z", "2026-11-01T04:00:00Z")
FROM, TO = START + HOUR, START + 4 * HOUR


def texts_of(objects: Any) -> Iterator[tuple[str, str, str]]:
    """(dashboard, cell, text) of a template."""
    for one in objects:
        for chart in one["spec"].get("charts", ()):
            for query in chart.get("queries", ()):
                yield one["spec"]["name"], chart["name"], query["query"]


def page(*panels: dict[str, Any], name: str = "mine", title: str = "Mine") -> DashboardConfig:
    """Pages of somebody's own: one, with these panels."""
    one = {"name": name, "title": title, "sections": [{"title": "# Hers", "panels": list(panels)}]}
    return DashboardConfig.model_validate({"version": 1, "dashboards": [one]})


def panel(*where: str, title: str = "Received", fn: str = "rate", **more: Any) -> dict[str, Any]:
    query = {"measurement": "net", "fields": ["bytes_recv"], "where": where, "fn": fn}
    return {"kind": "chart", "title": title, "query": query, **more}


@pytest.mark.parametrize("prefix", ["opswatch", "1-team"])
def test_the_checker_accepts_every_cell_and_every_variable(prefix: str) -> None:
    """As InfluxDB's page sends them, with what is chosen beside the text."""
    objects = template_objects(InfluxSettings("http://influxdb:8086", "ops", bucket_prefix=prefix), BOARDS)
    names = {one["spec"]["name"]: "x" for one in objects if one["kind"] == "Variable"}
    texts = [text for _, _, text in texts_of(objects)]
    texts += [one["spec"]["query"] for one in objects if one["kind"] == "Variable"]

    assert len(texts) > 50
    assert [text for text in texts if not checker().accepts(as_influxdb_sends(text, names, SHOWN, "1m"))] == []


@pytest.mark.parametrize("chosen", ["web", HOST, "", '/) or true or (r["x"] =~ /', "${bucket_prefix}\n"])
def test_the_checker_accepts_every_panel_of_grafana_whatever_is_chosen(chosen: str) -> None:
    """Grafana puts what is chosen into the text: it stays one filter."""
    tried = 0
    for text in grafana_files(BOARDS).values():
        board = json.loads(text)
        asked = [one["query"] for panel in board["panels"] for one in panel.get("targets", ())]
        asked += [one["query"] for one in board["templating"]["list"] if one["type"] == "query"]
        for flux in asked:
            sent = as_grafana_sends(flux, dict.fromkeys(("host", "service", "each_probe"), chosen), SHOWN, "1m0s")
            plain = as_grafana_sends(flux, dict.fromkeys(("host", "service", "each_probe"), "web"), SHOWN, "1m0s")
            assert checker().accepts(sent), sent
            assert sent.count("|>") - chosen.count("|>") == plain.count("|>")
            tried += 1
    assert tried > 50


def test_the_committed_dashboards_of_grafana_are_what_our_pages_make() -> None:
    """`make docs` writes them."""
    assert {file.name: file.read_text() for file in FOLDER.glob("*.json")} == grafana_files(BOARDS)


def test_grafanas_dashboards_can_be_made_of_pages_of_ones_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """For buckets of another name, into any folder; a page that is wrong is told, and nothing is written."""
    own = tmp_path / "own.json"
    own.write_text(json.dumps(BOARDS.model_dump(mode="json")))
    into = tmp_path / "grafana"

    assert main(["--config", str(own), "--bucket-prefix", "team1", "--into", str(into)]) == 0
    assert len(list(into.glob("*.json"))) == len(grafana_files(BOARDS))
    made = (into / "opswatch-host.json").read_text()
    assert '"value": "team1"' in made
    assert 'bucket: \\"${bucket_prefix}_raw\\"' in made
    own.write_text("{}")
    assert main(["--config", str(own), "--into", str(tmp_path / "other")]) == 2
    assert "the page 'overview' is missing" in capsys.readouterr().err or not (tmp_path / "other").exists()


def test_a_page_of_somebodys_own_is_rendered_with_whatever_it_says() -> None:
    """Hostile conditions stay values, patterns stay patterns; long titles are cut, and are no Markdown."""
    own = page(
        panel(f"interface:{HOST}", "host~:^a/b\\/c.bucket", "host!~:$host", title="*T*\n" * 300),
        panel("host~:(", title="Not to be asked"),
    )
    objects = template_objects(InfluxSettings("", ""), own)
    texts = [text for _, _, text in texts_of(objects)]
    charts = [chart for one in objects for chart in one["spec"].get("charts", ())]
    grafana = grafana_files(own)

    assert [one["spec"]["name"] for one in objects if one["kind"] == "Dashboard"] == [
        "Mine (opswatch)",
        "Mine, history (opswatch)",
    ]
    assert len(texts) == 2
    names = {"opswatch_host": "x", "opswatch_service": "y"}
    assert all(checker().accepts(as_influxdb_sends(text, names, SHOWN, "1m")) for text in texts)
    assert all("${x}" not in text for text in texts)
    assert all(len(chart["name"]) <= 100 and "\n" not in chart["name"] for chart in charts)
    notes = [chart["note"] for chart in charts if chart["kind"] == "Markdown"]
    assert "### \\# Hers" in notes
    assert any("Not to be asked" in note and "regular expression" in note for note in notes)
    for text in grafana.values():
        for asked in [one for panel in json.loads(text)["panels"] for one in panel.get("targets", ())]:
            assert "a.bucket" not in asked["query"]
            assert checker().accepts(as_grafana_sends(asked["query"], {"host": HOST}, SHOWN, "1m0s"))


def test_names_of_objects_are_such_as_both_take_and_never_meet() -> None:
    """InfluxDB knows 63 small letters, digits and dashes, Grafana 40 characters; two installations share none."""
    titles = ["a" * 61, "a" * 60, "a_b", "a-b", "b" * 45]
    one = page(panel()).dashboards[0]
    own = DashboardConfig(version=1, dashboards=tuple(one.model_copy(update={"name": name}) for name in titles))
    names = [
        made["metadata"]["name"]
        for prefix in ("opswatch", "Team", "team", "te-am")
        for made in template_objects(InfluxSettings("", "", bucket_prefix=prefix), own)
    ]
    uids = [json.loads(text)["uid"] for text in grafana_files(own).values()]

    assert len(set(names)) == len(names) == 4 * (4 + 2 * len(titles))
    assert all(re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", name) for name in names)
    assert len(set(uids)) == len(uids) == 2 * len(titles)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,40}", uid) for uid in uids)


def test_variables_are_called_so_that_flux_can_say_it_and_nobody_elses_are_meant() -> None:
    """`v.host` may be somebody's own."""
    assert variable_name("opswatch", "host") == "opswatch_host"
    others = {variable_name(prefix, "host") for prefix in ("team-1", "team_1", "1team", "o1team")}
    assert len(others) == 4
    assert all(re.fullmatch(r"[A-Za-z]\w*", name, re.ASCII) for name in others)


@dataclass
class World:
    server: InfluxServer
    settings: InfluxSettings
    reader: InfluxReader

    @property
    def flux_of(self) -> PanelFlux:
        names = {name: variable_name(self.settings.bucket_prefix, name) for name in ("host", "service", "measurement")}
        return PanelFlux(self.settings, BUILT_IN, InfluxUi(names))

    def sent(self, text: str, window: str = "10m", **chosen: str) -> list[dict[str, str]]:
        """What a text answers that InfluxDB's page sends, at the end of what is shown."""
        values = {"host": encode_tag(HOST), "service": "web", "measurement": "net"} | chosen
        names = {variable_name(self.settings.bucket_prefix, name): value for name, value in values.items()}
        return rows(self.server, as_influxdb_sends(text, names, SHOWN, window))

    def ask(self, query: PanelQuery, window: str = "10m") -> list[dict[str, str]]:
        return self.sent(self.flux_of(query), window)

    async def page(self, query: Lines | OneLine, step: int) -> SeriesResult:
        """What our own page shows for the same."""
        measurement = BUILT_IN.get(query.selected.measurement)
        assert measurement is not None
        where = parse_conditions(query.selected.where, measurement, {"$host": HOST, "$service": "web"})
        shape = Window(step, (query.function,))
        answer = await self.reader.read(SeriesQuery(measurement.name, query.selected.fields, FROM, TO, shape, where))
        return without_catching_up(answer) if query.function is Function.RATE else answer


def points() -> Iterator[Point]:
    """Four hours of every measurement, a sample a minute; counters begin anew after two."""
    for number in range(240):
        at = START + number * MINUTE
        for host in (HOST, "a"):
            yield Point.of("cpu", {"host": host, "cpu": "cpu0"}, {"usage_active": number % 9}, at)
            for measurement in BUILT_IN:
                if measurement.name != "probe":
                    yield Point.of(measurement.name, tags_of(measurement, host), fields_of(measurement, number), at)
        yield attempt("web", "home", at, 20.0 + number % 7)
        yield attempt("web", "port", at, 5.0 if number < 120 else None)
        yield attempt("pay", "home", at, 80.0)


def tags_of(measurement: Measurement, host: str) -> dict[str, str]:
    known = {"host": host, "service": "web", "cpu": "cpu-total", "interface": "eth0", "path": "/"}
    return {tag: known.get(tag, "x") for tag in measurement.tags}


def fields_of(measurement: Measurement, number: int) -> dict[str, float | str]:
    return {
        field.name: "said" if field.type is FieldType.TEXT else (number % 120) * 7 + place
        for place, field in enumerate(measurement.plain_fields)
    }


def attempt(service: str, probe: str, at: int, latency: float | None) -> Point:
    """One that is down where it has no latency; the port is refused."""
    tags = {"service": service, "probe": probe, "kind": "http", "host": HOST}
    is_up = latency is not None
    seconds = {"up_s": 60.0 * is_up, "degraded_s": 0.0, "down_s": 60.0 * (not is_up), "unknown_s": 0.0}
    fields: dict[str, float | int | str] = {"up": int(is_up), "streak": 0, **seconds}
    fields |= {"state": int(State.UP if is_up else State.DOWN)}
    fields |= {"outcome": int(Outcome.OK if is_up else Outcome.REFUSED)}
    if latency is None:
        return Point.of("probe", tags, {**fields, "message": "nothing listens there"}, at)
    phases = {f"{name}_ms": latency / 5 for name in ("dns", "connect", "tls", "first_byte", "transfer")}
    more = {"latency_ms": latency, "latency_ms_le_8": 1, "code": 200, "cert_days_left": 30.5, **phases}
    return Point.of("probe", tags, {**fields, **more}, at)


@pytest.fixture(scope="module")
def written(influx: InfluxServer) -> InfluxSettings:
    """The settings of a server with four hours of points, and the levels made of them."""
    settings = influx.fresh()
    encoder = Encoder(BUILT_IN)
    by_bucket: dict[str, list[Point]] = {}
    for point in points():
        measurement = BUILT_IN.get(point.measurement)
        assert measurement is not None
        by_bucket.setdefault(settings.bucket(measurement.measurement_class), []).append(point)
    for bucket, some in by_bucket.items():
        influx.write(bucket, "\n".join(encoder.encode(some).lines))
    for level in LEVELS:
        influx.run(rollup_task(settings, level, windows=4 * HOUR // level.step).flux, SHOWN[1])
    return settings


@pytest.fixture
async def world(influx: InfluxServer, written: InfluxSettings) -> Any:
    async with InfluxConnection.opened(written) as connection:
        yield World(influx, written, InfluxReader(connection, BUILT_IN))


async def test_every_cell_answers_on_a_real_server(world: World) -> None:
    """With rows; each text as it is applied, also for a host that is called as badly as can be."""
    texts = list(texts_of(template_objects(world.settings, BOARDS)))
    nothing = [(board, cell) for board, cell, text in texts if not world.sent(text)]

    assert len(texts) > 50
    assert nothing == []


async def test_what_can_be_chosen_is_what_there_is(world: World) -> None:
    """Hosts as InfluxDB knows them, services with probes, measurements."""
    variables = {
        one["spec"]["description"]: one["spec"]["query"]
        for one in template_objects(world.settings, BOARDS)
        if one["kind"] == "Variable"
    }
    # Of the last thirty days, which these points are not for ever.
    found = {
        name: {row["_value"] for row in world.sent(text.replace("start: -30d", "start: 2026-10-31T00:00:00Z"))}
        for name, text in variables.items()
    }

    assert found["OpsWatch: host"] == {encode_tag(HOST), "a"}
    assert found["OpsWatch: service"] == {"web", "pay"}
    assert found["OpsWatch: measurement"] >= {"cpu", "net", "probe"}


def charts_of(board: Dashboard) -> Iterator[Cell]:
    yield from (one.cell for one in cells_of(board, BUILT_IN))
    yield from (one.cell for one in history_of(board, BUILT_IN))


@pytest.mark.parametrize("board", BOARDS.dashboards, ids=lambda board: board.name)
async def test_a_cell_shows_what_our_own_page_shows(world: World, board: Dashboard) -> None:
    """Every chart and number: the same windows, the same values, the same names; also where a counter began anew."""
    compared = 0
    for cell in charts_of(board):
        query = cell.query
        if cell.repeat is not None and isinstance(query, Lines):  # InfluxDB's page has them all in one
            query = replace(query, label=(cell.repeat, *query.label))
        if isinstance(query, OneLine):
            expected = combined(await world.page(query, 10 * MINUTE), query.combine)
            assert values_of(world.ask(query)) == {"": pytest.approx(expected, rel=1e-9)}, cell.title
            compared += 1
        elif isinstance(query, Lines):
            for window, step in (("10m", 10 * MINUTE), *((("1h", HOUR),) if query.of_history else ())):
                answer = await world.page(query, step)
                lines = {
                    label_of(one, query.label): [value for value in one.values if value is not None]
                    for one in answer.series
                }
                assert values_of(world.ask(query, window)) == {
                    name: pytest.approx(values, rel=1e-9) for name, values in lines.items()
                }, (cell.title, query.of_history, window)
                compared += len(lines)
    assert compared > 5


def values_of(found: list[dict[str, str]]) -> dict[str, list[float]]:
    """By the name of a line; without what is before the range."""
    lines: dict[str, list[float]] = {}
    for row in sorted(found, key=lambda row: row["_time"]):
        if row["_time"] >= SHOWN[0]:
            lines.setdefault(row.get("_field", ""), []).append(float(row["_value"]))
    return lines


@pytest.mark.parametrize("window", ["2500ms", "14s", "1m", "10m", "47m"])
@pytest.mark.parametrize("of_history", [False, True])
async def test_a_steady_counter_has_a_steady_rate(world: World, window: str, of_history: bool) -> None:
    """Also in windows that are much shorter than samples are apart, as InfluxDB's page has them, and odd ones."""
    asked = Lines(Selected("net", ("bytes_recv",), ("host:a",)), Function.RATE, of_history=of_history)
    (values,) = values_of(world.ask(asked, window)).values()
    # 7 a minute, but for the window with the reset.
    steady = [value for value in values if value != pytest.approx(7 / 60)]

    assert len(values) >= 3
    assert len(steady) <= 1


async def test_history_reads_hours_where_windows_are_long_or_it_is_old(world: World) -> None:
    """And five minutes where they are short: a level that was changed by hand shows which was read."""
    bucket = world.settings.level_bucket(LEVELS[1])
    asked = Lines(Selected("system", ("load1",), ("host:marked",)), Function.MAX, of_history=True)
    marked = f"system,host=marked load1_max=7777 {START + 3 * HOUR}"
    world.server.write(bucket, marked)

    assert world.ask(asked, "5m") == []
    assert [row["_value"] for row in world.ask(asked, "1h")] == ["7777"]
    # As if it were a year later.
    later = as_influxdb_sends(world.flux_of(asked), {}, SHOWN, "5m", now="2027-11-01T04:00:00Z")
    assert [row["_value"] for row in rows(world.server, later)] == ["7777"]


async def test_services_and_probes_are_told_in_words_worst_first(world: World) -> None:
    """By the newest attempt alone: what an older one said of latency or certificate is not said of one that failed."""
    services = world.ask(Standings(by_service=True))
    probes = world.ask(Standings(("service:$service",)))
    shown = ("service", "probe", "state", "outcome", "latency_ms", "message")

    assert [tuple(row[name] for name in shown) for row in services] == [
        ("web", "port", "down", "refused", "", "nothing listens there"),
        ("pay", "home", "up", "ok", "80", ""),
    ]
    assert [(row["probe"], row["state"], row["cert_days_left"]) for row in probes] == [
        ("port", "down", ""),
        ("home", "up", "30.5"),
    ]
    assert [row["_value"] for row in world.ask(NotUp())] == ["1"]


async def test_availability_counts_known_time(world: World) -> None:
    """Of three hours the port was up for one."""
    by_service = {row["service"]: float(row["availability_percent"]) for row in world.ask(Availability("service"))}
    by_probe = {row["probe"]: float(row["down_s"]) for row in world.ask(Availability("probe", ("service:$service",)))}

    assert by_service == {"web": pytest.approx(100 * (180 + 60) / 360), "pay": 100.0}
    assert by_probe == {"port": 7_200.0, "home": 0.0}


async def test_attempts_are_the_newest_first(world: World) -> None:
    """At most so many of each probe, each with its own message."""
    found = world.ask(Attempts(3, ("service:$service",)))

    assert sorted(row["probe"] for row in found) == ["home"] * 3 + ["port"] * 3
    assert [row["time"] for row in found] == sorted((row["time"] for row in found), reverse=True)
    assert {(row["probe"], row["outcome"], row["code"], row["message"]) for row in found} == {
        ("home", "ok", "200", ""),
        ("port", "refused", "", "nothing listens there"),
    }


async def test_bars_are_the_newest_values(world: World) -> None:
    """A row for each mount; in words where a table cannot show bytes."""
    fields = {one.name: place for place, one in enumerate(BUILT_IN.get("disk").plain_fields)}  # type: ignore[union-attr]
    asked = Selected("disk", ("used_percent", "used", "total"), ("host:$host",))
    (row,) = world.ask(Shares(asked, "path"))
    (words,) = world.ask(Shares(asked, "path", as_text=True))

    assert {name: float(row[name]) for name in asked.fields} == {name: 119 * 7 + fields[name] for name in asked.fields}
    assert (words["path"], words["space"]) == ("/", "0 of 0 GB")


async def test_grafana_is_answered_what_influxdbs_page_is(world: World) -> None:
    """The same rows for every chart, number and table of both, for the host that is called as badly as can be."""
    boards = {name: json.loads(text) for name, text in grafana_files(BOARDS).items()}
    chosen = {"host": encode_tag(HOST), "service": "web", "each_probe": "home"}
    chosen["bucket_prefix"] = world.settings.bucket_prefix
    ui: dict[str, list[str]] = {}
    for title, _, text in texts_of(template_objects(world.settings, BOARDS)):
        ui.setdefault(title, []).append(text)
    compared = 0
    for board in boards.values():
        title = f"{board['title'].removeprefix('OpsWatch: ')} ({world.settings.bucket_prefix})"
        panels = [one for one in board["panels"] if one["type"] != "row"]
        for one, text in zip(panels, ui[title], strict=True):
            (target,) = one["targets"]
            found = rows(world.server, as_grafana_sends(target["query"], chosen, SHOWN, "10m0s"))
            assert found, one["title"]
            if "repeat" not in one and "space:" not in text:
                mine = world.sent(text)
                assert sorted(told(found, mine), key=str) == sorted(told(mine, mine), key=str), one["title"]
                compared += 1
    assert compared > 40


def told(found: list[dict[str, str]], like: list[dict[str, str]]) -> list[dict[str, str]]:
    """The columns that the other has, too."""
    return [{name: row[name] for name in like[0] if name not in {"table", "result"}} for row in found]


async def test_the_template_is_applied_twice_and_there_once_beside_somebody_elses(world: World) -> None:
    """A dry run, two real ones and a second installation on the same server; what is kept is what was sent."""
    server, org = world.server, world.server.org_id
    second = InfluxSettings("", "", bucket_prefix=f"{world.settings.bucket_prefix}-2")
    ours, theirs = template_objects(world.settings, BOARDS), template_objects(second, page(panel()))
    own = server.call("POST", "/api/v2/variables", variable("host", org))
    before = names_of(server, org)
    stacks = [
        applied(server, org, ours, (True, False, False)),
        applied(server, org, theirs, (False,)),
    ]
    there = names_of(server, org)
    kept = kept_texts(server, f"({world.settings.bucket_prefix})")
    still = server.call("GET", f"/api/v2/variables/{own['id']}")
    for stack in stacks:
        server.call("DELETE", f"/api/v2/stacks/{stack}?orgID={org}")
    after = names_of(server, org)
    server.call("DELETE", f"/api/v2/variables/{own['id']}")

    assert sorted(set(there) - set(before)) == sorted(one["spec"]["name"] for one in (*ours, *theirs))
    assert len(there) == len(set(there))
    assert kept == {text.strip() for _, _, text in texts_of(ours)}
    assert still["arguments"] == {"type": "constant", "values": ["mine"]}
    assert after == before


def applied(server: InfluxServer, org: str, objects: list[dict[str, Any]], runs: tuple[bool, ...]) -> object:
    """The id of the stack; a run for each of `runs`, dry where it is true."""
    stack = server.call("POST", "/api/v2/stacks", {"orgID": org, "name": "test"})
    template = {"contentType": "json", "contents": objects}
    for dry in runs:
        body = {"orgID": org, "stackID": stack["id"], "dryRun": dry, "template": template}
        said = server.call("POST", "/api/v2/templates/apply", body)
        assert not said.get("errors"), said
    return stack["id"]


def variable(name: str, org: str) -> dict[str, Any]:
    return {"orgID": org, "name": name, "arguments": {"type": "constant", "values": ["mine"]}}


def names_of(server: InfluxServer, org: str) -> list[str]:
    """Of all dashboards, variables and labels."""
    boards: Any = server.call("GET", f"/api/v2/dashboards?orgID={org}&limit=100")["dashboards"]
    variables: Any = server.call("GET", f"/api/v2/variables?orgID={org}")["variables"]
    labels: Any = server.call("GET", f"/api/v2/labels?orgID={org}")["labels"]
    return [one["name"] for one in (*boards, *variables, *labels)]


def kept_texts(server: InfluxServer, ending: str) -> set[str]:
    """What the cells of all dashboards whose names end so ask."""
    boards: Any = server.call("GET", f"/api/v2/dashboards?orgID={server.org_id}&limit=100")["dashboards"]
    found = set()
    for one in boards:
        if one["name"].endswith(ending):
            whole: Any = server.call("GET", f"/api/v2/dashboards/{one['id']}?include=properties")
            for cell in whole["cells"]:
                found |= {query["text"].strip() for query in cell["properties"].get("queries", ())}
    return found
