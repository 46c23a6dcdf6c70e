"""Silences, maintenance, duty, messages and links in a real browser: readable, harmless, good without a script."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.async_api import async_playwright

from alerting.duty import Override
from alerting.label_match import LabelMatch
from alerting.silences import OverrideDraft, SilenceDraft, WindowDraft
from alerting.windows import Once, Window
from api.keys import DOORS
from telemetry.times import from_datetime
from tests.api.world import ROTATION, World, running
from tests.browser.test_alert_pages import HOSTILE, LONG, a_night
from tests.browser.test_reports import ARGUMENTS, AXE, CHROMIUM, PICTURES, Site

pytestmark = [
    pytest.mark.skipif(
        CHROMIUM is None, reason="NOT PROVED: telling in a browser, because there is no chromium (Debian: chromium)"
    ),
    pytest.mark.timeout(180),
]


async def told(world: World) -> str:
    """A night of which people were told; the path of the link in the first message."""
    assert world.telling is not None
    await a_night(world)
    now = world.clock.wall
    await world.telling.notify_once()
    world.clock.advance(timedelta(seconds=11))
    await world.telling.notify_once()
    await world.telling.idle()
    await world.telling.test("ops-mail", "ada")
    draft = SilenceDraft(LabelMatch.of({"host": ["web-1", LONG]}), now, now + timedelta(hours=2), HOSTILE)
    await world.state.silences.add(draft, "ada", now)
    once = Once(from_datetime(now), from_datetime(now + timedelta(days=1)))
    window = Window("disks", LabelMatch.of({"host": "web-2"}), 0, ROTATION.zone, once)
    await world.state.maintenance.add(WindowDraft(window, "new disks"), "ada", now)
    override = Override(from_datetime(now), from_datetime(now + timedelta(hours=12)), "anna")
    await world.state.duty.add(OverrideDraft("on-duty", override, "ben is ill"), "ada", now)
    lines = await world.state.explanations.deliveries(10, "hook", "", None)
    whole: str = world.app[DOORS].links.link(lines[-1].identifier, "hook", "ack")  # type: ignore[attr-defined]
    return whole.removeprefix("http://ops.example")


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with running(tmp_path) as world, async_playwright() as playwright:
        world.tokens["link"] = await told(world)
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield Site(world, browser, await world.log_in("operator"))
        await browser.close()


async def test_the_pages_are_readable_accessible_and_harmless(site: Site) -> None:
    """1440 and 390 pixels, light and dark: nothing overflows, axe finds nothing, nothing that was sent runs."""
    pages = (
        ("silences", "/silences?match=host%3Dweb-1"),
        ("silence-edit", "/silences?edit=1"),
        ("maintenance", "/maintenance"),
        ("duty", "/duty"),
        ("messages", "/messages"),
        ("incident-why", "/incidents/1"),
        ("link", site.world.tokens["link"]),
    )
    for scheme in ("light", "dark"):
        for width in (1440, 390):
            async with site.page(width, scheme) as page:
                for name, path in pages:
                    await page.goto(site.world.url + path)
                    assert await page.evaluate("document.documentElement.scrollWidth") <= width, (name, width)
                    assert await page.evaluate("window.ran") is None
                    if PICTURES:
                        await page.screenshot(path=PICTURES / f"{name}-{width}-{scheme}.png", full_page=True)
            async with site.page(width, scheme, bypass_csp=True) as page:
                for name, path in pages:
                    await page.goto(site.world.url + path)
                    await page.add_script_tag(path=AXE)
                    violations = (await page.evaluate("axe.run()"))["violations"]
                    assert [(name, one["id"], one["nodes"][0]["html"]) for one in violations] == []
    assert site.complaints == []


async def test_a_silence_is_looked_at_made_changed_and_ended(site: Site) -> None:
    """Without a script: what it would mute is shown before; somebody who changed it meanwhile is not overruled."""
    url = site.world.url
    async with site.page(1440, java_script_enabled=False) as page:
        await page.goto(f"{url}/silences")
        await page.fill("textarea[name=match]", "host=web-1")
        await page.get_by_role("button", name="Show what it would mute").click()
        assert "It would mute 1 of" in await page.locator(".editor .notice").inner_text()
        await page.get_by_role("button", name="Silence", exact=True).click()
        await page.wait_for_url(f"{url}/silences*")
        assert await page.locator("tbody tr").count() == 2
        await page.goto(f"{url}/silences?edit=2")
        now = site.world.clock.wall
        draft = SilenceDraft(LabelMatch.of({"host": "a"}), now, now + timedelta(hours=1))
        await site.world.state.silences.change(2, 1, draft, "ben", now)
        await page.fill("input[name=comment]", "mine")
        await page.get_by_role("button", name="Change it").click()
        assert "That was not done" in await page.locator("[role=alert]").inner_text()
        await page.goto(f"{url}/silences")
        await page.locator("tr", has_text="host=a").get_by_role("button", name="End now").click()
        assert await page.locator("tbody tr").count() == 1
        await page.get_by_role("button", name="Silence", exact=True).click()
        assert "or tick that everything is" in await page.locator("[role=alert]").inner_text()


async def test_a_window_is_planned_and_somebody_steps_in(site: Site) -> None:
    """By forms; what is wrong is told, and what was typed stays."""
    url = site.world.url
    async with site.page(1440, java_script_enabled=False) as page:
        await page.goto(f"{url}/maintenance")
        await page.fill("input[name=name]", "weekly")
        await page.fill("textarea[name=match]", "service=checkout")
        await page.check("input[value=weekly]")
        await page.fill("input[name=days]", "sat, sonntag")
        await page.fill("input[name=at]", "03:00")
        await page.get_by_role("button", name="Plan it").click()
        assert "weekly.days" in await page.locator("[role=alert]").inner_text()
        await page.fill("input[name=days]", "sat, sun")
        await page.get_by_role("button", name="Plan it").click()
        await page.wait_for_url(f"{url}/maintenance*")
        assert "every sat, sun at 03:00 for 1h" in await page.locator("tbody").inner_text()
        await page.goto(f"{url}/duty")
        await page.get_by_text("Step in").first.click()
        await page.select_option("select[name=person]", "ben")
        await page.get_by_role("button", name="Step in").click()
        await page.wait_for_url(f"{url}/duty")
        assert "ben is on duty" in await page.locator(".on-duty").inner_text()


async def test_a_receiver_is_tried_and_a_link_acknowledges(site: Site) -> None:
    """The answer is shown; the button behind the link works once, without a login."""
    url = site.world.url
    async with site.page(390, java_script_enabled=False) as page:
        await page.goto(f"{url}/messages")
        await page.locator("tr", has_text="hook").get_by_role("button", name="Send a test").first.click()
        assert "200 thanks" in await page.locator("#tried + article").inner_text()
        await page.context.clear_cookies()
        await page.goto(url + site.world.tokens["link"])
        await page.get_by_role("button", name="Acknowledge").click()
        assert "Acknowledged:" in await page.locator("h1").inner_text()
        await page.goto(url + site.world.tokens["link"])
        assert "this link works once" in await page.locator("main").inner_text()


async def test_a_viewer_sees_everything_and_can_do_nothing(site: Site) -> None:
    """No form that would be refused."""
    site.cookie = await site.world.log_in("viewer")
    async with site.page(1440) as page:
        for path in ("/silences", "/maintenance", "/duty", "/messages"):
            await page.goto(site.world.url + path)
            assert await page.locator("main form[method=post]").count() == 0


async def test_the_lines_of_a_table_go_through(site: Site) -> None:
    """Every cell of a row ends where its neighbours do, also the one with buttons."""
    bottoms = "[...row.cells].map(cell => Math.round(cell.getBoundingClientRect().bottom))"
    ends = f"[...document.querySelectorAll('tbody tr')].map(row => {bottoms})"
    async with site.page(1440) as page:
        for path in ("/silences", "/maintenance"):
            await page.goto(site.world.url + path)
            rows = await page.evaluate(ends)
            assert rows
            assert all(len(set(row)) == 1 for row in rows), path


async def test_a_reason_to_step_in_that_is_one_long_word_is_broken(site: Site) -> None:
    """The page of duty does not get wider than the screen."""
    now = site.world.clock.wall
    override = Override(from_datetime(now + timedelta(days=1)), from_datetime(now + timedelta(days=2)), "ben")
    await site.world.state.duty.add(OverrideDraft("on-duty", override, "w" * 3_000), "a" * 90, now)
    async with site.page(390) as page:
        await page.goto(f"{site.world.url}/duty")
        assert await page.evaluate("document.documentElement.scrollWidth") <= 390


async def test_a_fault_beside_a_field_leaves_its_neighbour_as_it_was(site: Site) -> None:
    """No field gets taller for the words beside it."""
    async with site.page(1440) as page:
        await page.goto(f"{site.world.url}/maintenance")
        length = page.locator("input[name=duration]")
        before = await length.evaluate("field => field.offsetHeight")
        await page.fill("input[name=name]", "weekly")
        await page.fill("textarea[name=match]", "service=checkout")
        await page.fill("input[name=time_zone]", "Mars/Utopia")
        await page.get_by_role("button", name="Plan it").click()
        assert "is not a time zone" in await page.locator(".fault").inner_text()
        assert await length.evaluate("field => field.offsetHeight") == before
