"""What stores refused, on the status page in a real browser: readable and harmless, whatever it is made of.

With OPSWATCH_SCREENSHOTS=1 the pictures are written to docs/images/; OPSWATCH_SCREENSHOTS=FOLDER writes them there.
"""

import asyncio
import math
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.async_api import async_playwright

from api.doors import DiskHealth
from collector.quarantine import Quarantine
from telemetry.points import Point
from telemetry.ports import Refused
from tests.api.world import NOW_NS, running
from tests.browser.axe import LOOKED_AT, complaints
from tests.browser.test_reports import ARGUMENTS, CHROMIUM, PICTURES, Site

LONG = ("warehouse-" + "inventory-reconciliation-" * 14)[:300]
HOSTILE = "<script>window.ran = 1</script>\u202egnp.exe\u2069\nnew line\x1b[31m"

pytestmark = [
    pytest.mark.skipif(
        CHROMIUM is None, reason="NOT PROVED: quarantine in a browser, because there is no chromium (Debian: chromium)"
    ),
    pytest.mark.timeout(180),
]

REFUSED = (
    (
        Point.of("mem", {"host": "web-1"}, {"used": 1.5}, NOW_NS),
        "push",
        'field type conflict: input field "used" on measurement "mem" is type float, already exists as type integer',
    ),
    (
        Point.of("orders", {"shop": "berlin", "id": "4711"}, {"total": 3}, NOW_NS),
        "push",
        (
            "orders has 10,000 tag sets, all that it may have; tag 'id' alone has 10,000 values:"
            " what is different each time belongs into a field"
        ),
    ),
    (Point.of("system", {"host": "web-1"}, {"load1": math.nan}, NOW_NS), "spool", "the spool cannot hold it: nan"),
    (Point.of(LONG, {LONG: LONG}, {"f": 1}, NOW_NS), "push", LONG),
    (Point.of(HOSTILE, {HOSTILE: HOSTILE}, {HOSTILE: HOSTILE}, NOW_NS), "push", HOSTILE),
    (Point.of("probe", {"service": "shop"}, {"message": "x" * 90_000}, NOW_NS), "store", "text of 90,000 characters"),
)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with running(tmp_path) as world, async_playwright() as playwright:
        quarantine = Quarantine(tmp_path / "quarantine", world.clock.clock)
        for number, (point, source, reason) in enumerate(REFUSED):
            world.clock.advance(timedelta(minutes=number))
            await asyncio.to_thread(quarantine.add, [Refused(point, reason)], source)
        with (tmp_path / "quarantine" / "points-20261124.jsonl").open("ab") as stream:
            stream.write(b'{"id": "half a li')
        (tmp_path / "metrics.duckdb.broken-20261124T110000Z").write_bytes(b"\x00" * 5_000)
        disk = DiskHealth(430_000_000, 10_000_000_000, 500_000_000, "low", 12)
        world.own[0] = replace(world.own[0], disk=disk, reasons=("disk_low",))
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield Site(world, browser, await world.log_in())
        await browser.close()


async def test_the_panel_is_readable_accessible_and_harmless(site: Site) -> None:
    """1440 and 390 pixels, light and dark: nothing overflows, axe finds nothing, nothing of what was refused runs."""
    for scheme in ("light", "dark"):
        for width in (1440, 390):
            async with site.page(width, scheme) as page:
                await site.open(page, "/status")
                assert await page.evaluate("document.documentElement.scrollWidth") <= width
                assert await page.evaluate("window.ran") is None
                panel = page.locator("article", has=page.locator("table.refused"))
                assert await panel.locator("tbody tr").count() == len(REFUSED) + 1
                if PICTURES:
                    await panel.screenshot(path=PICTURES / f"quarantine-{width}-{scheme}.png")
                    await page.screenshot(path=PICTURES / f"status-refused-{width}-{scheme}.png", full_page=True)
    for width, scheme in LOOKED_AT:
        async with site.page(width, scheme, bypass_csp=True) as page:
            await site.open(page, "/status")
            assert await complaints(page) == []

    assert site.complaints == []


async def test_what_was_refused_is_text_and_only_text(site: Site) -> None:
    """Marks are shown as they were sent; what turns text around is shown by its number, what was set aside by name."""
    async with site.page(1440) as page:
        await site.open(page, "/status")
        text = await page.locator("table.refused").inner_text()
        rows = await page.locator("table.refused tbody tr").all_inner_texts()
        aside = await page.locator("article", has=page.locator("table.refused")).inner_text()

    assert "<script>window.ran = 1</script>\\u202egnp.exe\\u2069\\u000anew line\\u001b[31m" in text
    assert "\u202e" not in text
    assert "this entry cannot be read" in rows[0]
    assert "metrics.duckdb.broken-20261124T110000Z" in aside
