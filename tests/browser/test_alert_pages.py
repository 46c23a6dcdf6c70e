"""Alerts and incidents in a real browser: readable, harmless, and good for what people do at night.

With OPSWATCH_SCREENSHOTS=1 the pictures are written to docs/images/; OPSWATCH_SCREENSHOTS=FOLDER writes them there.
"""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.async_api import async_playwright

from alerting.ledger import Action, PersonAction
from telemetry.points import Point
from telemetry.times import from_datetime
from tests.api.world import NOW, World, running, service
from tests.browser.axe import LOOKED_AT, complaints
from tests.browser.test_reports import ARGUMENTS, CHROMIUM, PICTURES, Site

LONG = ("warehouse-" + "inventory-reconciliation-" * 14)[:300]
HOSTILE = "<img src=x onerror='window.ran=1'>\u202egnp.exe\u2069"

pytestmark = [
    pytest.mark.skipif(
        CHROMIUM is None, reason="NOT PROVED: alerts in a browser, because there is no chromium (Debian: chromium)"
    ),
    pytest.mark.timeout(180),
]


async def pass_time(world: World, span: timedelta, loads: dict[str, float]) -> None:
    assert world.alerting is not None
    for _ in range(int(span / timedelta(seconds=15))):
        world.clock.advance(timedelta(seconds=15))
        at = from_datetime(world.clock.wall - timedelta(seconds=6))
        points = [Point.of("system", {"host": host}, {"load1": load}, at) for host, load in loads.items()]
        shop = {"service": "checkout", "probe": "health", "kind": "http", "host": "h1"}
        state = 0 if "web-1" in loads and loads["web-1"] > 10 else 2
        points.append(Point.of("probe", shop, {"state": state, "latency_ms": 12.0 + loads.get("web-1", 0)}, at))
        await world.write(*points)
        await world.alerting.evaluate_once()


async def a_night(world: World) -> None:
    """An hour in which something was over, something fires, something is unknown, something is pending."""
    assert world.alerting is not None
    world.catalog.known = (service(), service("postgres"))
    await pass_time(world, timedelta(minutes=10), {"h1": 1, "web-1": 2, "web-2": 1, LONG: 1, HOSTILE: 1, "gone": 7})
    await pass_time(world, timedelta(minutes=12), {"h1": 7, "web-1": 2, "web-2": 1, LONG: 1, HOSTILE: 1})
    await pass_time(world, timedelta(minutes=15), {"h1": 1, "web-1": 14, "web-2": 1, LONG: 8, HOSTILE: 9})
    author = PersonAction(Action.ACKNOWLEDGE, "ada", "on my way; the queue of orders is stuck")
    page = world.alerting.open_alerts()
    number = next(one.alert.incident for one in page if dict(one.alert.tags).get("host") == "web-1")
    assert number is not None
    await world.alerting.act(number, author, world.clock.wall)
    await world.alerting.act(number, PersonAction(Action.NOTE, "ada", HOSTILE), world.clock.wall)
    await pass_time(world, timedelta(minutes=3), {"h1": 1, "web-1": 13, "web-2": 1, LONG: 8, HOSTILE: 9})


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with running(tmp_path) as world, async_playwright() as playwright:
        await a_night(world)
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield Site(world, browser, await world.log_in("operator"))
        await browser.close()


def number_of(site: Site, host: str) -> int:
    assert site.world.alerting is not None
    found = site.world.alerting.open_alerts()
    number = next(one.alert.incident for one in found if dict(one.alert.tags).get("host") == host)
    assert number is not None
    return number


