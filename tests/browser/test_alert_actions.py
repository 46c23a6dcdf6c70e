"""What people do with alerts and incidents in a real browser: by keyboard, on a phone, live, without JavaScript.

With OPSWATCH_SCREENSHOTS=1 the pictures are written to docs/images/; OPSWATCH_SCREENSHOTS=FOLDER writes them there.
"""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright

from alerting.ledger import Action, PersonAction
from alerting.rule_status import RulesStanding
from api.doors import Doors, RuleDesk
from tests.api.alert_story import incident_of, tell
from tests.api.world import running
from tests.browser.axe import LOOKED_AT, complaints
from tests.browser.test_reports import ARGUMENTS, CHROMIUM, PICTURES, Site

pytestmark = [
    pytest.mark.skipif(
        CHROMIUM is None,
        reason="NOT PROVED: the pages of alerts in a browser, because there is no chromium (Debian: chromium)",
    ),
    pytest.mark.timeout(180),
]


class Evaluated:
    """Rules that look as if they were evaluated by themselves; here the test does it."""

    def __init__(self, rules: RuleDesk) -> None:
        self._rules = rules

    def standing(self) -> RulesStanding:
        return replace(self._rules.standing(), enabled=True)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    def evaluated(doors: Doors) -> Doors:
        return replace(doors, rules=Evaluated(doors.rules))  # type: ignore[arg-type]  # nothing is reloaded here

    async with running(tmp_path, change=evaluated) as world, async_playwright() as playwright:
        await tell(world)
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield Site(world, browser, await world.log_in("operator"))
        await browser.close()


async def pages(site: Site) -> dict[str, str]:
    """What is looked at."""
    return {
        "alerts-now": "/alerts",
        "incident": f"/incidents/{await incident_of(site.world, 'service_health', 'checkout')}",
        "incident-share": f"/incidents/{await incident_of(site.world, 'app_error_rate')}",
        "incident-forecast": f"/incidents/{await incident_of(site.world, 'mount_fills')}",
        "incident-long-name": f"/incidents/{await incident_of(site.world, 'load_high')}",
        "incident-over": "/incidents/2",
        "service-with-incidents": "/services/checkout",
        "host-with-incidents": "/host?start=-40m",
    }


async def opened(page: Page) -> None:
    """Everything that is folded away is open, so that it is looked at too."""
    await page.evaluate("document.querySelectorAll('main details:not(.custom)').forEach((one) => { one.open = true; })")


async def test_the_pages_are_readable_accessible_and_quiet(site: Site) -> None:
    """1440 and 390 pixels, light and dark: nothing overflows, axe finds nothing, nothing hostile runs."""
    paths = await pages(site)
    for scheme in ("light", "dark"):
        for width in (1440, 390):
            async with site.page(width, scheme) as page:
                for name, path in paths.items():
                    await site.open(page, path)
                    if PICTURES and name in {"alerts-now", "incident-share"}:
                        await page.screenshot(path=PICTURES / f"{name}-{width}-{scheme}.png", full_page=True)
                    await opened(page)
                    assert await page.evaluate("document.documentElement.scrollWidth") <= width, (name, width)
                    assert await page.evaluate("window.ran") is None
    for width, scheme in LOOKED_AT:
        async with site.page(width, scheme, bypass_csp=True) as page:
            for name, path in paths.items():
                await site.open(page, path)
                await opened(page)
                assert await complaints(page) == [], name

    assert site.complaints == []


async def test_a_phone_has_no_table_beside_the_screen(site: Site) -> None:
    """Every cell of every alert is within 390 pixels, without scrolling sideways."""
    async with site.page(390) as page:
        for path in ("/alerts", "/incidents/6"):
            await site.open(page, path)
            beyond = await page.evaluate(
                "[...document.querySelectorAll('.alerts td, .alerts tbody th, .timeline li')]"
                ".filter((cell) => cell.getBoundingClientRect().right > innerWidth && cell.offsetParent)"
                ".map((cell) => cell.textContent)"
            )
            assert beyond == []


async def test_from_the_head_of_a_page_to_an_incident_that_is_acknowledged(site: Site) -> None:
    """By keyboard alone: `a`, the worst that nobody looks after, a comment, Enter; and the counts follow."""
    async with site.page(1440) as page:
        await site.open(page, "/")
        assert (await page.locator(".firing").inner_text()).split() == ["4", "critical", "1", "warning"]
        await page.keyboard.press("a")
        await page.wait_for_url("**/alerts")
        await page.wait_for_selector("html[data-ready]")
        link = page.locator("table.alerts").first.get_by_role("link", name="22.8 % of the events of checkout fail")
        await link.focus()
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/incidents/5")
        await page.locator("form.ack input").focus()
        await page.keyboard.type("it is the release, rolling back")
        await page.keyboard.press("Enter")
        await page.get_by_text("acknowledged by operator").first.wait_for()

        await page.locator(".u-over").wait_for()

        assert page.url.endswith("/incidents/5")
        assert "it is the release, rolling back" in await page.locator(".timeline").inner_text()
    assert site.complaints == []


