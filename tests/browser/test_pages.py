"""The pages in a real browser: live, readable, accessible, safe; and the screenshots of the documentation.

With OPSWATCH_SCREENSHOTS=1 the pictures are written to docs/images/.
"""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from tests.browser.axe import LOOKED_AT, complaints

ROOT = Path(__file__).parent.parent.parent
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PICTURES = ROOT / "docs" / "images" if os.environ.get("OPSWATCH_SCREENSHOTS") == "1" else None
LONG = ("warehouse-" + "inventory-reconciliation-" * 8)[:200]
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

pytestmark = [
    pytest.mark.skipif(
        CHROMIUM is None, reason="NOT PROVED: the pages in a browser, because there is no chromium (Debian: chromium)"
    ),
    pytest.mark.timeout(180),
]


@asynccontextmanager
async def target() -> AsyncIterator[int]:
    """A service that is well, slow, or ill, by path."""

    async def well(request: web.Request) -> web.Response:
        return web.json_response({"status": "healthy"})

    async def slow(request: web.Request) -> web.Response:
        await asyncio.sleep(0.05)
        return web.json_response({"status": "healthy"})

    async def ill(request: web.Request) -> web.Response:
        return web.Response(status=503, text="<script>alert(1)</script>")

    app = web.Application()
    app.router.add_get("/well", well)
    app.router.add_get("/slow", slow)
    app.router.add_get("/ill", ill)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner.addresses[0][1]
    await runner.cleanup()


@dataclass
class Site:
    """A running OpsWatch with one service of each kind, and a browser that is logged in."""

    url: str
    browser: Browser
    session: dict[str, object]
    complaints: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def page(self, width: int, scheme: str = "light", **options: object) -> AsyncIterator[Page]:
        context: BrowserContext = await self.browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, storage_state=self.session, **options
        )
        page = await context.new_page()
        page.on("console", lambda message: self.complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        yield page
        await context.close()

    async def open(self, page: Page, path: str) -> None:
        await page.goto(self.url + path)
        await page.wait_for_selector("html[data-ready]", timeout=20_000)


@asynccontextmanager
async def opswatch(folder: Path, services: str) -> AsyncIterator[tuple[str, str]]:
    """`opswatch run` as a process; its address and its owner link."""
    (folder / "opswatch.yaml").write_text(f"version: 1\nhost: {{interval: 1s}}\nservices:\n{services}")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPSWATCH_")}
    environment |= {
        "OPSWATCH_LISTEN": "127.0.0.1:0",
        "PYTHONPATH": str(ROOT),
        "DASHBOARD_REFRESH_INTERVAL_SECONDS": "1",
    }
    with (folder / "stderr.txt").open("w") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "opswatch.cli.main", "run"),
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=log,
        )
        assert process.stdout is not None
        try:
            url = (await process.stdout.readline()).decode().split()[-1]
            link = (await process.stdout.readline()).decode().split()[-1]
            yield url, link
        finally:
            process.terminate()
            await process.wait()


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with target() as port, async_playwright() as playwright:
        probe = "interval: 1s, timeout: 500ms"
        services = "".join(
            f"  - name: {name}\n    probes: [{{name: health, kind: http, url: '{url}', {probe}{more}}}]\n"
            for name, url, more in (
                ("shop", f"http://127.0.0.1:{port}/well", ""),
                ("payments", f"http://127.0.0.1:{port}/ill", ""),
                ("search", f"http://127.0.0.1:{port}/slow", ", expect: {latency: 20ms}"),
                ("reports", f"http://127.0.0.1:{port}/ill", ", failure_threshold: 100"),
                (LONG, f"http://127.0.0.1:{port}/well", ""),
            )
        )
        async with opswatch(tmp_path, services) as (url, link):
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
            context = await browser.new_context()
            page = await context.new_page()
            await page.goto(link)
            await page.wait_for_url(url + "/")
            assert "#" not in page.url
            yield Site(url, browser, await context.storage_state())
            await browser.close()


PAGES = (
    ("overview", "/"),
    ("host", "/host"),
    ("service", "/services/payments"),
    ("long-name", f"/services/{LONG}"),
    ("status", "/status"),
)


async def test_every_page_is_readable_accessible_and_quiet(site: Site) -> None:
    """1440 and 390 pixels, light and dark: nothing overflows, axe finds nothing, the console says nothing."""
    async with site.page(1440) as page:
        await site.open(page, "/")
        for state in ("down", "unknown", "degraded", "up"):
            await page.wait_for_selector(f"article.card.{state}", timeout=20_000)
    for scheme in ("light", "dark"):
        for width in (1440, 390):
            async with site.page(width, scheme, bypass_csp=False) as page:
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