async def test_the_pages_are_readable_accessible_and_harmless(site: Site) -> None:
    """1440 and 390 pixels, light and dark: nothing overflows, axe finds nothing, nothing that was sent runs."""
    pages = (
        ("alerts", "/alerts"),
        ("incident", f"/incidents/{number_of(site, 'web-1')}"),
        ("incident-hostile", f"/incidents/{number_of(site, HOSTILE)}"),
        ("incident-over", "/incidents/2"),
        ("service-marks", "/services/checkout?start=-1h"),
        ("host-marks", "/host?start=-1h"),
    )
    for scheme in ("light", "dark"):
        for width in (1440, 390):
            async with site.page(width, scheme) as page:
                for name, path in pages:
                    await site.open(page, path)
                    assert await page.evaluate("document.documentElement.scrollWidth") <= width, (name, width)
                    assert await page.evaluate("window.ran") is None
                    if PICTURES:
                        await page.screenshot(path=PICTURES / f"{name}-{width}-{scheme}.png", full_page=True)
    for width, scheme in LOOKED_AT:
        async with site.page(width, scheme, bypass_csp=True) as page:
            for name, path in pages:
                await site.open(page, path)
                assert await complaints(page) == [], name

    assert site.complaints == []


async def test_an_incident_is_acknowledged_on_its_page_and_the_head_counts(site: Site) -> None:
    """A form that needs no script; the timeline says who and why."""
    number = number_of(site, LONG)
    async with site.page(1440, java_script_enabled=False) as page:
        await page.goto(f"{site.world.url}/incidents/{number}")
        assert (await page.locator(".firing > .critical").inner_text()).split() == ["2", "critical"]
        await page.fill("#ack-comment", "looking at it")
        await page.get_by_role("button", name="Acknowledge").click()
        await page.wait_for_url(f"{site.world.url}/incidents/{number}")
        timeline = await page.locator(".timeline").inner_text()

    assert "acknowledged by operator" in timeline
    assert "looking at it" in timeline


async def test_a_viewer_sees_everything_and_can_do_nothing(site: Site) -> None:
    """No form that would be refused."""
    site.cookie = await site.world.log_in("viewer")
    async with site.page(1440) as page:
        await site.open(page, f"/incidents/{number_of(site, LONG)}")
        assert await page.locator("form.act").count() == 0
        assert await page.locator(".timeline li").count() >= 2


async def test_what_fires_appears_on_an_open_page_by_itself(site: Site) -> None:
    """And the counts in the head of every page with it."""
    async with site.page(1440) as page:
        await site.open(page, "/alerts")
        await page.evaluate("window.stays = true")
        await page.wait_for_selector('.live[data-state="live"]')
        await pass_time(site.world, timedelta(minutes=2), {"h1": 1, "web-1": 13, "web-2": 50, LONG: 8, HOSTILE: 9})
        await page.wait_for_selector(".firing > .critical:has-text('3')", timeout=20_000)
        assert "web-2" in await page.locator("[data-live=alerts-firing]").inner_text()
        assert await page.evaluate("window.stays") is True


async def test_the_history_is_filtered_and_taken_along(site: Site) -> None:
    """By a form that is in the address; the CSV is that of the filter."""
    async with site.page(1440) as page:
        await site.open(page, "/alerts")
        await page.select_option("select[name=status]", "resolved")
        await page.click("form.filter button")
        await page.wait_for_selector("html[data-ready]")
        rows = await page.locator("[data-live=alerts-history] tbody tr").count()
        address = await page.get_attribute("a.download", "href")

    assert rows == 1
    assert address == "/api/v1/incidents.csv?status=resolved"
    assert (await (await site.world.get(str(address))).text()).count("\r\n") == 2


async def test_the_chart_shows_what_the_rule_read_with_its_thresholds(site: Site) -> None:
    """What it read is what it decided on: the answer holds the values of the evaluations."""
    number = number_of(site, "web-1")
    answer = await (await site.world.get(f"/api/v1/incidents/{number}/evaluations?start=-30m")).json()
    values = [value for value in answer["series"][0]["values"] if value is not None]
    async with site.page(1440) as page:
        await site.open(page, f"/incidents/{number}")
        limits = await page.get_attribute(".plot", "data-limits")
        assert await page.locator(".plot canvas").count() == 1

    assert (min(values), max(values)) == (pytest.approx(2), pytest.approx(14))
    assert limits == '[{"value":5.0,"severity":"warning"},{"value":10.0,"severity":"critical"}]'
    assert site.world.clock.wall > NOW