async def test_what_is_typed_stays_when_it_cannot_be_done_and_the_page_is_live_all_the_same(site: Site) -> None:
    """A time that is over: the page says so, keeps the comment, and goes on to be renewed."""
    async with site.page(1440) as page:
        await site.open(page, "/incidents/5")
        await page.locator("form.snooze input[name=at]").fill("2020-01-01T10:00")
        await page.locator("form.snooze input[name=comment]").fill("until the release")
        await page.get_by_role("button", name="Snooze").click()
        await page.get_by_role("alert").wait_for()
        await page.wait_for_selector("html[data-ready]")

        assert "a time that is still to come" in await page.get_by_role("alert").inner_text()
        assert await page.locator("form.snooze input[name=comment]").input_value() == "until the release"
        assert site.world.alerting is not None
        await site.world.alerting.act(5, PersonAction(Action.ASSIGN, "ada", "", None, "hedy"), site.world.clock.wall)
        await page.locator("dl.facts", has_text="hedy").wait_for()
        assert await page.locator("form.snooze input[name=comment]").input_value() == "until the release"


async def test_alerts_and_counts_follow_without_the_page_being_loaded_again(site: Site) -> None:
    """What ends goes, and so does its number in the head; what somebody types into the filters stays."""
    async with site.page(1440) as page:
        await site.open(page, "/alerts")
        await page.evaluate("window.stays = true")
        await page.locator("input[name=rule]").fill("load_hi")
        await page.wait_for_selector('.live[data-state="live"]')
        assert site.world.alerting is not None
        act = PersonAction(Action.CLOSE, "ada", "it was a test")
        await site.world.alerting.act(5, act, site.world.clock.wall)
        await page.locator(".firing", has_text="3").wait_for()
        await page.locator(".history", has_text="closed by ada: it was a test").wait_for()

        assert await page.evaluate("window.stays") is True
        assert await page.locator("input[name=rule]").input_value() == "load_hi"


async def test_marks_follow_what_happens(site: Site) -> None:
    """An incident that ends while its service's page is open ends in the charts too."""
    async with site.page(1440) as page:
        await site.open(page, "/services/checkout")
        marks = "JSON.parse(document.querySelector('.plot').dataset.marks).map((one) => one.stop === null)"
        assert await page.evaluate(marks) == [True]
        assert site.world.alerting is not None
        act = PersonAction(Action.CLOSE, "ada", "it was a test")
        await site.world.alerting.act(6, act, site.world.clock.wall)
        await page.wait_for_function(f"() => {marks}[0] === false")

        assert await page.evaluate(marks) == [False]


async def test_a_closer_look_at_the_trend_and_back(site: Site) -> None:
    """Dragging over the chart leads to its part, which is in the address; "Whole incident" leads back."""
    async with site.page(1440) as page:
        await site.open(page, "/incidents/5")
        box = await page.locator(".u-over").bounding_box()
        assert box is not None
        await page.mouse.move(box["x"] + 200, box["y"] + 40)
        await page.mouse.down()
        await page.mouse.move(box["x"] + 500, box["y"] + 40, steps=5)
        await page.mouse.up()
        await page.wait_for_url("**/incidents/5?start=2*&stop=2*")
        await page.wait_for_selector("html[data-ready]")
        await page.locator(".u-over").wait_for()
        await page.get_by_role("link", name="Whole incident").click()
        await page.wait_for_url(lambda url: url.endswith("/incidents/5"))


async def test_all_of_it_works_without_javascript(site: Site) -> None:
    """Narrow the history, open an incident, write a note, snooze it."""
    async with site.page(390, java_script_enabled=False) as page:
        await page.goto(site.world.url + "/alerts")
        await page.locator("select[name=severity]").select_option("warning")
        await page.locator("input[name=start]").fill("-1h")
        await page.get_by_role("button", name="Show").click()
        assert "severity=warning" in page.url
        assert await page.locator("table.history tbody tr").count() == 3
        await page.locator("table.history").get_by_role("link", name="The load of warehouse").click()
        await page.locator("form.note textarea").fill("two lines\nof a note")
        await page.get_by_role("button", name="Add the note").click()
        await page.locator("form.snooze select").select_option("4h")
        await page.get_by_role("button", name="Snooze").click()

        assert "two lines\nof a note" in await page.locator(".timeline").inner_text()
        assert "Snoozed until" in await page.locator("dl.facts").inner_text()
        await page.locator("summary", has_text="Table").click()
        assert "still open" in await page.locator("table.marks").inner_text()
    assert site.complaints == []
