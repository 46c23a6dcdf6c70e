"""Pages as HTML: whatever arrives is text."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from dashboards.boards import BoardContext, build_page
from dashboards.panels import DashboardConfig, parse_config
from dashboards.render import PageFrame, Renderer
from dashboards.time_range import parse_range
from telemetry.errors import NotFound, StoreUnavailable
from telemetry.health import Outcome, ProbeStatus, ServiceStatus, State
from telemetry.measurements import BUILT_IN
from telemetry.ports import DEFAULT_DEADLINE
from telemetry.series import SeriesQuery, SeriesResult
from tests.dashboards.test_panels import SHIPPED

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script>\"'{{7*7}}"
CONFIG = parse_config(SHIPPED, "x", BUILT_IN)


class EmptyReader:
    """Holds nothing."""

    async def read(self, query: SeriesQuery, deadline: timedelta = DEFAULT_DEADLINE) -> SeriesResult:
        return SeriesResult(query, "raw", ())

    def stream(self, query: SeriesQuery):
        raise NotImplementedError


class BrokenReader(EmptyReader):
    """Cannot answer."""

    async def read(self, query: SeriesQuery, deadline: timedelta = DEFAULT_DEADLINE) -> SeriesResult:
        raise StoreUnavailable("the embedded store cannot answer: disk on fire")


def service(name: str, state: State = State.DOWN) -> ServiceStatus:
    probe = ProbeStatus(
        HOSTILE, "http", "http://x/" + HOSTILE, timedelta(seconds=30), state, NOW, Outcome.STATUS, 1.0, HOSTILE, NOW
    )
    return ServiceStatus(name, (), (HOSTILE,), (probe,))


def context(*services: ServiceStatus, subject: str = "") -> BoardContext:
    return BoardContext(
        reader=EmptyReader(),
        registry=BUILT_IN,
        services=services,
        facts=(),
        range=parse_range(None, None, "1h", NOW),
        now=NOW,
        zone=ZoneInfo("Europe/Berlin"),
        host="web",
        host_interval=timedelta(seconds=10),
        first_sample_due=None,
        subject=subject,
    )


async def html(name: str, board: BoardContext, config: DashboardConfig = CONFIG) -> str:
    dashboard = config.dashboard(name)
    assert dashboard is not None
    frame = PageFrame("/ops", ZoneInfo("Europe/Berlin"), NOW, HOSTILE, 5.0, "0.1.0")
    return Renderer().page(await build_page(dashboard, board), frame)


@pytest.mark.parametrize("name", ["overview", "host", "status", "service"])
async def test_hostile_text_is_shown_and_never_run(name: str) -> None:
    """E7: names, messages and targets are text, in every page; no inline script, no inline style."""
    page = await html(name, context(service(HOSTILE), subject=HOSTILE if name == "service" else ""))

    assert "<script>alert" not in page
    assert "style=" not in page
    assert "javascript:" not in page


async def test_every_link_honours_the_base_path() -> None:
    """Behind a reverse proxy at /ops nothing points outside of it."""
    page = await html("overview", context(service("a b/c")))

    assert 'href="/ops/services/a%20b/c"' in page or 'href="/ops/services/a%20b%2Fc"' in page
    assert 'href="/host"' not in page
    assert 'src="/static' not in page


async def test_services_stand_worst_first_and_the_fleet_is_counted() -> None:
    """Down, unknown, degraded, up; and the title says it before the page is opened."""
    states = {"a": State.UP, "b": State.DOWN, "c": State.DEGRADED, "d": State.UNKNOWN}
    page = await html("overview", context(*(service(name, state) for name, state in states.items())))

    order = [page.index(f'title="{name}">{name}</a>') for name in "bdca"]
    assert order == sorted(order)
    assert "<title>(1 down) Overview · OpsWatch</title>" in page


async def test_an_empty_start_says_when_and_how() -> None:
    """Nothing to show yet: when the first sample comes, in the zone of the page, and how to add a service."""
    page = await html("overview", replace(context(), first_sample_due=NOW + timedelta(seconds=1)))

    assert "first sample of this host comes at" in page
    assert "13:00:01" in page
    assert "opswatch add https://" in page


async def test_a_store_that_cannot_answer_is_said_on_the_page() -> None:
    """The page comes all the same, with what is known without the store."""
    page = await html("overview", replace(context(service("a")), reader=BrokenReader()))

    assert "disk on fire" in page
    assert "1 down" in page


async def test_a_service_that_does_not_exist_has_a_near_miss() -> None:
    """404, with the name that was perhaps meant."""
    with pytest.raises(NotFound, match="did you mean checkout"):
        await html("service", context(service("checkout"), subject="chekout"))