async def test_a_page_follows_what_happens_without_being_loaded_again(site: Site) -> None:
    """Live: the time of the last attempt and the indicator move on by the server's events."""
    async with site.page(1440) as page:
        await site.open(page, "/services/shop")
        await page.evaluate("window.stays = true")
        row = page.locator(".attempts tbody tr").first
        await page.wait_for_selector('.live[data-state="live"]')
        before = await row.text_content()
        await page.wait_for_function(
            "before => document.querySelector('.attempts tbody tr').textContent !== before", arg=before, timeout=20_000
        )

        assert await page.evaluate("window.stays") is True
        assert await page.locator("canvas").count() >= 2


async def test_a_page_stays_live_under_the_keyboard(site: Site) -> None:
    """Whoever has tabbed to a card sees it go on, and stays on it: a focus must not hold old numbers as new ones."""
    async with site.page(1440) as page:
        await site.open(page, "/")
        link = page.locator(".card h3 a", has_text="shop")
        await link.focus()
        await page.wait_for_selector('.live[data-state="live"]')
        before = await page.locator(".services").inner_text()
        await page.wait_for_function(
            "before => document.querySelector('.services').innerText !== before", arg=before, timeout=20_000
        )

        assert await page.evaluate("document.activeElement.textContent") == "shop"


async def test_the_range_is_in_the_address_and_the_back_button_returns(site: Site) -> None:
    """A preset, a zoom by dragging, and back."""
    async with site.page(1440) as page:
        await site.open(page, "/host")
        await page.get_by_role("link", name="6 h").click()
        await page.wait_for_url("**/host?start=-6h")
        await page.wait_for_selector("html[data-ready]")
        box = await page.locator(".u-over").first.bounding_box()
        assert box is not None
        await page.mouse.move(box["x"] + 50, box["y"] + 40)
        await page.mouse.down()
        await page.mouse.move(box["x"] + 250, box["y"] + 40, steps=5)
        await page.mouse.up()
        await page.wait_for_url("**/host?start=2*&stop=2*")
        await page.wait_for_selector("html[data-ready]")
        await page.go_back()

        assert page.url.endswith("/host?start=-6h")


async def test_without_javascript_the_same_is_there_as_tables(site: Site) -> None:
    """States, figures and every chart's numbers; the page renews itself."""
    async with site.page(390, java_script_enabled=False) as page:
        await page.goto(site.url + "/host")
        await page.locator("details summary", has_text="Table").first.click()

        assert await page.locator("table th", has_text="usage_user").first.is_visible()
        assert (
            await page.locator("noscript meta").count() + await page.locator('meta[http-equiv="refresh"]').count() >= 1
        )


async def test_keys_lead_around_and_the_theme_is_remembered(site: Site) -> None:
    """`?` helps, `h` goes to the host, `t` switches to dark and stays there; Tab meets the skip link first."""
    async with site.page(1440) as page:
        await site.open(page, "/")
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.className") == "skip"
        await page.keyboard.press("?")
        assert await page.locator("dialog[open]").is_visible()
        await page.keyboard.press("Escape")
        await page.keyboard.press("t")
        await page.keyboard.press("h")
        await page.wait_for_url("**/host")

        assert await page.evaluate("document.documentElement.dataset.theme") == "dark"


async def test_a_server_that_goes_away_is_noticed(tmp_path: Path) -> None:
    """E4: the page says since when it is not live, instead of showing old numbers as new."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = await browser.new_page()
        async with opswatch(tmp_path, "  []\n") as (url, link):
            await page.goto(link)
            await page.wait_for_url(url + "/")
            await page.wait_for_selector('.live[data-state="live"]', timeout=20_000)
            assert "opswatch add https://" in (await page.text_content("main") or "")
        await page.wait_for_selector('.live[data-state="stale"]', timeout=20_000)

        assert "not live since" in (await page.text_content("#live-text") or "")
        await browser.close()


async def test_hostile_bodies_and_the_policy_leave_nothing_to_run(site: Site) -> None:
    """No inline script can run on any page, even if one should get there."""
    async with site.page(1440) as page:
        await site.open(page, "/services/payments")
        await page.evaluate(
            "() => { const s = document.createElement('script');"
            " s.textContent = 'window.ran = 1'; document.body.append(s); }"
        )

        assert await page.evaluate("window.ran") is None
        assert json.dumps(site.complaints).count("Content Security Policy") == 1


async def test_a_section_of_nothing_is_not_there(site: Site) -> None:
    """What InfluxDB says of itself has no place beside the embedded store."""
    async with site.page(1440) as page:
        await site.open(page, "/status")
        titles = await page.locator("main section > h2:visible").all_inner_texts()
    assert [title.lower() for title in titles] == ["at a glance", "at work"]
