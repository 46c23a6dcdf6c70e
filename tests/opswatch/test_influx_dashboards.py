"""Our pages in InfluxDB and in Grafana: every cell asks in Flux that is right, and answers as the page does."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import combinations
from typing import Any

import pytest

from dashboards.grafana_board import GRAFANA_VARIABLES
from dashboards.influx_template import variable_names
from dashboards.panel_cells import COLUMNS, BoardView, board_views
from dashboards.panels import DashboardConfig
from influx.connection import InfluxConnection
from influx.encoder import Encoder
from influx.panel_flux import PanelFlux
from influx.reader import InfluxReader
from influx.rollup_tasks import rollup_task
from influx.settings import InfluxSettings
from influx.stack_changes import parts_of
from opswatch.boards import load_boards
from opswatch.influx_dashboards import FOLDER, grafana_files, template_objects
from telemetry.measurements import BUILT_IN
from telemetry.panel_questions import Asks, PanelQuestion
from telemetry.points import Point
from telemetry.rollup import LEVELS
from telemetry.schema import FieldType, Measurement
from telemetry.series import AllOf, Equals, Function, Matches, Not, SeriesQuery, Window
from tests.influx.flux_checker import checker
from tests.influx.plain_query import rows
from tests.influx.server import InfluxServer

SECOND = 10**9
MINUTE, HOUR = 60 * SECOND, 3_600 * SECOND
BOARDS = load_boards(None)
HOSTILE = 'it\'s ${x} "y" \\ ü'
START = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp()) * SECOND


def bound(text: str, names: dict[str, str], **more: str) -> str:
    """A text as InfluxDB's page sends it: with the record `v`, whose names are the dashboard's variables."""
    record = {"timeRangeStart": "-1h", "timeRangeStop": "now()", "windowPeriod": "1m"} | more
    record |= {name: json.dumps(value) for name, value in names.items()}
    option = f"option v = {{{', '.join(f'{name}: {value}' for name, value in record.items())}}}\n"
    imports = "".join(re.findall(r"^import .*\n", text, re.MULTILINE))
    return imports + option + re.sub(r"^import .*\n", "", text, flags=re.MULTILINE)


def cells_of(objects: Any) -> Iterator[tuple[str, str, str]]:
    """(dashboard, cell, text) of a template."""
    for one in objects:
        for chart in one["spec"].get("charts", ()):
            for query in chart["queries"]:
                yield one["metadata"]["name"], chart["name"], query["query"]


@pytest.mark.parametrize("prefix", ["opswatch", "it's-mine"])
def test_the_checker_accepts_every_cell_and_every_variable(prefix: str) -> None:
    """With values for what the page is about that would be Flux if they could."""
    settings = InfluxSettings("http://influxdb:8086", "ops", bucket_prefix=prefix)
    objects = template_objects(settings, BOARDS)
    names = dict.fromkeys(variable_names(prefix).values(), "x")
    texts = [text for _, _, text in cells_of(objects)]
    texts += [one["spec"]["query"] for one in objects if one["kind"] == "Variable"]

    assert len(texts) > 40
    assert [text for text in texts if not checker().accepts(bound(text, names))] == []


def test_the_checker_accepts_every_panel_of_grafana() -> None:
    """With the values in quotation marks, as Grafana puts them."""
    tried = 0
    for text in grafana_files(BOARDS).values():
        board = json.loads(text)
        for asked in [one["query"] for panel in board["panels"] for one in panel["targets"]]:
            flux = asked
            for name in GRAFANA_VARIABLES.values():
                flux = flux.replace(name, json.dumps('a "host"'))
            assert "${" not in flux
            assert checker().accepts(bound(flux, {})), flux
            tried += 1
    assert tried > 30


def test_the_committed_dashboards_of_grafana_are_what_our_pages_make() -> None:
    """`make docs` writes them; each has a name of its own, the data source by a variable, and no number of a server."""
    files = {file.name: file.read_text() for file in FOLDER.glob("*.json")}
    boards = [json.loads(text) for text in files.values()]

    assert files == grafana_files(BOARDS)
    assert len({board["uid"] for board in boards}) == len(boards) >= 6
    assert {board["id"] for board in boards} == {None}
    assert {panel["datasource"]["uid"] for board in boards for panel in board["panels"]} == {"${source}"}


@pytest.mark.parametrize("board", board_views(BOARDS, BUILT_IN), ids=lambda board: board.name)
def test_no_cell_lies_on_another_or_beside_the_grid(board: BoardView) -> None:
    """Of twelve columns; stats in rows, charts side by side."""
    for one in board.cells:
        assert 0 <= one.place[0] <= COLUMNS - one.place[2]
    for (x, y, width, height), (left, top, across, down) in combinations([one.place for one in board.cells], 2):
        assert x + width <= left or left + across <= x or y + height <= top or top + down <= y


def test_two_installations_on_one_server_have_variables_of_their_own() -> None:
    """Names that InfluxDB knows them by, and that Flux can say."""
    assert variable_names("opswatch") == {"$host": "opswatch_host", "$service": "opswatch_service"}
    assert variable_names("it's-mine")["$host"] == "it_s_mine_host"


def test_a_page_of_somebodys_own_is_rendered_with_whatever_it_says() -> None:
    """Hostile conditions stay values, patterns stay patterns, long titles are cut."""
    query = {
        "measurement": "net",
        "fields": ["bytes_recv"],
        "where": [f"interface:{HOSTILE}", "host~:^a/b\\/c"],
        "fn": "rate",
    }
    panels = [{"kind": "chart", "title": "T" * 300, "query": query}]
    own = DashboardConfig.model_validate(
        {"version": 1, "dashboards": [{"name": "mine", "title": "Mine", "sections": [{"panels": panels}]}]}
    )
    objects = template_objects(InfluxSettings("", ""), own)
    texts = [text for _, _, text in cells_of(objects)]

    assert [one.name for one in parts_of(objects).values() if one.kind == "Dashboard"] == [
        "Mine (opswatch)",
        "Mine, history (opswatch)",
    ]
    assert all(checker().accepts(bound(text, {"opswatch_host": "x", "opswatch_service": "y"})) for text in texts)
    assert all("^a\\/b\\/c/" in text and "${x}" not in text for text in texts)
    assert {len(name) for _, name, _ in cells_of(objects)} == {100}


def test_pages_with_long_names_and_such_that_look_alike_have_names_of_their_own() -> None:
    """InfluxDB knows 63 small letters, digits and dashes, Grafana 40 characters."""
    query = {"measurement": "net", "fields": ["bytes_recv"], "fn": "rate"}
    sections = [{"panels": [{"kind": "chart", "title": "Received", "query": query}]}]
    names = ["a" * 61, "a" * 60, "a_b", "a-b", "b" * 45]
    own = DashboardConfig.model_validate(
        {"version": 1, "dashboards": [{"name": name, "title": name, "sections": sections} for name in names]}
    )
    objects = [one["metadata"]["name"] for one in template_objects(InfluxSettings("", "", bucket_prefix="1team"), own)]
    boards = [json.loads(text)["uid"] for text in grafana_files(own).values()]

    assert len(set(objects)) == len(objects) == 4 + 2 * len(names)
    assert all(re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", name) for name in objects)
    assert len(set(boards)) == len(boards) == 2 * len(names)
    assert all(len(uid) <= 40 for uid in boards)
    assert variable_names("1team")["$host"] == "_1team_host"


@dataclass
class World:
    server: InfluxServer
    settings: InfluxSettings
    connection: InfluxConnection
    reader: InfluxReader

    def run(self, text: str, **names: str) -> list[dict[str, str]]:
        own = variable_names(self.settings.bucket_prefix)
        values = {own["$host"]: "a", own["$service"]: "web"} | names
        span = {"timeRangeStart": "2026-11-01T00:00:00Z", "timeRangeStop": "2026-11-01T04:00:00Z"}
        period = "2h" if "_1h" in text else "10m"
        return rows(self.server, bound(text, values, **span, windowPeriod=period))


def points() -> Iterator[Point]:
    """Four hours of every measurement that is rolled up or ours; counters begin anew after two."""
    for number in range(240):
        for host in ("a", "b"):
            yield Point.of("cpu", {"host": host, "cpu": "cpu0"}, {"usage_active": number % 9}, START + number * MINUTE)
            for measurement in BUILT_IN:
                yield Point.of(
                    measurement.name,
                    tags_of(measurement, host),
                    fields_of(measurement, number),
                    START + number * MINUTE,
                )


def tags_of(measurement: Measurement, host: str) -> dict[str, str]:
    known = {"host": host, "service": "web", "probe": "home", "cpu": "cpu-total", "interface": "eth0", "path": "/"}
    return {tag: known.get(tag, "x") for tag in measurement.tags}


def fields_of(measurement: Measurement, number: int) -> dict[str, float | str]:
    plain = measurement.plain_fields
    bucket = {"latency_ms_le_8": 1} if measurement.name == "probe" else {}
    return bucket | {
        field.name: "said" if field.type is FieldType.TEXT else (number % 120) * 7 + place
        for place, field in enumerate(plain)
    }


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
        influx.run(rollup_task(settings, level, windows=4 * HOUR // level.step).flux, "2026-11-01T04:00:00Z")
    return settings


@pytest.fixture
async def world(influx: InfluxServer, written: InfluxSettings) -> Any:
    async with InfluxConnection.opened(written) as connection:
        yield World(influx, written, connection, InfluxReader(connection, BUILT_IN))


async def test_every_cell_answers_on_a_real_server(world: World) -> None:
    """With rows; each text as it is applied."""
    texts = list(cells_of(template_objects(world.settings, BOARDS)))
    nothing = [(board, cell) for board, cell, text in texts if not world.run(text)]

    assert len(texts) > 40
    assert nothing == []


async def test_a_cell_shows_what_our_own_page_shows(world: World) -> None:
    """Every chart of every page: the same windows, the same values; also where a counter began anew."""
    own = PanelFlux(
        world.settings, {name: f"v.{own}" for name, own in variable_names(world.settings.bucket_prefix).items()}
    )
    compared = 0
    for board in board_views(BOARDS, BUILT_IN):
        for cell in board.cells:
            question = cell.question
            text = own.text(question)
            if cell.kind not in {Asks.WINDOWS, Asks.HISTORY} or text is None:
                continue
            step = 10 * MINUTE if cell.kind is Asks.WINDOWS else 2 * HOUR
            found: dict[tuple[str, str], dict[str, float]] = {}
            for row in world.run(text):
                key = row["_field"], row.get("host", "")
                found.setdefault(key, {})[row["_time"]] = float(row["_value"])
            asked = SeriesQuery(
                question.measurement.name,
                question.fields,
                START,
                START + 4 * HOUR,
                Window(step, (question.function,)),
                meant(question),
            )
            expected = await world.reader.read(asked)
            for one in expected.series:
                tags = dict(one.series.tags)
                mine = found.pop((one.series.field, tags.get("host", "")))
                values = [value for value in one.values if value is not None]
                assert list(mine.values()) == pytest.approx(values, rel=1e-9), cell.title
                compared += 1
            assert found == {}, cell.title
    assert compared > 60


def meant(question: PanelQuestion) -> AllOf:
    """The conditions with what the page is about."""
    variables = {"$host": "a", "$service": "web"}

    def filled(predicate: Any) -> Any:
        match predicate:
            case AllOf(inner):
                return AllOf(tuple(map(filled, inner)))
            case Not(inner):
                return Not(filled(inner))
            case Equals(tag, value):
                return Equals(tag, variables.get(value, value))
        return predicate

    return AllOf((filled(question.where),))


async def test_a_stat_is_one_number(world: World) -> None:
    """The newest of each series, and of these the greatest or the sum; of counters their growth."""
    own = PanelFlux(world.settings, {})
    net = BUILT_IN.get("net")
    assert net is not None
    fields = ("bytes_recv", "bytes_sent")
    newest = [(239 % 120) * 7 + [field.name for field in net.plain_fields].index(name) for name in fields]
    where = Matches("host", "^[ab]$")

    (greatest,) = world.run(str(own.text(PanelQuestion(Asks.NUMBER, net, fields, where, Function.LAST))))
    (added,) = world.run(str(own.text(PanelQuestion(Asks.NUMBER, net, fields, where, Function.LAST, "sum"))))
    (rate,) = world.run(str(own.text(PanelQuestion(Asks.NUMBER, net, fields, where, Function.RATE, "sum"))))
    assert float(greatest["_value"]) == max(newest)
    assert float(added["_value"]) == 2 * sum(newest)
    assert float(rate["_value"]) == pytest.approx(4 * 7 / 60)
