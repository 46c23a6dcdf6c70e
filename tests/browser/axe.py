"""axe-core in a page, where nothing that it finds is taken."""

from pathlib import Path

from playwright.async_api import Page

_SCRIPT = Path(__file__).resolve().parents[2] / "node_modules" / "axe-core" / "axe.min.js"
# What axe finds depends on the colours or on the width: each of both once.
LOOKED_AT = ((1440, "light"), (390, "dark"))


async def complaints(page: Page) -> list[tuple[str, str]]:
    """What axe finds: the rule and the first element. The page must be opened with `bypass_csp`."""
    await page.add_script_tag(path=_SCRIPT)
    found = (await page.evaluate("axe.run()"))["violations"]
    return [(one["id"], one["nodes"][0]["html"]) for one in found]
