"""The reports in a real browser: readable on a screen, on a phone and on paper, light and dark.

With OPSWATCH_SCREENSHOTS=1 the pictures are written to docs/images/; OPSWATCH_SCREENSHOTS=FOLDER writes them there.
"""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, async_playwright

from tests.api.world import World, running
from tests.browser.axe import LOOKED_AT, complaints
from tests.dashboards.reports.fortnight import fill

ROOT = Path(__file__).parent.parent.parent
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
WANTED = os.environ.get("OPSWATCH_SCREENSHOTS", "")
PICTURES = ROOT / "docs" / "images" if WANTED == "1" else Path(WANTED) if WANTED else None
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
PAGES = (
    ("reports", "/reports"),
    ("report-availability", "/reports/availability"),
    ("report-trend", "/reports/trend"),
)

pytestmark = [
    pytest.mark.skipif(
        CHROMIUM is None, reason="NOT PROVED: the reports in a browser, because there is no chromium (Debian: chromium)"
    ),
    pytest.mark.timeout(180),
]


class Site:
    """A server with a fortnight in it, and a browser that is logged in."""

    def __init__(self, world: World, browser: Browser, cookie: str) -> None:
        self.world, self.browser, self.cookie = world, browser, cookie
        self.complaints: list[str] = []

    @asynccontextmanager
    async def page(self, width: int, scheme: str = "light", **options: object) -> AsyncIterator[Page]:
        context = await self.browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, **options
        )
        await context.add_cookies([{"name": "opswatch_session", "value": self.cookie, "url": self.world.url}])
        page = await context.new_page()
        page.on("console", lambda message: self.complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        yield page
        await context.close()

    async def open(self, page: Page, path: str) -> None:
        await page.goto(self.world.url + path)
        await page.wait_for_selector("html[data-ready]", timeout=20_000)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with running(tmp_path) as world, async_playwright() as playwright:
        await fill(world)
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield Site(world, browser, await world.log_in())
        await browser.close()


async def test_reports_are_readable_accessible_and_quiet(site: Site) -> None:
    """1440 and 390 pixels, light and dark: nothing overflows, axe finds nothing, the console says nothing."""
    for scheme in ("light", "dark"):
        for width in (1440, 390):
            async with site.page(width, scheme) as page:
                for name, path in PAGES:
                    await site.open(page, path)
                    assert await page.evaluate("document.documentElement.scrollWidth") <= width, (name, width)
                    if PICTURES:
                        await page.screenshot(path=PICTURES / f"{name}-{width}-{scheme}.png", full_page=True)
    for width, scheme in LOOKED_AT:
        async with site.page(width, scheme, bypass_csp=True) as page:
            for name, path in PAGES:
                await site.open(page, path)
                assert await complaints(page) == [], name

    assert site.complaints == []


async def test_from_the_navigation_to_a_report_and_its_other_forms(site: Site) -> None:
    """Reports, last 7 days of availability, the trend of exactly this period, its CSV; `r` leads back."""
    async with site.page(1440) as page:
        await site.open(page, "/")
        await page.get_by_role("link", name="Reports").click()
        await page.wait_for_url("**/reports")
        await page.get_by_role("list", name="Availability of").get_by_role("link", name="Last 7 days").click()
        await page.wait_for_url("**/reports/availability?period=7d")
        assert "17 Nov 12:00 – 24 Nov 2026 12:00" in await page.inner_text("main")
        await page.get_by_role("link", name="Trend of this period").click()
        await page.wait_for_url("**/reports/trend?start=2026-11-17T12*")
        assert await page.locator(".curve").count() >= 10
        async with page.expect_download() as download:
            await page.get_by_role("link", name="CSV").click()
        assert (await download.value).suggested_filename == "trend.csv"
        await page.wait_for_selector("html[data-ready]")
        await page.keyboard.press("r")
        await page.wait_for_url("**/reports")


async def test_on_paper_there_is_the_report_and_nothing_else(site: Site) -> None:
    """Printing leaves navigation and buttons out, is light whatever was chosen, and cuts nothing off."""
    async with site.page(1440, "dark") as page:
        await site.open(page, "/reports/availability")
        await page.emulate_media(media="print", color_scheme="dark")
        assert not await page.locator(".top nav").is_visible()
        assert not await page.locator(".report-tools").is_visible()
        assert await page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        await page.set_viewport_size({"width": 720, "height": 1000})  # A4 without its margins
        assert await page.evaluate("document.documentElement.scrollWidth") <= 720
        cut = "[...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth + 1).length"
        assert await page.evaluate(cut) == 0
        if PICTURES and WANTED != "1":
            await page.screenshot(path=PICTURES / "report-print.png", full_page=True)


async def test_without_javascript_a_report_is_whole(site: Site) -> None:
    """Charts are part of the page; the custom period is a plain form."""
    async with site.page(390, java_script_enabled=False) as page:
        await page.goto(site.world.url + "/reports/trend")
        assert await page.locator(".curve polyline.now").first.is_visible()
        await page.locator(".custom summary").click()
        await page.locator(".custom input[name=start]").fill("2026-11-20")
        await page.locator(".custom input[name=stop]").fill("2026-11-21")
        await page.locator(".custom button").click()

        assert "20 Nov 00:00 – 21 Nov 2026 00:00" in await page.inner_text("main")
