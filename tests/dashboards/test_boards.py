"""Pages over a real store: what is shown is what was measured."""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dashboards.boards import build_page
from dashboards.panels import parse_config
from dashboards.time_range import parse_range
from dashboards.views import ChartView, ProbesView, ServicesView, StatView
from embedded.store import EmbeddedOptions, EmbeddedStore
from telemetry.errors import StoreUnavailable
from telemetry.health import State
from telemetry.measurements import BUILT_IN
from telemetry.points import Point
from telemetry.ports import DEFAULT_DEADLINE, WriteStatus
from telemetry.schema import MeasurementClass
from telemetry.series import SeriesQuery, SeriesResult, SeriesSamples, ValuesQuery
from tests.dashboards.test_panels import SHIPPED
from tests.dashboards.test_render import context, html, service

SECOND = 1_000_000_000
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
NOW_NS = int(NOW.timestamp()) * SECOND
KEPT = {MeasurementClass.METRICS: timedelta(days=7), MeasurementClass.SELF: timedelta(days=31)}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[EmbeddedStore]:
    async with EmbeddedStore.opened(tmp_path / "metrics.duckdb", EmbeddedOptions(KEPT), BUILT_IN) as opened:
        yield opened


def page_of(*sections: list[dict[str, Any]]) -> str:
    """The shipped pages, with an overview of these panels."""
    document = json.loads(SHIPPED)
    document["dashboards"][0]["sections"] = [{"panels": panels} for panels in sections]
    return json.dumps(document)


def panel(kind: str, title: str, measurement: str, field: str, fn: str = "mean", unit: str = "count") -> dict[str, Any]:
    query = {"measurement": measurement, "fields": [field], "where": ["host:$host"], "fn": fn}
    return {"kind": kind, "title": title, "unit": unit, "query": query}


def received(at: int) -> Point:
    """1,000 bytes for each second since 1970."""
    return Point.of("net", {"host": "web", "interface": "eth0"}, {"bytes_recv": 1000 * at}, at * SECOND)


@pytest.mark.parametrize("interval", [1, 5, 7, 10, 20, 30, 60])
@pytest.mark.parametrize("preset", ["15m", "1h", "6h"])
async def test_a_steady_counter_has_a_steady_rate(store: EmbeddedStore, interval: int, preset: str) -> None:
    """1,000 a second is 1,000 a second in tile and chart, whatever the second, the interval and the range."""
    rate = panel("stat", "Tile", "net", "bytes_recv", "rate"), panel("chart", "Chart", "net", "bytes_recv", "rate")
    config = parse_config(page_of(list(rate)), "x", BUILT_IN)
    dashboard = config.dashboard("overview")
    assert dashboard is not None
    written = NOW_NS // SECOND - 7 * 3600

    for later in (0, 7, 23, 41, 59, 130):
        now = NOW + timedelta(seconds=later)
        moments = range(written, int(now.timestamp()) + 1, interval)
        assert (await store.write([received(at) for at in moments])).status is WriteStatus.OK
        written = moments[-1] if moments else written
        board = replace(
            context(),
            reader=store,
            now=now,
            range=parse_range(None, None, preset, now),
            host_interval=timedelta(seconds=interval),
        )
        tile, chart = (await build_page(dashboard, board)).sections[0].panels
        assert isinstance(tile, StatView)
        assert isinstance(chart, ChartView)
        # Where the step is no multiple of the interval it is ten times as long: a tenth is what that leaves.
        exact = chart.step_ms % (1000 * interval) == 0
        for shown in (chart.rows[0].now, chart.rows[0].high, *((tile.value,) if exact else ())):
            assert abs(float(shown.replace(",", "")) - 1000) <= (0.5 if exact else 100)


async def test_what_a_counter_grew_by_in_a_gap_is_nobodys_rate(store: EmbeddedStore) -> None:
    """After ten minutes of silence the chart goes on where it was, without a peak of ten minutes' traffic."""
    chart = panel("chart", "Chart", "net", "bytes_recv", "rate")
    dashboard = parse_config(page_of([chart]), "x", BUILT_IN).dashboard("overview")
    assert dashboard is not None
    end = NOW_NS // SECOND
    moments = [*range(end - 3000, end - 1500, 10), *range(end - 900, end, 10)]
    assert (await store.write([received(at) for at in moments])).status is WriteStatus.OK
    board = replace(context(), reader=store, range=parse_range(None, None, "1h", NOW))
    (view,) = (await build_page(dashboard, board)).sections[0].panels

    assert isinstance(view, ChartView)
    assert (view.rows[0].low, view.rows[0].high) == ("1,000", "1,000")


@pytest.mark.parametrize(("total", "shown"), [(0, 0), (4096, 1)])
async def test_a_host_without_swap_has_no_chart_of_it(store: EmbeddedStore, total: int, shown: int) -> None:
    """An optional chart is left out where all is zero, and is there where anything is not."""
    chart = {**panel("chart", "Swap", "swap", "total"), "optional": True}
    dashboard = parse_config(page_of([chart]), "x", BUILT_IN).dashboard("overview")
    assert dashboard is not None
    assert (await store.write([Point.of("swap", {"host": "web"}, {"total": total}, NOW_NS - SECOND)])).status is (
        WriteStatus.OK
    )
    page = await build_page(dashboard, replace(context(), reader=store))

    assert len(page.sections[0].panels) == shown


async def test_panels_of_two_sections_are_not_mixed_up_by_a_renewal() -> None:
    """Every part that a live page exchanges has a name of its own."""
    one = panel("stat", "CPU", "cpu", "usage_active")
    config = parse_config(page_of([one, one], [one]), "x", BUILT_IN)
    text = await html("overview", context(service("a")), config)
    names = [part.partition('"')[0] for part in text.split('data-live="')[1:]]

    assert len(names) == len(set(names))
    assert sum(name.startswith("stat-") for name in names) == 3


class Away:
    """A store that cannot be asked."""

    async def read(self, query: SeriesQuery, deadline: timedelta = DEFAULT_DEADLINE) -> SeriesResult:
        raise StoreUnavailable("InfluxDB at http://influxdb:8086 cannot be reached")

    def stream(self, query: SeriesQuery) -> AsyncGenerator[list[SeriesSamples], None]:
        raise StoreUnavailable("InfluxDB at http://influxdb:8086 cannot be reached")

    async def values(self, query: ValuesQuery, deadline: timedelta = DEFAULT_DEADLINE) -> tuple[str, ...]:
        raise StoreUnavailable("InfluxDB at http://influxdb:8086 cannot be reached")


@pytest.mark.parametrize(("name", "subject"), [("overview", ""), ("service", "pay")])
async def test_which_service_is_down_is_shown_without_the_store(name: str, subject: str) -> None:
    """Its state is known without it; "2 down" and no name is nothing that anybody can go by at 3 a.m."""
    dashboard = parse_config(SHIPPED, "x", BUILT_IN).dashboard(name)
    assert dashboard is not None
    services = (service("pay", State.DOWN), service("search", State.UP))
    board = replace(context(), reader=Away(), services=services, subject=subject)
    page = await build_page(dashboard, board)
    shown = await html(name, board)

    assert ">pay<" in shown
    assert "down" in shown
    assert any(isinstance(one, ServicesView | ProbesView) for section in page.sections for one in section.panels)
    assert page.troubles == ("InfluxDB at http://influxdb:8086 cannot be reached",)
